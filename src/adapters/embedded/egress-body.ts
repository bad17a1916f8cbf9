/** A body that arrives while it is read. */

/** Bytes that may lie unread before the connection is told to wait. */
const WAITING_BYTES = 64 * 1024;

/** What carries the body; undici's controller is one. */
export interface BodySource {
  pause(): void;
  resume(): void;
}

/**
 * Hands chunks from a connection to one reader. Reads no faster than it is read from: unread bytes beyond 64 KiB
 * stay in the socket. Leaving the iteration early closes the connection.
 */
export class EgressBody implements AsyncIterable<Uint8Array> {
  readonly #source: BodySource;
  readonly #close: () => void;
  #chunks: Uint8Array[] = [];
  #unreadBytes = 0;
  #paused = false;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(source: BodySource, close: () => void) {
    this.#source = source;
    this.#close = close;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#unreadBytes += chunk.length;
    if (this.#unreadBytes >= WAITING_BYTES && !this.#paused) {
      this.#paused = true;
      this.#source.pause();
    }
    this.#wake?.();
  }

  /** Nothing follows. With an error, whoever reads gets it after what has arrived. */
  end(error?: Error): void {
    this.#ended = true;
    this.#error = error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        if (this.#chunks.length > 0) yield* this.#taken();
        else if (this.#error !== undefined) throw this.#error;
        else if (this.#ended) return;
        else await this.#more();
      }
    } finally {
      if (!this.#ended) this.#close();
    }
  }

  #taken(): readonly Uint8Array[] {
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#unreadBytes = 0;
    return chunks;
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
      if (!this.#paused) return;
      this.#paused = false;
      this.#source.resume();
    });
  }
}
