/** Our golden machines on `aws-local-stepfunctions` and on our engine: the same output or error, or a reason. */

import { beforeAll, describe, expect, test } from 'vitest';
import { LOCAL } from './asl-differences.ts';
import { OURS, THEIRS } from './asl-goldens.ts';
import type { LocalEnd } from './asl-local.ts';
import { localStates } from './asl-local.ts';
import type { Ended, PeerMachine } from './asl-machines.ts';
import { runOurs } from './asl-ours.ts';

const { PEER_ASL_LOCAL: module = '' } = process.env;

let runTheirs: (machine: PeerMachine) => Promise<LocalEnd>;
beforeAll(async () => {
  runTheirs = await localStates(module);
});

const endOf = ({ status, output, error }: Ended): LocalEnd => ({
  status,
  ...(output !== undefined && { output }),
  ...(error !== undefined && { error }),
});

const { groups = [], differences, leftOut } = LOCAL;

for (const group of groups) {
  describe(group, () => {
    for (const [at, machine] of OURS.entries()) {
      const other = THEIRS[at];
      const { name } = machine;
      if (machine.group !== group || other === undefined || leftOut[name] !== undefined) continue;
      test.concurrent(name, async () => {
        const [ours, theirs] = [endOf(await runOurs(machine)), await runTheirs(other)];
        if (differences[name] === undefined) expect(ours).toEqual(theirs);
        else expect(ours, 'it does as we do: strike it from the differences').not.toEqual(theirs);
      });
    }
  });
}

test('every difference and exception names a machine', () => {
  const names = new Set(OURS.map(({ name }) => name));
  const listed = [...Object.keys(differences), ...Object.keys(leftOut)];
  expect(listed.filter((name) => !names.has(name))).toEqual([]);
});
