/** Workflows on a disk that fills up. Needs root and `mount`; says so when skipped. */

import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { defineWorkflow } from '../../src/workflows/engine/code-workflow.ts';
import { failure } from '../contract/harness.ts';
import { makeDisk, reasonNotToMount, removeDisk } from './tiny-disk.ts';
import { OWNER, openEngine } from './workflow-runner.ts';

const noMount = reasonNotToMount();
if (noMount !== undefined) console.log(`skipped: workflow-disk cannot mount a tmpfs: ${noMount}`);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(noMount !== undefined)('a full disk', () => {
  test('makes executions wait where they are; with room they go on, and no step runs twice', async () => {
    const disk = makeDisk('2500k');
    try {
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(1_200_000));
      const ran: string[] = [];
      const flow = defineWorkflow({ name: 'f' }, async (context) => {
        for (let n = 0; n < 60; n += 1)
          await context.step(`s${n}`, async () => {
            ran.push(`s${n}`);
            return 'x'.repeat(20_000);
          });
        return ran.length;
      });
      const { engine, close } = await openEngine(join(disk, 'data'), { workflows: [flow] });
      await engine.boot();
      const { id } = await engine.start(OWNER, { workflow: 'f' });
      // Full: the same step is tried no second time, and nothing new is begun.
      await expect.poll(() => ran.length, { timeout: 10_000 }).toBeGreaterThan(5);
      let before = -1;
      while (before !== ran.length) {
        before = ran.length;
        await pause(1500);
      }
      expect(ran.length).toBeLessThan(60);
      expect((await engine.describe('crash', id)).status).toBe('RUNNING');
      await failure(engine.start(OWNER, { workflow: 'f', input: 'x'.repeat(100_000) }), 'STORE_FULL');
      execFileSync('mount', ['-o', 'remount,size=8000k', disk]);
      rmSync(join(disk, 'ballast'));
      await expect.poll(async () => (await engine.describe('crash', id)).status, { timeout: 15_000 }).toBe('SUCCEEDED');
      expect(ran).toHaveLength(60);
      expect(new Set(ran).size).toBe(60);
      await close();
    } finally {
      removeDisk(disk);
    }
  });
});
