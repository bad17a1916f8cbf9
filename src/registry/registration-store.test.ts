/** Registrations and their audit records: both or neither, whoever writes at the same time. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { fakeClock, type FakeClock } from '../../tests/contract/fake-clock.ts';
import { AUDIT_KEY, BY_ADA, auditOn, onRecord } from '../../tests/fixtures/audit.ts';
import { openMemoryStore } from '../adapters/embedded/store/store.ts';
import { verifyAudit } from '../audit/verify.ts';
import { PlatformError } from '../core/errors.ts';
import type { StoreRoot, TableSpec, TenantStore } from '../core/ports.ts';
import { REGISTRATIONS, RegistrationStore } from './registration-store.ts';
import type { FunctionDefinition, ServerDefinition } from './registration.ts';

const ARN = 'arn:aws:lambda:eu-west-1:1:function:crm';
const THINGS: TableSpec = { name: 'things', partitionKey: 'id' };
const tool = (name: string, description = 'd'): FunctionDefinition => ({
  type: 'tool',
  name,
  description,
  lambdaArn: ARN,
  parameters: {},
});
const server: ServerDefinition = { type: 'mcp', name: 'docs', url: 'https://user:pass@example.com/mcp?key=secret' };
const by = BY_ADA;

let clock: FakeClock;
let store: StoreRoot;
let registrations: RegistrationStore;

const registrationsOn = (root: StoreRoot): RegistrationStore =>
  new RegistrationStore({ store: root, clock, ids: { uuid: () => crypto.randomUUID() }, audit: auditOn(root) });

beforeEach(async () => {
  clock = fakeClock();
  store = await openMemoryStore({ clock });
  registrations = registrationsOn(store);
});
afterEach(async () => {
  registrations.close();
  await store.close();
});

const actions = async (): Promise<readonly string[]> => (await onRecord(store)).map(({ action }) => action);
const verdict = () => verifyAudit(store, 'team-x', AUDIT_KEY);

/** The same store, whose transactions go through `around`. */
function withTransact(around: (inner: TenantStore) => TenantStore['transact']): StoreRoot {
  return {
    ...store,
    store: (tenant) => {
      const inner = store.store(tenant);
      const { blobs, changes } = inner;
      return {
        tenant,
        table: (spec) => inner.table(spec),
        transact: around(inner),
        queue: (name, options) => inner.queue(name, options),
        blobs,
        changes,
      };
    },
  };
}

test('who registers, replaces and removes is on record, with where the name leads', async () => {
  const created = await registrations.create('team-x', tool('find'), { by });
  const replaced = await registrations.replace('team-x', 'tool-find', tool('find', 'other'), { by });
  await registrations.create('team-x', tool('find', 'third'), { by, upsert: true });
  await registrations.remove('team-x', 'tool-find', { by: { principal: 'bob', requestId: 'r-2' } });
  const resource = { type: 'registration', id: 'tool-find' };
  expect(await onRecord(store)).toMatchObject([
    { action: 'registration-created', ...by, resource, details: { lambdaArn: ARN, digest: created.digest } },
    { action: 'registration-replaced', ...by, resource, details: { revision: replaced.revision } },
    { action: 'registration-replaced', ...by, resource },
    { action: 'registration-removed', principal: 'bob', requestId: 'r-2', resource },
  ]);
  expect(await onRecord(store, 'team-y')).toEqual([]);
  expect(await verdict()).toMatchObject({ isIntact: true, records: 4 });
});

test('of the address of a server only its origin is on record, since the rest may hold a key', async () => {
  await registrations.create('team-x', server, { by });
  const text = JSON.stringify(await onRecord(store));
  expect(text).toContain('"origin":"https://example.com"');
  expect(text).not.toMatch(/secret|pass|user/);
});

test('what is refused leaves no record', async () => {
  await registrations.create('team-x', tool('find'), { by });
  await expect(registrations.create('team-x', tool('find'), { by })).rejects.toThrow('is registered already');
  await expect(registrations.create('team-x', tool('Find'), { by })).rejects.toThrow('differs');
  await expect(registrations.replace('team-x', 'tool-find', tool('find'), { by, revision: 'old' })).rejects.toThrow();
  await expect(registrations.remove('team-x', 'tool-none', { by })).rejects.toThrow('There is no registration');
  expect(await actions()).toEqual(['registration-created']);
});

test('a store that cannot take the record does not take the registration either', async () => {
  const full = registrationsOn(
    withTransact((inner) => async (writes) => {
      if (writes.some(({ table }) => table.name === 'AuditRecords')) throw new PlatformError('STORE_FULL', 'full');
      await inner.transact(writes);
    }),
  );
  await expect(full.create('team-x', tool('find'), { by })).rejects.toMatchObject({ code: 'STORE_FULL' });
  expect(await registrations.list('team-x')).toEqual([]);
  expect(await onRecord(store)).toEqual([]);
});

test('one of many that register the same name at once wins, and one record says so', async () => {
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_none, n) => registrations.create('team-x', tool('find', `d${n}`), { by })),
  );
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'REGISTRATION_EXISTS' });
  expect(await actions()).toEqual(['registration-created']);
});

test('two processes that register and other changes of the tenant keep one trail each, and all verify', async () => {
  const other = registrationsOn(store);
  const audit = auditOn(store);
  const change = (id: string) =>
    audit.commit(
      'team-x',
      [{ put: { id }, table: THINGS }],
      [{ ...by, action: 'thing-made', resource: { type: 'thing', id } }],
    );
  const names = Array.from({ length: 60 }, (_none, n) => `t${n}`);
  await Promise.all([
    ...names.slice(0, 30).map((name) => registrations.create('team-x', tool(name), { by })),
    ...names.slice(30).map((name) => other.create('team-x', tool(name), { by })),
    ...names.map(change),
    // The same ones from both sides: the first stays, or is overwritten.
    ...names.slice(0, 10).map((name) => other.create('team-x', tool(name, 'again'), { by, upsert: true })),
  ]);
  expect(await verdict()).toMatchObject({ isIntact: true, chains: 3, records: 130 });
  const created = (await onRecord(store)).filter(({ action }) => action === 'registration-created');
  expect(new Set(created.map(({ resource }) => resource.id)).size).toBe(60);
  expect(created).toHaveLength(60);
  other.close();
});

test('a commit that was made though the store denied it does not turn the next one into an error', async () => {
  let denials = 1;
  const flaky = registrationsOn(
    withTransact((inner) => async (writes) => {
      await inner.transact(writes);
      if (denials-- > 0) throw new PlatformError('STORE_UNAVAILABLE', 'no answer');
    }),
  );
  await expect(flaky.create('team-x', tool('a'), { by })).rejects.toMatchObject({ retryable: true });
  await expect(flaky.create('team-x', tool('a'), { by })).rejects.toMatchObject({ code: 'REGISTRATION_EXISTS' });
  await flaky.create('team-x', tool('b'), { by });
  expect(await actions()).toEqual(['registration-created', 'registration-created']);
  expect(await verdict()).toMatchObject({ isIntact: true });
  const { items } = await store.store('team-x').table(REGISTRATIONS).query({ index: 'by-tenant', partition: 'team-x' });
  expect(items.map(({ name }) => name)).toEqual(['a', 'b']);
  flaky.close();
});
