/**
 * Evaluates JSONata within bounds, in this thread. The evaluator runs in a realm of its own whose promises settle
 * before a call returns, so one watchdog ends whatever it does, native loops and regular expressions included, and
 * evaluation is synchronous for us. Steps, depth, strings and arrays are bounded as well, which ends most of what
 * explodes at the same place every time. Nothing of our realm is reachable from an expression.
 */

import { createHash, randomInt, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createContext, Script } from 'node:vm';
import type { Context } from 'node:vm';
import type { JsonValue } from '../../core/ports.ts';

const LIMITS = {
  /** Nodes that are evaluated, each function call and operator being one. */
  steps: 200_000,
  /** Nesting of evaluation; recursion in tail position does not nest. */
  stack: 400,
  /** Nesting of a result. */
  depth: 100,
  /** Items of any array on the way. */
  items: 100_000,
  /** Characters of any string on the way: twice what a state may put out. */
  characters: 524_288,
  /** Characters of a result; the limit of the language is smaller and is checked where a state ends. */
  result: 1_048_576,
} as const;

/** What a native loop may take: far more than the steps above need, so that it ends nothing that could have ended. */
const TIMEOUT_MS = 2000;

const HASHES: ReadonlyMap<string, string> = new Map([
  ['MD5', 'md5'],
  ['SHA-1', 'sha1'],
  ['SHA-256', 'sha256'],
  ['SHA-384', 'sha384'],
  ['SHA-512', 'sha512'],
]);

export interface JsonataRequest {
  /** JSON whose strings `{% … %}`, at any depth, are expressions. */
  readonly template: JsonValue;
  /** Values of variables, `states` among them. */
  readonly bindings: Readonly<Record<string, JsonValue>>;
  /** Name of the field that the template stands in, for messages. */
  readonly field: string;
}

export type JsonataAnswer =
  | { readonly value: JsonValue }
  | { readonly isTooLarge: true }
  | { readonly failed: JsonataFailure };

export interface JsonataFailure {
  readonly field: string;
  readonly expression?: string;
  readonly message?: string;
  /** The expression is well and has no value. */
  readonly isUndefined?: boolean;
}

const CALL = new Script('serve()');

let guest: Context | undefined;

/** Evaluates every expression of a template. Never throws for what an expression does. */
export function evaluateTemplate(request: JsonataRequest): JsonataAnswer {
  guest ??= makeGuest();
  const realm = guest;
  realm['request'] = JSON.stringify({ ...request, seed: randomInt(2 ** 31) });
  try {
    CALL.runInContext(realm, { timeout: TIMEOUT_MS });
    const text = realm['answer'] as string;
    return JSON.parse(text) as JsonataAnswer;
  } catch (error) {
    // What was cut off may have left promises behind, which would run in the next call.
    guest = undefined;
    return { failed: { field: request.field, message: why(error) } };
  }
}

function why(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  if (code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return `the evaluation takes longer than ${TIMEOUT_MS} ms`;
  return `the evaluation broke off: ${String((error as { message?: unknown } | null)?.message ?? error).slice(0, 200)}`;
}

function hash(text: string, name: string): string {
  const algorithm = HASHES.get(name);
  return algorithm === undefined ? '' : createHash(algorithm).update(text).digest('hex');
}

let scripts: readonly Script[] | undefined;

function makeGuest(): Context {
  scripts ??= readScripts();
  const realm = createContext(
    { host: { hash, uuid: () => randomUUID(), limits: { ...LIMITS } } },
    { microtaskMode: 'afterEvaluate', codeGeneration: { strings: false, wasm: false } },
  );
  for (const script of scripts) script.runInContext(realm);
  return realm;
}

function readScripts(): readonly Script[] {
  const library = createRequire(import.meta.url).resolve('jsonata');
  const text = readFileSync(library, 'utf8');
  const asFunction = `(function () { const module = { exports: {} }; (function (module, exports) {${text}\n})(module, module.exports); host.jsonata = module.exports; })()`;
  return [
    new Script(asFunction, { filename: library }),
    new Script(readFileSync(new URL('./jsonata-guest.cjs', import.meta.url), 'utf8'), {
      filename: 'jsonata-guest.cjs',
    }),
    new Script('delete globalThis.host'),
  ];
}
