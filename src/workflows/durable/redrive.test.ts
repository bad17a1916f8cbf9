import { describe, expect, test } from 'vitest';
import { openMemoryStore } from '../../adapters/embedded/store/store.ts';
import { fakeClock } from '../../../tests/contract/fake-clock.ts';
import { operationName } from '../operation-name.ts';
import { HistoryLog, redrivenKey } from './history-log.ts';
import type { StoredOperation } from './operation.ts';
import { OperationState } from './operation-state.ts';
import { rewind } from './redrive.ts';

const step = (name: string, n: number, status: 'SUCCEEDED' | 'FAILED' = 'SUCCEEDED'): StoredOperation => ({
  id: `op-${n}`,
  name,
  type: 'STEP',
  status,
  n,
  start: n,
  end: n,
  e: n,
});

function stateOf(operations: readonly StoredOperation[]): OperationState {
  const state = new OperationState();
  state.merge(operations);
  return state;
}

describe('a redrive takes the visit that failed, and no other of the same state', () => {
  test.each([
    ['Create#1', ['Create#10', 'Create#10/Parameters', 'Create#1.2', 'Create', 'Creates#1']],
    ['Net[1]/Create#2', ['Net[1]/Create#20', 'Net[10]/Create#2', 'Net[1]/Create#2x']],
  ])('%s', (failedPath, others) => {
    const own = [failedPath, `${failedPath}/Parameters`, `${failedPath}/attempt-2`];
    const names = [...others, ...own];
    const state = stateOf(names.map((name, at) => step(name, at + 1, name === failedPath ? 'FAILED' : 'SUCCEEDED')));
    const { removed } = rewind(state, { failedPath });
    expect(removed.map((id) => state.get(id)?.name)).toEqual(own);
  });

  test('also where its name is too long for an operation', () => {
    const path = `${'x'.repeat(300)}#1`;
    const own = [operationName(path), operationName(path, 'backoff')];
    const state = stateOf([...own, operationName(`${'x'.repeat(300)}#10`)].map((name, at) => step(name, at + 1)));
    expect(rewind(state, { failedPath: path }).removed.map((id) => state.get(id)?.name)).toEqual(own);
  });

  test('and tells the events of that visit again, and no others', async () => {
    const store = await openMemoryStore({ clock: fakeClock() });
    const others = ['Create#10', 'Create#1.2'].flatMap((visit) => [
      `${visit}/1/TaskStateEntered`,
      `${visit}/1/TaskStateExited`,
    ]);
    const keys = ['Create#1/1/TaskStateEntered', ...others];
    const told = [...keys, redrivenKey(1, 'Create#1')].map((k, at) => ({ i: at + 1, p: at, t: 'X', at: 0, k }));
    const log = new HistoryLog(store.store('team-x'), 'f:x', told);
    const again = log.stamp(
      keys.map((key) => ({ key, type: 'X' })),
      told.length,
      0,
    );
    expect(again.map(({ k }) => k)).toEqual(['Create#1/1/TaskStateEntered']);
    await store.close();
  });
});
