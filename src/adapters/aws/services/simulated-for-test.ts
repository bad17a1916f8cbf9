/** A simulated AWS in memory, whose time is moved by hand, for the tests of provisioners. */

import { fakeClock } from '../../../../tests/contract/fake-clock.ts';
import type { FakeClock } from '../../../../tests/contract/fake-clock.ts';
import type { CloudUnderTest } from '../../../../tests/contract/cloud-provisioner.ts';
import { RecordedSteps } from '../../../../tests/contract/recorded-steps.ts';
import { silentLog } from '../../../../tests/fixtures/assembled.ts';
import { isObject } from '../../../core/json.ts';
import { Redactor } from '../../../core/redact.ts';
import { createFunctionRuntime } from '../../../functions/function-runtime.ts';
import { resourceId } from '../../../provisioning/provisioner.ts';
import type { CloudPlace, CloudProvisioner, NameRecord } from '../../../provisioning/provisioner.ts';
import type { Params, ServiceDefinition } from '../../../provisioning/service.ts';
import { createEgress } from '../../embedded/egress.ts';
import { openMemoryStore } from '../../embedded/store/store.ts';
import { systemClock, systemIds } from '../../embedded/system.ts';
import { startAwsEndpoint } from '../../simulated-cloud/aws-endpoint.ts';
import { awsServices, heldFunctions } from '../../simulated-cloud/aws-services.ts';
import { Faults } from '../../simulated-cloud/faults.ts';
import { CLOUD_CONTENTS, SimulatedState } from '../../simulated-cloud/simulated-state.ts';
import type { Held } from '../../simulated-cloud/simulated-state.ts';

const SECRET = 'the development token';

export interface ClientSettings {
  readonly endpoint: string;
  readonly maxAttempts: number;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

export interface SimulatedAws extends CloudUnderTest {
  readonly faults: Faults;
  readonly state: SimulatedState;
  readonly clock: FakeClock;
  advance(ms: number): void;
  /** What clients of AWS are configured with, but for the region. */
  readonly settings: ClientSettings;
  close(): Promise<void>;
}

export async function simulatedAws(): Promise<SimulatedAws> {
  const clock = fakeClock();
  const store = await openMemoryStore({ clock: systemClock });
  const tenant = store.store('team-x');
  const state = new SimulatedState('aws', tenant.table(CLOUD_CONTENTS));
  const redactor = new Redactor();
  const common = { clock: systemClock, ids: systemIds, log: silentLog };
  const invoker = createFunctionRuntime({ functions: [], baseDir: '/', ...common });
  const { control } = invoker;
  const parts = { invoker, control, store: tenant, state, clock, ids: systemIds, redactor };
  const faults = new Faults();
  const endpoint = await startAwsEndpoint({
    ...common,
    services: awsServices({ ...parts, schemas: undefined, deny: [] }),
    accessKeyId: 'zeroplane',
    secretAccessKey: SECRET,
    principal: { id: 'you@dev', tenant: 'team-x', roles: [], scopes: [] },
    redactor,
    control: { state, faults, clock, token: SECRET },
  });
  const egress = createEgress({ clock: systemClock });
  const place: CloudPlace = {
    endpoint: endpoint.url,
    label: 'simulated',
    egress,
    secrets: { get: () => Promise.resolve(undefined) },
    env: { AWS_ACCESS_KEY_ID: 'zeroplane', AWS_SECRET_ACCESS_KEY: SECRET },
  };
  return {
    place,
    settings: {
      endpoint: endpoint.url,
      maxAttempts: 1,
      credentials: { accessKeyId: 'zeroplane', secretAccessKey: SECRET },
    },
    faults,
    state,
    clock,
    advance: clock.advance,
    owned: async (owner) => {
      const { contents } = await state.page({});
      const isTheirs = ({ tags }: Held['value']): boolean => isObject(tags) && tags['tenant'] === owner;
      return [...contents, ...(await heldFunctions(control))]
        .filter(({ value }) => isTheirs(value) && !isOver(value, clock.nowMs()))
        .map(({ kind, id }) => `${kind}/${id}`);
    },
    close: async () => {
      await endpoint.close();
      egress.close();
      await invoker.close();
      await store.close();
    },
  };
}

/** Instances stay in the lists of EC2 for a while after their end. */
function isOver(value: Readonly<Record<string, unknown>>, nowMs: number): boolean {
  const { goneAtMs } = value;
  return typeof goneAtMs === 'number' && goneAtMs > 0 && nowMs >= goneAtMs;
}

export interface JobForTest {
  readonly id: string;
  readonly steps: RecordedSteps;
  provision(): ReturnType<CloudProvisioner['provision']>;
  destroy(): ReturnType<CloudProvisioner['destroy']>;
  update(): ReturnType<CloudProvisioner['update']>;
  read(): ReturnType<CloudProvisioner['read']>;
}

export interface JobOptions {
  readonly params: Params;
  readonly region?: string;
  readonly tenant?: string;
  readonly requestId?: string;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly userTags?: Readonly<Record<string, string>>;
  readonly expiresAt?: string;
  readonly diesAfter?: number;
  readonly names?: NameRecord;
}

/** One job of one resource, as a platform would run it. */
export async function jobForTest(
  aws: SimulatedAws,
  definition: ServiceDefinition,
  options: JobOptions,
): Promise<JobForTest> {
  const { tenant = 'team-x', requestId = 'request-1', secrets = {}, expiresAt, diesAfter } = options;
  const params = definition.params.parse(options.params);
  const region = definition.regions === undefined ? undefined : (options.region ?? 'eu-west-1');
  const { cloud, service } = definition;
  const id = resourceId({ cloud, region, service, name: definition.nameOf(params, requestId) });
  const request = { cloud, service, params, tenant, env: 'dev', region };
  const steps = new RecordedSteps(new Map(), {
    advance: (ms) => aws.advance(ms),
    ...(diesAfter === undefined ? {} : { diesAfter }),
  });
  const module = await definition.load();
  const provisioner = module.create({
    request,
    id,
    requestId,
    ownership: { tenant, env: 'dev', service, requestId, owner: 'ada', expiresAt, 'managed-by': 'zeroplane' },
    userTags: options.userTags ?? {},
    place: { ...aws.place, secrets: { get: (name) => Promise.resolve(secrets[name]) } },
    steps,
    names: options.names,
    log: silentLog,
    signal: new AbortController().signal,
  });
  return {
    id,
    steps,
    provision: () => provisioner.provision(request),
    destroy: () => provisioner.destroy(id),
    update: () => provisioner.update(id, request),
    read: () => provisioner.read(id),
  };
}
