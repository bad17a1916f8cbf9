/** A simulated Google and a simulated Azure in memory, whose time is moved by hand, for the tests of provisioners. */

import type { CloudUnderTest } from '../../../tests/contract/cloud-provisioner.ts';
import { silentLog } from '../../../tests/fixtures/assembled.ts';
import { isObject } from '../../core/json.ts';
import type { Clock } from '../../core/ports.ts';
import { Redactor } from '../../core/redact.ts';
import type { CloudPlace } from '../../provisioning/provisioner.ts';
import { createEgress } from '../embedded/egress.ts';
import { openMemoryStore } from '../embedded/store/store.ts';
import { systemClock, systemIds } from '../embedded/system.ts';
import { startAzureEndpoint } from './azure/azure-endpoint.ts';
import type { AzureEndpoint } from './azure/azure-endpoint.ts';
import { Faults } from './faults.ts';
import { startGcpEndpoint } from './gcp/gcp-endpoint.ts';
import type { GcpEndpoint } from './gcp/gcp-endpoint.ts';
import type { RestEndpointOptions } from './rest-endpoint.ts';
import { CLOUD_CONTENTS, SimulatedState } from './simulated-state.ts';

export const TOKEN = 'the development token';

export interface SimulatedCloud<Endpoint> extends CloudUnderTest {
  readonly endpoint: Endpoint;
  /** What the endpoint was started with; another one over the same contents is started with it too. */
  readonly options: RestEndpointOptions;
  readonly faults: Faults;
  readonly state: SimulatedState;
  close(): Promise<void>;
}

interface Parts {
  readonly options: RestEndpointOptions;
  readonly faults: Faults;
  readonly state: SimulatedState;
  /** Of the cloud: real time, and what was added to it. */
  readonly clock: Clock;
  readonly place: Omit<CloudPlace, 'env'>;
  advance(ms: number): void;
  close(): Promise<void>;
}

async function parts(cloud: 'gcp' | 'azure'): Promise<Parts> {
  let addedMs = 0;
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + addedMs };
  const store = await openMemoryStore({ clock: systemClock });
  const state = new SimulatedState(cloud, store.store('team-x').table(CLOUD_CONTENTS));
  const faults = new Faults();
  const egress = createEgress({ clock: systemClock });
  const secrets = { get: () => Promise.resolve(undefined) };
  return {
    options: {
      control: { state, faults, clock, token: TOKEN },
      clock,
      ids: systemIds,
      log: silentLog,
      redactor: new Redactor(),
    },
    faults,
    state,
    clock,
    place: { label: 'simulated', egress, secrets },
    advance: (ms) => {
      addedMs += ms;
    },
    close: async () => {
      egress.close();
      await store.close();
    },
  };
}

export async function simulatedGcp(): Promise<SimulatedCloud<GcpEndpoint>> {
  const made = await parts('gcp');
  const endpoint = await startGcpEndpoint(made.options);
  const written = (value: string): string => value.toLowerCase().replaceAll(/[^a-z0-9_-]/g, '-');
  return {
    ...made,
    endpoint,
    place: { ...made.place, endpoint: endpoint.url, env: endpoint.env },
    written,
    owned: async (tenant) =>
      (await made.state.page({})).contents
        .filter(({ value }) => isObject(value['labels']) && value['labels']['tenant'] === written(tenant))
        .map(({ kind, id }) => `${kind}/${id}`),
    close: async () => {
      await endpoint.close();
      await made.close();
    },
  };
}

export async function simulatedAzure(): Promise<SimulatedCloud<AzureEndpoint>> {
  const made = await parts('azure');
  const endpoint = await startAzureEndpoint(made.options);
  const isThere = (goneMs: unknown): boolean => typeof goneMs !== 'number' || goneMs > made.clock.nowMs();
  return {
    ...made,
    endpoint,
    place: { ...made.place, endpoint: endpoint.url, ca: endpoint.ca, env: endpoint.env },
    owned: async (tenant) =>
      (await made.state.page({})).contents
        .filter(({ value }) => isThere(value['goneMs']) && tagsOf(value['shown'])['tenant'] === tenant)
        .map(({ kind, id }) => `${kind}/${id}`),
    close: async () => {
      await endpoint.close();
      await made.close();
    },
  };
}

function tagsOf(shown: unknown): Record<string, unknown> {
  const tags = isObject(shown) ? shown['tags'] : undefined;
  return isObject(tags) ? tags : {};
}
