/** What is wrong with a definition, all of it at once. */

import type { JsonValue } from '../../core/ports.ts';

export type ProblemCode = 'WORKFLOW_INVALID' | 'WORKFLOW_UNSUPPORTED';

export interface Problem {
  readonly code: ProblemCode;
  /** `undefined` for the machine as a whole. */
  readonly state: string | undefined;
  /** JSON pointer into the definition. */
  readonly pointer: string;
  readonly message: string;
  /** What to do about it. */
  readonly next: string;
  /** Both count from 1; present when the problem is one of the text. */
  readonly line?: number;
  readonly column?: number;
}

/** A place in a definition: which state, and where in the text. */
export interface Place {
  readonly state: string | undefined;
  readonly pointer: string;
  readonly line?: number;
  readonly column?: number;
}

/** A place further in. */
export function inside(place: Place, ...keys: readonly (string | number)[]): Place {
  const escaped = keys.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`);
  return { state: place.state, pointer: place.pointer + escaped.join('') };
}

/** As many as anybody will read. */
const MOST = 200;

export class Problems {
  readonly found: Problem[] = [];

  invalid(place: Place, message: string, next: string): void {
    this.#add('WORKFLOW_INVALID', place, { message, next });
  }

  unsupported(place: Place, message: string, next: string): void {
    this.#add('WORKFLOW_UNSUPPORTED', place, { message, next });
  }

  #add(code: ProblemCode, place: Place, words: { message: string; next: string }): void {
    if (this.found.length < MOST) this.found.push({ code, ...place, ...words });
  }
}

/** A value in a message: short, and on one line. */
export function shown(value: JsonValue | undefined): string {
  const text = JSON.stringify(value ?? null);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
