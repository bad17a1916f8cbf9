/**
 * What one run has left behind: children that nobody waits for any more. Somebody looks after them at once, and the run
 * is not laid aside before that is done, so that a crash between the two finds it still running.
 */

export class Leftovers {
  readonly #look: () => Promise<void>;
  readonly #starting = new Set<Promise<void>>();
  #looking: Promise<void> | undefined;
  #isDue = false;

  /** @param look has whatever is left behind stopped. */
  constructor(look: () => Promise<void>) {
    this.#look = look;
  }

  /** Something may have been left. Does not wait; what goes wrong is told by {@link settled}. */
  note(): void {
    this.#isDue = true;
    this.settled().catch(() => undefined);
  }

  /** A child is being started, of which nothing is known before. @param start never rejects. */
  track(start: Promise<void>): void {
    this.#starting.add(start);
    void start.then(() => this.#starting.delete(start));
  }

  /** Returns once nothing is left. @throws what the look threw; it is tried again the next time. */
  async settled(): Promise<void> {
    while (this.#isDue || this.#looking !== undefined || this.#starting.size > 0) {
      if (this.#isDue || this.#looking !== undefined) await (this.#looking ??= this.#lookOnce());
      else await Promise.all(this.#starting);
    }
  }

  async #lookOnce(): Promise<void> {
    this.#isDue = false;
    try {
      await this.#look();
    } catch (thrown) {
      this.#isDue = true;
      throw thrown;
    } finally {
      this.#looking = undefined;
    }
  }
}
