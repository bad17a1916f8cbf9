import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEmbeddedStore } from '../../src/adapters/embedded/store/store.ts';
import { crashRuns } from './store-crash.ts';
import { systemClock } from './store-writer.ts';

const RUNS = Number(process.env['ZEROPLANE_FAULT_RUNS'] ?? 30);
const SEED = Number(process.env['ZEROPLANE_FAULT_SEED'] ?? 1);

test(
  `nothing acknowledged is lost over ${RUNS} kills (seed ${SEED})`,
  async () => {
    const report = await crashRuns({ kills: RUNS, seed: SEED });
    console.log(
      `store-crash: ${RUNS} kills, ${report.killedBeforeReady} before they were ready, ${report.acknowledged} acknowledged, 0 lost`,
    );
    expect(report.acknowledged).toBeGreaterThan(0);
  },
  RUNS * 4000 + 30_000,
);

test(
  'a store killed while it is being made or migrated opens afterwards',
  async () => {
    for (let run = 0; run < Math.max(8, RUNS / 4); run += 1) {
      const folder = await mkdtemp(join(tmpdir(), 'zeroplane-birth-'));
      const child = spawn(
        process.execPath,
        ['--import', 'tsx', join(import.meta.dirname, 'store-writer.ts'), folder, 'hold'],
        { stdio: 'ignore' },
      );
      const ended = new Promise((resolve) => child.once('close', resolve));
      // Most of the start of the process is Node's own; the store is made in the last of these milliseconds.
      setTimeout(() => child.kill('SIGKILL'), 220 + run * 12);
      await ended;
      const root = await openEmbeddedStore({ folder, clock: systemClock });
      await root.check();
      await root.close();
      await rm(folder, { recursive: true });
    }
  },
  RUNS * 2000 + 30_000,
);
