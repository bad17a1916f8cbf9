import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Clock } from '../core/ports.ts';
import type { LoadedConfig } from './load.ts';
import { loadConfig } from './load.ts';
import type { ConfigDiff, ConfigWatch, WatchOptions } from './watch.ts';
import { diffConfig, watchConfig } from './watch.ts';

let cwd = '';
let file = '';
beforeAll(async () => {
  cwd = await mkdtemp(path.join(os.tmpdir(), 'watch-'));
  file = path.join(cwd, 'zeroplane.yaml');
});
afterAll(async () => rm(cwd, { recursive: true, force: true }));

const load = (): Promise<LoadedConfig> => loadConfig({ cwd, env: {} });

/** Timers that run when told to. */
class ManualClock implements Clock {
  readonly timers = new Set<() => void>();
  nowMs(): number {
    return 0;
  }
  monotonicMs(): number {
    return 0;
  }
  after(_: number, run: () => void): () => void {
    this.timers.add(run);
    return () => this.timers.delete(run);
  }
  fire(): void {
    for (const run of this.timers) {
      this.timers.delete(run);
      run();
    }
  }
}

interface Harness {
  readonly clock: ManualClock;
  readonly watch: ConfigWatch;
  readonly events: unknown[];
  readonly touch: (name: string | undefined) => void;
  readonly isStopped: () => boolean;
}

function start(loaded: LoadedConfig, options: Partial<WatchOptions> = {}): Harness {
  const clock = new ManualClock();
  const events: unknown[] = [];
  let touch: (name: string | undefined) => void = () => undefined;
  let stopped = false;
  const watch = watchConfig(loaded, {
    load,
    clock,
    onChange: (next, diff) => events.push([next.config.port, diff.needsRestart]),
    onInvalid: (problems) => events.push(problems.map((problem) => problem.path)),
    watchFolder: (_, onEvent) => {
      touch = onEvent;
      return () => {
        stopped = true;
      };
    },
    ...options,
  });
  return { clock, watch, events, touch: (name) => touch(name), isStopped: () => stopped };
}

describe('watching', () => {
  test('many events become one reload', async () => {
    await writeFile(file, 'port: 1');
    const { clock, watch, events, touch } = start(await load());
    await writeFile(file, 'port: 2');
    for (const name of ['zeroplane.yaml', '4913', 'zeroplane.yaml~', 'zeroplane.yaml', undefined, '..data'])
      touch(name);
    expect(clock.timers.size).toBe(1);
    clock.fire();
    await watch.reload();
    expect(events[0]).toEqual([2, ['port']]);
    expect(watch.current().config.port).toBe(2);
  });

  test('other files of the folder are of no interest', async () => {
    await writeFile(file, 'port: 1');
    const { clock, touch } = start(await load());
    for (const name of ['notes.txt', 'instance.json', '.git']) touch(name);
    expect(clock.timers.size).toBe(0);
  });

  test('an invalid file is reported, the old configuration stays, and a valid one ends it', async () => {
    await writeFile(file, 'port: 1');
    const { watch, events } = start(await load());
    await writeFile(file, 'prot: 2');
    await watch.reload();
    expect(watch.current().config.port).toBe(1);
    await writeFile(file, 'port: 1');
    await watch.reload();
    expect(events).toEqual([['prot'], [1, []]]);
  });

  test('a failure that is no problem of the file is reported too', async () => {
    await writeFile(file, 'port: 1');
    const failures: unknown[] = [];
    const { watch } = start(await load(), {
      load: () => Promise.reject(new Error('disk')),
      onInvalid: (problems, error) => failures.push([problems, (error as Error).message]),
    });
    await watch.reload();
    expect(failures).toEqual([[[], 'disk']]);
  });

  test('a change during a load is loaded after it', async () => {
    await writeFile(file, 'port: 1');
    const releases: (() => void)[] = [];
    let loads = 0;
    const loaded = await load();
    const { watch } = start(loaded, {
      load: async () => {
        loads += 1;
        await new Promise<void>((resolve) => releases.push(resolve));
        return loaded;
      },
    });
    const first = watch.reload();
    const second = watch.reload();
    const third = watch.reload();
    releases[0]?.();
    await Promise.resolve();
    while (releases.length < 2) await new Promise((resolve) => setImmediate(resolve));
    releases[1]?.();
    await Promise.all([first, second, third]);
    expect(loads).toBe(2);
  });

  test('nothing is handed on after close', async () => {
    await writeFile(file, 'port: 1');
    const { clock, watch, events, touch, isStopped } = start(await load());
    touch('zeroplane.yaml');
    watch.close();
    clock.fire();
    touch('zeroplane.yaml');
    await watch.reload();
    expect([events, isStopped(), clock.timers.size]).toEqual([[], true, 0]);
  });

  test('the system tells of a file that an editor put in place of the old one', async () => {
    await writeFile(file, 'port: 1');
    const { promise, resolve } = withResolvers<ConfigDiff>();
    const clock: Clock = {
      nowMs: () => 0,
      monotonicMs: () => 0,
      after: (_, run) => (setImmediate(run), () => undefined),
    };
    const watch = watchConfig(await load(), {
      load,
      clock,
      onChange: (_, diff) => diff.keys.length > 0 && resolve(diff),
      onInvalid: () => undefined,
    });
    await writeFile(`${file}.new`, 'port: 3\nlogLevel: debug');
    await rename(`${file}.new`, file);
    expect((await promise).keys).toEqual(['logLevel', 'port']);
    watch.close();
  });
});

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

describe('comparing', () => {
  const configOf = async (text: string) => {
    await writeFile(file, text);
    return (await load()).config;
  };

  test('servers and functions are named by what happened to them', async () => {
    const old = await configOf(
      'mcpServers: { a: { command: x }, b: { command: x }, c: { command: x } }\nfunctions: { f: { handler: h } }',
    );
    const next = await configOf(
      'mcpServers: { c: { command: x }, b: { command: y }, d: { url: "http://h/" } }\nfunctions: { f: { handler: h, tags: { a: b } } }\nauth: { mode: none }\nhosts: [h]',
    );
    expect(diffConfig(old, next)).toEqual({
      servers: { added: ['d'], removed: ['a'], changed: ['b'] },
      functions: { added: [], removed: [], changed: ['f'] },
      keys: ['auth', 'hosts'],
      needsRestart: ['auth'],
      isEmpty: false,
    });
  });

  test('the same text read twice is no change', async () => {
    const text = 'mcpServers: { a: { command: x, env: { A: b } } }';
    expect(diffConfig(await configOf(text), await configOf(text)).isEmpty).toBe(true);
  });
});
