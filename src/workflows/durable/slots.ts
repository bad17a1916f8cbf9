/**
 * So many executions at once, the others in the order of their arrival. A tenant never takes all of what is left by the
 * others, neither of the slots nor of the queue: whoever comes next finds room, however long the executions of the one
 * before take.
 */

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
/** What a tenant may have of what the others leave. */
const SHARE = 0.75;

export interface SlotsParts {
  /** Of one tenant when it is alone. */
  readonly maxActive: number;
  /** Never rejects. */
  readonly work: (place: Place) => Promise<void>;
  /** Something did not fit the queue, and may fit now. */
  readonly onRoom: () => void;
}

export class Slots {
  readonly #parts: SlotsParts;
  readonly #queues = new Map<string, Map<string, Place>>();
  readonly #taken = new Map<string, Promise<void>>();
  /** How many slots each tenant has. */
  readonly #counts = new Map<string, number>();
  /** Came again while it ran. */
  readonly #again = new Map<string, Place>();
  /** Of all tenants, so that one alone has its share. */
  readonly #slots: number;
  #queued = 0;
  #isBehind = false;
  #isClosed = false;

  constructor(parts: SlotsParts) {
    this.#parts = parts;
    this.#slots = Math.ceil(parts.maxActive / SHARE);
  }

  /**
   * @param whenTaken what runs already runs `again` after that, or `never`.
   * @returns false when the tenant's part of the queue is full.
   */
  add(place: Place, whenTaken: 'again' | 'never'): boolean {
    const { tenant } = place;
    const key = keyOf(place);
    const queue = this.#queues.get(tenant) ?? new Map<string, Place>();
    if (this.#isClosed || queue.has(key)) return true;
    if (this.#taken.has(key)) {
      if (whenTaken === 'again') this.#again.set(key, place);
      return true;
    }
    if (queue.size >= shareOf(MAX_QUEUED - this.#queued + queue.size)) {
      this.#isBehind = true;
      return false;
    }
    queue.set(key, place);
    this.#queues.set(tenant, queue);
    this.#queued += 1;
    this.#fill();
    return true;
  }

  /** Takes no more, and waits for what runs. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#queues.clear();
    this.#queued = 0;
    while (this.#taken.size > 0) await Promise.all(this.#taken.values());
  }

  #fill(): void {
    for (let place = this.#next(); place !== undefined; place = this.#next()) {
      const key = keyOf(place);
      this.#counts.set(place.tenant, this.#countOf(place.tenant) + 1);
      this.#taken.set(key, this.#occupy(key, place));
    }
    if (!this.#isBehind || this.#queued > LOW_WATER) return;
    this.#isBehind = false;
    this.#parts.onRoom();
  }

  /** The first of the tenant that has the least and may have more. */
  #next(): Place | undefined {
    let least: string | undefined;
    const free = this.#slots - this.#taken.size;
    if (free <= 0) return undefined;
    for (const tenant of this.#queues.keys()) {
      const count = this.#countOf(tenant);
      if (count >= shareOf(free + count)) continue;
      if (least === undefined || count < this.#countOf(least)) least = tenant;
    }
    return least === undefined ? undefined : this.#takeFrom(least);
  }

  #takeFrom(tenant: string): Place | undefined {
    const queue = this.#queues.get(tenant) ?? new Map<string, Place>();
    for (const [key, place] of queue) {
      queue.delete(key);
      this.#queued -= 1;
      if (queue.size === 0) this.#queues.delete(tenant);
      return place;
    }
    return undefined;
  }

  #countOf(tenant: string): number {
    return this.#counts.get(tenant) ?? 0;
  }

  async #occupy(key: string, place: Place): Promise<void> {
    // Lets the slot be noted before the work is done.
    await Promise.resolve();
    await this.#parts.work(place);
    this.#taken.delete(key);
    const left = this.#countOf(place.tenant) - 1;
    if (left > 0) this.#counts.set(place.tenant, left);
    else this.#counts.delete(place.tenant);
    if (this.#isClosed) return;
    if (this.#again.delete(key)) this.add(place, 'again');
    this.#fill();
  }
}

/** Of what the others leave; one at least. */
function shareOf(left: number): number {
  return Math.max(1, Math.floor(left * SHARE));
}
