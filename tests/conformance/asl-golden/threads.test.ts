/**
 * The golden machines in JSONata once more, as an instance runs them: on the embedded engine, interpreted in a thread
 * beside it.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openMemoryStore } from '../../../src/adapters/embedded/store/store.ts';
import { systemClock, systemIds } from '../../../src/adapters/embedded/system.ts';
import { interpreterFile } from '../../../src/entry/interpreter-file.ts';
import type { TaskCall } from '../../../src/workflows/asl/asl-host.ts';
import { aslKind } from '../../../src/workflows/asl/asl-kind.ts';
import { createEmbeddedEngine } from '../../../src/workflows/engine/embedded-engine.ts';
import { ADA, TOKEN_KEY, collectLog, endOf } from '../../../src/workflows/engine/engine-for-test.ts';
import { InterpreterThreads } from '../../../src/workflows/threads/interpreter-threads.ts';
import type { Golden } from './golden.ts';
import { fail } from './run-machine.ts';

// Functions that keep count start anew in a second import of the machines.
const AGAIN = './jsonata.ts?again';
const { JSONATA } = (await import(/* @vite-ignore */ AGAIN)) as { readonly JSONATA: readonly Golden[] };

let threads: InterpreterThreads;
beforeAll(() => {
  threads = new InterpreterThreads({ file: interpreterFile(), clock: systemClock, max: 1 });
});
afterAll(() => threads.close());

async function check({ machine, input = {}, functions, expect: expected, calls: wanted }: Golden): Promise<void> {
  const calls: TaskCall[] = [];
  const kind = aslKind({
    threads,
    runTask: async (call) => {
      calls.push(call);
      return functions?.[call.functionName]?.(call) ?? fail('Lambda.ResourceNotFoundException', call.functionName);
    },
  });
  const store = await openMemoryStore({ clock: systemClock });
  const parts = { store, clock: systemClock, ids: systemIds, log: collectLog(), tokenKey: TOKEN_KEY, drainMs: 0 };
  const engine = createEmbeddedEngine({ ...parts, kinds: [kind] });
  try {
    await engine.boot();
    await engine.register('team-x', { name: 'golden', kind: 'asl', definition: machine });
    const { id } = await engine.start(ADA, { workflow: 'golden', name: 'run-1', input });
    const { status, output, error, cause } = await endOf(engine, id);
    if ('output' in expected) expect({ status, output }).toEqual({ status: 'SUCCEEDED', output: expected.output });
    else {
      expect({ status, error }).toEqual({ status: 'FAILED', error: expected.error });
      if (expected.cause !== undefined)
        expect(cause).toEqual(
          typeof expected.cause === 'string' ? expected.cause : expect.stringMatching(expected.cause),
        );
    }
    const keys = calls.map(({ key, attempt }) => `${key.replace('team-x/golden:run-1/', '')} ${attempt}`);
    if (wanted !== undefined) expect(keys.toSorted()).toEqual(wanted.map((call) => call.join(' ')).toSorted());
  } finally {
    await engine.close();
    await store.close();
  }
}

describe('in a thread beside the engine', () => {
  test.concurrent.each(JSONATA)('$name', check);

  test('there was one', () => {
    expect(threads.size).toBe(1);
  });
});
