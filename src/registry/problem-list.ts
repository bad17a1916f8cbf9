/** What is wrong with a registration: every problem at once, each with the field it is about. */

import { PlatformError } from '../core/errors.ts';

export interface FieldProblem {
  /** `parameters.properties.city`, empty for the body itself. */
  readonly path: string;
  readonly message: string;
}

const MAX_PROBLEMS = 50;

export class ProblemList {
  readonly #problems: FieldProblem[] = [];

  add(path: string, message: string): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push({ path: path.slice(0, 300), message });
  }

  get isEmpty(): boolean {
    return this.#problems.length === 0;
  }

  get problems(): readonly FieldProblem[] {
    return this.#problems;
  }

  /** @throws PlatformError `REGISTRATION_INVALID` with every problem in `details.problems`. */
  throwIfAny(): void {
    const [first] = this.#problems;
    if (first === undefined) return;
    const where = first.path === '' ? 'The body' : `Field "${first.path}"`;
    const more = this.#problems.length === 1 ? '' : ` (and ${this.#problems.length - 1} more)`;
    throw new PlatformError('REGISTRATION_INVALID', `${where} ${first.message}${more}. Correct it and send it again.`, {
      problems: this.#problems,
    });
  }
}
