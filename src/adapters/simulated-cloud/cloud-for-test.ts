/** Local endpoints of Google and Azure over a store in memory, and what a job would hand to a provisioner, for tests. */

import type { Clock, Egress, Logger } from '../../core/ports.ts';
import { Redactor } from '../../core/redact.ts';
import { openMemoryStore } from '../embedded/store/store.ts';
import { systemIds } from '../embedded/system.ts';
import type { SimulatedControl } from './control.ts';
import { Faults } from './faults.ts';
import type { RestEndpointOptions } from './rest-endpoint.ts';
import { CLOUD_CONTENTS, SimulatedState } from './simulated-state.ts';

export const TOKEN = 'the development token';
const log: Logger = { log: () => undefined, with: () => log };

export interface CloudForTest {
  readonly options: RestEndpointOptions;
  readonly control: SimulatedControl;
  readonly egress: Egress & { close(): void };
  close(): Promise<void>;
}

export async function cloudForTest(cloud: 'gcp' | 'azure', clock: Clock): Promise<CloudForTest> {
  const { createEgress } = await import('../embedded/egress.ts');
  const store = await openMemoryStore({ clock });
  const state = new SimulatedState(cloud, store.store('team-x').table(CLOUD_CONTENTS));
  const control = { state, faults: new Faults(), token: TOKEN };
  const egress = createEgress({ clock });
  return {
    control,
    egress,
    options: { control, clock, ids: systemIds, log, redactor: new Redactor() },
    close: async () => {
      egress.close();
      await store.close();
    },
  };
}
