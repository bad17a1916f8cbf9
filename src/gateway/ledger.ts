/**
 * Safe repeats: a call that carries a key runs once, and a repeat gets the stored answer. Scoped to tenant, principal
 * and tool, kept 24 hours.
 */

import { createHash } from 'node:crypto';
import type { Context } from '../core/context.ts';
import { PlatformError, UpstreamRpcError } from '../core/errors.ts';
import { textOf } from '../core/json.ts';
import type { Clock, Item, StoreRoot, TableSpec } from '../core/ports.ts';

const KEEP_SECONDS = 86_400;
/** Answers beyond this are kept as blobs: a table item holds 400 KB. */
const INLINE_BYTES = 262_144;

const LEDGER: TableSpec = { name: 'idempotency', partitionKey: 'id' };

export interface LedgerEntry {
  readonly key: string;
  readonly tool: string;
  /** Digest of everything that must be equal in a repeat. */
  readonly digest: string;
}

export interface LedgerParts {
  readonly store: StoreRoot;
  readonly clock: Clock;
  /** Tells a call of this process from one that a dead process left behind. */
  readonly instanceId: string;
}

export class Ledger {
  readonly #parts: LedgerParts;

  constructor(parts: LedgerParts) {
    this.#parts = parts;
  }

  /**
   * Runs a call at most once per key.
   *
   * @param run - `final: false` for an answer that is no end (the caller was asked something): nothing is kept.
   * @throws PlatformError `IDEMPOTENCY_IN_FLIGHT`, `IDEMPOTENCY_MISMATCH`.
   */
  async once(
    context: Context,
    entry: LedgerEntry,
    run: () => Promise<{ text: string; final: boolean }>,
  ): Promise<string> {
    const store = this.#parts.store.store(context.tenant);
    const table = store.table(LEDGER);
    const id = createHash('sha256')
      .update(JSON.stringify([context.principal.id, entry.tool, entry.key]))
      .digest('hex');
    const row: Item = {
      id,
      digest: entry.digest,
      status: 'in-flight',
      instance: this.#parts.instanceId,
      expiresAt: Math.ceil(this.#parts.clock.nowMs() / 1000) + KEEP_SECONDS,
    };
    const stored = await this.#claim(context, row);
    if (stored !== undefined) return this.#replay(context, stored, entry);
    const { text, final } = await run().catch(async (error: unknown) => {
      // A refused call has no answer to repeat; the target's own failures are results and are kept below. A call that
      // was left in the middle may have run, so its key is used up.
      if (mayHaveRun(error)) await table.put({ ...row, status: 'interrupted' });
      else await table.delete({ id });
      throw error;
    });
    if (final) await this.#keep(context, row, text);
    else await table.delete({ id });
    return text;
  }

  /** @returns the row that is already there, `undefined` when the claim is ours. */
  async #claim(context: Context, row: Item): Promise<Item | undefined> {
    const table = this.#parts.store.store(context.tenant).table(LEDGER);
    try {
      await table.put(row, { exists: false });
      return undefined;
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'CONDITION_FAILED') throw error;
    }
    return (await table.get({ id: textOf(row['id']) })) ?? this.#claim(context, row);
  }

  async #replay(context: Context, stored: Item, entry: LedgerEntry): Promise<string> {
    if (stored['digest'] !== entry.digest) {
      throw new PlatformError(
        'IDEMPOTENCY_MISMATCH',
        `The idempotency key "${entry.key}" was used with other arguments. Use a new key for a new call.`,
      );
    }
    if (stored['status'] !== 'done') throw this.#notDone(stored, entry);
    if (typeof stored['text'] === 'string') return stored['text'];
    const bytes = await this.#parts.store.store(context.tenant).blobs.get(`idempotency/${textOf(stored['id'])}`);
    if (bytes === undefined)
      throw new PlatformError(
        'RESULT_NOT_FOUND',
        `The stored answer of key "${entry.key}" has expired. Use a new key.`,
      );
    return Buffer.from(bytes).toString('utf8');
  }

  #notDone(stored: Item, entry: LedgerEntry): PlatformError {
    const isRunning = stored['status'] === 'in-flight' && stored['instance'] === this.#parts.instanceId;
    const what = isRunning
      ? `A call with the idempotency key "${entry.key}" is still running. Repeat later for its answer.`
      : `A call with the idempotency key "${entry.key}" was cut off before its answer came; it may have run. Check its effect, then use a new key.`;
    return new PlatformError(
      'IDEMPOTENCY_IN_FLIGHT',
      what,
      isRunning ? { retryAfterSeconds: 1 } : { interrupted: true },
    );
  }

  /** Never throws: the call has run, and its answer reaches the caller though a repeat cannot have it. */
  async #keep(context: Context, row: Item, text: string): Promise<void> {
    try {
      await this.#store(context, row, text);
    } catch (error) {
      context.log.log('warn', 'idempotent-answer-not-kept', { requestId: context.requestId, reason: String(error) });
      const table = this.#parts.store.store(context.tenant).table(LEDGER);
      // Should this fail as well, the key stays in flight, which runs nothing again either.
      await table.put({ ...row, status: 'interrupted' }).catch(() => undefined);
    }
  }

  async #store(context: Context, row: Item, text: string): Promise<void> {
    const store = this.#parts.store.store(context.tenant);
    const bytes = Buffer.from(text);
    if (bytes.length <= INLINE_BYTES) {
      await store.table(LEDGER).put({ ...row, status: 'done', text });
      return;
    }
    await store.blobs.put(`idempotency/${textOf(row['id'])}`, bytes, {
      contentType: 'application/json',
      expiresAtMs: Number(row['expiresAt']) * 1000,
    });
    await store.table(LEDGER).put({ ...row, status: 'done' });
  }
}

const AFTER_THE_RUN =
  /^(?:CALL_CANCELLED|INTERNAL|TARGET_PROTOCOL_ERROR|TARGET_RESPONSE_TOO_LARGE|STORE_[A-Z]+|[A-Z]+_TIMEOUT)$/;

/** Whether the target may have done the work though no answer came: cancelled, timed out, lost on the way back. */
function mayHaveRun(error: unknown): boolean {
  if (error instanceof UpstreamRpcError) return false;
  if (!(error instanceof PlatformError)) return true;
  const { lost, processed } = error.details;
  return (lost === true && processed !== false) || AFTER_THE_RUN.test(error.code);
}
