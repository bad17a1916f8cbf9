/** What a caller changes of workflows and executions is on record, in one commit with the change. */

import { expect, test } from 'vitest';
import { AUDIT_KEY, BY_ADA as by, auditOn, onRecord } from '../../../tests/fixtures/audit.ts';
import { fakeClock } from '../../../tests/contract/fake-clock.ts';
import { openMemoryStore } from '../../adapters/embedded/store/store.ts';
import { systemIds } from '../../adapters/embedded/system.ts';
import { verifyAudit } from '../../audit/verify.ts';
import { PlatformError } from '../../core/errors.ts';
import type { StoreRoot } from '../../core/ports.ts';
import { aslKind } from '../asl/asl-kind.ts';
import { JOURNAL } from '../durable/tables.ts';
import { WorkflowFailure } from '../failure.ts';
import { defineWorkflow } from './code-workflow.ts';
import { createEmbeddedEngine, type EmbeddedEngine } from './embedded-engine.ts';
import { ADA, TOKEN_KEY, collectLog, endOf } from './engine-for-test.ts';

const MACHINE = { StartAt: 'A', States: { A: { Type: 'Pass', End: true } } };
const asl = (name: string, definition: object = MACHINE) => ({ name, kind: 'asl', definition: definition as never });

interface Opened {
  readonly engine: EmbeddedEngine;
  readonly store: StoreRoot;
  readonly token: () => Promise<string>;
  /** Another engine on the same store. */
  readonly again: () => EmbeddedEngine;
}

async function withAudited(body: (opened: Opened) => Promise<void>): Promise<void> {
  const clock = fakeClock();
  const store = await openMemoryStore({ clock });
  const tokens: string[] = [];
  const engines: EmbeddedEngine[] = [];
  const asking = defineWorkflow({ name: 'asking' }, (context) =>
    context.waitForCallback('answer', async (token) => void tokens.push(token)),
  );
  const failing = defineWorkflow({ name: 'failing' }, async () => {
    throw new WorkflowFailure('Moody', 'the secret cause');
  });
  const again = (): EmbeddedEngine => {
    const parts = { store, clock, ids: systemIds, log: collectLog(), tokenKey: TOKEN_KEY, drainMs: 0 };
    const kinds = [aslKind({ runTask: () => Promise.reject(new Error('no tasks here')) })];
    const engine = createEmbeddedEngine({ ...parts, audit: auditOn(store), kinds, workflows: [asking, failing] });
    engines.push(engine);
    return engine;
  };
  const engine = again();
  try {
    await engine.boot();
    const token = () =>
      expect
        .poll(() => tokens.length, { interval: 2 })
        .toBeGreaterThan(0)
        .then(() => tokens.shift() ?? '');
    await body({ engine, store, token, again });
    expect(await verifyAudit(store, 'team-x', AUDIT_KEY)).toMatchObject({ isIntact: true });
  } finally {
    const closing = Promise.all(engines.map((each) => each.close()));
    clock.advance(1);
    await closing;
    await store.close();
  }
}

test('a workflow that is registered, each version once', () =>
  withAudited(async ({ engine, store }) => {
    const { hash } = await engine.register('team-x', asl('m'), by);
    await engine.register('team-x', asl('m'), by);
    await engine.register('team-x', asl('m', { ...MACHINE, Comment: 'b' }), by);
    await expect(engine.register('team-x', { ...asl('m'), version: 2 }, by)).rejects.toThrow(PlatformError);
    expect(await onRecord(store)).toMatchObject([
      {
        action: 'workflow-registered',
        ...by,
        resource: { type: 'workflow', id: 'm' },
        details: { version: 1, definition: hash },
      },
      { action: 'workflow-registered', ...by, details: { version: 2 } },
    ]);
  }));

test('many versions that are registered at once are each on record', () =>
  withAudited(async ({ engine, store }) => {
    const all = Array.from({ length: 12 }, (_none, n) =>
      engine.register('team-x', asl('m', { ...MACHINE, Comment: `${n}` }), by),
    );
    const versions = (await Promise.all(all)).map(({ version }) => version);
    expect(versions.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_none, n) => n + 1));
    expect((await onRecord(store)).map(({ details }) => details?.['version'])).toEqual(
      versions.toSorted((a, b) => a - b),
    );
  }));

test('an execution that is stopped, once, without its cause', () =>
  withAudited(async ({ engine, store, token }) => {
    const { id } = await engine.start(ADA, { workflow: 'asking', name: 'it' });
    await token();
    await engine.stop('team-x', id, { error: 'Enough', cause: 'the secret cause' }, by);
    await engine.stop('team-x', id, {}, by);
    await expect(engine.stop('team-x', 'asking:none', {}, by)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const records = await onRecord(store);
    expect(records).toMatchObject([
      {
        action: 'execution-stopped',
        ...by,
        resource: { type: 'execution', id },
        details: { workflow: 'asking', error: 'Enough' },
      },
    ]);
    expect(JSON.stringify(records)).not.toContain('secret');
  }));

test('an execution that is redriven; one that cannot be leaves no record', () =>
  withAudited(async ({ engine, store }) => {
    const { id } = await engine.start(ADA, { workflow: 'failing', name: 'it' });
    await endOf(engine, id);
    await engine.redrive('team-x', id, by);
    await endOf(engine, id);
    await engine.register('team-x', asl('m'), by);
    const { id: fine } = await engine.start(ADA, { workflow: 'm', name: 'it' });
    await endOf(engine, fine);
    await expect(engine.redrive('team-x', fine, by)).rejects.toMatchObject({ code: 'EXECUTION_NOT_REDRIVABLE' });
    expect(await onRecord(store)).toMatchObject([
      { action: 'execution-redriven', ...by, resource: { type: 'execution', id }, details: { redriveCount: 1 } },
      { action: 'workflow-registered' },
    ]);
  }));

test.each([
  [
    'task-succeeded',
    (engine: EmbeddedEngine, token: string) => engine.sendTaskSuccess('team-x', token, 'the secret', by),
  ],
  [
    'task-failed',
    (engine: EmbeddedEngine, token: string) =>
      engine.sendTaskFailure('team-x', token, { error: 'No', cause: 'the secret' }, by),
  ],
] as const)('%s by token, once, without what was sent', (action, send) =>
  withAudited(async ({ engine, store, token }) => {
    const { id } = await engine.start(ADA, { workflow: 'asking', name: 'it' });
    const taken = await token();
    await send(engine, taken);
    await endOf(engine, id);
    await expect(send(engine, taken)).rejects.toThrow(PlatformError);
    await expect(send(engine, 'forged')).rejects.toMatchObject({ code: 'TASK_TOKEN_INVALID' });
    const records = await onRecord(store);
    expect(records).toMatchObject([{ action, ...by, resource: { type: 'execution', id } }]);
    expect(JSON.stringify(records)).not.toContain('secret');
    expect(JSON.stringify(records)).not.toContain(taken);
  }),
);

test('an execution whose journal is repaired', () =>
  withAudited(async ({ engine, store, token, again }) => {
    const { id } = await engine.start(ADA, { workflow: 'asking', name: 'it' });
    await token();
    await engine.close();
    const table = store.store('team-x').table(JOURNAL);
    const [record] = (await table.query({ partition: id, prefix: 'c' })).items;
    await table.put({ ...record, text: 'x' });
    await again().repair('team-x', id, by);
    expect(await onRecord(store)).toMatchObject([
      { action: 'execution-repaired', ...by, resource: { type: 'execution', id } },
    ]);
  }));

test('what has no author leaves no record: it belongs to something that is on record', () =>
  withAudited(async ({ engine, store, token }) => {
    await engine.register('team-x', asl('m'));
    const { id } = await engine.start(ADA, { workflow: 'asking', name: 'it' });
    await token();
    await engine.stop('team-x', id);
    await engine.redrive('team-x', id);
    expect(await onRecord(store)).toEqual([]);
  }));
