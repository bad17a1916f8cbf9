/**
 * The thread that evaluates JSONata; `jsonata-sandbox.ts` starts it, hands it one request at a time and waits. The
 * evaluator lives in a realm of its own within this thread, from which nothing of Node can be reached.
 */
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createContext, Script } from 'node:vm';
import { workerData } from 'node:worker_threads';

const { port, signal, limits } = workerData;
const flag = new Int32Array(signal);
const HASHES = { MD5: 'md5', 'SHA-1': 'sha1', 'SHA-256': 'sha256', 'SHA-384': 'sha384', 'SHA-512': 'sha512' };

/** Empty for an algorithm that there is not. */
function hash(text, name) {
  return Object.hasOwn(HASHES, name) ? createHash(HASHES[name]).update(text).digest('hex') : '';
}

function makeRealm() {
  const library = createRequire(import.meta.url).resolve('jsonata');
  const body = readFileSync(library, 'utf8');
  const text = `(function () { const module = { exports: {} }; (function (module, exports) {${body}\n})(module, module.exports); host.jsonata = module.exports; })()`;
  const guest = new URL('jsonata-guest.mjs', import.meta.url);
  const realm = createContext(
    { host: { hash, uuid: () => randomUUID(), limits } },
    { codeGeneration: { strings: false, wasm: false } },
  );
  new Script(text, { filename: library }).runInContext(realm);
  new Script(readFileSync(guest, 'utf8'), { filename: guest.href }).runInContext(realm);
  new Script('delete globalThis.host').runInContext(realm);
  return realm;
}

function tell() {
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
}

const realm = makeRealm();
const call = new Script('serve()');

port.on('message', (request) => {
  realm.request = request;
  void Promise.resolve(call.runInContext(realm)).then((answer) => {
    port.postMessage(String(answer));
    tell();
  });
});

port.postMessage('ready');
tell();
