/** The last words of a child on its error stream, for the message that says why it is gone. */

/** Everything a terminal might obey or hide, but for tabs and line ends. */
const UNPRINTABLE = /[^\P{C}\t\n]/gu;

/** A ring of bytes: a flood costs no more memory than a word. */
export class StderrTail {
  readonly #ring: Buffer;
  #written = 0;

  /** @param bytes - @default 8192 */
  constructor(bytes = 8_192) {
    this.#ring = Buffer.alloc(bytes);
  }

  push(chunk: Buffer): void {
    const size = this.#ring.length;
    const last = chunk.length > size ? chunk.subarray(-size) : chunk;
    const at = (this.#written + chunk.length - last.length) % size;
    const first = last.copy(this.#ring, at);
    last.copy(this.#ring, 0, first);
    this.#written += chunk.length;
  }

  /** The tail with control characters masked by `?`, so that it can stand in a log line or a terminal. */
  text(): string {
    const size = this.#ring.length;
    if (this.#written <= size) return this.#ring.toString('utf8', 0, this.#written).replace(UNPRINTABLE, '?').trim();
    const at = this.#written % size;
    const bytes = Buffer.concat([this.#ring.subarray(at), this.#ring.subarray(0, at)]);
    return bytes.toString('utf8').replace(UNPRINTABLE, '?').trim();
  }
}
