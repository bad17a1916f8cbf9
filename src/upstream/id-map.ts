/**
 * A small map from growing ids to what is in flight.
 *
 * A `Map` whose keys only grow rehashes every few dozen entries, and each outgrown table keeps what was in it
 * alive until a full collection: at thousands of requests a second, collecting garbage then costs a quarter of
 * the time. Here ids and values stand in two arrays that stay where they are; finding one is a short scan, which
 * is faster than hashing for the tens of entries there are.
 */
export class IdMap<Value> {
  readonly #ids: number[] = [];
  readonly #values: Value[] = [];

  get size(): number {
    return this.#ids.length;
  }

  /** The id must not be in the map. */
  add(id: number, value: Value): void {
    this.#ids.push(id);
    this.#values.push(value);
  }

  get(id: number): Value | undefined {
    const at = this.#ids.indexOf(id);
    return at < 0 ? undefined : this.#values[at];
  }

  /** Takes the value out. The order of the others may change. */
  take(id: number): Value | undefined {
    const at = this.#ids.indexOf(id);
    if (at < 0) return undefined;
    const value = this.#values[at];
    const lastId = this.#ids.pop();
    const last = this.#values.pop();
    if (at < this.#ids.length && lastId !== undefined && last !== undefined) {
      this.#ids[at] = lastId;
      this.#values[at] = last;
    }
    return value;
  }

  ids(): readonly number[] {
    return [...this.#ids];
  }

  /** A copy, so that values may be taken while it is walked. */
  values(): readonly Value[] {
    return [...this.#values];
  }
}
