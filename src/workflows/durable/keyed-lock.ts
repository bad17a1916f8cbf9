/** One at a time per key, in the order of arrival. */

export class KeyedLock {
  readonly #tails = new Map<string, Promise<unknown>>();

  run<T>(key: string, body: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const mine = before === undefined ? body() : before.then(body);
    const forget = (): void => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    };
    const tail = mine.then(forget, forget);
    this.#tails.set(key, tail);
    return mine;
  }
}
