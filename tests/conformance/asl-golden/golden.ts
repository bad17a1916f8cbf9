/** A machine with what it must do, literally. Each says which fact of the language or of Step Functions it holds. */

import type { JsonValue } from '../../../src/core/ports.ts';
import type { RunOptions } from './run-machine.ts';

export interface Golden {
  readonly name: string;
  /** The fact, in our words, and where it is said: `spec` is states-language.net, `guide` the developer guide. */
  readonly fact: string;
  readonly machine: JsonValue;
  readonly input?: JsonValue;
  readonly functions?: RunOptions['functions'];
  readonly expect:
    | { readonly output: JsonValue }
    | { readonly error: string; readonly cause?: string | RegExp; readonly failedPath?: string };
  /** Names of the durable operations, in any order. */
  readonly operations?: readonly string[];
  /** Idempotency keys (behind the execution) and attempts of the calls, in any order. */
  readonly calls?: readonly (readonly [string, number])[];
}

/** A machine of one state. */
export function single(state: JsonValue, extra: { readonly [key: string]: JsonValue } = {}): JsonValue {
  return { ...extra, StartAt: 'S', States: { S: { ...(state as object), End: true } as JsonValue } };
}
