/**
 * When suspended executions are due. They lie in the store's index across tenants, in the order of their times, and
 * cost no memory until then: one timer waits for the first of them.
 */

import type { Clock, Item, Logger, StoreRoot } from '../../core/ports.ts';
import type { Timer } from './journal.ts';
import { TIMERS, timeText, textAt } from './tables.ts';

/** The wall clock may jump, so a long sleep is taken in pieces. */
const MAX_SLEEP_MS = 30_000;
const PAGE = 200;

export interface Scheduled {
  readonly tenant: string;
  readonly id: string;
  readonly bucket: Timer['bucket'];
}

export interface ScheduleParts {
  readonly store: StoreRoot;
  readonly clock: Clock;
  readonly log: Logger;
  /** What it does not take now is there again when {@link Schedule.sweep} is called. */
  readonly onDue: (scheduled: Scheduled) => void | Promise<void>;
}

export class Schedule {
  readonly #parts: ScheduleParts;
  #cancel: () => void = () => undefined;
  #armedForMs = Number.POSITIVE_INFINITY;
  #looking: Promise<void> | undefined;
  #again = false;
  /** When executions that should be running are looked for, too: somebody left one alone. */
  #sweepAtMs = Number.POSITIVE_INFINITY;
  #isStopped = false;

  constructor(parts: ScheduleParts) {
    this.#parts = parts;
  }

  /** Something will be due then. */
  expect(atMs: number): void {
    if (this.#isStopped || atMs >= this.#armedForMs) return;
    this.#arm(atMs);
  }

  /** An execution could not be continued; by then it is tried again. */
  retry(atMs: number): void {
    this.#sweepAtMs = Math.min(this.#sweepAtMs, atMs);
    this.expect(atMs);
  }

  /** Hands out what should be running and what is due, then sleeps until the next is due. */
  sweep(): Promise<void> {
    this.#sweepAtMs = Number.NEGATIVE_INFINITY;
    return this.#lookSoon();
  }

  #lookSoon(): Promise<void> {
    if (this.#looking === undefined) this.#looking = this.#look().finally(() => (this.#looking = undefined));
    else this.#again = true;
    return this.#looking;
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  /** Every execution in a bucket, page by page, in the order of times. */
  async *read(bucket: Timer['bucket'], toMs?: number): AsyncGenerator<readonly Scheduled[]> {
    const table = this.#parts.store.systemStore().table(TIMERS);
    const query = { index: 'due', partition: bucket, limit: PAGE, ...(toMs !== undefined && { to: timeText(toMs) }) };
    let page = await table.query(query);
    for (;;) {
      yield page.items.map((item) => scheduledOf(item, bucket));
      if (page.cursor === undefined) return;
      page = await table.query({ ...query, cursor: page.cursor });
    }
  }

  async #look(): Promise<void> {
    this.#disarm();
    try {
      let lookedToMs: number;
      do {
        this.#again = false;
        lookedToMs = this.#parts.clock.nowMs();
        await this.#handOut(this.#mustSweep(), lookedToMs);
      } while (this.#again && !this.#isStopped);
      const next = await this.#next(lookedToMs);
      // Something may have been expected meanwhile.
      if (!this.#isStopped && (next < this.#armedForMs || this.#armedForMs === Number.POSITIVE_INFINITY))
        this.#arm(next);
    } catch (thrown) {
      this.#parts.log.log('error', 'workflow-schedule-failed', { reason: String(thrown) });
      if (!this.#isStopped) this.retry(this.#parts.clock.nowMs() + 1000);
    }
  }

  #mustSweep(): boolean {
    if (this.#sweepAtMs > this.#parts.clock.nowMs()) return false;
    this.#sweepAtMs = Number.POSITIVE_INFINITY;
    return true;
  }

  async #handOut(mustSweep: boolean, nowMs: number): Promise<void> {
    for (const bucket of mustSweep ? (['running', 'waiting', 'ended'] as const) : (['waiting', 'ended'] as const)) {
      for await (const page of this.read(bucket, bucket === 'running' ? undefined : nowMs)) {
        for (const scheduled of page) {
          if (this.#isStopped) return;
          await this.#parts.onDue(scheduled);
        }
      }
    }
  }

  /**
   * The earliest time at which something is due.
   *
   * @param lookedToMs - What is due until then has been handed out. Later times count, past ones too: they may have
   *   come while that was done, and nobody else looks for them.
   */
  async #next(lookedToMs: number): Promise<number> {
    const table = this.#parts.store.systemStore().table(TIMERS);
    let next = Number.POSITIVE_INFINITY;
    for (const partition of ['waiting', 'ended']) {
      const { items } = await table.query({ index: 'due', partition, from: timeText(lookedToMs + 1), limit: 1 });
      if (items[0] !== undefined) next = Math.min(next, Number(items[0]['at']));
    }
    return next;
  }

  #arm(atMs: number): void {
    this.#disarm();
    this.#armedForMs = atMs;
    const delayMs = Math.min(MAX_SLEEP_MS, Math.max(0, atMs - this.#parts.clock.nowMs()));
    this.#cancel = this.#parts.clock.after(delayMs, () => void this.#lookSoon());
  }

  #disarm(): void {
    this.#cancel();
    this.#armedForMs = Number.POSITIVE_INFINITY;
  }
}

function scheduledOf(item: Item, bucket: Timer['bucket']): Scheduled {
  const tenant = textAt(item, 'tenant');
  return { tenant, id: textAt(item, 'execution').slice(tenant.length + 1), bucket };
}
