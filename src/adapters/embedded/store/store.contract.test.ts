import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blobStoreContract } from '../../../../tests/contract/blob-store.ts';
import { changeFeedContract } from '../../../../tests/contract/change-feed.ts';
import { fakeClock } from '../../../../tests/contract/fake-clock.ts';
import type { CreateStore } from '../../../../tests/contract/harness.ts';
import { queueContract } from '../../../../tests/contract/queue.ts';
import { storeContract } from '../../../../tests/contract/store.ts';
import { tableContract } from '../../../../tests/contract/table.ts';
import type { EngineName } from './open-driver.ts';
import { hasNodeSqlite } from './open-driver.ts';
import { openEmbeddedStore, openMemoryStore } from './store.ts';

function onDisk(engine: EngineName): CreateStore {
  return async () => {
    const folder = await mkdtemp(join(tmpdir(), 'zeroplane-store-'));
    const clock = fakeClock();
    const root = await openEmbeddedStore({ folder, clock, engine });
    const dispose = async (): Promise<void> => {
      await root.close();
      await rm(folder, { recursive: true });
    };
    return { root, nowMs: () => clock.nowMs(), advance: clock.advance, dispose };
  };
}

function inMemory(engine: EngineName): CreateStore {
  return async () => {
    const clock = fakeClock();
    const root = await openMemoryStore({ clock, engine });
    return { root, nowMs: () => clock.nowMs(), advance: clock.advance, dispose: () => root.close() };
  };
}

const engines: readonly EngineName[] = hasNodeSqlite() ? ['libsql', 'node:sqlite'] : ['libsql'];
for (const engine of engines) {
  for (const [label, create] of [
    [`files (${engine})`, onDisk(engine)],
    [`memory (${engine})`, inMemory(engine)],
  ] as const) {
    tableContract(label, create);
    queueContract(label, create);
    blobStoreContract(label, create);
    changeFeedContract(label, create);
    storeContract(label, create);
  }
}
