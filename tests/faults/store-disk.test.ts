/** Disks that are full, read-only, slow or failing. Needs root and `mount`, or `strace`; says so when skipped. */

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openEmbeddedStore } from '../../src/adapters/embedded/store/store.ts';
import type { PlatformError } from '../../src/core/errors.ts';
import type { Table, TableSpec } from '../../src/core/ports.ts';
import { failure } from '../contract/harness.ts';
import { RIGHT, systemClock } from './store-writer.ts';
import { onTinyDisk, reasonNotTo, reasonNotToMount } from './tiny-disk.ts';

const PLAIN: TableSpec = { name: 'Plain', partitionKey: 'id' };
const WRITER = join(import.meta.dirname, 'store-writer.ts');

const noMount = reasonNotToMount();
const noStrace = reasonNotTo('strace', ['-o', '/dev/null', '-e', 'inject=fsync:error=EIO:when=99', 'true']);
if (noMount !== undefined)
  console.log(`store-disk: full and read-only disks skipped, cannot mount a tmpfs: ${noMount}`);
if (noStrace !== undefined) console.log(`store-disk: failing and slow fsync skipped, cannot run strace: ${noStrace}`);

/** Puts until one fails. @returns the ids acknowledged and the error. */
async function fill(table: Table): Promise<{ readonly ids: readonly string[]; readonly error: unknown }> {
  const ids: string[] = [];
  for (let n = 0; n < 10_000; n += 1) {
    try {
      await table.put({ id: `k${n}`, body: 'x'.repeat(3000) });
      ids.push(`k${n}`);
    } catch (error) {
      return { ids, error };
    }
  }
  return { ids, error: undefined };
}

describe.skipIf(noMount !== undefined)('a full disk', () => {
  test('refuses writes with 507, serves reads, and takes writes again when there is room', () =>
    onTinyDisk('1500k', async (disk) => {
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(400_000));
      const fatal: PlatformError[] = [];
      const folder = join(disk, 'data');
      const root = await openEmbeddedStore({ folder, clock: systemClock, onFatal: (error) => fatal.push(error) });
      const table = root.store('t').table(PLAIN);
      const { ids, error } = await fill(table);
      expect(error).toMatchObject({ code: 'STORE_FULL', status: 507, retryable: true });
      expect(ids.length).toBeGreaterThan(20);
      await failure(
        root.check().then(() => table.put({ id: 'big', body: 'x'.repeat(100_000) })),
        'STORE_FULL',
      );
      for (const id of ids) expect(await table.get({ id }), id).toBeDefined();
      await failure(root.store('t').blobs.put('b', new Uint8Array(2_000_000), { contentType: 'x/y' }), 'STORE_FULL');
      expect(await root.store('t').blobs.get('b')).toBeUndefined();
      rmSync(join(disk, 'ballast'));
      await table.put({ id: 'after' });
      await root.check();
      await root.close();
      expect(fatal).toEqual([]);
      const again = await openEmbeddedStore({ folder, clock: systemClock });
      for (const id of [...ids, 'after']) expect(await again.store('t').table(PLAIN).get({ id }), id).toBeDefined();
      await again.close();
    }));

  test.each([16, 48, 96, 160, 300, 600])('of %i KiB from the start gives a clear error or a store that works', (kib) =>
    onTinyDisk(`${kib}k`, async (disk) => {
      const opened = await openEmbeddedStore({ folder: join(disk, 'data'), clock: systemClock }).catch(
        (thrown: unknown) => thrown,
      );
      if (opened instanceof Error) {
        expect(opened).toMatchObject({ code: 'STORE_FULL' });
        expect(opened.message).toContain(disk);
        return;
      }
      const root = opened as Awaited<ReturnType<typeof openEmbeddedStore>>;
      const { ids, error } = await fill(root.store('t').table(PLAIN));
      expect(error).toMatchObject({ code: 'STORE_FULL' });
      for (const id of ids) expect(await root.store('t').table(PLAIN).get({ id }), id).toBeDefined();
      await root.close();
    }),
  );

  test('that is still full at the next start lets everything be read', () =>
    onTinyDisk('1200k', async (disk) => {
      const folder = join(disk, 'data');
      const root = await openEmbeddedStore({ folder, clock: systemClock });
      await root.store('t').queue('q').send('x');
      await root.store('t').queue('q').receive({ max: 1, visibilityMs: 60_000 });
      const { ids } = await fill(root.store('t').table(PLAIN));
      await root.close();
      const ballast = join(disk, 'ballast');
      reasonNotTo('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4k']);
      const again = await openEmbeddedStore({ folder, clock: systemClock });
      for (const id of ids) expect(await again.store('t').table(PLAIN).get({ id }), id).toBeDefined();
      await failure(again.store('t').blobs.put('b', new Uint8Array(1_000_000), { contentType: 'x/y' }), 'STORE_FULL');
      await again.close();
    }));
});

describe.skipIf(noMount !== undefined)('a read-only disk', () => {
  test('is a clear error at start', () =>
    onTinyDisk('2m', async (disk) => {
      execFileSync('mount', ['-o', 'remount,ro', disk]);
      const error = await failure(
        openEmbeddedStore({ folder: join(disk, 'data'), clock: systemClock }),
        'STORE_UNAVAILABLE',
      );
      expect(error.message).toContain(join(disk, 'data'));
      expect(error.message).toContain('EROFS');
      const existing = await failure(openEmbeddedStore({ folder: disk, clock: systemClock }), 'STORE_UNAVAILABLE');
      expect(existing.message).toContain('EROFS');
    }));
});

interface Run {
  readonly lines: readonly string[];
  readonly code: number | null;
}

/** The `burst` writer under strace with a fault injected. */
async function burst(folder: string, inject: string, count: number): Promise<Run> {
  const calls = 'fsync,fdatasync';
  const args = ['-f', '-o', '/dev/null', '-e', `trace=${calls}`, '-e', `inject=${calls}:${inject}`];
  const child = spawn(
    'strace',
    [...args, process.execPath, '--import', 'tsx', WRITER, folder, 'burst', String(count)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { lines: output.split('\n').filter((line) => line !== ''), code };
}

async function seeded(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'zeroplane-fsync-'));
  try {
    const root = await openEmbeddedStore({ folder, clock: systemClock });
    await root.store('crash').table(RIGHT).put({ id: 'before' });
    await root.close();
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function expectStored(folder: string, lines: readonly string[]): Promise<void> {
  const root = await openEmbeddedStore({ folder, clock: systemClock });
  const table = root.store('crash').table(RIGHT);
  for (const line of lines)
    if (line.startsWith('ok ')) expect(await table.get({ id: line.split(' ')[1] ?? '' }), line).toBeDefined();
  await root.check();
  await root.close();
}

describe.skipIf(noStrace !== undefined)('a failing fsync', () => {
  test('acknowledges nothing, is fatal once, and reads go on', () =>
    seeded(async (folder) => {
      const { lines, code } = await burst(folder, 'error=EIO', 600);
      expect(lines.filter((line) => line.startsWith('ok '))).toEqual([]);
      expect(lines.filter((line) => line === 'error STORE_UNAVAILABLE')).toHaveLength(600);
      expect(lines.filter((line) => line.startsWith('fatal'))).toEqual(['fatal STORE_UNAVAILABLE']);
      expect(lines.at(-1)).toBe('read before');
      expect(code).toBe(1);
      await expectStored(folder, lines);
    }));

  test.each([1, 2, 3, 4, 5, 6, 7, 8])('that fails once, as number %i, loses nothing acknowledged', (n) =>
    seeded(async (folder) => {
      const { lines, code } = await burst(folder, `error=EIO:when=${n}`, 1200);
      const count = (word: string) => lines.filter((line) => line.startsWith(word)).length;
      console.log(
        `store-disk: fsync ${n} failed: ${count('ok ')} acknowledged, ${count('error ')} refused, exit ${code}`,
      );
      if (lines[0] === 'ready') {
        expect(count('ok ') + count('error ')).toBe(1200);
        expect(lines.at(-1)).toBe('read before');
        expect(code).toBe(count('fatal'));
      } else {
        expect(lines).toEqual(['failed STORE_UNAVAILABLE']);
      }
      // A write after the failed one must not be acknowledged, although the disk is well again.
      const firstError = lines.findIndex((line) => line.startsWith('error '));
      if (firstError >= 0) expect(lines.slice(firstError).some((line) => line.startsWith('ok '))).toBe(false);
      await expectStored(folder, lines);
    }),
  );

  test.each([1, 2, 3, 4, 5, 6])(
    'as number %i while the store is made leaves a folder that opens afterwards',
    async (n) => {
      const folder = mkdtempSync(join(tmpdir(), 'zeroplane-fsync-'));
      try {
        const { lines } = await burst(folder, `error=EIO:when=${n}`, 5);
        expect(lines.every((line) => !line.includes('INTERNAL'))).toBe(true);
        await expectStored(folder, lines);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});

describe.skipIf(noStrace !== undefined)('a slow fsync', () => {
  test.each([100, 1000])('of %i ms makes writes wait together, not in a row', (delayMs) =>
    seeded(async (folder) => {
      const { lines, code } = await burst(folder, `delay_enter=${delayMs * 1000}`, 500);
      const waits = lines.filter((line) => line.startsWith('ok ')).map((line) => Number(line.split(' ')[2]));
      expect(waits).toHaveLength(500);
      expect(Math.max(...waits)).toBeLessThan(4 * delayMs + 2000);
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(delayMs);
      expect(code).toBe(0);
    }),
  );
});
