import type { DurableContext } from '@aws/durable-execution-sdk-js';
import { describe, expect, test } from 'vitest';
import { fakeClock } from '../../../tests/contract/fake-clock.ts';
import { failure } from '../../../tests/contract/harness.ts';
import type { JsonValue, Write } from '../../core/ports.ts';
import { WorkflowFailure } from '../failure.ts';
import { JOURNAL, TIMERS, textAt } from '../durable/tables.ts';
import { defineWorkflow } from './code-workflow.ts';
import { ADA, endOf, turn, withEngine } from './engine-for-test.ts';
import type { HistoryDraft, RunInfo, WorkflowKind } from './workflow-engine.ts';

const once = { retryStrategy: () => ({ shouldRetry: false }) };

/** Resolves when somebody says so. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

describe('a restart', () => {
  test('goes on after the last step that was stored, without a command', async () => {
    const ran: string[] = [];
    const hold = gate();
    const flow = (name: string, wait: Promise<void>) =>
      defineWorkflow({ name, version: 1 }, async (context) => {
        await context.step('one', async () => void ran.push('one'));
        await context.step('two', async () => {
          ran.push('two');
          await wait;
        });
        return context.step('three', async () => ran.push('three'));
      });
    await withEngine({ workflows: [flow('f', hold.opened)] }, async ({ engine, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'f' });
      await expect.poll(() => ran, { interval: 2 }).toEqual(['one', 'two']);
      // The first process is gone without a word; the second finds what it had stored.
      const second = again({ workflows: [flow('f', Promise.resolve())] });
      await second.boot();
      expect(await endOf(second, id)).toMatchObject({ status: 'SUCCEEDED', output: 4 });
      expect(ran).toEqual(['one', 'two', 'two', 'three']);
      hold.open();
      await turn(20);
      expect(ran).toHaveLength(4);
    });
  });

  test('keeps waits, retries and task tokens', async () => {
    const tokens: string[] = [];
    let tries = 0;
    const flow = defineWorkflow({ name: 'f' }, async (context) => {
      await context.wait('nap', { seconds: 100 });
      await context.step(
        'flaky',
        async () => {
          tries += 1;
          if (tries < 2) throw new Error('not yet');
        },
        { retryStrategy: () => ({ shouldRetry: true, delay: { seconds: 50 } }) },
      );
      return context.waitForCallback('ask', async (token) => void tokens.push(token));
    });
    await withEngine({ workflows: [flow] }, async ({ engine, clock, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'f' });
      await turn();
      await engine.close();
      clock.advance(99_000);
      const second = again();
      await second.boot();
      await turn();
      expect(tries).toBe(0);
      clock.advance(1000);
      await expect.poll(() => tries, { interval: 2 }).toBe(1);
      await turn();
      await second.close();
      // Due while nothing ran: done at once at the next start.
      clock.advance(1_000_000);
      const third = again();
      await third.boot();
      await expect.poll(() => tokens.length, { interval: 2 }).toBe(1);
      await turn();
      await third.close();
      const fourth = again();
      await fourth.sendTaskSuccess('team-x', tokens[0] ?? '', 'hello');
      await fourth.boot();
      expect(await endOf(fourth, id)).toMatchObject({ status: 'SUCCEEDED', output: '"hello"' });
      expect([tries, tokens.length]).toEqual([2, 1]);
    });
  });

  test('gives the starter back as they were, with claims', async () => {
    const seen: RunInfo[] = [];
    const flow = defineWorkflow({ name: 'f' }, async (context, _input, run) => {
      seen.push(run);
      await context.wait('nap', { seconds: 5 });
      return null;
    });
    await withEngine({ workflows: [flow] }, async ({ engine, clock, again }) => {
      const principal = { ...ADA, claims: { sub: 'ada', groups: ['a', 'b'] } };
      const { id } = await engine.start(principal, { workflow: 'f', traceparent: 'tp', timeoutSeconds: 60 });
      await turn();
      await engine.close();
      const second = again();
      await second.boot();
      clock.advance(5000);
      await endOf(second, id);
      for (const run of seen) {
        expect(run.principal).toEqual(principal);
        expect(run.context).toMatchObject({ principal, tenant: 'team-x', requestId: id, trace: { traceparent: 'tp' } });
      }
      expect(seen.length).toBeGreaterThan(1);
    });
  });

  test('of hundreds of sleepers wakes none before its time', async () => {
    let invocations = 0;
    const flow = defineWorkflow({ name: 'sleeper' }, async (context) => {
      invocations += 1;
      await context.wait('long', { hours: 1 });
      return 1;
    });
    await withEngine({ workflows: [flow] }, async ({ engine, store, clock, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'sleeper', name: 'one' });
      await turn();
      await engine.close();
      await copies(store.store('team-x'), id, 800);
      expect(invocations).toBe(1);
      const second = again();
      await second.boot();
      await turn();
      expect(invocations).toBe(1);
      clock.advance(3_600_000);
      await expect.poll(() => invocations, { timeout: 15_000 }).toBe(802);
    });
  });
});

/** Makes many suspended executions of one, as if each had been started. */
async function copies(
  store: ReturnType<Parameters<Parameters<typeof withEngine>[1]>[0]['store']['store']>,
  id: string,
  count: number,
): Promise<void> {
  const { EXECUTIONS } = await import('./tables.ts');
  const { firstSum, entrySum } = await import('../durable/head.ts');
  const { items } = await store.table(JOURNAL).query({ partition: id });
  const row = await store.table(EXECUTIONS).get({ id });
  const timer = await store.table(TIMERS).get({ execution: id });
  const all: Write[][] = [];
  for (let n = 0; n < count; n += 1) {
    const execution = `sleeper:copy-${n}`;
    let sum = firstSum('team-x', execution);
    const records = items.map((item, at) => {
      sum = entrySum(sum, at + 1, textAt(item, 'text'));
      return { ...item, execution, sum };
    });
    all.push([
      ...records.map((put): Write => ({ table: JOURNAL, put })),
      { table: EXECUTIONS, put: { ...row, id: execution, name: `copy-${n}`, startedAt: `1 ${execution}` } },
      { table: TIMERS, put: { ...timer, execution } },
    ]);
  }
  await Promise.all(all.map((writes) => store.transact(writes)));
}

describe('code that was changed', () => {
  const first = (name: string, version?: number) =>
    defineWorkflow({ name, ...(version !== undefined && { version }) }, async (context) => {
      await context.wait('nap', { seconds: 5 });
      return 'first';
    });
  const second = (name: string, version?: number) =>
    defineWorkflow({ name, ...(version !== undefined && { version }) }, async (context) => {
      await context.wait('nap', { seconds: 5 });
      return 'second';
    });

  test('continues nothing that began before, names both versions and the way out', async () => {
    await withEngine({ workflows: [first('f')] }, async ({ engine, clock, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'f' });
      await turn();
      await engine.close();
      const changed = again({ workflows: [second('f')] });
      await changed.boot();
      clock.advance(5000);
      const ended = await endOf(changed, id);
      expect(ended).toMatchObject({ status: 'FAILED', error: 'WORKFLOW_CHANGED' });
      const { hash: before } = await engine.workflow('team-x', 'f');
      const { hash: after } = await changed.workflow('team-x', 'f');
      expect(ended.cause).toContain(before.slice(0, 12));
      expect(ended.cause).toContain(after.slice(0, 12));
      expect(ended.cause).toContain('redrive');
      // The way out: the execution goes on, on the new code.
      await changed.redrive('team-x', id);
      expect(await endOf(changed, id)).toMatchObject({ status: 'SUCCEEDED', output: 'second' });
    });
  });

  test('continues what declares the same version, and not what declares another', async () => {
    await withEngine({ workflows: [first('f', 3), first('g', 3)] }, async ({ engine, clock, again }) => {
      const f = await engine.start(ADA, { workflow: 'f' });
      const g = await engine.start(ADA, { workflow: 'g' });
      expect([f.version, g.version]).toEqual([3, 3]);
      await turn();
      await engine.close();
      const changed = again({ workflows: [second('f', 3), second('g', 4)] });
      await changed.boot();
      clock.advance(5000);
      expect(await endOf(changed, f.id)).toMatchObject({ status: 'SUCCEEDED', output: 'second' });
      expect(await endOf(changed, g.id)).toMatchObject({ status: 'FAILED', error: 'WORKFLOW_CHANGED' });
    });
  });

  test('that is gone fails the execution, and other steps at the same place are noticed', async () => {
    await withEngine({ workflows: [first('gone'), first('same', 1)] }, async ({ engine, clock, again }) => {
      const gone = await engine.start(ADA, { workflow: 'gone' });
      const same = await engine.start(ADA, { workflow: 'same' });
      await turn();
      await engine.close();
      const liar = defineWorkflow({ name: 'same', version: 1 }, async (context) => context.step('nap', async () => 1));
      const changed = again({ workflows: [liar] });
      await changed.boot();
      clock.advance(5000);
      expect(await endOf(changed, gone.id)).toMatchObject({ status: 'FAILED', error: 'NOT_FOUND' });
      const ended = await endOf(changed, same.id);
      expect(ended).toMatchObject({ status: 'FAILED', error: 'NonDeterministicExecutionError' });
    });
  });
});

describe('a damaged journal', () => {
  const flow = defineWorkflow({ name: 'f' }, async (context) => {
    await context.step('one', async () => 1);
    await context.wait('nap', { seconds: 5 });
    return context.step('two', async () => 2);
  });

  test.each<[string, (row: { readonly [name: string]: JsonValue }) => Write]>([
    [
      'a record that is not what was written',
      (row) => ({ table: JOURNAL, put: { ...row, text: textAt(row, 'text').replace('"one"', '"two"') } }),
    ],
    [
      'a record that is missing',
      (row) => ({ table: JOURNAL, delete: { execution: textAt(row, 'execution'), row: textAt(row, 'row') } }),
    ],
    [
      'a record that is cut short',
      (row) => ({ table: JOURNAL, put: { ...row, text: textAt(row, 'text').slice(0, 9) } }),
    ],
    ['a record with another checksum', (row) => ({ table: JOURNAL, put: { ...row, sum: 'x' } })],
  ])('with %s refuses the start and names the repair', async (_title, damage) => {
    await withEngine({ workflows: [flow] }, async ({ engine, store, clock, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'f', input: 'precious' });
      const other = await engine.start(ADA, { workflow: 'f' });
      await turn();
      await engine.close();
      const { items } = await store.store('team-x').table(JOURNAL).query({ partition: id, prefix: 'c000000002' });
      await store.store('team-x').transact([damage(items[0] ?? {})]);
      const second = again();
      const error = await failure(second.boot(), 'JOURNAL_CORRUPT');
      expect(error.message).toContain(id);
      expect(error.message).toContain(`zeroplane workflows repair ${id}`);
      expect(error.message).toMatch(/ --tenant team-x$/);
      const what = expect.stringMatching(/record/);
      expect(error.details).toEqual({ execution: id, tenant: 'team-x', damage: what });
      const ended = { status: 'FAILED', error: 'JOURNAL_CORRUPT', input: 'precious' };
      expect(await second.repair('team-x', id)).toMatchObject({ execution: ended, damage: what });
      const whole = await second.repair('team-x', other.id);
      expect(whole).toMatchObject({ execution: { status: 'RUNNING' } });
      expect(whole.damage).toBeUndefined();
      await second.boot();
      clock.advance(5000);
      expect((await endOf(second, other.id)).status).toBe('SUCCEEDED');
      await failure(second.repair('team-x', 'f:nope'), 'NOT_FOUND');
      expect(await second.repair('team-x', other.id)).toEqual({
        execution: expect.objectContaining({ status: 'SUCCEEDED' }),
      });
    });
  });

  test('of which everything is lost is noticed, and can be repaired', async () => {
    await withEngine({ workflows: [flow] }, async ({ engine, store, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'f' });
      await turn();
      await engine.close();
      const table = store.store('team-x').table(JOURNAL);
      for (const item of (await table.query({ partition: id })).items)
        await table.delete({ execution: id, row: textAt(item, 'row') });
      const second = again();
      expect((await failure(second.boot(), 'JOURNAL_CORRUPT')).message).toContain('it has no records');
      await second.repair('team-x', id);
      await second.boot();
      expect((await second.describe('team-x', id)).status).toBe('FAILED');
    });
  });

  test('of a child is told to its parent by the start after the repair', async () => {
    const parent = defineWorkflow({ name: 'p' }, async (context) => context.invoke('call', 'f', {}));
    await withEngine({ workflows: [flow, parent] }, async ({ engine, store, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'p' });
      await turn();
      const [child] = (await engine.list('team-x', { workflow: 'f' })).items;
      await engine.close();
      const table = store.store('team-x').table(JOURNAL);
      const { items } = await table.query({ partition: child?.id ?? '', prefix: 'c000000002' });
      await table.put({ ...items[0], execution: child?.id ?? '', row: textAt(items[0], 'row'), sum: 'x' });
      const second = again();
      await failure(second.boot(), 'JOURNAL_CORRUPT');
      await second.repair('team-x', child?.id ?? '');
      await turn();
      // Nothing runs before the start.
      expect((await second.describe('team-x', id)).status).toBe('RUNNING');
      await second.boot();
      expect(await endOf(second, id)).toMatchObject({
        status: 'FAILED',
        cause: expect.stringContaining('was damaged'),
      });
    });
  });

  test('of which the end is lost is noticed too', async () => {
    await withEngine({ workflows: [flow] }, async ({ engine, store, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'f' });
      const bucket = async () => textAt(await store.store('team-x').table(TIMERS).get({ execution: id }), 'bucket');
      await expect.poll(bucket, { interval: 5, timeout: 5_000 }).toBe('waiting');
      await engine.close();
      const table = store.store('team-x').table(JOURNAL);
      const { items } = await table.query({ partition: id, descending: true, limit: 1 });
      const [last] = items;
      await table.delete({ execution: id, row: textAt(last, 'row') });
      const error = await failure(again().boot(), 'JOURNAL_CORRUPT');
      expect(error.message).toContain('ends at record');
      await table.put(last ?? {});
      await again().boot();
    });
  });
});

describe('the limits of the cloud hold here too', () => {
  const run = async (body: (context: DurableContext) => Promise<JsonValue>) => {
    const flow = defineWorkflow({ name: 'f' }, body);
    let ended: Awaited<ReturnType<typeof endOf>> | undefined;
    await withEngine({ workflows: [flow] }, async ({ engine }) => {
      const { id } = await engine.start(ADA, { workflow: 'f' });
      ended = await endOf(engine, id);
    });
    return ended;
  };

  test('3,000 operations are fine and one more is not', async () => {
    const steps = (count: number) => async (context: DurableContext) => {
      for (let n = 0; n < count; n += 100)
        await Promise.all(Array.from({ length: Math.min(100, count - n) }, async () => context.step(async () => 0)));
      return count;
    };
    expect(await run(steps(3000))).toMatchObject({ status: 'SUCCEEDED', output: 3000 });
    const ended = await run(steps(3001));
    expect(ended).toMatchObject({ status: 'FAILED', error: 'CheckpointUnrecoverableExecutionError' });
    expect(ended?.cause).toContain('3000 operations');
  });

  test('a result of 256 KiB is fine, one byte more is not, and large ones are kept in parts', async () => {
    const step = (bytes: number) => async (context: DurableContext) =>
      (await context.step('big', async () => 'é'.repeat((bytes - 2) / 2))).length;
    expect(await run(step(262_144))).toMatchObject({ status: 'SUCCEEDED' });
    const ended = await run(step(262_146));
    expect(ended).toMatchObject({ status: 'FAILED', error: 'CheckpointUnrecoverableExecutionError' });
    expect(ended?.cause).toContain('262144');
    const many = await run(async (context) => {
      const steps = Array.from({ length: 5 }, async (_unused, n) =>
        context.step(`s${n}`, async () => '"'.repeat(120_000)),
      );
      return (await Promise.all(steps)).length;
    });
    expect(many).toMatchObject({ status: 'SUCCEEDED', output: 5 });
  });

  test('an output over 256 KiB and an error over 32 KiB fail the execution', async () => {
    expect(await run(async () => 'x'.repeat(262_142))).toMatchObject({ status: 'SUCCEEDED' });
    expect(await run(async () => 'x'.repeat(262_143))).toMatchObject({
      status: 'FAILED',
      error: 'States.DataLimitExceeded',
    });
    expect(await run(async () => 'x'.repeat(7_000_000))).toMatchObject({
      status: 'FAILED',
      error: 'States.DataLimitExceeded',
    });
    const loud = await run(async (context) =>
      context.step(
        'loud',
        async () => {
          throw new Error('x'.repeat(40_000));
        },
        once,
      ),
    );
    expect(loud?.cause).toContain('32768');
  });

  test('100 MB of stored values are the end', async () => {
    const ended = await run(async (context) => {
      for (let n = 0; n < 420; n += 4)
        await Promise.all([1, 2, 3, 4].map(async () => context.step(async () => 'x'.repeat(260_000))));
      return 'too much';
    });
    expect(ended).toMatchObject({ status: 'FAILED', error: 'CheckpointUnrecoverableExecutionError' });
    expect(ended?.cause).toContain('104857600');
  }, 30_000);

  test('a result that is no JSON fails after a few tries, and undefined is null', async () => {
    expect(await run(async () => undefined as unknown as JsonValue)).toMatchObject({
      status: 'SUCCEEDED',
      output: null,
    });
  });
});

describe('stop and deadline', () => {
  test.each(['stop', 'deadline'] as const)('a %s aborts the attempt under way and frees its slot', async (how) => {
    const signals: AbortSignal[] = [];
    const flow = defineWorkflow({ name: 'f' }, async (context, _input, run) => {
      await context.step(
        'long',
        async () => {
          signals.push(run.signal);
          await new Promise((_resolve, reject) =>
            run.signal.addEventListener('abort', () => reject(new Error('aborted'))),
          );
        },
        once,
      );
      return 'never';
    });
    const quick = defineWorkflow({ name: 'quick' }, async () => 'done');
    await withEngine({ workflows: [flow, quick], maxActive: 1 }, async ({ engine, clock }) => {
      const { id } = await engine.start(ADA, { workflow: 'f', timeoutSeconds: 10 });
      await expect.poll(() => signals.length, { interval: 2 }).toBe(1);
      const waiting = await engine.start(ADA, { workflow: 'quick' });
      await turn(20);
      expect((await engine.describe('team-x', waiting.id)).status).toBe('RUNNING');
      if (how === 'stop') await engine.stop('team-x', id, { cause: 'enough' });
      else clock.advance(10_000);
      expect((await endOf(engine, id)).status).toBe(how === 'stop' ? 'ABORTED' : 'TIMED_OUT');
      expect(signals[0]?.aborted).toBe(true);
      expect((await endOf(engine, waiting.id)).status).toBe('SUCCEEDED');
      await turn();
      const types = (await engine.history('team-x', id)).items.map(({ type }) => type);
      expect(types.at(-1)).toBe(how === 'stop' ? 'ExecutionAborted' : 'ExecutionTimedOut');
    });
  });

  test('a deadline that the definition sets counts, the shorter of both, and begins anew with a redrive', async () => {
    const flow = defineWorkflow({ name: 'f', timeoutSeconds: 30 }, async (context) => {
      await context.wait('nap', { seconds: 40 });
      return 1;
    });
    await withEngine({ workflows: [flow] }, async ({ engine, clock }) => {
      const { id, startedAtMs, deadlineAtMs } = await engine.start(ADA, { workflow: 'f', timeoutSeconds: 3600 });
      expect(deadlineAtMs).toBe(startedAtMs + 30_000);
      await turn();
      clock.advance(30_000);
      expect((await endOf(engine, id)).status).toBe('TIMED_OUT');
      const redriven = await engine.redrive('team-x', id);
      expect(redriven.deadlineAtMs).toBe(clock.nowMs() + 30_000);
      await turn();
      clock.advance(10_000);
      expect((await endOf(engine, id)).status).toBe('SUCCEEDED');
    });
  });

  test('a deadline that passed while nothing ran ends the execution at the next start, before another step', async () => {
    let steps = 0;
    const flow = defineWorkflow({ name: 'f' }, async (context) => {
      await context.wait('nap', { seconds: 5 });
      return context.step(async () => (steps += 1));
    });
    await withEngine({ workflows: [flow] }, async ({ engine, clock, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'f', timeoutSeconds: 60 });
      await turn();
      await engine.close();
      clock.advance(61_000);
      const second = again();
      await second.boot();
      expect((await endOf(second, id)).status).toBe('TIMED_OUT');
      expect(steps).toBe(0);
    });
  });
});

describe('a clock that jumps', () => {
  const nap = defineWorkflow({ name: 'nap' }, async (context) => {
    await context.wait('nap', { seconds: 100 });
    return 1;
  });

  test('forward lets happen what is due by it, within half a minute', async () => {
    await withEngine({ workflows: [nap] }, async ({ engine, clock }) => {
      const { id } = await engine.start(ADA, { workflow: 'nap' });
      await turn();
      clock.jumpWall(100_000);
      clock.advance(30_000);
      expect((await endOf(engine, id)).status).toBe('SUCCEEDED');
    });
  });

  test('back makes a wait longer and does no other harm', async () => {
    await withEngine({ workflows: [nap] }, async ({ engine, clock, lines }) => {
      const { id } = await engine.start(ADA, { workflow: 'nap' });
      await turn();
      clock.jumpWall(-3_600_000);
      for (let n = 0; n < 4; n += 1) {
        clock.advance(30_000);
        await turn(10);
      }
      expect((await engine.describe('team-x', id)).status).toBe('RUNNING');
      for (let n = 0; n < 122; n += 1) {
        clock.advance(30_000);
        await turn(1);
      }
      expect((await endOf(engine, id)).status).toBe('SUCCEEDED');
      expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
    });
  });
});

describe('two processes on one store', () => {
  const slow = (ran: string[], who: string, wait: Promise<void>) =>
    defineWorkflow({ name: 'f', version: 1 }, async (context) => {
      await context.step('one', async () => void ran.push(`${who} one`));
      await context.step('two', async () => {
        ran.push(`${who} two`);
        await wait;
      });
      return context.step('three', async () => {
        ran.push(`${who} three`);
        return who;
      });
    });

  test('the one that is taken over can store nothing more', async () => {
    const ran: string[] = [];
    const hold = gate();
    await withEngine({ workflows: [slow(ran, 'a', hold.opened)] }, async ({ engine, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'f' });
      await expect.poll(() => ran, { interval: 2 }).toEqual(['a one', 'a two']);
      const second = again({ workflows: [slow(ran, 'b', Promise.resolve())] });
      await second.boot();
      expect((await endOf(second, id)).output).toBe('b');
      const events = (await second.history('team-x', id)).items;
      // The first wakes up, and must not add to what is finished.
      hold.open();
      await turn();
      expect(ran).toEqual(['a one', 'a two', 'b two', 'b three']);
      expect((await second.history('team-x', id)).items).toEqual(events);
      expect((await second.describe('team-x', id)).output).toBe('b');
    });
  });

  test('that share it leave what is alive to its owner, and take over what has died', async () => {
    const ran: string[] = [];
    const hold = gate();
    const options = { leaseMs: 9000, workflows: [slow(ran, 'a', hold.opened)] };
    await withEngine(options, async ({ engine, clock, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'f' });
      await expect.poll(() => ran, { interval: 2 }).toEqual(['a one', 'a two']);
      const second = again({ workflows: [slow(ran, 'b', Promise.resolve())] });
      await second.boot();
      for (let n = 0; n < 20; n += 1) {
        clock.advance(1500);
        await turn(3);
      }
      expect(ran).toEqual(['a one', 'a two']);
      hold.open();
      await endOf(engine, id);
      expect(ran).toEqual(['a one', 'a two', 'a three']);
    });
  });

  test('an owner that signs no more is dead after its lease', async () => {
    const ran: string[] = [];
    const hold = gate();
    const workflows = [slow(ran, 'b', Promise.resolve())];
    await withEngine({ leaseMs: 9000, workflows }, async ({ engine, clock, again }) => {
      // A process whose clock stands still never signs again.
      const frozen = fakeClock();
      const first = again({ clock: frozen, workflows: [slow(ran, 'a', hold.opened)] });
      try {
        await first.boot();
        const { id } = await first.start(ADA, { workflow: 'f' });
        await expect.poll(() => ran, { interval: 2 }).toEqual(['a one', 'a two']);
        const second = again();
        await second.boot();
        const pass = async (): Promise<void> => {
          clock.advance(1500);
          await turn(5);
        };
        for (let n = 0; n < 5; n += 1) await pass();
        expect(ran).toEqual(['a one', 'a two']);
        for (let n = 0; n < 5; n += 1) await pass();
        const output = async () => (await engine.describe('team-x', id)).output;
        await expect.poll(output, { interval: 2 }).toBe('b');
        hold.open();
        await turn();
        expect(ran).toEqual(['a one', 'a two', 'b two', 'b three']);
      } finally {
        const closing = first.close();
        frozen.advance(1);
        await closing;
      }
    });
  });
});

describe('closing', () => {
  test('waits for the step under way, stores it, and begins no other', async () => {
    const ran: string[] = [];
    const hold = gate();
    const flow = defineWorkflow({ name: 'f' }, async (context) => {
      await context.step('one', async () => {
        ran.push('one');
        await hold.opened;
      });
      return context.step('two', async () => ran.push('two'));
    });
    await withEngine({ workflows: [flow], drainMs: 60_000 }, async ({ engine, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'f' });
      await expect.poll(() => ran, { interval: 2 }).toEqual(['one']);
      const closing = engine.close();
      await turn(20);
      await failure(engine.start(ADA, { workflow: 'f' }), 'SHUTTING_DOWN');
      hold.open();
      await closing;
      expect(ran).toEqual(['one']);
      const second = again();
      await second.boot();
      expect(await endOf(second, id)).toMatchObject({ status: 'SUCCEEDED', output: 2 });
      expect(ran).toEqual(['one', 'two']);
    });
  });

  test('gives up a step that does not end, with its signal aborted', async () => {
    const signals: AbortSignal[] = [];
    const flow = defineWorkflow({ name: 'f' }, async (context, _input, run) =>
      context.step('endless', async () => {
        signals.push(run.signal);
        await new Promise(() => undefined);
        return 1;
      }),
    );
    await withEngine({ workflows: [flow], drainMs: 5000 }, async ({ engine, clock }) => {
      const { id } = await engine.start(ADA, { workflow: 'f' });
      await expect.poll(() => signals.length, { interval: 2 }).toBe(1);
      const closing = engine.close();
      clock.advance(4999);
      await turn(5);
      expect(signals[0]?.aborted).toBe(false);
      clock.advance(1);
      await closing;
      expect(signals[0]?.aborted).toBe(true);
      expect((await engine.describe('team-x', id)).status).toBe('RUNNING');
    });
  });
});

describe('many at once', () => {
  test('no more run than may, the others wait, and all come to an end', async () => {
    let [running, most] = [0, 0];
    const flow = defineWorkflow({ name: 'f' }, async (context) =>
      context.step(async () => {
        running += 1;
        most = Math.max(most, running);
        await turn(2);
        running -= 1;
        return 1;
      }),
    );
    await withEngine({ workflows: [flow], maxActive: 7 }, async ({ engine }) => {
      let ended = 0;
      engine.onEnd(() => void (ended += 1));
      await Promise.all(Array.from({ length: 200 }, () => engine.start(ADA, { workflow: 'f' })));
      await expect.poll(() => ended, { timeout: 10_000 }).toBe(200);
      expect(most).toBe(7);
    });
  });

  test('those of one tenant do not keep another waiting, however long they take', async () => {
    let begun = 0;
    const slow = defineWorkflow({ name: 'slow' }, async (context, _input, run) =>
      context.step(async () => {
        begun += 1;
        await new Promise((_resolve, reject) => run.signal.addEventListener('abort', () => reject(new Error('x'))));
        return 1;
      }),
    );
    const quick = defineWorkflow({ name: 'quick' }, async () => 1);
    await withEngine({ workflows: [slow, quick], maxActive: 4 }, async ({ engine }) => {
      await Promise.all(Array.from({ length: 50 }, () => engine.start(ADA, { workflow: 'slow' })));
      await expect.poll(() => begun, { interval: 2, timeout: 10_000 }).toBe(4);
      const { id } = await engine.start({ ...ADA, tenant: 'team-y' }, { workflow: 'quick' });
      expect((await endOf(engine, id, 'team-y')).status).toBe('SUCCEEDED');
      expect(begun).toBe(4);
    });
  });

  test('what does not fit the queue in memory waits in the store', async () => {
    const flow = defineWorkflow({ name: 'f' }, async () => 1);
    await withEngine({ workflows: [flow], maxActive: 3 }, async ({ engine }) => {
      let ended = 0;
      engine.onEnd(() => void (ended += 1));
      await Promise.all(Array.from({ length: 2600 }, () => engine.start(ADA, { workflow: 'f' })));
      await expect.poll(() => ended, { timeout: 18_000 }).toBe(2600);
      expect((await engine.list('team-x', { status: 'RUNNING' })).items).toEqual([]);
    });
  }, 20_000);
});

describe('children', () => {
  const child = defineWorkflow({ name: 'child' }, async (context, input) => {
    await context.wait('nap', { seconds: 5 });
    if (input === 'bad') throw new WorkflowFailure('Child.Bad', 'as asked');
    return { got: input };
  });

  test('an invoke starts another workflow, suspends, and goes on with its output', async () => {
    const parent = defineWorkflow({ name: 'parent' }, async (context, input) =>
      context.invoke<JsonValue, JsonValue>('call', 'child', input),
    );
    await withEngine({ workflows: [parent, child] }, async ({ engine, clock }) => {
      const { id } = await engine.start(ADA, { workflow: 'parent', input: 'good' });
      await turn(60);
      expect((await engine.list('team-x', { workflow: 'child' })).items).toHaveLength(1);
      clock.advance(5000);
      expect(await endOf(engine, id)).toMatchObject({ status: 'SUCCEEDED', output: { got: 'good' } });
      const types = (await engine.history('team-x', id)).items.map(({ type }) => type);
      expect(types).toEqual([
        'ExecutionStarted',
        'TaskStateEntered',
        'TaskScheduled',
        'TaskSucceeded',
        'TaskStateExited',
        'ExecutionSucceeded',
      ]);
    });
  });

  test('a child that fails, or that there is no workflow for, fails the invoke', async () => {
    const parent = defineWorkflow({ name: 'parent' }, async (context, input) => {
      try {
        return await context.invoke<JsonValue, JsonValue>('call', input as string, 'bad');
      } catch (thrown) {
        return (thrown as Error).message;
      }
    });
    await withEngine({ workflows: [parent, child] }, async ({ engine, clock }) => {
      const { id } = await engine.start(ADA, { workflow: 'parent', input: 'child' });
      await turn(60);
      clock.advance(5000);
      expect((await endOf(engine, id)).output).toContain('as asked');
      const lost = await engine.start(ADA, { workflow: 'parent', input: 'nobody' });
      expect((await endOf(engine, lost.id)).output).toContain('nobody');
    });
  });

  test('a child completes the callback of its parent, once, however often it is started under one key', async () => {
    const parent = defineWorkflow({ name: 'parent' }, async (context, input, run) => {
      const [answer, callbackId] = await context.createCallback('child');
      await context.step('start', async () => {
        const start = { workflow: 'child', input, key: `${run.execution.id}/child`, callbackId };
        const started = await Promise.all([run.startChild(start), run.startChild(start)]);
        return started.map(({ id }) => id);
      });
      return JSON.parse(await answer);
    });
    await withEngine({ workflows: [parent, child] }, async ({ engine, clock, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'parent', input: 'bad' });
      await turn(60);
      await engine.close();
      const second = again();
      await second.boot();
      clock.advance(5000);
      const { output } = await endOf(second, id);
      expect(output).toMatchObject({ status: 'FAILED', error: 'Child.Bad', cause: 'as asked', input: '"bad"' });
      expect((await second.list('team-x', { workflow: 'child' })).items).toHaveLength(1);
    });
  });

  test('a child that had ended tells whoever starts it again at once', async () => {
    let told = 0;
    const parent = defineWorkflow({ name: 'parent' }, async (context, _input, run) => {
      const results: JsonValue[] = [];
      for (const round of [1, 2]) {
        const [answer, callbackId] = await context.createCallback(`child ${round}`);
        await context.step(`start ${round}`, async () => {
          told += 1;
          return (await run.startChild({ workflow: 'quick', name: 'it', input: 1, key: 'k', callbackId })).id;
        });
        results.push((JSON.parse(await answer) as { status: string }).status);
      }
      return results;
    });
    const quick = defineWorkflow({ name: 'quick' }, async () => 'quick');
    await withEngine({ workflows: [parent, quick] }, async ({ engine }) => {
      const { id } = await engine.start(ADA, { workflow: 'parent' });
      expect((await endOf(engine, id)).output).toEqual(['SUCCEEDED', 'SUCCEEDED']);
      expect(told).toBe(2);
    });
  });
});

describe('redrive', () => {
  test('runs the branches that failed again and keeps what succeeded beside them', async () => {
    const ran: string[] = [];
    let isWell = false;
    const flow = defineWorkflow({ name: 'f' }, async (context) => {
      await context.step('before', async () => ran.push('before'), once);
      const all = await context.map(
        'all',
        ['a', 'b', 'c'],
        async (each, item) => {
          await each.step(`${item}1`, async () => ran.push(`${item}1`), once);
          return each.step(
            `${item}2`,
            async () => {
              ran.push(`${item}2`);
              if (item !== 'a' && !isWell) throw new Error('sick');
              return item;
            },
            once,
          );
        },
        { completionConfig: { toleratedFailureCount: 3 } },
      );
      all.throwIfError();
      return all.getResults();
    });
    await withEngine({ workflows: [flow] }, async ({ engine }) => {
      const { id } = await engine.start(ADA, { workflow: 'f' });
      expect((await endOf(engine, id)).status).toBe('FAILED');
      expect(ran.toSorted()).toEqual(['a1', 'a2', 'b1', 'b2', 'before', 'c1', 'c2']);
      isWell = true;
      ran.length = 0;
      await engine.redrive('team-x', id);
      const ended = await endOf(engine, id);
      expect(ended.status).toBe('SUCCEEDED');
      expect(ended.output).toEqual(['a', 'b', 'c']);
      expect(ran.toSorted()).toEqual(['b2', 'c2']);
    });
  });

  test('drops what was done because of the failure, and begins a named state from its beginning', async () => {
    const ran: string[] = [];
    let isWell = false;
    const flow = defineWorkflow({ name: 'f' }, async (context) => {
      await context.step('make#1', async () => ran.push('make'), once);
      try {
        await context.step(
          'use#1/attempt',
          async () => {
            ran.push('use');
            if (!isWell) throw new Error('sick');
          },
          once,
        );
      } catch (thrown) {
        await context.step('use#1/clean', async () => ran.push('clean'), once);
        throw new WorkflowFailure('Sick', (thrown as Error).message, 'use#1');
      }
      return 'well';
    });
    await withEngine({ workflows: [flow] }, async ({ engine }) => {
      const { id } = await engine.start(ADA, { workflow: 'f' });
      expect(await endOf(engine, id)).toMatchObject({ status: 'FAILED', error: 'Sick', cause: 'sick' });
      isWell = true;
      await engine.redrive('team-x', id);
      expect(await endOf(engine, id)).toMatchObject({ status: 'SUCCEEDED', output: 'well', redriveCount: 1 });
      expect(ran).toEqual(['make', 'use', 'clean', 'use']);
    });
  });
});

describe('history', () => {
  test('an event that a run drafts is stored once, with what led to it, through replays', async () => {
    const kind: WorkflowKind = {
      kind: 'drafty',
      prepare: () => ({
        hash: 'h',
        version: '1',
        run: async (context, _input, run) => {
          const say = (draft: HistoryDraft) => run.event(draft);
          say({
            key: 'A#1/entered',
            type: 'PassStateEntered',
            member: 'stateEnteredEventDetails',
            details: { name: 'A' },
          });
          await context.wait('nap', { seconds: 5 });
          say({ key: 'B#1/entered', type: 'PassStateEntered', previous: 'A#1/entered' });
          say({ key: 'B#1/entered', type: 'PassStateEntered', details: { again: true } });
          await context.step(async () => 1);
          say({ key: 'B#1/exited', type: 'PassStateExited' });
          return 1;
        },
      }),
    };
    await withEngine({ kinds: [kind] }, async ({ engine, clock, again }) => {
      await engine.register('team-x', { name: 'f', kind: 'drafty', definition: {} });
      const { id } = await engine.start(ADA, { workflow: 'f' });
      await turn();
      await engine.close();
      const second = again();
      await second.boot();
      clock.advance(5000);
      await endOf(second, id);
      const { items } = await second.history('team-x', id);
      expect(items.map(({ id: n, previousEventId, type }) => [n, previousEventId, type])).toEqual([
        [1, 0, 'ExecutionStarted'],
        [2, 1, 'PassStateEntered'],
        [3, 2, 'PassStateEntered'],
        [4, 3, 'PassStateExited'],
        [5, 4, 'ExecutionSucceeded'],
      ]);
      expect(items[1]).toMatchObject({ member: 'stateEnteredEventDetails', details: { name: 'A' } });
      expect(items[2]?.details).toEqual({});
    });
  });

  test('a workflow in code tells its steps as states, with attempts, waits, callbacks and maps', async () => {
    let tries = 0;
    const tokens: string[] = [];
    const flow = defineWorkflow({ name: 'f' }, async (context) => {
      await context.step(
        'flaky',
        async () => {
          tries += 1;
          if (tries === 1) throw new TypeError('once');
          return tries;
        },
        { retryStrategy: () => ({ shouldRetry: true, delay: { seconds: 1 } }) },
      );
      await context.map('each', ['x'], async (each, item) => each.step('work', async () => item));
      return context.waitForCallback('ask', async (token) => void tokens.push(token));
    });
    await withEngine({ workflows: [flow] }, async ({ engine, clock, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'f' });
      await turn();
      clock.advance(1000);
      await expect.poll(() => tokens.length, { interval: 2 }).toBe(1);
      await turn();
      await engine.close();
      const second = again();
      await second.sendTaskSuccess('team-x', tokens[0] ?? '', 1);
      await second.boot();
      await endOf(second, id);
      const { items } = await second.history('team-x', id);
      expect(
        items.map(({ type, details }) => `${type} ${textAt(details, 'name')}${textAt(details, 'resource')}`.trim()),
      ).toEqual([
        'ExecutionStarted',
        'TaskStateEntered flaky',
        'TaskScheduled flaky',
        'TaskFailed flaky',
        'TaskScheduled flaky',
        'TaskSucceeded flaky',
        'TaskStateExited flaky',
        'MapStateEntered each',
        'MapStateStarted',
        'MapIterationStarted map-item-0',
        'TaskStateEntered work',
        'TaskScheduled work',
        'TaskSucceeded work',
        'TaskStateExited work',
        'MapIterationSucceeded map-item-0',
        'MapStateSucceeded',
        'MapStateExited each',
        'TaskStateEntered ask',
        'TaskScheduled ask',
        'TaskSubmitted ask',
        'TaskSucceeded ask',
        'TaskStateExited ask',
        'ExecutionSucceeded',
      ]);
    });
  });
});

describe('what is kept', () => {
  test('a long journal becomes a snapshot, and its older records go', async () => {
    const flow = defineWorkflow({ name: 'f' }, async (context) => {
      await context.step('keep', async () => 'kept');
      const { n } = await context.waitForCondition('poll', async (state: { n: number }) => ({ n: state.n + 1 }), {
        initialState: { n: 0 },
        waitStrategy: (state) =>
          state.n < 150 ? { shouldContinue: true, delay: { seconds: 1 } } : { shouldContinue: false },
      });
      return n;
    });
    await withEngine({ workflows: [flow] }, async ({ engine, store, clock, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'f' });
      const rows = async () => (await store.store('team-x').table(JOURNAL).query({ partition: id })).items;
      // Each round costs the SDK its pause of 20 ms.
      let most = 0;
      const timer = setInterval(() => clock.advance(1000), 2);
      try {
        await expect
          .poll(
            async () => {
              most = Math.max(most, (await rows()).length);
              return (await engine.describe('team-x', id)).status;
            },
            { timeout: 25_000, interval: 50 },
          )
          .toBe('SUCCEEDED');
      } finally {
        clearInterval(timer);
      }
      expect((await engine.describe('team-x', id)).output).toBe(150);
      expect(most).toBeLessThan(280);
      expect((await rows()).some((item) => textAt(item, 'row').startsWith('s'))).toBe(true);
      await engine.close();
      await again().boot();
    });
  }, 30_000);

  test('what has ended is removed after its time, without a trace', async () => {
    const flow = defineWorkflow({ name: 'f' }, async (context, input) => context.step(async () => input));
    await withEngine({ workflows: [flow], retentionMs: 60_000 }, async ({ engine, store, clock }) => {
      const input = 'x'.repeat(100_000);
      const { id } = await engine.start(ADA, { workflow: 'f', name: 'x', input });
      await endOf(engine, id);
      await turn(10);
      clock.advance(59_000);
      await turn(10);
      expect((await engine.describe('team-x', id)).output).toBe(input);
      clock.advance(2000);
      await expect.poll(async () => (await engine.list('team-x')).items.length, { interval: 2 }).toBe(0);
      await turn(10);
      await failure(engine.history('team-x', id), 'NOT_FOUND');
      const system = store.store('team-x');
      for (const name of ['WorkflowJournal', 'WorkflowHistory', 'WorkflowValues'])
        expect(
          (await system.table({ name, partitionKey: 'execution', sortKey: 'row' }).query({ partition: id })).items,
        ).toEqual([]);
      expect(await system.table(TIMERS).get({ execution: id })).toBeUndefined();
      // The name is free again.
      expect((await engine.start(ADA, { workflow: 'f', name: 'x', input: 2 })).status).toBe('RUNNING');
      await endOf(engine, id);
    });
  });
});

test('of two processes that share a store, one is told a heartbeat or an answer for what the other runs', async () => {
  const tokens: string[] = [];
  const flow = defineWorkflow({ name: 'f', version: 1 }, async (context) =>
    context.waitForCallback('ask', async (token) => void tokens.push(token), { heartbeatTimeout: { seconds: 60 } }),
  );
  await withEngine({ leaseMs: 9000, workflows: [flow] }, async ({ engine, again }) => {
    const { id } = await engine.start(ADA, { workflow: 'f' });
    await expect.poll(() => tokens.length, { interval: 2 }).toBe(1);
    await turn();
    const second = again();
    await second.boot();
    await second.sendTaskHeartbeat('team-x', tokens[0] ?? '');
    await turn();
    await engine.sendTaskSuccess('team-x', tokens[0] ?? '', 'fine');
    expect((await endOf(engine, id)).output).toBe('"fine"');
    expect(tokens).toHaveLength(1);
  });
});

describe('registration', () => {
  const kind: WorkflowKind = {
    kind: 'say',
    prepare: (definition) => ({ hash: JSON.stringify(definition), version: '1', run: async () => definition }),
  };

  test('versions count up, the same definition is the same version, and executions keep theirs', async () => {
    await withEngine({ kinds: [kind] }, async ({ engine, again }) => {
      const say = (definition: JsonValue, version?: number) =>
        engine.register('team-x', { name: 'f', kind: 'say', definition, ...(version !== undefined && { version }) });
      expect(await say('one')).toMatchObject({ name: 'f', version: 1, owner: 'team-x', kind: 'say' });
      expect((await say('one')).version).toBe(1);
      expect((await say('two')).version).toBe(2);
      expect((await say('one', 1)).version).toBe(1);
      await failure(say('three', 2), 'WORKFLOW_EXISTS');
      expect((await say('three', 7)).version).toBe(7);
      expect((await say('four')).version).toBe(8);
      for (const version of [0, -1, 1.5]) await failure(say('x', version), 'INVALID_ARGUMENTS');
      const second = again();
      const run = async (version?: number) => {
        const start = { workflow: 'f', ...(version !== undefined && { version }) };
        const { id } = await second.start(ADA, start);
        return (await endOf(second, id)).output;
      };
      expect([await run(1), await run(2), await run(7), await run()]).toEqual(['one', 'two', 'three', 'four']);
      expect(await second.workflow('team-x', 'f', 2)).toMatchObject({ version: 2, definition: 'two' });
      await failure(second.workflow('team-x', 'f', 3), 'NOT_FOUND');
      expect(await second.versions('team-x', 'f')).toEqual([8, 7, 2, 1]);
      await failure(second.versions('team-y', 'f'), 'NOT_FOUND');
    });
  });

  test('at the same time one version is made of equal definitions, and each other gets its own', async () => {
    await withEngine({ kinds: [kind] }, async ({ engine }) => {
      const definitions = ['a', 'b', 'a', 'c', 'b', 'a'];
      const infos = await Promise.all(
        definitions.map((definition) => engine.register('team-x', { name: 'f', kind: 'say', definition })),
      );
      expect(infos.every(({ definition }, at) => definition === definitions[at])).toBe(true);
      const versions = new Set(infos.map(({ version, definition }) => `${version} ${JSON.stringify(definition)}`));
      expect(new Set([...versions].map((each) => each.split(' ')[0])).size).toBe(versions.size);
    });
  });

  test('a tenant sees its own and the built-in ones, and cannot take their names', async () => {
    const code = defineWorkflow({ name: 'code', description: 'in code' }, async () => 1);
    const builtIn = { name: 'shipped', kind: 'say', definition: 'shipped' } as const;
    await withEngine({ kinds: [kind], workflows: [code, builtIn] }, async ({ engine, again }) => {
      await engine.register('team-x', { name: 'mine', kind: 'say', definition: 'mine' });
      await engine.register('team-y', { name: 'theirs', kind: 'say', definition: 'theirs' });
      expect((await engine.workflows('team-x')).map(({ name, owner }) => `${owner} ${name}`)).toEqual([
        '* code',
        'team-x mine',
        '* shipped',
      ]);
      await failure(engine.start(ADA, { workflow: 'theirs' }), 'NOT_FOUND');
      for (const name of ['code', 'shipped'])
        await failure(engine.register('team-x', { name, kind: 'say', definition: 'other' }), 'WORKFLOW_EXISTS');
      const { id } = await engine.start(ADA, { workflow: 'shipped' });
      expect((await endOf(engine, id)).output).toBe('shipped');
      const next = again({ workflows: [code, { ...builtIn, definition: 'shipped later' }] });
      await next.boot();
      expect(await next.workflow('team-x', 'shipped')).toMatchObject({ version: 2, owner: '*' });
      expect(await next.workflow('team-x', 'shipped', 1)).toMatchObject({ definition: 'shipped' });
      expect(await next.versions('team-x', 'shipped')).toEqual([2, 1]);
      expect(await next.versions('team-x', 'code')).toEqual([1]);
    });
  });

  test.each(['', 'a b', 'a/b', 'a:b', 'ä', 'x'.repeat(81), '*'])('the name %j is refused', async (name) => {
    await withEngine({ kinds: [kind] }, async ({ engine }) => {
      await failure(engine.register('team-x', { name, kind: 'say', definition: 1 }), 'INVALID_ARGUMENTS');
      expect(() => defineWorkflow({ name }, async () => 1)).toThrow('name of a workflow');
    });
  });

  test('an unknown kind, a definition that is too large, and what the kind refuses leave nothing', async () => {
    await withEngine({ kinds: [kind] }, async ({ engine }) => {
      await failure(engine.register('team-x', { name: 'f', kind: 'nope', definition: 1 }), 'INVALID_ARGUMENTS');
      const big = 'x'.repeat(400_000);
      await failure(engine.register('team-x', { name: 'f', kind: 'say', definition: big }), 'PAYLOAD_TOO_LARGE');
      expect(await engine.workflows('team-x')).toEqual([]);
    });
  });
});
