import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { JobNames } from './job-names.ts';

const names = new JobNames(new Uint8Array(32).fill(3));
const ID = '52e97f2b-f504-4fb8-9a6c-37b842ce0f70';

test('a name leads back to its job, of its workflow and its key alone', () => {
  const name = names.of('zeroplane-provision', ID, 'r1');
  expect(name).toMatch(/^52e97f2b-f504-4fb8-9a6c-37b842ce0f70-r1-[0-9a-f]{16}$/);
  expect(name.length).toBeLessThanOrEqual(80);
  expect(names.jobOf({ workflow: 'zeroplane-provision', name })).toBe(ID);
  expect(names.jobOf({ workflow: 'zeroplane-undo', name })).toBeUndefined();
  expect(new JobNames(new Uint8Array(32)).jobOf({ workflow: 'zeroplane-provision', name })).toBeUndefined();
});

test("whatever else somebody calls an execution is nobody's", () => {
  const name = names.of('w', ID, 'r1');
  for (const other of [
    ID,
    `${ID}-r1`,
    `${ID}-r2-${name.slice(-16)}`,
    name.slice(0, -1),
    `${name}0`,
    name.toUpperCase(),
  ])
    expect(names.jobOf({ workflow: 'w', name: other })).toBeUndefined();
  fc.assert(fc.property(fc.string(), (text) => names.jobOf({ workflow: 'w', name: text }) === undefined));
});
