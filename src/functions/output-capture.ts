/** What a function writes to stdout and stderr: one log record per line, and the last 4 KB kept for people. */

import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/** A longer line is cut, as its rest is of no use in a log. */
const MAX_LINE = 8 * 1024;
/** As much as Lambda returns in `X-Amz-Log-Result`. */
const TAIL_CHARACTERS = 4 * 1024;
/** Beyond this an invocation's lines are counted, not logged. */
const MAX_CHARACTERS_PER_INVOCATION = 256 * 1024;

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
      const lines = (rest + decoder.write(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const text of lines) this.#take(text);
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

  #take(text: string): void {
    const line = text.length > MAX_LINE ? `${text.slice(0, MAX_LINE)}…` : text;
    this.#tail = `${this.#tail}${line}\n`.slice(-TAIL_CHARACTERS);
    const before = this.#written;
    this.#written += line.length;
    if (this.#written <= MAX_CHARACTERS_PER_INVOCATION) this.#line(line);
    else if (before <= MAX_CHARACTERS_PER_INVOCATION) this.#line('(more output of this invocation is not logged)');
  }
}
