import { expect, test } from 'vitest';
import { fakeClock } from '../../../tests/contract/fake-clock.ts';
import { silentLog } from '../../../tests/fixtures/assembled.ts';
import { PlatformError } from '../../core/errors.ts';
import type { DirectoryEntry, FunctionDirectory } from '../../core/ports.ts';
import { FunctionDiscovery, type DiscoverySettings } from './function-discovery.ts';

interface Scripted extends FunctionDirectory {
  entries: DirectoryEntry[];
  readonly denied: Set<string>;
  failure: Error | undefined;
  lists: number;
  asked: number;
  /** Runs in the middle of each list. */
  meanwhile: () => Promise<void> | void;
  announce: () => void;
}

function entry(name: string, tags: Record<string, string> = {}): DirectoryEntry {
  const arn = `arn:aws:lambda:us-east-1:123456789012:function:${name}`;
  const code = { version: '$LATEST', codeSha256: 'x' };
  return { name, arn, runtime: 'nodejs24.x', description: '', tags, timeoutSeconds: 3, memoryMb: 128, ...code };
}

function directory(entries: DirectoryEntry[], hears = false): Scripted {
  let listener = (): void => {};
  const scripted: Scripted = {
    label: 'simulated',
    entries,
    denied: new Set(),
    failure: undefined,
    lists: 0,
    asked: 0,
    meanwhile: () => {},
    announce: () => listener(),
    async list() {
      scripted.lists++;
      const { failure } = scripted;
      const now = scripted.entries;
      await scripted.meanwhile();
      if (failure !== undefined) throw failure;
      return now;
    },
    schema: () => Promise.reject(new PlatformError('NOT_FOUND', 'no')),
    mayInvoke(name) {
      scripted.asked++;
      return Promise.resolve(!scripted.denied.has(name));
    },
    ...(hears ? { onChange: (run: () => void) => ((listener = run), () => {}) } : {}),
  };
  return scripted;
}

function discover(of: Scripted, settings: DiscoverySettings = {}) {
  const clock = fakeClock();
  const seen: string[][] = [];
  const discovery = new FunctionDiscovery(
    { directory: of, clock, log: silentLog, onFound: () => void seen.push(discovery.found.map((each) => each.name)) },
    settings,
  );
  return { discovery, clock, seen };
}

/** Lets what was started by a timer or an event go on to its end. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

test('2.16: a directory is read again from time to time, and only news are told', async () => {
  const of = directory([entry('a')]);
  const { discovery, clock, seen } = discover(of, { rescanSeconds: 30 });
  await discovery.scan();
  clock.advance(29_999);
  await settle();
  expect(of.lists).toBe(1);
  clock.advance(1);
  await settle();
  expect([of.lists, seen]).toEqual([2, [['a']]]);
  of.entries = [entry('a'), entry('b')];
  clock.advance(30_000);
  await settle();
  expect(seen).toEqual([['a'], ['a', 'b']]);
});

test('2.16: a directory that tells of changes is read at once, and not by the clock', async () => {
  const of = directory([entry('a')], true);
  const { discovery, clock, seen } = discover(of);
  await discovery.scan();
  clock.advance(3_600_000);
  await settle();
  expect(of.lists).toBe(1);
  of.entries = [entry('b')];
  of.announce();
  await settle();
  expect(seen).toEqual([['a'], ['b']]);
});

test('2.16: what changes during a scan is in a second one, however often it changes', async () => {
  const of = directory([entry('a')], true);
  const { discovery, seen } = discover(of);
  of.meanwhile = () => {
    of.meanwhile = () => {};
    of.entries = [entry('b')];
    for (let count = 0; count < 10; count++) of.announce();
  };
  await discovery.scan();
  expect([of.lists, seen]).toEqual([2, [['a'], ['b']]]);
});

test('2.16: the last good list stays when a scan fails, and the reason is told', async () => {
  const of = directory([entry('a')]);
  const { discovery, clock, seen } = discover(of);
  await discovery.scan();
  of.failure = new PlatformError('FUNCTION_THROTTLED', 'AWS throttles.');
  clock.advance(60_000);
  await settle();
  expect(discovery.found.map((each) => each.name)).toEqual(['a']);
  expect(discovery.status).toEqual({ state: 'stale', reason: 'AWS throttles.' });
  of.failure = undefined;
  clock.advance(60_000);
  await settle();
  expect(discovery.status).toEqual({ state: 'ready' });
  expect(seen).toEqual([['a']]);
});

test('without a first list the state says so, and the next scan mends it', async () => {
  const of = directory([entry('a')]);
  of.failure = new PlatformError('FUNCTION_DENIED', 'AWS refuses lambda:ListFunctions.');
  const { discovery, clock, seen } = discover(of);
  await discovery.scan();
  expect(discovery.status).toEqual({ state: 'failed', reason: 'AWS refuses lambda:ListFunctions.' });
  of.failure = undefined;
  clock.advance(60_000);
  await settle();
  expect([discovery.status.state, seen]).toEqual(['ready', [[], ['a']]]);
});

test('2.3: functions that the caller may not invoke are not found, and only selected ones are asked about', async () => {
  const of = directory([entry('mcp-a'), entry('mcp-b'), entry('other')]);
  of.denied.add(entry('mcp-b').arn);
  const { discovery, clock } = discover(of, { rule: { prefix: 'mcp-' }, checksRights: true });
  await discovery.scan();
  expect(discovery.found.map((each) => each.name)).toEqual(['mcp-a']);
  expect(of.asked).toBe(2);
  // A right that was missing is asked for with every scan, one that was there after ten minutes.
  clock.advance(60_000);
  await settle();
  expect(of.asked).toBe(3);
  of.denied.clear();
  clock.advance(60_000);
  await settle();
  expect(discovery.found.map((each) => each.name)).toEqual(['mcp-a', 'mcp-b']);
  clock.advance(600_000);
  await settle();
  expect(of.asked).toBe(6);
});

test('the order of the directory changes nothing', async () => {
  const of = directory([entry('b'), entry('a')]);
  const { discovery, clock, seen } = discover(of);
  await discovery.scan();
  of.entries = [entry('a'), entry('b')];
  clock.advance(60_000);
  await settle();
  expect(seen).toEqual([['a', 'b']]);
});

test('nothing is read after the end', async () => {
  const of = directory([entry('a')], true);
  const { discovery, clock } = discover(of);
  await discovery.scan();
  discovery.close();
  of.announce();
  clock.advance(3_600_000);
  await discovery.scan();
  expect(of.lists).toBe(1);
});
