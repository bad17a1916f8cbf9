/** Jobs on a disk that fills up. Needs root and `mount`; says so when skipped. */

import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openEmbeddedStore } from '../../src/adapters/embedded/store/store.ts';
import { verifyAudit } from '../../src/audit/verify.ts';
import { PlatformError } from '../../src/core/errors.ts';
import { KEY, contextOf, startControlPlane, type Started } from '../fixtures/control-plane.ts';
import { thingCloud, thingService } from '../fixtures/thing-service.ts';
import { systemClock } from './store-writer.ts';
import { onTinyDisk, reasonNotToMount } from './tiny-disk.ts';

const noMount = reasonNotToMount();
if (noMount !== undefined) console.log(`skipped: jobs-disk cannot mount a tmpfs: ${noMount}`);

/** Submits until one is refused. @returns the ids acknowledged and the refusal. */
async function fill(at: Started): Promise<{ readonly ids: readonly string[]; readonly refusal: unknown }> {
  const ids: string[] = [];
  for (let n = 0; n < 2_000; n++) {
    try {
      const tags = { note: 'x'.repeat(256), more: 'y'.repeat(256) };
      ids.push((await at.submit({ params: { name: `n${n}` }, tags })).requestId);
    } catch (refusal) {
      return { ids, refusal };
    }
  }
  return { ids, refusal: undefined };
}

describe.skipIf(noMount !== undefined)('F-20 a disk that fills up under jobs', () => {
  test('refuses new ones with 507 and keeps nothing of them; what was acknowledged ends right once there is room', () =>
    onTinyDisk('3m', async (disk) => {
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(1_000_000));
      const store = await openEmbeddedStore({ folder: join(disk, 'data'), clock: systemClock });
      const cloud = thingCloud();
      const at = await startControlPlane({ store, services: [thingService(cloud)], everyMs: 200, leaseMs: 2_000 });
      try {
        const { ids, refusal } = await fill(at);
        expect(refusal).toBeInstanceOf(PlatformError);
        expect(refusal).toMatchObject({ code: 'STORE_FULL', status: 507, retryable: true });
        expect(ids.length).toBeGreaterThan(5);
        // Reads go on, and what was refused is not there.
        const { items } = await at.plane.list({ limit: 500 }, contextOf());
        expect(new Set(items.map(({ requestId }) => requestId))).toEqual(new Set(ids));
        await new Promise((resolve) => setTimeout(resolve, 3_000));
        execFileSync('mount', ['-o', 'remount,size=64m', disk]);
        rmSync(join(disk, 'ballast'));
        for (const id of ids) {
          const job = await at.plane.wait(id, 60_000, contextOf());
          expect([job.status, job.error]).toEqual(['succeeded', undefined]);
        }
        expect((await at.submit({ params: { name: 'after' } })).status).toBe('queued');
        expect(new Set(cloud.effects).size).toBeGreaterThanOrEqual(2 * ids.length);
        expect(cloud.effects.filter((effect) => effect.startsWith('create'))).toHaveLength(
          new Set(cloud.effects.filter((effect) => effect.startsWith('create'))).size,
        );
        expect((await verifyAudit(store, 'team-x', KEY)).problems).toEqual([]);
        console.log(`seen jobs-disk: ${ids.length} jobs acknowledged, then 507; all succeeded once there was room`);
      } finally {
        await at.stop();
        await store.close();
      }
    }));
});
