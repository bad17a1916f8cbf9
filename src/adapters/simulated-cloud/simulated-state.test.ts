import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fakeClock } from '../../../tests/contract/fake-clock.ts';
import type { StoreRoot } from '../../core/ports.ts';
import { openMemoryStore } from '../embedded/store/store.ts';
import { CLOUD_CONTENTS, SimulatedState } from './simulated-state.ts';

let store: StoreRoot;
let state: SimulatedState;

beforeEach(async () => {
  store = await openMemoryStore({ clock: fakeClock() });
  state = new SimulatedState('aws', store.store('team-x').table(CLOUD_CONTENTS));
});

afterEach(() => store.close());

describe('the contents of a simulated cloud', () => {
  test('a thing is created once, changed and deleted', async () => {
    expect(await state.create('s3-bucket', 'a', { region: 'eu-west-1' })).toBe(true);
    expect(await state.create('s3-bucket', 'a', { region: 'us-east-1' })).toBe(false);
    expect(await state.update('s3-bucket', 'a', (value) => ({ ...value, open: false }))).toEqual({
      region: 'eu-west-1',
      open: false,
    });
    expect(await state.get('s3-bucket', 'a')).toEqual({ region: 'eu-west-1', open: false });
    expect(await state.delete('s3-bucket', 'a')).toBe(true);
    expect(await state.delete('s3-bucket', 'a')).toBe(false);
    expect(await state.update('s3-bucket', 'a', (value) => value)).toBeUndefined();
  });

  test('changes at the same time are all kept', async () => {
    await state.put('queue', 'q', { count: 0 });
    const add = (): Promise<unknown> =>
      state.update<{ readonly count: number }>('queue', 'q', ({ count }) => ({ count: count + 1 }));
    await Promise.all(Array.from({ length: 20 }, add));
    expect(await state.get('queue', 'q')).toEqual({ count: 20 });
  });

  test('a change that throws writes nothing', async () => {
    await state.put('queue', 'q', { count: 0 });
    const change = state.update('queue', 'q', () => {
      throw new RangeError('no');
    });
    await expect(change).rejects.toThrow('no');
    expect(await state.get('queue', 'q')).toEqual({ count: 0 });
  });

  test('kinds and clouds do not mix, and ids may hold anything', async () => {
    const other = new SimulatedState('gcp', store.store('team-x').table(CLOUD_CONTENTS));
    await other.put('a', 'x', { cloud: 'gcp' });
    await state.put('a', 'x/ü?#1', { n: 1 });
    await state.put('a-b', 'x', { n: 2 });
    expect(await state.list('a')).toEqual([{ id: 'x/ü?#1', value: { n: 1 } }]);
    expect(await state.list('a', 'x/')).toHaveLength(1);
    expect(await state.list('a', 'y')).toEqual([]);
    expect(await other.page({})).toEqual({ contents: [{ kind: 'a', id: 'x', value: { cloud: 'gcp' } }] });
  });

  test('a list has everything, a page as much as was asked for', async () => {
    await Promise.all(Array.from({ length: 1_203 }, (_none, index) => state.put('n', `${index}`, { index })));
    expect(await state.list('n')).toHaveLength(1_203);
    const first = await state.page({ kind: 'n', limit: 1_000 });
    const second = await state.page({ kind: 'n', limit: 1_000, cursor: first.next ?? '' });
    expect([first.contents.length, second.contents.length, second.next]).toEqual([1_000, 203, undefined]);
  });
});
