/** What the provisioner of every service of every cloud must do, against a cloud that is given. */

import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { JsonValue } from '../../src/core/ports.ts';
import { resourceId } from '../../src/provisioning/provisioner.ts';
import type {
  CloudPlace,
  CloudProvisioner,
  NameRecord,
  OwnershipTags,
  ProvisionContext,
  ProvisionRequest,
} from '../../src/provisioning/provisioner.ts';
import type { Params, ProvisionerModule, ServiceDefinition } from '../../src/provisioning/service.ts';
import { silentLog } from '../fixtures/assembled.ts';
import { failure } from './harness.ts';
import { Died, RecordedSteps } from './recorded-steps.ts';
import { requestDeathTests } from './request-deaths.ts';

/** Faults that a simulated cloud can be asked for; see `simulated-cloud/faults.ts`. */
export interface FaultSource {
  add(rule: { service?: string; operation?: string; fault: RequestFault; times?: number; delayMs?: number }): unknown;
  remove(): number;
  counts(): readonly { readonly service: string; readonly operation: string }[];
  forgetCounts(): void;
}
const REQUEST_FAULTS = ['throttle', 'server-error', 'error-after-effect', 'drop', 'drop-after-effect', 'slow'] as const;
type RequestFault = (typeof REQUEST_FAULTS)[number] | 'slow-operation' | 'already-exists';

export interface CloudUnderTest {
  readonly place: CloudPlace;
  /** Everything of the cloud that carries this tenant's tags, named so that a person knows what it is. */
  owned(tenant: string): Promise<readonly string[]>;
  /** Lets time pass in the cloud. */
  advance(ms: number): void | Promise<void>;
  /** A tag's value as this cloud keeps it. @default the value itself */
  written?(value: string): string;
  /** Absent where nothing can be made to go wrong; the tests of faults are left out then. */
  readonly faults?: FaultSource;
}

export interface ServiceUnderTest {
  readonly definition: ServiceDefinition;
  readonly region?: string;
  /** What to make under this name: lower-case letters, digits and `-`. */
  params(name: string): Params;
  /** Params that differ from the first ones in what an update can change; absent where nothing can be. */
  readonly changed?: (name: string) => Params;
  /** Params that differ in what no update can change. */
  readonly fixed?: (name: string) => Params;
  /** The operation that fails when a name is taken; absent for services whose names are never taken. */
  readonly creates?: string;
  /** Makes what the service needs to be there, once; what is made is not the tenant's. */
  prepare?(): Promise<void>;
}

interface JobOptions {
  readonly requestId?: string;
  readonly tenant?: string;
  readonly record?: Map<string, JsonValue>;
  readonly diesAfter?: number;
  readonly isRollback?: boolean;
  readonly params?: Params;
  readonly userTags?: Readonly<Record<string, string>>;
  readonly place?: CloudPlace;
  readonly attempts?: number;
  readonly names?: NameRecord;
}

export interface Job {
  readonly id: string;
  /** What the params were made with. */
  readonly name: string;
  readonly input: ProvisionRequest;
  readonly steps: RecordedSteps;
  readonly provisioner: CloudProvisioner;
}

/** Makes jobs of one resource. */
export type StartJob = (options?: JobOptions) => Job;

const TENANT = 'team-x';
const OTHER = 'team-y';
let names = 0;

export function cloudProvisionerContract(service: ServiceUnderTest, cloud: () => CloudUnderTest): void {
  const { definition } = service;
  describe(`the provisioner of ${definition.cloud} ${definition.service}`, () => {
    let module: ProvisionerModule;
    let start: StartJob;

    beforeAll(async () => {
      module = await definition.load();
      await service.prepare?.();
    });

    const it: It = (title, body, needs) =>
      test(title, async ({ skip }) => {
        if (needs === 'faults' && cloud().faults === undefined) skip('nothing can be made to go wrong there');
        start = starter(service, module, cloud());
        await body(start);
      });

    afterEach(async () => {
      cloud().faults?.remove();
      expect(await cloud().owned(TENANT)).toEqual([]);
      expect(await cloud().owned(OTHER)).toEqual([]);
    });

    makingTests(it, service, cloud);
    ownershipTests(it, cloud);
    changingTests(it, service, cloud);
    crashTests(it, cloud);
    requestDeathTests(it, cloud);
    faultTests(it, service, cloud);
  });
}

/** @param needs - Without faults to be had the test is skipped, and says so. */
export type It = (title: string, body: (start: StartJob) => Promise<void>, needs?: 'faults') => void;
export type CloudOf = () => CloudUnderTest;

function starter(service: ServiceUnderTest, module: ProvisionerModule, cloud: CloudUnderTest): StartJob {
  const { definition } = service;
  const name = `zp-test-${++names}-${Date.now().toString(36)}`;
  const parsed = (params: Params): Params => definition.params.parse(params);
  const original = parsed(service.params(name));
  const region = definition.regions === undefined ? undefined : (service.region ?? definition.regions[0]);
  const id = resourceId({
    cloud: definition.cloud,
    region,
    service: definition.service,
    name: definition.nameOf(original, `request-${name}`),
  });
  return (options = {}) => {
    const { requestId = `request-${name}`, tenant = TENANT, record = new Map<string, JsonValue>() } = options;
    const params = options.params === undefined ? original : parsed(options.params);
    const { cloud: cloudName, service: serviceName } = definition;
    const request = { cloud: cloudName, service: serviceName, params, tenant, env: 'dev', region };
    const steps = new RecordedSteps(record, {
      advance: (ms) => cloud.advance(ms),
      ...(options.diesAfter === undefined ? {} : { diesAfter: options.diesAfter }),
      ...(options.attempts === undefined ? {} : { attempts: options.attempts }),
    });
    const context: ProvisionContext = {
      request,
      id,
      requestId,
      ownership: ownershipOf(request, requestId),
      userTags: options.userTags ?? {},
      place: options.place ?? cloud.place,
      steps,
      names: options.names,
      isRollback: options.isRollback,
      log: silentLog,
      signal: new AbortController().signal,
    };
    return { id, name, input: request, steps, provisioner: module.create(context) };
  };
}

function ownershipOf(request: ProvisionRequest, requestId: string): OwnershipTags {
  const { tenant, env, service } = request;
  return { tenant, env, service, requestId, owner: 'ada@example.com|7', 'managed-by': 'zeroplane' };
}

const provision = ({ provisioner, input }: Job): ReturnType<CloudProvisioner['provision']> =>
  provisioner.provision(input);
const destroy = ({ provisioner, id }: Job): ReturnType<CloudProvisioner['destroy']> => provisioner.destroy(id);
const read = ({ provisioner, id }: Job): ReturnType<CloudProvisioner['read']> => provisioner.read(id);

function makingTests(it: It, { definition }: ServiceUnderTest, cloud: CloudOf): void {
  it('makes the resource with its tags, in the steps that it announces, and removes it', async (start) => {
    const job = start({ userTags: { 'cost-centre': '42', tenant: 'never this one' } });
    expect(await job.provisioner.plan(job.input)).toEqual({
      id: job.id,
      change: 'create',
      steps: [...definition.stepsOf(job.input.params)],
    });
    expect(await cloud().owned(TENANT)).toEqual([]);
    const made = await provision(job);
    expect(made).toMatchObject({ status: 'provisioned', id: job.id, isAdopted: false });
    expect(job.steps.begun).toEqual([...definition.stepsOf(job.input.params)]);
    expect((await cloud().owned(TENANT)).length).toBeGreaterThan(0);
    const state = await read(start());
    expect(state).toMatchObject({ id: job.id, isOwned: true, outputs: made.outputs });
    expect(await start().provisioner.plan(job.input)).toEqual({ id: job.id, change: 'none', steps: [] });
    expect(await destroy(start())).toEqual({ status: 'deprovisioned', id: job.id });
    expect(await read(start())).toBeUndefined();
  });

  it('the same request twice makes one resource, which it does not call adopted', async (start) => {
    const first = await provision(start());
    const before = await cloud().owned(TENANT);
    expect(await provision(start())).toEqual(first);
    expect(await cloud().owned(TENANT)).toEqual(before);
    await destroy(start());
  });

  it('removing what is not there is done at once', async (start) => {
    const job = start();
    expect(await destroy(job)).toEqual({ status: 'deprovisioned', id: job.id });
    expect(await read(job)).toBeUndefined();
  });
}

function ownershipTests(it: It, cloud: CloudOf): void {
  it("another request of the tenant adopts it, and undoing that request leaves it as its maker's", async (start) => {
    const made = await provision(start());
    const before = await cloud().owned(TENANT);
    const adopter = { requestId: 'another', userTags: { note: 'mine too' } };
    expect(await start(adopter).provisioner.plan(start(adopter).input)).toMatchObject({ change: 'adopt' });
    expect(await provision(start(adopter))).toEqual({ ...made, isAdopted: true });
    expect(await destroy(start({ ...adopter, isRollback: true }))).toMatchObject({ status: 'deprovisioned' });
    expect(await cloud().owned(TENANT)).toEqual(before);
    const tags = Object.values((await read(start()))?.tags ?? {});
    expect(tags).toContain(cloud().written?.('mine too') ?? 'mine too');
    await destroy(start({ requestId: 'a third' }));
  });

  it("another tenant's is neither adopted, changed nor removed, and can be told apart", async (start) => {
    await provision(start({ tenant: OTHER, requestId: 'theirs' }));
    const before = await cloud().owned(OTHER);
    const attempts = [
      (job: Job) => provision(job),
      (job: Job) => destroy(job),
      (job: Job) => job.provisioner.update(job.id, job.input),
      (job: Job) => job.provisioner.adopt(job.input),
      (job: Job) => job.provisioner.plan(job.input),
    ];
    for (const attempt of attempts) await failure(attempt(start()), 'RESOURCE_NOT_OWNED');
    expect(await read(start())).toMatchObject({ isOwned: false });
    expect(await cloud().owned(OTHER)).toEqual(before);
    await destroy(start({ isRollback: true }));
    expect(await cloud().owned(OTHER)).toEqual(before);
    await destroy(start({ tenant: OTHER, requestId: 'theirs' }));
  });

  it('adopts what is there when it is asked to, and nothing when there is nothing', async (start) => {
    expect(await start().provisioner.adopt(start().input)).toBeUndefined();
    const made = await provision(start());
    const adopter = start({ requestId: 'another' });
    expect(await adopter.provisioner.adopt(adopter.input)).toEqual({ ...made, isAdopted: true });
    await destroy(start());
  });
}

function changingTests(it: It, service: ServiceUnderTest, cloud: CloudOf): void {
  it('an update of what is not there is refused', async (start) => {
    const job = start();
    await failure(job.provisioner.update(job.id, job.input), 'NOT_FOUND');
  });

  it('an update without a difference changes nothing', async (start) => {
    const made = await provision(start());
    const job = start({ requestId: 'update' });
    expect(await job.provisioner.update(job.id, job.input)).toEqual(made);
    await destroy(start());
  });

  const { changed, fixed } = service;
  if (changed !== undefined)
    it('an update makes the resource agree with its parameters', async (start) => {
      await provision(start());
      const name = start().name;
      const other = { requestId: 'update', params: changed(name) };
      const planned = await start(other).provisioner.plan(start(other).input);
      expect(planned).toMatchObject({ change: 'adopt' });
      expect(Object.keys(planned.differences ?? {}).length).toBeGreaterThan(0);
      await start(other).provisioner.update(start(other).id, start(other).input);
      expect((await start(other).provisioner.plan(start(other).input)).differences).toBeUndefined();
      await destroy(start(other));
    });

  if (fixed !== undefined)
    it('an update of what cannot be changed says which parameter it is, and changes nothing', async (start) => {
      await provision(start());
      const before = await cloud().owned(TENANT);
      const job = start({ params: fixed(start().name) });
      const refused = await failure(job.provisioner.update(job.id, job.input), 'INVALID_ARGUMENTS');
      expect(refused.details['parameters']).toHaveLength(1);
      expect(await cloud().owned(TENANT)).toEqual(before);
      await destroy(start());
    });
}

/** Runs again and again with one record until nobody dies any more. @returns in how many runs. */
async function survive(
  start: StartJob,
  run: (job: Job) => Promise<unknown>,
  options: JobOptions & { readonly dyingAfter: number },
): Promise<number> {
  const { dyingAfter: diesAfter, ...more } = options;
  const record = new Map<string, JsonValue>();
  const job = start({ ...more, record, diesAfter });
  const died = await run(job).then(
    () => false,
    (error: unknown) => {
      if (error instanceof Died) return true;
      throw error;
    },
  );
  if (!died) return 1;
  await run(start({ ...more, record }));
  return 2;
}

function crashTests(it: It, cloud: CloudOf): void {
  it('a process that dies after any effect leaves one resource once the job has gone on, and none after removal', async (start) => {
    const whole = start();
    await provision(whole);
    const wanted = (await cloud().owned(TENANT)).length;
    const away = start();
    await destroy(away);
    for (let effect = 0; effect < whole.steps.effects; effect++) {
      const runs = await survive(start, provision, { dyingAfter: effect });
      // Beyond the first one of each step it depends on how often a cloud that takes its time is asked.
      if (effect < whole.steps.begun.length) expect(runs).toBe(2);
      expect(await cloud().owned(TENANT)).toHaveLength(wanted);
      await survive(start, destroy, { dyingAfter: effect % away.steps.effects });
      expect(await cloud().owned(TENANT)).toEqual([]);
    }
    // The removals above have died after each of the first ones.
    for (let effect = whole.steps.effects; effect < away.steps.effects; effect++) {
      await provision(start());
      await survive(start, destroy, { dyingAfter: effect });
      expect(await cloud().owned(TENANT)).toEqual([]);
    }
  });

  it('what a process that died has left half-made is removed by its rollback', async (start) => {
    const whole = start();
    await provision(whole);
    await destroy(start());
    for (let effect = 0; effect < whole.steps.effects; effect++) {
      const outcome: unknown = await provision(start({ diesAfter: effect })).catch((error: unknown) => error);
      if (effect < whole.steps.begun.length) expect(outcome).toBeInstanceOf(Died);
      await destroy(start({ isRollback: true }));
      expect(await cloud().owned(TENANT)).toEqual([]);
    }
  });
}

function faultsOf({ faults }: CloudUnderTest): FaultSource {
  if (faults === undefined) throw new Error('This cloud has no faults.');
  return faults;
}

function faultTests(it: It, service: ServiceUnderTest, cloud: CloudOf): void {
  it(
    'credentials that the cloud does not take are told as such, without them',
    async (start) => {
      const { place } = cloud();
      const env = Object.fromEntries(Object.keys(place.env).map((key) => [key, 'NotTheRightOne']));
      const secrets = { get: () => Promise.resolve(undefined) };
      const denied = await failure(provision(start({ place: { ...place, env, secrets } })), 'CLOUD_DENIED');
      expect(denied.message).not.toContain('NotTheRightOne');
      expect(denied.details['cloudCode']).toBeTypeOf('string');
    },
    'faults',
  );

  it('a cloud that cannot be reached is worth another attempt', async (start) => {
    const place = { ...cloud().place, endpoint: cloud().place.endpoint?.replace(/:\d+$/, ':1') };
    const failed = await failure(provision(start({ place, attempts: 2 })), 'CLOUD_UNAVAILABLE');
    expect(failed.retryable).toBe(true);
  });

  for (const fault of REQUEST_FAULTS)
    it(
      `${fault} at the first request of every operation is got over`,
      async (start) => {
        const faults = faultsOf(cloud());
        const strike = (operations: ReturnType<FaultSource['counts']>): void => {
          for (const { service: name, operation } of operations)
            faults.add({ service: name, operation, fault, times: 1, delayMs: 1 });
        };
        const seen = async (run: () => Promise<unknown>): Promise<ReturnType<FaultSource['counts']>> => {
          faults.forgetCounts();
          await run();
          return faults.counts();
        };
        const making = await seen(() => provision(start()));
        const wanted = (await cloud().owned(TENANT)).length;
        const removing = await seen(() => destroy(start()));
        strike(making);
        await provision(start({ attempts: 40 }));
        expect(await cloud().owned(TENANT)).toHaveLength(wanted);
        faults.remove();
        strike(removing);
        await destroy(start({ attempts: 40 }));
        expect(await cloud().owned(TENANT)).toEqual([]);
      },
      'faults',
    );

  it(
    'what takes the cloud long is waited for',
    async (start) => {
      faultsOf(cloud()).add({ fault: 'slow-operation', delayMs: 60_000, times: 1_000 });
      await provision(start());
      await destroy(start());
    },
    'faults',
  );

  const { creates } = service;
  if (creates !== undefined)
    it(
      'a name that somebody else has taken is not ours',
      async (start) => {
        faultsOf(cloud()).add({ operation: creates, fault: 'already-exists', times: 1 });
        await failure(provision(start()), 'RESOURCE_NOT_OWNED');
      },
      'faults',
    );
}
