/**
 * A process that writes to a store and says on standard output what was acknowledged, one line each, until it
 * is killed. Run as `node --import tsx store-writer.ts FOLDER MODE [COUNT]`.
 *
 * - `hold` opens, prints `ready` and waits;
 * - `write` writes without end, from several writers at once;
 * - `burst` makes COUNT puts at once, prints how each ended, reads one back, and exits 0, or 1 after a fatal error.
 */

import { createHash, randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { openEmbeddedStore } from '../../src/adapters/embedded/store/store.ts';
import { PlatformError } from '../../src/core/errors.ts';
import type { Clock, TableSpec, TenantStore } from '../../src/core/ports.ts';

export const LEFT: TableSpec = { name: 'Left', partitionKey: 'id', indexes: [{ name: 'byRun', partitionKey: 'run' }] };
export const RIGHT: TableSpec = { name: 'Right', partitionKey: 'id' };

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

/** Synchronous, so that a line is out before the next write begins. */
function say(line: string): void {
  let rest = Buffer.from(`${line}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (thrown) {
      // The pipe is full: the reader is slower than we are.
      if ((thrown as { code?: string }).code !== 'EAGAIN') throw thrown;
    }
  }
}

async function writePairs(store: TenantStore): Promise<never> {
  for (;;) {
    const id = randomUUID();
    await store.transact([
      { put: { id, run: 'r', body: 'x'.repeat(200) }, table: LEFT, condition: { exists: false } },
      { put: { id }, table: RIGHT },
    ]);
    say(`pair ${id}`);
  }
}

async function writeMessages(store: TenantStore): Promise<never> {
  for (;;) say(`message ${await store.queue('q').send({ x: 1 })}`);
}

async function writeBlobs(store: TenantStore): Promise<never> {
  for (;;) {
    const key = randomUUID();
    const bytes = Buffer.from(key.repeat(40_000));
    await store.blobs.put(key, bytes, { contentType: 'x/y' });
    say(`blob ${key} ${createHash('sha256').update(bytes).digest('hex')}`);
  }
}

async function writeChanges(store: TenantStore): Promise<never> {
  for (;;) say(`change ${await store.changes.publish('t')}`);
}

function describe(thrown: unknown): string {
  return thrown instanceof PlatformError ? thrown.code : String(thrown);
}

async function burst(store: TenantStore, count: number): Promise<void> {
  const puts = Array.from({ length: count }, async (_unused, n) => {
    const startedMs = performance.now();
    try {
      await store.table(RIGHT).put({ id: `burst-${n}` });
      say(`ok burst-${n} ${Math.round(performance.now() - startedMs)}`);
    } catch (thrown) {
      say(`error ${describe(thrown)}`);
    }
  });
  await Promise.all(puts);
  const item = await store.table(RIGHT).get({ id: 'before' });
  say(`read ${item === undefined ? 'nothing' : 'before'}`);
}

async function main([folder = '', mode = '', count = '1']: readonly string[]): Promise<void> {
  let hasFailed = false;
  const onFatal = (error: PlatformError): void => {
    hasFailed = true;
    say(`fatal ${error.code}`);
  };
  const root = await openEmbeddedStore({ folder, clock: systemClock, onFatal });
  const store = root.store('crash');
  say('ready');
  if (mode === 'hold') setInterval(() => undefined, 1000);
  if (mode === 'write') {
    await Promise.all([
      writePairs(store),
      writePairs(store),
      writePairs(store),
      writeMessages(store),
      writeBlobs(store),
      writeChanges(store),
    ]);
  }
  if (mode === 'burst') {
    await burst(store, Number(count));
    await root.close();
    process.exitCode = hasFailed ? 1 : 0;
  }
}

if (process.argv[1] === import.meta.filename) {
  try {
    await main(process.argv.slice(2));
  } catch (thrown) {
    say(`failed ${describe(thrown)}`);
    process.exitCode = 2;
  }
}
