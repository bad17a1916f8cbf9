/** Our golden machines on moto's Step Functions and on our engine: the same end and the same history, or a reason. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DIFFERENCES, LEFT_OUT } from './asl-differences.ts';
import { GROUPS, OURS, THEIRS } from './asl-goldens.ts';
import type { Ended, PeerMachine } from './asl-machines.ts';
import type { MotoStates } from './asl-moto.ts';
import { motoStates } from './asl-moto.ts';
import { runOurs } from './asl-ours.ts';

const { PEER_SFN: url = '', PEER_SFN_CLIENT: client = '', PEER_SFN_FUNCTIONS: functionsPort = '' } = process.env;

let moto: MotoStates;
let refused: ReadonlyMap<PeerMachine, string>;
beforeAll(async () => {
  moto = await motoStates({ url, client, functionsPort: Number(functionsPort) });
  refused = await moto.define(THEIRS);
});
afterAll(() => moto.close());

/** How far the siblings of a branch or iteration came that failed depends on who was quicker. */
const isOuter = (type: string): boolean => /^(?:Execution|ParallelState|MapState)/.test(type);

/** Branches run beside each other, so their events are compared without their order. */
function comparable({ events, ...end }: Ended, { isBranching }: PeerMachine): object {
  if (!isBranching) return { ...end, events };
  const isBroken = events.some((type) => type === 'ParallelStateFailed' || type === 'MapStateFailed');
  return { ...end, events: (isBroken ? events.filter(isOuter) : events).toSorted() };
}

async function both(at: number): Promise<{ ours: object; theirs: object }> {
  const [machine, other] = [OURS[at], THEIRS[at]];
  if (machine === undefined || other === undefined) throw new Error(`there is no machine ${at}`);
  const refusal = refused.get(other);
  const ours = comparable(await runOurs(machine), machine);
  const theirs = refusal === undefined ? comparable(await moto.run(other), other) : { refused: refusal };
  return { ours, theirs };
}

for (const group of Object.keys(GROUPS)) {
  describe(group, () => {
    for (const [at, { name, group: own }] of OURS.entries()) {
      if (own !== group || LEFT_OUT[name] !== undefined) continue;
      test.concurrent(name, async () => {
        const { ours, theirs } = await both(at);
        if (DIFFERENCES[name] === undefined) expect(ours).toEqual(theirs);
        else expect(ours, 'moto does as we do: strike it from the differences').not.toEqual(theirs);
      });
    }
  });
}

test('every difference and exception names a machine', () => {
  const names = new Set(OURS.map(({ name }) => name));
  expect([...Object.keys(DIFFERENCES), ...Object.keys(LEFT_OUT)].filter((name) => !names.has(name))).toEqual([]);
});
