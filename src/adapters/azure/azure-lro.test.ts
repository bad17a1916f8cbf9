import { inspect } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { RecordedSteps } from '../../../tests/contract/recorded-steps.ts';
import { silentLog } from '../../../tests/fixtures/assembled.ts';
import { PlatformError } from '../../core/errors.ts';
import type { JsonValue } from '../../core/ports.ts';
import { resourceId } from '../../provisioning/provisioner.ts';
import type {
  CloudPlace,
  CloudProvisioner,
  NameRecord,
  ProvisionContext,
  ProvisionRequest,
} from '../../provisioning/provisioner.ts';
import type { ServiceDefinition } from '../../provisioning/service.ts';
import { startAzureEndpoint } from '../simulated-cloud/azure/azure-endpoint.ts';
import type { AzureEndpoint } from '../simulated-cloud/azure/azure-endpoint.ts';
import { TOKEN, simulatedAzure } from '../simulated-cloud/cloud-for-test.ts';
import type { SimulatedCloud } from '../simulated-cloud/cloud-for-test.ts';
import { resourceGroup } from './services/resource-group/definition.ts';
import { storage } from './services/storage/definition.ts';
import { vnet } from './services/vnet/definition.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function azure(): Promise<SimulatedCloud<AzureEndpoint>> {
  const cloud = await simulatedAzure();
  cleanups.push(() => cloud.close());
  return cloud;
}

interface JobParts {
  readonly cloud: SimulatedCloud<AzureEndpoint>;
  readonly definition: ServiceDefinition;
  readonly params: Readonly<Record<string, JsonValue>>;
  readonly record?: Map<string, JsonValue>;
  readonly place?: CloudPlace;
  /** Ends the process at the first question after this many seconds. */
  readonly patienceMs?: number;
  readonly names?: NameRecord;
}

interface Job {
  readonly id: string;
  readonly input: ProvisionRequest;
  readonly provisioner: CloudProvisioner;
}

class Killed extends Error {}

async function jobOf({ cloud, definition, place = cloud.place, ...more }: JobParts): Promise<Job> {
  const params = definition.params.parse(more.params);
  const { service } = definition;
  const name = definition.nameOf(params, 'r-1');
  const id = resourceId({ cloud: 'azure', region: 'eastus', service, name });
  const input = { cloud: 'azure', service, params, tenant: 'team-x', env: 'dev', region: 'eastus' } as const;
  const ownership = { tenant: 'team-x', env: 'dev', service, requestId: 'r-1', owner: 'ada' } as const;
  let waitedMs = 0;
  const steps = new RecordedSteps(more.record ?? new Map<string, JsonValue>(), {
    advance: async (ms) => {
      waitedMs += ms;
      if (waitedMs > (more.patienceMs ?? Number.POSITIVE_INFINITY)) throw new Killed();
      await cloud.advance(ms);
    },
  });
  const context: ProvisionContext = {
    request: input,
    id,
    requestId: 'r-1',
    ownership: { ...ownership, 'managed-by': 'zeroplane' },
    userTags: {},
    place,
    steps,
    names: more.names,
    log: silentLog,
    signal: new AbortController().signal,
  };
  return { id, input, provisioner: (await definition.load()).create(context) };
}

const GROUP = { definition: resourceGroup, params: { resourceGroupName: 'Team' } };
const ACCOUNT = { definition: storage, params: { accountName: 'assets', resourceGroup: 'Team' } };
const NETWORK = { definition: vnet, params: { networkName: 'Net', resourceGroup: 'Team' } };

async function provision(parts: JobParts): Promise<unknown> {
  const job = await jobOf(parts);
  return job.provisioner.provision(job.input);
}

async function destroy(parts: JobParts): Promise<unknown> {
  const job = await jobOf(parts);
  return job.provisioner.destroy(job.id);
}

const writes = ({ faults }: SimulatedCloud<AzureEndpoint>, verb: string): number =>
  faults
    .counts()
    .filter(({ operation }) => operation.endsWith(`/${verb}`))
    .reduce((sum, { requests }) => sum + requests, 0);

test.each([
  ['storage account', ACCOUNT],
  ['network', NETWORK],
])('a slow %s is waited for by a second process at another port, and asked for once', async (_what, parts) => {
  const cloud = await azure();
  await provision({ cloud, ...GROUP });
  const record = new Map<string, JsonValue>();
  cloud.faults.add({ fault: 'slow-operation', delayMs: 120_000, times: 1_000 });
  cloud.faults.forgetCounts();
  await expect(provision({ cloud, ...parts, record, patienceMs: 30_000 })).rejects.toBeInstanceOf(Killed);
  const asked = writes(cloud, 'write');
  expect(asked).toBe(1);
  const kept = JSON.stringify([...record.values()]);
  expect(kept).toContain('{endpoint}/subscriptions/');
  expect(kept).not.toContain(cloud.endpoint.url);

  const second = await startAzureEndpoint(cloud.options);
  cleanups.push(() => second.close());
  await cloud.endpoint.close();
  const place = { ...cloud.place, endpoint: second.url, ca: second.ca };
  await expect(provision({ cloud, ...parts, record, place })).resolves.toMatchObject({ isAdopted: false });
  expect(writes(cloud, 'write')).toBe(parts === ACCOUNT ? 1 : 2);
});

test('a removal that a second process goes on with is asked for once', async () => {
  const cloud = await azure();
  await provision({ cloud, ...GROUP });
  const record = new Map<string, JsonValue>();
  cloud.faults.add({ fault: 'slow-operation', delayMs: 120_000, times: 1_000 });
  await expect(destroy({ cloud, ...GROUP, record, patienceMs: 30_000 })).rejects.toBeInstanceOf(Killed);
  await destroy({ cloud, ...GROUP, record });
  expect(writes(cloud, 'delete')).toBe(1);
  expect(await cloud.owned('team-x')).toEqual([]);
});

test('a group without tags that its job found to be missing before is its own, while it holds nothing', async () => {
  const cloud = await azure();
  await provision({ cloud, ...GROUP });
  const [group] = (await cloud.state.page({})).contents;
  const strip = async (): Promise<void> => {
    const { shown, ...value } = (group?.value ?? {}) as { readonly shown: Record<string, JsonValue> };
    await cloud.state.put('resource-group', group?.id ?? '', {
      ...value,
      shown: { ...shown, tags: { 'hidden-link': 'x' } },
    });
  };
  await strip();
  await expect(provision({ cloud, ...GROUP })).rejects.toMatchObject({ code: 'RESOURCE_NOT_OWNED' });
  const names = { noteFree: () => Promise.resolve(), wasFree: () => Promise.resolve(true) };
  expect(await provision({ cloud, ...GROUP, names })).toMatchObject({ isAdopted: false });
  expect(await cloud.owned('team-x')).toHaveLength(1);
  await provision({ cloud, ...NETWORK });
  await strip();
  await expect(provision({ cloud, ...GROUP, names })).rejects.toMatchObject({ code: 'RESOURCE_NOT_OWNED' });
});

test('a group is not removed while anything lies in it, and says what does', async () => {
  const cloud = await azure();
  await provision({ cloud, ...GROUP });
  await provision({ cloud, ...NETWORK });
  await expect(destroy({ cloud, ...GROUP })).rejects.toMatchObject({
    code: 'CLOUD_REFUSED',
    message: expect.stringContaining('Net-nsg, Net,') as string,
    details: { cloudCode: 'ResourceGroupNotEmpty' },
  });
  await destroy({ cloud, ...NETWORK });
  await destroy({ cloud, ...GROUP });
  expect((await cloud.state.page({})).contents).toEqual([]);
});

test('what lies in a group that is not there is refused by name', async () => {
  const cloud = await azure();
  for (const parts of [ACCOUNT, NETWORK])
    await expect(provision({ cloud, ...parts })).rejects.toMatchObject({
      code: 'CLOUD_REFUSED',
      details: { cloudCode: 'ResourceGroupNotFound' },
    });
  await expect(destroy({ cloud, ...NETWORK })).resolves.toMatchObject({ status: 'deprovisioned' });
});

test('an error holds no bearer, however deep one looks', async () => {
  const cloud = await azure();
  for (const parts of [GROUP, ACCOUNT, NETWORK]) {
    cloud.faults.add({ fault: 'already-exists', times: 1_000 });
    const refused: unknown = await provision({ cloud, ...parts }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(PlatformError);
    const seen = inspect(refused, { depth: 20, showHidden: true });
    expect(seen).toContain('CLOUD_REFUSED');
    expect(seen).not.toContain(TOKEN);
    cloud.faults.remove();
  }
});

test('an account is closed: HTTPS, TLS 1.2, no public blobs, no shared keys, no copies to other directories', async () => {
  const cloud = await azure();
  await provision({ cloud, ...GROUP });
  await provision({ cloud, ...ACCOUNT });
  const [{ value } = { value: {} }] = await cloud.state.list('arm-resource');
  expect(value).toMatchObject({
    shown: {
      kind: 'StorageV2',
      properties: {
        supportsHttpsTrafficOnly: true,
        minimumTlsVersion: 'TLS1_2',
        allowBlobPublicAccess: false,
        allowSharedKeyAccess: false,
        allowCrossTenantReplication: false,
        defaultToOAuthAuthentication: true,
      },
    },
  });
});

test('a subnet that somebody has added stays when the network is changed', async () => {
  const cloud = await azure();
  await provision({ cloud, ...GROUP });
  await provision({ cloud, ...NETWORK });
  const id =
    (await cloud.state.list('arm-resource')).map((each) => each.id).find((each) => each.endsWith('/net')) ?? '';
  await cloud.state.update<{ readonly shown: { readonly properties: { readonly subnets: JsonValue[] } } }>(
    'arm-resource',
    id,
    (kept) => {
      kept.shown.properties.subnets.push({ name: 'theirs', properties: { addressPrefix: '10.0.9.0/24' } });
      return kept;
    },
  );
  const subnets = [
    { name: 'default', prefix: '10.0.0.0/24' },
    { name: 'more', prefix: '10.0.1.0/24' },
  ];
  const job = await jobOf({ cloud, ...NETWORK, params: { ...NETWORK.params, subnets } });
  await job.provisioner.update(job.id, job.input);
  const changed = await cloud.state.get('arm-resource', id);
  const names = JSON.stringify(changed).match(/"name":"(?:default|more|theirs)"/g);
  expect(names).toHaveLength(3);
});
