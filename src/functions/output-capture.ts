/** What a function writes to stdout and stderr: one log record per line, and the last 4 KB kept for people. */

import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/** A longer line is cut, as its rest is of no use in a log. */
const MAX_LINE = 8 * 1024;
/** As much as Lambda returns in `X-Amz-Log-Result`. */
const TAIL_CHARACTERS = 4 * 1024;
/** Beyond this an invocation's lines are kept for the tail alone, not logged. */
const MAX_CHARACTERS_PER_INVOCATION = 512 * 1024;
/** What a record costs beside its text, so that empty lines come to an end as well. */
const RECORD_CHARACTERS = 100;

export class OutputCapture {
  readonly #line: (text: string) => void;
  #tail = '';
  #written = 0;

  /** @param line - Gets each line, without its end. */
  constructor(line: (text: string) => void) {
    this.#line = line;
  }

  /** The last 4 KB of everything read since {@link reset}. */
  get tail(): string {
    return this.#tail;
  }

  /** Begins a new invocation. */
  reset(): void {
    this.#tail = '';
    this.#written = 0;
  }

  attach(stream: Readable): void {
    const decoder = new StringDecoder('utf8');
    let rest = '';
    stream.on('data', (chunk: Buffer) => {
      rest = this.#read(rest + decoder.write(chunk));
      if (rest.length > MAX_LINE) {
        this.#take(rest);
        rest = '';
      }
    });
    stream.on('end', () => {
      if (rest !== '') this.#take(rest);
    });
    stream.on('error', () => undefined);
  }

  get #isFull(): boolean {
    return this.#written > MAX_CHARACTERS_PER_INVOCATION;
  }

  /** @returns what has no line end yet. */
  #read(text: string): string {
    let start = 0;
    while (!this.#isFull) {
      const end = text.indexOf('\n', start);
      if (end < 0) return text.slice(start);
      this.#take(text.slice(start, end));
      start = end + 1;
    }
    // A flood is not worth looking at line by line.
    const end = text.lastIndexOf('\n') + 1;
    if (end > start) this.#keep(text.slice(start, end));
    return text.slice(Math.max(start, end));
  }

  #take(text: string): void {
    const line = text.length > MAX_LINE ? `${text.slice(0, MAX_LINE)}…` : text;
    this.#keep(`${line}\n`);
    if (this.#isFull) return;
    this.#written += line.length + RECORD_CHARACTERS;
    this.#line(this.#isFull ? '(more output of this invocation is not logged)' : line);
  }

  #keep(text: string): void {
    this.#tail = `${this.#tail}${text}`.slice(-TAIL_CHARACTERS);
  }
}
