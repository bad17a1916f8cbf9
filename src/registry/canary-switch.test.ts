import { afterEach, beforeEach, expect, test } from 'vitest';

import { fakeClock, type FakeClock } from '../../tests/contract/fake-clock.ts';
import { createEventPort } from '../adapters/embedded/system.ts';
import { openMemoryStore } from '../adapters/embedded/store/store.ts';
import { Context } from '../core/context.ts';
import type { Logger, PlatformEvent, StoreRoot, TenantStore } from '../core/ports.ts';
import type { CanaryRoute } from './canary.ts';
import { CanarySwitch } from './canary-switch.ts';
import { CodeVersions, type VersionSource } from './code-versions.ts';

const logged: { readonly message: string; readonly fields: unknown }[] = [];
const log: Logger = { log: (_, message, fields) => void logged.push({ message, fields }), with: () => log };

let clock: FakeClock;
let store: StoreRoot;
let events: PlatformEvent[];
let canaries: CanarySwitch;

beforeEach(async () => {
  clock = fakeClock();
  store = await openMemoryStore({ clock });
  logged.length = 0;
  events = [];
  canaries = make();
});

afterEach(async () => {
  await canaries.close();
  await store.close();
});

function make(versions?: CodeVersions): CanarySwitch {
  const port = createEventPort(log);
  port.subscribe((event) => events.push(event));
  return new CanarySwitch({ store, clock, log, events: port, versions });
}

/** What a new process finds. */
async function restart(versions?: CodeVersions): Promise<void> {
  await canaries.close();
  canaries = make(versions);
}

const route: CanaryRoute = {
  owner: 'team-x',
  id: 'tool-find',
  tool: 'find',
  candidate: 'crm:next',
  settings: { alias: 'next', percent: 100, rollback: { errorPercent: 20, minCalls: 10 } },
  generation: 'one',
};

function context(id = 'ada'): Context {
  const principal = { id, tenant: 'team-x', roles: [], scopes: [] } as const;
  return new Context({ principal, requestId: 'r', clock, timeoutMs: 1000, log });
}

/** Calls that end as told. @returns how many of them got the tried version. */
async function call(outcomes: string, of: CanaryRoute = route): Promise<number> {
  let tried = 0;
  for (const outcome of outcomes) {
    const trial = await canaries.begin(of, context());
    if (trial === undefined) continue;
    tried++;
    trial.end(outcome === 'x');
  }
  return tried;
}

test('a canary that works goes on', async () => {
  expect(await call('.'.repeat(500))).toBe(500);
  expect(canaries.report(route)).toEqual({
    tool: 'find',
    candidate: 'crm:next',
    percent: 100,
    cohort: [],
    state: 'running',
    calls: 100,
    errors: 0,
  });
});

test('one that fails too often is switched off for everybody, with a log line and an event', async () => {
  expect(await call('........x.x')).toBe(11);
  expect(await call('x')).toBe(1);
  expect(await call('.....')).toBe(0);
  const facts = { tenant: 'team-x', tool: 'find', candidate: 'crm:next', calls: 12, errorPercent: 25 };
  expect(logged).toEqual([{ message: 'canary-switched-off', fields: facts }]);
  expect(events).toEqual([{ type: 'canary-switched-off', ...facts, atMs: clock.nowMs() }]);
  expect(canaries.report(route)).toMatchObject({
    state: 'switched-off',
    calls: 12,
    errors: 3,
    since: '2026-11-01T00:00:00.000Z',
    reason: expect.stringContaining('It failed in 3 of 12 calls.'),
  });
});

test('few calls judge nothing', async () => {
  expect(await call('xxxxxxxxx')).toBe(9);
  expect(canaries.report(route).state).toBe('running');
});

test('a long good time does not hide a bad one', async () => {
  await call('.'.repeat(5000));
  expect(await call('x'.repeat(50))).toBe(21);
});

test('100 percent is never exceeded', async () => {
  const never = { ...route, settings: { ...route.settings, rollback: { errorPercent: 100, minCalls: 1 } } };
  expect(await call('x'.repeat(300), never)).toBe(300);
});

test('a caller outside gets the stable version, and is asked nothing', async () => {
  const named = { ...route, settings: { alias: 'next', cohort: ['bob'] } };
  expect(await canaries.begin(named, context('ada'))).toBeUndefined();
  expect(await canaries.begin(named, context('bob'))).toMatchObject({ functionName: 'crm:next' });
});

test('a restart forgets neither that it was switched off nor what was counted', async () => {
  await call('x'.repeat(10));
  await restart();
  expect(await call('.')).toBe(0);
  const other = { ...route, id: 'tool-other' };
  await call('xxxxxx', other);
  clock.advance(1000);
  await restart();
  expect(await call('xxxxxx', other)).toBe(4);
});

test('other settings are another canary', async () => {
  await call('x'.repeat(10));
  expect(await call('.', { ...route, generation: 'two' })).toBe(1);
  await restart();
  expect(await call('.', { ...route, generation: 'two' })).toBe(1);
});

test('an alias that has moved is another canary', async () => {
  let version = '2';
  const listeners = new Set<(name: string) => void>();
  const source: VersionSource = {
    get: () => Promise.resolve({ version, codeSha256: `sha-${version}` } as never),
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const versions = new CodeVersions(source, { onChanged: () => undefined, onLearned: () => undefined });
  await restart(versions);
  await call('x'.repeat(10));
  expect(await call('.')).toBe(0);
  await restart(versions);
  expect(await call('.')).toBe(0);
  version = '3';
  for (const listener of listeners) listener('crm');
  expect(await call('.')).toBe(1);
  versions.close();
});

test('what one instance switches off is off in the others', async () => {
  const second = make();
  const first = canaries;
  canaries = second;
  expect(await call('.')).toBe(1);
  canaries = first;
  await call('x'.repeat(10));
  await first.close();
  clock.advance(1000);
  canaries = second;
  await expect.poll(() => call('.')).toBe(0);
});

test('a store that fails leaves everybody on the stable version, and is asked again', async () => {
  let isBroken = true;
  const table: TenantStore['table'] = (spec) => {
    const real = store.store('team-x').table(spec);
    return { ...real, get: (key) => (isBroken ? Promise.reject(new Error('disk')) : real.get(key)) };
  };
  const { changes } = store.store('team-x');
  const blind = new CanarySwitch({
    store: { ...store, store: () => ({ table, changes }) as TenantStore },
    clock,
    log,
  });
  expect(await blind.begin(route, context())).toBeUndefined();
  expect(logged.map(({ message }) => message)).toEqual(['canary-not-read']);
  isBroken = false;
  expect(await blind.begin(route, context())).toBeDefined();
  await blind.close();
});

test('calls that are under way when it is switched off change nothing more', async () => {
  const trials = await Promise.all(Array.from({ length: 30 }, () => canaries.begin(route, context())));
  for (const trial of trials) trial?.end(true);
  expect(canaries.report(route)).toMatchObject({ state: 'switched-off', calls: 10, errors: 10 });
  expect(events).toHaveLength(1);
});
