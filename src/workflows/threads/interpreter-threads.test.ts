import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fakeClock, type FakeClock } from '../../../tests/contract/fake-clock.ts';
import type { JsonValue } from '../../core/ports.ts';
import { interpreterFile } from '../../entry/interpreter-file.ts';
import type { TaskCall } from '../asl/asl-host.ts';
import { aslKind } from '../asl/asl-kind.ts';
import type { Opened } from '../engine/engine-for-test.ts';
import { ADA, endOf, withEngine } from '../engine/engine-for-test.ts';
import { InterpreterThreads } from './interpreter-threads.ts';

const SOON = { interval: 5, timeout: 10_000 };
/** Backtracks for longer than anybody lives. */
const HOSTILE = `{% $match('${'a'.repeat(60)}!', /(a+)+b/) %}`;

let clock: FakeClock;
let threads: InterpreterThreads;

beforeEach(() => {
  clock = fakeClock();
  threads = new InterpreterThreads({ file: interpreterFile(), clock, max: 2 });
});
afterEach(() => threads.close());

type Handler = (call: TaskCall) => JsonValue | Promise<JsonValue>;

async function withMachine(
  state: object,
  handler: Handler,
  body: (opened: Opened, start: (tenant?: string, input?: JsonValue) => Promise<string>) => Promise<void>,
  of: InterpreterThreads = threads,
): Promise<void> {
  const kind = aslKind({ threads: of, runTask: async (call) => handler(call) });
  await withEngine({ kinds: [kind] }, async (opened) => {
    const definition = { QueryLanguage: 'JSONata', StartAt: 'S', States: { S: { ...state, End: true } } };
    const start = async (tenant = 'team-x', input: JsonValue = {}): Promise<string> => {
      await opened.engine.register(tenant, { name: 'm', kind: 'asl', definition: definition as JsonValue });
      return (await opened.engine.start({ ...ADA, tenant }, { workflow: 'm', input })).id;
    };
    await body(opened, start);
  });
}

/** A call that ends when it is told to, and says when it began. */
function gate(): { readonly handler: Handler; readonly calls: TaskCall[]; readonly open: () => void } {
  const calls: TaskCall[] = [];
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const handler: Handler = async (call) => {
    calls.push(call);
    await opened;
    return calls.length;
  };
  return { handler, calls, open };
}

const TASK = { Type: 'Task', Resource: 'work', TimeoutSeconds: 60 };
const nothing = (): JsonValue => null;

describe('an expression', () => {
  test('that never ends keeps nobody waiting but its own thread', async () => {
    await withMachine({ Type: 'Pass', Output: HOSTILE }, nothing, async ({ engine }, start) => {
      let [last, longest] = [performance.now(), 0];
      const beats = setInterval(() => {
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
      }, 5);
      const ended = await endOf(engine, await start());
      clearInterval(beats);
      expect(ended).toMatchObject({ status: 'FAILED', error: 'States.QueryEvaluationError' });
      expect(ended.cause).toContain('longer than 2000 ms');
      // It is waited for two seconds where it is evaluated.
      expect(longest).toBeLessThan(1500);
    });
  });

  test('of another tenant is evaluated meanwhile', async () => {
    const output = `{% $states.input.isHostile ? ${HOSTILE.slice(2, -2)} : 'quick' %}`;
    await withMachine({ Type: 'Pass', Output: output }, nothing, async ({ engine }, start) => {
      const hostile = endOf(engine, await start('team-x', { isHostile: true }), 'team-x');
      let isOver = false;
      void hostile.then(() => (isOver = true));
      expect((await endOf(engine, await start('team-y', {}), 'team-y')).output).toBe('quick');
      expect(isOver).toBe(false);
      expect((await hostile).error).toBe('States.QueryEvaluationError');
    });
  });
});

describe('a task in a thread', () => {
  test('is aborted with its execution', async () => {
    const { handler, calls } = gate();
    await withMachine(TASK, handler, async ({ engine }, start) => {
      const id = await start();
      await expect.poll(() => calls.length, SOON).toBe(1);
      await engine.stop('team-x', id, { cause: 'enough' });
      expect((await endOf(engine, id)).status).toBe('ABORTED');
      expect(calls[0]?.signal.aborted).toBe(true);
      // Nothing is left that would keep its thread.
      clock.advance(30_000);
      await expect.poll(() => threads.size, SOON).toBe(0);
    });
  });

  test('times out, and is not while its heartbeats come', async () => {
    const limited = { ...TASK, HeartbeatSeconds: 1, TimeoutSeconds: 3 };
    let isBeating = true;
    const handler: Handler = async ({ heartbeat, signal }) => {
      const began = performance.now();
      while (!signal.aborted && performance.now() - began < 1_800) {
        if (isBeating) heartbeat();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return signal.aborted ? 'aborted' : 'done';
    };
    await withMachine(limited, handler, async ({ engine }, start) => {
      expect(await endOf(engine, await start())).toMatchObject({ status: 'SUCCEEDED', output: 'done' });
      isBeating = false;
      expect(await endOf(engine, await start())).toMatchObject({ status: 'FAILED', error: 'States.HeartbeatTimeout' });
    });
  });
});

describe('a thread', () => {
  test('that ends in the middle is replaced, and its executions go on in the next', async () => {
    const { handler, calls, open } = gate();
    await withMachine(TASK, handler, async (opened, start) => {
      const id = await start();
      await expect.poll(() => calls.length, SOON).toBe(1);
      await threads.close();
      expect(threads.size).toBe(0);
      open();
      const ended = endOf(opened.engine, id);
      // The engine waits a moment before it invokes again.
      const passing = setInterval(() => opened.clock.advance(1000), 10);
      expect(await ended).toMatchObject({ status: 'SUCCEEDED', output: 2 });
      clearInterval(passing);
      expect(calls.map(({ key }) => key)).toEqual([calls[0]?.key, calls[0]?.key]);
      expect(opened.lines.map(({ message }) => message)).toContain('workflow-invocation-interrupted');
    });
  });

  test('that cannot start fails its executions after a few attempts, saying why', async () => {
    const broken = new InterpreterThreads({
      file: new URL('data:text/javascript,throw new Error("no start")'),
      clock,
      max: 1,
    });
    await withMachine(
      TASK,
      nothing,
      async (opened, start) => {
        const passing = setInterval(() => opened.clock.advance(1000), 10);
        const ended = await endOf(opened.engine, await start());
        clearInterval(passing);
        expect(ended.status).toBe('FAILED');
        expect(ended.cause).toContain('no start');
      },
      broken,
    );
    expect(broken.size).toBe(0);
  });

  test('ends when nobody needed it for half a minute, and not before', async () => {
    const { handler, open } = gate();
    open();
    await withMachine(TASK, handler, async ({ engine }, start) => {
      await endOf(engine, await start());
      clock.advance(29_000);
      await endOf(engine, await start());
      clock.advance(29_000);
      expect(threads.size).toBe(1);
      clock.advance(1_000);
      expect(threads.size).toBe(0);
      expect((await endOf(engine, await start())).status).toBe('SUCCEEDED');
    });
  });

  test('is each tenant’s own while there are enough of them', async () => {
    const { handler, calls, open } = gate();
    await withMachine(TASK, handler, async ({ engine }, start) => {
      const ids: [string, string][] = [];
      for (const [tenant, size] of [
        ['team-x', 1],
        ['team-x', 1],
        ['team-y', 2],
        ['team-z', 2],
      ] as const) {
        ids.push([tenant, await start(tenant)]);
        await expect.poll(() => calls.length, SOON).toBe(ids.length);
        expect(threads.size).toBe(size);
      }
      open();
      for (const [tenant, id] of ids) expect((await endOf(engine, id, tenant)).status).toBe('SUCCEEDED');
    });
  });

  test('forgets machines, and is told of them again', async () => {
    const kind = aslKind({ threads, runTask: async () => null });
    await withEngine({ kinds: [kind] }, async ({ engine }) => {
      const run = async (n: number): Promise<unknown> => {
        const definition = {
          QueryLanguage: 'JSONata',
          StartAt: 'S',
          States: { S: { Type: 'Pass', Output: n, End: true } },
        };
        const { version } = await engine.register('team-x', { name: 'm', kind: 'asl', definition });
        const { id } = await engine.start(ADA, { workflow: 'm', version });
        return (await endOf(engine, id)).output;
      };
      for (let n = 0; n <= 200; n += 1) expect(await run(n)).toBe(n);
      expect(await run(0)).toBe(0);
    });
  });
});
