/**
 * Memory for large request bodies, shared by all connections. Beyond it a request is refused in words and can be sent
 * again; without it V8 ends the process, and everybody's calls with it.
 */

import type { ServerResponse } from 'node:http';
import { getHeapStatistics } from 'node:v8';
import { PlatformError } from '../core/errors.ts';

/** Bodies up to this size are not counted: the cap on requests in flight bounds them well enough. */
export const SMALL_BODY_BYTES = 65_536;
/** About how often a body exists between its arrival and the end of its call: bytes, text, line, answer, their pieces. */
const COPIES = 8;

export class BodyBudget {
  readonly #bytes: number;
  #reserved = 0;

  /** @param bytes - Of bodies in flight; by default what the heap of this process can bear. */
  constructor(bytes = Math.floor(getHeapStatistics().heap_size_limit / COPIES)) {
    this.#bytes = bytes;
  }

  /**
   * Sets memory aside until the exchange is over. A body that is larger than all of the budget may come alone.
   *
   * @throws PlatformError `OVERLOADED`.
   */
  reserve(bytes: number, response: ServerResponse): void {
    if (this.#reserved > 0 && this.#reserved + bytes > this.#bytes)
      throw new PlatformError('OVERLOADED', 'Too many large requests are in flight. Try again in a moment.', {
        retryAfterSeconds: 1,
      });
    this.#reserved += bytes;
    response.once('close', () => {
      this.#reserved -= bytes;
    });
  }
}
