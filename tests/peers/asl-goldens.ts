/** The golden machines that other interpreters are asked for, numbered through. */

import { BRANCHING } from '../conformance/asl-golden/branching.ts';
import { DATA_FLOW } from '../conformance/asl-golden/data-flow.ts';
import { CHOICES, VARIABLES, WAITS_AND_ENDS } from '../conformance/asl-golden/flow.ts';
import type { Golden } from '../conformance/asl-golden/golden.ts';
import { INTRINSICS } from '../conformance/asl-golden/intrinsics.ts';
import { JSONATA } from '../conformance/asl-golden/jsonata.ts';
import { PROBES } from '../conformance/asl-golden/probes.ts';
import { TASKS } from '../conformance/asl-golden/tasks.ts';
import type { PeerMachine } from './asl-machines.ts';
import { peerMachines } from './asl-machines.ts';

export const GROUPS: Readonly<Record<string, readonly Golden[]>> = {
  'input and output': DATA_FLOW,
  tasks: TASKS,
  choices: CHOICES,
  'waits and ends': WAITS_AND_ENDS,
  variables: VARIABLES,
  'Parallel and Map': BRANCHING,
  'intrinsic functions': INTRINSICS,
  probes: PROBES,
  JSONata: JSONATA,
};

/** Functions that keep count start anew in a second import of the machines. */
async function again(): Promise<typeof GROUPS> {
  const load = async (name: string): Promise<Readonly<Record<string, readonly Golden[]>>> =>
    (await import(/* @vite-ignore */ `../conformance/asl-golden/${name}.ts?again`)) as never;
  const names = ['tasks', 'branching', 'probes', 'jsonata'];
  const [tasks, branching, probes, jsonata] = await Promise.all(names.map(load));
  return {
    ...GROUPS,
    tasks: tasks?.['TASKS'] ?? [],
    'Parallel and Map': branching?.['BRANCHING'] ?? [],
    probes: probes?.['PROBES'] ?? [],
    JSONata: jsonata?.['JSONATA'] ?? [],
  };
}

function numbered(groups: typeof GROUPS): readonly PeerMachine[] {
  let number = 0;
  return Object.entries(groups).flatMap(([group, goldens]) => {
    const machines = peerMachines(group, goldens, number);
    number += goldens.length;
    return machines;
  });
}

export const OURS = numbered(GROUPS);
export const THEIRS = numbered(await again());
