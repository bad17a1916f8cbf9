/** What a handler does in a process of its own: its bundle, its end by SIGTERM, its stream. */

import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createHandler } from './create-handler.ts';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const evil = here('../../../tests/fixtures/evil-server.mjs');
let folder = '';
let bundle = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroplane-bundle-'));
  bundle = join(folder, 'handler.mjs');
  const { outputFiles } = await build({
    stdin: {
      contents: `import { createHandler } from ${JSON.stringify(here('../../wrapper.ts'))};
        export const handler = createHandler({ command: process.execPath, args: [${JSON.stringify(evil)}], name: 'x' });`,
      resolveDir: folder,
    },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
  });
  await writeFile(bundle, outputFiles[0]?.contents ?? '');
});
afterAll(() => rm(folder, { recursive: true }));

const isAlive = (pid: number): boolean => {
  const { status, stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return status === 0 && !stdout.startsWith('Z');
};

test('the bundle of a handler is under 60 kB and has nothing of a library', async () => {
  const bytes = await readFile(bundle);
  expect(gzipSync(bytes).length).toBeLessThan(60_000);
  const imported = [...bytes.toString('utf8').matchAll(/(?:from|import)\s*\(?"([^"]+)"/g)].map(([, name = '']) => name);
  expect(imported.filter((name) => !name.startsWith('node:'))).toEqual([]);
});

test('SIGTERM ends the children first, then the process', async () => {
  const script = `const { handler } = await import(${JSON.stringify(bundle)});
    const answer = await handler({ method: 'tools/call', params: { name: 'grandchild', arguments: {} } });
    console.log(JSON.stringify([...handler.pids(), Number(JSON.parse(answer.body).content[0].text)]));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pids = await new Promise<number[]>((resolve) => {
    child.stdout.once('data', (chunk: Buffer) => resolve(JSON.parse(chunk.toString('utf8')) as number[]));
  });
  expect(pids).toHaveLength(2);
  const exited = new Promise<string | null>((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
  child.kill('SIGTERM');
  expect(await exited).toBe('SIGTERM');
  expect(pids.filter(isAlive)).toEqual([]);
});

test('a server that is started with the function is ready for the first tenant that comes', async () => {
  const handler = createHandler({ command: process.execPath, args: [evil], name: 'x', start: 'init' });
  await expect.poll(() => handler.pids().length, { timeout: 5_000 }).toBe(1);
  const [pid] = handler.pids();
  const event = { method: 'tools/call', params: { name: 'pid', arguments: {} } };
  const context = { clientContext: { custom: { zeroplaneTenant: 'a' } } };
  const { body } = (await handler(event, context)) as { body: string };
  expect((JSON.parse(body) as { content: { text: string }[] }).content[0]?.text).toBe(String(pid));
  await handler.close();
});

function collecting(): { readonly chunks: string[]; write(text: string): boolean; end(): void; ended: boolean } {
  const chunks: string[] = [];
  return {
    chunks,
    ended: false,
    write: (text) => chunks.push(text) > 0,
    end() {
      this.ended = true;
    },
  };
}

test('F-43: a stream whose time is up ends with an event that says so', async () => {
  const handler = createHandler({ command: process.execPath, args: [evil], name: 'x', streaming: true });
  const stream = collecting();
  const end = performance.now() + 1_300;
  const event = {
    version: '2.0',
    requestContext: { http: { method: 'POST' } },
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hang","arguments":{}}}',
  };
  await handler(event, stream, { getRemainingTimeInMillis: () => end - performance.now() });
  expect(stream.ended).toBe(true);
  expect(stream.chunks.join('')).toMatch(/"isError":true/);
  await handler.close();
});

test('3.2: a caller who closes the stream cancels the call', async () => {
  const log = join(folder, 'cancelled');
  const env = { EVIL_LOG: log };
  const handler = createHandler({ command: process.execPath, args: [evil], name: 'x', streaming: true, env });
  const listeners: (() => void)[] = [];
  const stream = { ...collecting(), on: (_event: 'close', listener: () => void) => listeners.push(listener) };
  const event = {
    version: '2.0',
    requestContext: { http: { method: 'POST' } },
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hang","arguments":{}}}',
  };
  const answer = handler(event, stream, { getRemainingTimeInMillis: () => 20_000 });
  await expect.poll(() => handler.pids().length, { timeout: 5_000 }).toBe(1);
  await expect.poll(() => readFile(log, 'utf8').catch(() => ''), { timeout: 5_000 }).toContain('initialized');
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (const close of listeners) close();
  await answer;
  await expect.poll(() => readFile(log, 'utf8'), { timeout: 5_000 }).toContain('notifications/cancelled');
  await handler.close();
});

test('a direct event is answered into the stream too', async () => {
  const handler = createHandler({ command: process.execPath, args: [evil], name: 'x', streaming: true });
  const stream = collecting();
  await handler({ jsonrpc: '2.0', id: 1, method: 'ping' }, stream, {});
  expect(JSON.parse(stream.chunks.join(''))).toEqual({ jsonrpc: '2.0', id: 1, result: {} });
  await handler.close();
});
