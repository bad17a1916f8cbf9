/** How much data a state may take in and put out. */

import type { JsonValue } from '../../core/ports.ts';
import { isLargerThan } from './json-size.ts';
import type { Work } from './work.ts';
import { STATES, StatesError } from './states-error.ts';

/** Bytes of JSON text in UTF-8 that a state's input, output, task payload or result may have. */
export const LARGEST = 262_144;

/**
 * The JSON text of a value that may be passed on.
 *
 * @throws StatesError `States.DataLimitExceeded`, which no wildcard catches.
 */
export function dataOf(value: JsonValue, what: string, work?: Work): string {
  if (isLargerThan(value, LARGEST, work)) throw tooLarge(what);
  const text = JSON.stringify(value);
  work?.text(text.length);
  // Characters are bytes at least, and at most three bytes each, so most texts need no counting.
  const isTooLarge = text.length > LARGEST || (text.length * 3 > LARGEST && Buffer.byteLength(text) > LARGEST);
  if (!isTooLarge) return text;
  throw tooLarge(what);
}

function tooLarge(what: string): StatesError {
  return new StatesError(STATES.dataLimit, `${what} is larger than ${LARGEST} bytes, the most that a state may have.`);
}
