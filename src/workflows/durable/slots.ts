/** So many executions at once, the others in the order of their arrival. */

export interface Place {
  readonly tenant: string;
  readonly id: string;
}

export function keyOf({ tenant, id }: Place): string {
  return `${tenant}#${id}`;
}

/** Executions that may wait in memory; the others wait in the store. */
const MAX_QUEUED = 2000;
const LOW_WATER = 500;

export interface SlotsParts {
  readonly maxActive: number;
  /** Never rejects. */
  readonly work: (place: Place) => Promise<void>;
  /** The queue was full and is no more. */
  readonly onRoom: () => void;
}

export class Slots {
  readonly #parts: SlotsParts;
  readonly #queue = new Map<string, Place>();
  readonly #taken = new Map<string, Promise<void>>();
  /** Came again while it ran. */
  readonly #again = new Map<string, Place>();
  #isBehind = false;
  #isClosed = false;

  constructor(parts: SlotsParts) {
    this.#parts = parts;
  }

  /**
   * @param whenTaken what runs already runs `again` after that, or `never`.
   * @returns false when the queue is full.
   */
  add(place: Place, whenTaken: 'again' | 'never'): boolean {
    const key = keyOf(place);
    if (this.#isClosed || this.#queue.has(key)) return true;
    if (this.#taken.has(key)) {
      if (whenTaken === 'again') this.#again.set(key, place);
      return true;
    }
    if (this.#queue.size >= MAX_QUEUED) {
      this.#isBehind = true;
      return false;
    }
    this.#queue.set(key, place);
    this.#fill();
    return true;
  }

  /** Takes no more, and waits for what runs. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#queue.clear();
    while (this.#taken.size > 0) await Promise.all(this.#taken.values());
  }

  #fill(): void {
    for (const [key, place] of this.#queue) {
      if (this.#taken.size >= this.#parts.maxActive) return;
      this.#queue.delete(key);
      this.#taken.set(key, this.#occupy(key, place));
    }
    if (!this.#isBehind || this.#queue.size > LOW_WATER) return;
    this.#isBehind = false;
    this.#parts.onRoom();
  }

  async #occupy(key: string, place: Place): Promise<void> {
    // Lets the slot be noted before the work is done.
    await Promise.resolve();
    await this.#parts.work(place);
    this.#taken.delete(key);
    if (this.#isClosed) return;
    if (this.#again.delete(key)) this.add(place, 'again');
    this.#fill();
  }
}
