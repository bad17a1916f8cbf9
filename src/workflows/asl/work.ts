/**
 * How much a state may do at once. What a machine computes between two durable operations keeps everybody waiting who
 * shares its thread, and a definition of a megabyte over data of 256 KiB could go on for minutes. A unit is a value
 * that is looked at, or sixteen characters of text: some 50 ns.
 */

import { STATES, StatesError } from './states-error.ts';

/** Of one attempt of a state: a quarter of a second. */
const MOST = 5_000_000;

/** After so much in a row a lane pauses: a hundredth of a second, and some 4 MiB of events that are not stored. */
export const PAUSE_AFTER = 250_000;

/** What passing from state to state takes by itself. */
const TRANSITION = 200;

const CHARACTERS_PER_UNIT = 16;

/** The work of one attempt; the same in every replay. */
export class Work {
  #units = TRANSITION;

  get units(): number {
    return this.#units;
  }

  /** @throws StatesError `States.Runtime`, which nothing catches. */
  values(count = 1): void {
    this.#units += count;
    if (this.#units > MOST)
      throw new StatesError(
        STATES.runtime,
        `One state looks at more than ${MOST} values or characters. Give it less data, or split it.`,
      );
  }

  /** @throws as {@link values}. */
  text(length: number): void {
    this.values(Math.ceil(length / CHARACTERS_PER_UNIT));
  }
}
