/** The same machines on our own engine: the one that the product runs, on a store in memory and the real clock. */

import { openMemoryStore } from '../../src/adapters/embedded/store/store.ts';
import { systemClock, systemIds } from '../../src/adapters/embedded/system.ts';
import type { JsonValue } from '../../src/core/ports.ts';
import type { TaskCall } from '../../src/workflows/asl/asl-host.ts';
import { aslKind } from '../../src/workflows/asl/asl-kind.ts';
import { StatesError, TaskError } from '../../src/workflows/asl/states-error.ts';
import { createEmbeddedEngine } from '../../src/workflows/engine/embedded-engine.ts';
import { ADA, TOKEN_KEY, collectLog, endOf } from '../../src/workflows/engine/engine-for-test.ts';
import type { Ended, PeerMachine } from './asl-machines.ts';
import { functionOf } from './asl-machines.ts';
import { ended, payloadOf, thrown } from './asl-sfn.ts';

/** A function's error as the service tells it: its cause is the runtime's document. */
async function invoke({ functions }: PeerMachine, call: TaskCall): Promise<JsonValue> {
  const run = functions[functionOf(call.functionName)];
  if (run === undefined) throw new TaskError('Lambda.ResourceNotFoundException', call.functionName);
  try {
    const answered = payloadOf(await run({ ...call, kind: 'function' }));
    return call.kind === 'function' ? answered : { ExecutedVersion: '$LATEST', Payload: answered, StatusCode: 200 };
  } catch (error) {
    if (!(error instanceof StatesError)) throw error;
    throw new TaskError(error.error, JSON.stringify(thrown(error)));
  }
}

export async function runOurs(machine: PeerMachine): Promise<Ended> {
  const store = await openMemoryStore({ clock: systemClock });
  const kind = aslKind({ runTask: (call) => invoke(machine, call) });
  const parts = { store, clock: systemClock, ids: systemIds, log: collectLog(), tokenKey: TOKEN_KEY, drainMs: 0 };
  const engine = createEmbeddedEngine({ ...parts, kinds: [kind] });
  try {
    await engine.boot();
    await engine.register('team-x', { name: 'm', kind: 'asl', definition: machine.definition });
    const { id } = await engine.start(ADA, { workflow: 'm', name: 'run-1', input: machine.input });
    const { status, output, error, cause } = await endOf(engine, id);
    const { items } = await engine.history('team-x', id, { limit: 1000 });
    return ended(
      {
        status,
        ...(output !== undefined && { output: JSON.stringify(output) }),
        ...(error !== undefined && { error }),
        ...(cause !== undefined && { cause }),
      },
      items.map(({ type }) => type),
    );
  } finally {
    await engine.close();
    await store.close();
  }
}
