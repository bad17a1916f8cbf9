/**
 * `Queue` over one table of messages. A delivery is a lease: it hides the message for its visibility and
 * names itself by a receipt that the next delivery replaces.
 */

import { randomUUID } from 'node:crypto';
import { PlatformError } from '../../../core/errors.ts';
import type { DeadLetter, JsonValue, Queue, QueueMessage, QueueOptions } from '../../../core/ports.ts';
import type { SqlDriver, SqlRow } from './driver.ts';
import { numberOf, textOf } from './driver.ts';
import type { Scope } from './scope.ts';
import { checkedInteger, checkedText } from './scope.ts';
import type { StoreCore } from './store-core.ts';

const DEFAULT_MAX_RECEIVES = 5;
const MAX_BATCH = 1000;
/** SQS' limits: a body of 1 MiB, twelve hours of visibility; a delay here may be as long as a year. */
const MAX_BODY_BYTES = 1024 * 1024;
const MAX_VISIBILITY_MS = 12 * 3_600_000;
const MAX_DELAY_MS = 366 * 86_400_000;
/** How long a `dedupeId` keeps a second message away, as in SQS. */
const DEDUPE_MS = 5 * 60_000;

export class EmbeddedQueue implements Queue {
  readonly #core: StoreCore;
  readonly #name: string;
  readonly #maxReceives: number;

  constructor(core: StoreCore, scope: Scope, { name, maxReceives }: QueueOptions & { readonly name: string }) {
    this.#core = core;
    this.#name = scope.prefix + checkedText(name, 'A queue name', 255);
    this.#maxReceives = checkedInteger(maxReceives ?? DEFAULT_MAX_RECEIVES, 'maxReceives', [1, 1000]);
  }

  async send(
    body: JsonValue,
    options: { readonly delayMs?: number; readonly dedupeId?: string } = {},
  ): Promise<string> {
    const text = JSON.stringify(body);
    if (Buffer.byteLength(text) > MAX_BODY_BYTES) throw tooLarge(this.#name);
    const delayMs = checkedDelay(options.delayMs);
    const dedupeId = options.dedupeId === undefined ? undefined : checkedText(options.dedupeId, 'A dedupeId', 512);
    return await this.#core.commit.submit((driver) => {
      const nowMs = this.#core.steadyMs();
      const known = dedupeId === undefined ? undefined : findDuplicate(driver, this.#name, dedupeId, nowMs);
      if (known !== undefined) return known;
      const id = randomUUID();
      driver.run('INSERT INTO messages (id, queue, body, visible_at, receives) VALUES (?,?,?,?,0)', [
        id,
        this.#name,
        text,
        nowMs + delayMs,
      ]);
      if (dedupeId !== undefined) rememberDuplicate(driver, [this.#name, dedupeId, id, nowMs + DEDUPE_MS]);
      return id;
    });
  }

  async receive(options: { readonly max: number; readonly visibilityMs: number }): Promise<readonly QueueMessage[]> {
    const max = checkedInteger(options.max, 'max', [1, MAX_BATCH]);
    const visibilityMs = checkedVisibility(options.visibilityMs);
    // An empty queue is asked often, and asking costs no fsync.
    if (!this.#core.read((driver) => hasDue(driver, this.#name, this.#core.steadyMs()))) return [];
    return await this.#core.commit.submit((driver) => {
      const nowMs = this.#core.steadyMs();
      this.#bury(driver, nowMs);
      const rows = driver.all(`${SELECT_DUE} ORDER BY visible_at, seq LIMIT ?`, [this.#name, nowMs, max]);
      return rows.map((row) => deliver(driver, row, nowMs + visibilityMs));
    });
  }

  async ack(receipt: string): Promise<boolean> {
    return await this.#change('DELETE FROM messages', [], receipt);
  }

  async extend(receipt: string, visibilityMs: number): Promise<boolean> {
    const until = this.#core.steadyMs() + checkedVisibility(visibilityMs);
    return await this.#change('UPDATE messages SET visible_at=?', [until], receipt);
  }

  async release(receipt: string, options: { readonly delayMs?: number; readonly reason: string }): Promise<boolean> {
    const visibleAt = this.#core.steadyMs() + checkedDelay(options.delayMs);
    // Kept as JSON text, since a reason may contain any character.
    const set = `visible_at=?, reason=?, receipt=NULL, failed_at=CASE WHEN receives >= ? THEN ? END`;
    const values = [visibleAt, JSON.stringify(options.reason.slice(0, 4096)), this.#maxReceives, this.#now()];
    return await this.#change(`UPDATE messages SET ${set}`, values, receipt);
  }

  async deadLetters(): Promise<readonly DeadLetter[]> {
    if (this.#core.read((driver) => this.#hasExhausted(driver))) {
      await this.#core.commit.submit((driver) => this.#bury(driver, this.#core.steadyMs()));
    }
    return this.#core.read((driver) => driver.all(SELECT_DEAD, [this.#name]).map(deadLetterOf));
  }

  async redrive(id: string): Promise<boolean> {
    const values = [this.#core.steadyMs(), checkedText(id, 'A message id', 255), this.#name];
    return await this.#core.commit.submit((driver) => driver.run(REDRIVE, values) > 0);
  }

  async #change(statement: string, values: readonly (string | number)[], receipt: string): Promise<boolean> {
    const last = checkedText(receipt, 'A receipt', 255);
    const sql = `${statement} WHERE receipt=? AND queue=? AND failed_at IS NULL`;
    return await this.#core.commit.submit((driver) => driver.run(sql, [...values, last, this.#name]) > 0);
  }

  /** Turns messages whose last delivery ended without an answer into dead letters. */
  #bury(driver: SqlDriver, nowMs: number): void {
    const reason = JSON.stringify(`not acknowledged in time on delivery ${this.#maxReceives}`);
    driver.run(`UPDATE messages SET failed_at=?, receipt=NULL, reason=? ${EXHAUSTED}`, [
      this.#now(),
      reason,
      this.#name,
      nowMs,
      this.#maxReceives,
    ]);
  }

  #hasExhausted(driver: SqlDriver): boolean {
    return (
      driver.all(`SELECT 1 AS one FROM messages ${EXHAUSTED} LIMIT 1`, [
        this.#name,
        this.#core.steadyMs(),
        this.#maxReceives,
      ]).length > 0
    );
  }

  #now(): string {
    return new Date(this.#core.nowMs()).toISOString();
  }
}

const EXHAUSTED = 'WHERE queue=? AND failed_at IS NULL AND visible_at <= ? AND receives >= ?';
const SELECT_DUE =
  'SELECT seq, id, body, receives FROM messages WHERE queue=? AND failed_at IS NULL AND visible_at <= ?';
const SELECT_DEAD =
  'SELECT id, body, receives, reason, failed_at FROM messages WHERE queue=? AND failed_at IS NOT NULL ORDER BY failed_at, seq';
/** Its due time puts it behind whatever is due already. */
const REDRIVE =
  'UPDATE messages SET failed_at=NULL, reason=NULL, receives=0, visible_at=? WHERE id=? AND queue=? AND failed_at IS NOT NULL';

/** Leases of the process before end with it: nobody is left to answer them. */
export function endLeases(driver: SqlDriver, nowMs: number): void {
  driver.run('UPDATE messages SET receipt=NULL, visible_at=min(visible_at, ?) WHERE receipt IS NOT NULL', [nowMs]);
}

function hasDue(driver: SqlDriver, queue: string, nowMs: number): boolean {
  return driver.all(`${SELECT_DUE} LIMIT 1`, [queue, nowMs]).length > 0;
}

function deliver(driver: SqlDriver, row: SqlRow, visibleAt: number): QueueMessage {
  const receipt = randomUUID();
  const receives = numberOf(row, 'receives') + 1;
  driver.run('UPDATE messages SET receipt=?, receives=?, visible_at=? WHERE seq=?', [
    receipt,
    receives,
    visibleAt,
    numberOf(row, 'seq'),
  ]);
  return { id: textOf(row, 'id'), body: JSON.parse(textOf(row, 'body')) as JsonValue, receives, receipt };
}

function deadLetterOf(row: SqlRow): DeadLetter {
  return {
    id: textOf(row, 'id'),
    body: JSON.parse(textOf(row, 'body')) as JsonValue,
    receives: numberOf(row, 'receives'),
    reason: JSON.parse(textOf(row, 'reason')) as string,
    failedAt: textOf(row, 'failed_at'),
  };
}

function findDuplicate(driver: SqlDriver, queue: string, dedupeId: string, nowMs: number): string | undefined {
  const [row] = driver.all('SELECT message_id FROM dedupe WHERE queue=? AND dedupe_id=? AND until > ?', [
    queue,
    dedupeId,
    nowMs,
  ]);
  return row === undefined ? undefined : textOf(row, 'message_id');
}

function rememberDuplicate(driver: SqlDriver, values: readonly [string, string, string, number]): void {
  driver.run('INSERT OR REPLACE INTO dedupe (queue, dedupe_id, message_id, until) VALUES (?,?,?,?)', values);
}

function checkedDelay(delayMs: number | undefined): number {
  return delayMs === undefined ? 0 : checkedInteger(delayMs, 'delayMs', [0, MAX_DELAY_MS]);
}

function checkedVisibility(visibilityMs: number): number {
  return checkedInteger(visibilityMs, 'visibilityMs', [0, MAX_VISIBILITY_MS]);
}

function tooLarge(queue: string): PlatformError {
  return new PlatformError(
    'PAYLOAD_TOO_LARGE',
    `A message of queue "${queue}" is larger than 1 MiB. Send a reference to a blob instead.`,
  );
}
