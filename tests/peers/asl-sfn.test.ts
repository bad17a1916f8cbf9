/** Our golden machines on another's Step Functions and on our engine: the same end and the same history, or a reason. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MINISTACK, MOTO } from './asl-differences.ts';
import { GROUPS, OURS, THEIRS } from './asl-goldens.ts';
import type { Ended, PeerMachine } from './asl-machines.ts';
import { runOurs } from './asl-ours.ts';
import type { SfnPeer } from './asl-sfn.ts';
import { sfnPeer } from './asl-sfn.ts';

const {
  PEER_SFN: url = '',
  PEER_SFN_NAME: peerName,
  PEER_SFN_CLIENT: client = '',
  PEER_SFN_FUNCTIONS: functionsPort = '',
} = process.env;
const isMoto = peerName === 'moto';
const { differences, leftOut, groups, hasNoHistory } = isMoto ? MOTO : MINISTACK;

let peer: SfnPeer;
let refused: ReadonlyMap<PeerMachine, string>;
beforeAll(async () => {
  peer = await sfnPeer({
    url,
    client,
    functionsPort: Number(functionsPort),
    // Once moto has executed a machine of an account it can copy no other of that account.
    isAccountEach: isMoto,
    hasLambda: !isMoto,
  });
  refused = await peer.define(THEIRS);
}, 120_000);
afterAll(() => peer.close());

/** How far the siblings of a branch or iteration came that failed depends on who was quicker. */
const isOuter = (type: string): boolean => /^(?:Execution|ParallelState|MapState)/.test(type);

/** Branches run beside each other, so their events are compared without their order. */
function comparable({ events, ...end }: Ended, { isBranching }: PeerMachine): object {
  if (hasNoHistory) return end;
  if (!isBranching) return { ...end, events };
  const isBroken = events.some((type) => type === 'ParallelStateFailed' || type === 'MapStateFailed');
  return { ...end, events: (isBroken ? events.filter(isOuter) : events).toSorted() };
}

async function both(at: number): Promise<{ ours: object; theirs: object }> {
  const [machine, other] = [OURS[at], THEIRS[at]];
  if (machine === undefined || other === undefined) throw new Error(`there is no machine ${at}`);
  const refusal = refused.get(other);
  const ours = comparable(await runOurs(machine), machine);
  const theirs = refusal === undefined ? comparable(await peer.run(other), other) : { refused: refusal };
  return { ours, theirs };
}

for (const group of groups ?? Object.keys(GROUPS)) {
  describe(group, () => {
    for (const [at, machine] of OURS.entries()) {
      if (machine.group !== group || leftOut[machine.name] !== undefined) continue;
      test.concurrent(machine.name, async () => {
        const { ours, theirs } = await both(at);
        if (differences[machine.name] === undefined) expect(ours).toEqual(theirs);
        else expect(ours, 'it does as we do: strike it from the differences').not.toEqual(theirs);
      });
    }
  });
}

test('every difference and exception names a machine', () => {
  const names = new Set(OURS.map((machine) => machine.name));
  expect([...Object.keys(differences), ...Object.keys(leftOut)].filter((name) => !names.has(name))).toEqual([]);
});
