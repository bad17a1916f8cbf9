import { expect, test } from 'vitest';
import { systemIds } from '../adapters/embedded/system.ts';
import { orderedId } from './ordered-id.ts';

test('ids of later milliseconds sort behind, and those of one differ', () => {
  const times = [0, 1, 255, 1_795_639_959_121, 1_795_639_959_122, 2 ** 48 - 1];
  const ids = times.map((nowMs) => orderedId(systemIds, { nowMs: () => nowMs }));
  expect(ids.toSorted()).toEqual(ids);
  const same = Array.from({ length: 1_000 }, () => orderedId(systemIds, { nowMs: () => 1_795_639_959_121 }));
  expect(new Set(same).size).toBe(1_000);
});

test('they are UUIDs of version 7 with the time in front, whatever the clock says', () => {
  const id = orderedId(systemIds, { nowMs: () => 0x01_23_45_67_89_ab + 0.7 });
  expect(id).toMatch(/^01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  for (const nowMs of [-1, 2 ** 48])
    expect(orderedId(systemIds, { nowMs: () => nowMs })).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
});
