import * as fc from 'fast-check';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { RecordedSteps } from '../../../tests/contract/recorded-steps.ts';
import { silentLog } from '../../../tests/fixtures/assembled.ts';
import { PlatformError } from '../../core/errors.ts';
import type { EgressRequest, EgressResponse, JsonValue } from '../../core/ports.ts';
import { resourceId } from '../../provisioning/provisioner.ts';
import type { CloudPlace, NameRecord, OwnershipTags, ProvisionContext } from '../../provisioning/provisioner.ts';
import type { ServiceDefinition } from '../../provisioning/service.ts';
import { TOKEN, simulatedGcp } from '../simulated-cloud/cloud-for-test.ts';
import type { SimulatedCloud } from '../simulated-cloud/cloud-for-test.ts';
import { startGcpEndpoint } from '../simulated-cloud/gcp/gcp-endpoint.ts';
import type { GcpEndpoint } from '../simulated-cloud/gcp/gcp-endpoint.ts';
import { googleProject, googleToken } from './google-credentials.ts';
import { googleLabels, tenantHash } from './google-labels.ts';
import { projectName, readProjectName } from './google-names.ts';
import { askGoogle } from './google-rest.ts';
import { gcpServices } from './services.ts';
import { cloudRun } from './services/cloud-run/definition.ts';
import { storage } from './services/storage/definition.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function gcp(): Promise<SimulatedCloud<GcpEndpoint>> {
  const cloud = await simulatedGcp();
  cleanups.push(() => cloud.close());
  return cloud;
}

const nobody: CloudPlace['egress'] = { request: () => Promise.reject(new Error('nobody is asked here')) };

function placeOf(parts: Partial<CloudPlace> = {}): CloudPlace {
  const secrets = { get: () => Promise.resolve(undefined) };
  return { label: 'live', egress: nobody, secrets, env: {}, ...parts };
}

const OWNERSHIP: OwnershipTags = {
  tenant: 'Team.X',
  env: 'Dev',
  service: 'storage',
  requestId: 'R-1',
  owner: 'ada@example.com',
  expiresAt: '2027-01-01T00:00:00.500Z',
  'managed-by': 'zeroplane',
};

function contextOf(parts: Partial<ProvisionContext> = {}): ProvisionContext {
  const { tenant, env, service, requestId } = OWNERSHIP;
  return {
    request: { cloud: 'gcp', service, params: {}, tenant, env },
    id: 'gcp:-:storage:a',
    requestId,
    ownership: OWNERSHIP,
    userTags: {},
    place: placeOf(),
    steps: new RecordedSteps(new Map<string, JsonValue>(), { advance: () => undefined }),
    log: silentLog,
    signal: new AbortController().signal,
    ...parts,
  };
}

describe('labels', () => {
  test('say the tenant by a hash of its exact name, and the rest as Google can', () => {
    expect(googleLabels.newTags(contextOf({ userTags: { Team: 'Blue & Red', tenant: 'another', '9': 'x' } }))).toEqual({
      tenant: 'team-x',
      'tenant-hash': tenantHash('Team.X'),
      env: 'dev',
      service: 'storage',
      owner: 'ada-example-com',
      'request-id': 'r-1',
      'managed-by': 'zeroplane',
      'expires-at': '1798761600',
      team: 'blue---red',
      'x-9': 'x',
    });
  });

  test("that say when a life ends are nobody's to invent, in whatever spelling", () => {
    const { expiresAt: _end, ...ownership } = OWNERSHIP;
    const context = contextOf({ ownership, userTags: { 'Expires.At': '1', 'Tenant-Hash': 'x', 'Request.Id': 'y' } });
    const made = googleLabels.newTags(context);
    expect(made).not.toHaveProperty('expires-at');
    expect(googleLabels.isMadeByRequest(made, context)).toBe(true);
    const over = googleLabels.tagsOver({ ...made, 'expires-at': '7' }, context, { isUpdate: true });
    expect(over).toEqual({ ...made, 'expires-at': '7' });
  });

  test('tenants whose readable labels are equal are told apart', () => {
    const labels = googleLabels.newTags(contextOf());
    for (const tenant of ['team.x', 'Team-X', 'Team.X ']) {
      const other = contextOf({ ownership: { ...OWNERSHIP, tenant } });
      expect(googleLabels.isTenants(labels, other)).toBe(false);
      expect(googleLabels.isMadeByRequest(labels, other)).toBe(false);
    }
    expect(googleLabels.isMadeByRequest(labels, contextOf())).toBe(true);
  });

  test('are what Google takes, whatever they are made of', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string({ maxLength: 100 })), (userTags) => {
        for (const [key, value] of Object.entries(googleLabels.newTags(contextOf({ userTags })))) {
          expect(key).toMatch(/^[a-z][a-z0-9_-]{0,62}$/);
          expect(value).toMatch(/^[a-z0-9_-]{0,63}$/);
        }
      }),
    );
  });

  test('of an adopted resource keep its maker, and one that names none does not become ours', () => {
    const found = { 'tenant-hash': tenantHash('Team.X'), 'request-id': 'r-0', mine: 'theirs', 'expires-at': '1' };
    const context = contextOf({ userTags: { mine: 'too' } });
    expect(googleLabels.tagsOver(found, context, { isUpdate: false })).toMatchObject({
      'request-id': 'r-0',
      mine: 'too',
      'expires-at': '1',
      env: 'dev',
    });
    expect(googleLabels.tagsOver(found, context, { isUpdate: true })).toMatchObject({ 'expires-at': '1798761600' });
    const nameless = { 'tenant-hash': tenantHash('Team.X') };
    const adopted = googleLabels.tagsOver(nameless, context, { isUpdate: false });
    expect(googleLabels.isMadeByRequest(adopted, context)).toBe(false);
  });
});

describe('names', () => {
  test('a project that the caller names is part of the id', () => {
    const id = (name: string): string => resourceId({ cloud: 'gcp', region: 'us-east1', service: 'pubsub', name });
    const place = placeOf({ env: { GOOGLE_CLOUD_PROJECT: 'ours' } });
    expect(readProjectName(id(projectName(undefined, 'news')), place)).toMatchObject({ project: 'ours', name: 'news' });
    expect(readProjectName(id(projectName('theirs', 'news')), place)).toEqual({
      project: 'theirs',
      name: 'news',
      region: 'us-east1',
    });
    expect(() => googleProject(placeOf(), undefined)).toThrow(/GOOGLE_CLOUD_PROJECT/);
  });
});

describe('credentials', () => {
  const serviceAccount = (endpoint: GcpEndpoint): CloudPlace['secrets'] => ({
    get: async (name) => (name === 'GOOGLE_CREDENTIALS' ? endpoint.serviceAccount() : undefined),
  });

  test("a service account's key buys a token, once for all jobs of a place", async () => {
    const { endpoint, place, faults } = await gcp();
    const signed = { ...place, env: {}, secrets: serviceAccount(endpoint) };
    expect(await googleToken(signed)).toBe(TOKEN);
    await googleToken(signed);
    expect(faults.counts()).toEqual([{ service: 'oauth2', operation: 'token', requests: 1 }]);
  });

  test('the key of another service account buys none, and does not show', async () => {
    const cloud = await gcp();
    const other = await startGcpEndpoint(cloud.options);
    cleanups.push(() => other.close());
    const signed = { ...cloud.place, env: {}, secrets: serviceAccount(other) };
    const refused: unknown = await googleToken(signed).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: 'CLOUD_DENIED',
      message: expect.stringContaining('invalid_grant') as string,
    });
    expect(inspect(refused, { depth: 20, showHidden: true })).not.toMatch(/PRIVATE KEY|assertion/);
  });

  test('a token endpoint that does not answer is worth another attempt', async () => {
    const cloud = await gcp();
    const secrets = serviceAccount(cloud.endpoint);
    await secrets.get('GOOGLE_CREDENTIALS');
    const place = { ...cloud.place, env: {}, endpoint: 'http://127.0.0.1:1', secrets };
    await expect(googleToken(place)).rejects.toMatchObject({ code: 'CLOUD_UNAVAILABLE' });
  });

  test('a simulated cloud never gets to see the files of a real one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'zeroplane-gcp-'));
    cleanups.push(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, 'key.json');
    await writeFile(
      file,
      JSON.stringify({ type: 'authorized_user', client_id: 'a', client_secret: 'b', refresh_token: 'c' }),
    );
    const env = { GOOGLE_APPLICATION_CREDENTIALS: file };
    const place = placeOf({ label: 'simulated', endpoint: 'http://127.0.0.1:1', env });
    await expect(googleToken(place)).rejects.toMatchObject({ code: 'CLOUD_DENIED' });
    const asked: string[] = [];
    const egress = {
      request: ({ url }: EgressRequest) => {
        asked.push(url);
        return Promise.reject(new PlatformError('TARGET_UNAVAILABLE', 'no network'));
      },
    };
    await expect(googleToken(placeOf({ env, egress }))).rejects.toMatchObject({ code: 'CLOUD_UNAVAILABLE' });
    expect(new Set(asked)).toEqual(new Set(['https://oauth2.googleapis.com/token']));
  });

  test.each([
    ['no JSON', '{"private_key": "s3cret'],
    ['no credentials', '{"type": "nothing"}'],
  ])('a secret that is %s is refused without its text', async (_what, text) => {
    const place = placeOf({ secrets: { get: () => Promise.resolve(text) } });
    const refused: unknown = await googleToken(place).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'CLOUD_DENIED' });
    expect(String(refused)).not.toContain('s3cret');
  });
});

const answer = (status: number, body: unknown): Promise<EgressResponse> =>
  Promise.resolve({
    status,
    headers: {},
    body: (async function* text() {
      yield Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    })(),
  });

describe('errors', () => {
  test.each([
    [
      429,
      { error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'slower' } },
      'CLOUD_THROTTLED',
      'RESOURCE_EXHAUSTED',
    ],
    [403, { error: { code: 403, errors: [{ reason: 'rateLimitExceeded' }] } }, 'CLOUD_THROTTLED', 'rateLimitExceeded'],
    [403, { error: { code: 403, status: 'PERMISSION_DENIED' } }, 'CLOUD_DENIED', 'PERMISSION_DENIED'],
    [401, { error: 'invalid_token' }, 'CLOUD_DENIED', 'invalid_token'],
    [503, '<html>', 'CLOUD_UNAVAILABLE', 'HTTP 503'],
    [400, { error: { code: 400, status: 'INVALID_ARGUMENT', message: 'no' } }, 'CLOUD_REFUSED', 'INVALID_ARGUMENT'],
    [404, '[]', 'CLOUD_REFUSED', 'HTTP 404'],
  ])('status %i with %j is %s', async (status, body, code, cloudCode) => {
    const place = placeOf({
      egress: { request: () => answer(status, body) },
      env: { CLOUDSDK_AUTH_ACCESS_TOKEN: 't' },
    });
    const operation = 'run.services.get';
    const { signal } = new AbortController();
    const asked = askGoogle(place, 'run', { operation, method: 'GET', path: '/v2/x', signal });
    await expect(asked).rejects.toMatchObject({ code, details: { cloud: 'gcp', operation, cloudCode } });
  });
});

interface JobParts {
  readonly definition: ServiceDefinition;
  readonly params: Readonly<Record<string, JsonValue>>;
  readonly names?: NameRecord;
}

async function jobOf(cloud: SimulatedCloud<GcpEndpoint>, { definition, params: given, names }: JobParts) {
  const params = definition.params.parse(given);
  const { service } = definition;
  const id = resourceId({ cloud: 'gcp', region: 'us-central1', service, name: definition.nameOf(params, 'r') });
  const input = { cloud: 'gcp', service, params, tenant: 'Team.X', env: 'Dev', region: 'us-central1' } as const;
  const steps = new RecordedSteps(new Map<string, JsonValue>(), { advance: (ms) => cloud.advance(ms) });
  const context = contextOf({ request: input, id, place: cloud.place, steps, names });
  return { id, input, provisioner: (await definition.load()).create(context) };
}

describe('buckets', () => {
  const params = { bucketName: 'team-assets', forceDestroy: false };

  async function full(): Promise<SimulatedCloud<GcpEndpoint>> {
    const cloud = await gcp();
    const job = await jobOf(cloud, { definition: storage, params });
    await job.provisioner.provision(job.input);
    for (let count = 0; count < 60; count++)
      await cloud.state.put('gcs-object', `team-assets/o-${count}`, { name: `o-${count}`, bucket: 'team-assets' });
    return cloud;
  }

  test('are closed, with uniform access', async () => {
    const cloud = await full();
    expect(await cloud.state.get('gcs-bucket', 'team-assets')).toMatchObject({
      iamConfiguration: { uniformBucketLevelAccess: { enabled: true }, publicAccessPrevention: 'enforced' },
    });
  });

  test('that hold anything are left alone unless they are to be emptied first', async () => {
    const cloud = await full();
    const kept = await jobOf(cloud, { definition: storage, params });
    await expect(kept.provisioner.destroy(kept.id)).rejects.toMatchObject({ code: 'CLOUD_REFUSED' });
    const emptied = await jobOf(cloud, { definition: storage, params: { ...params, forceDestroy: true } });
    await emptied.provisioner.destroy(emptied.id);
    expect((await cloud.state.page({})).contents).toEqual([]);
  });

  test("without labels that their job found to be missing before are that job's own, while they hold nothing", async () => {
    const cloud = await full();
    const { labels: _labels, ...bare } = (await cloud.state.get('gcs-bucket', 'team-assets')) ?? {};
    await cloud.state.put('gcs-bucket', 'team-assets', { ...bare, labels: {} });
    const names = { noteFree: () => Promise.resolve(), wasFree: () => Promise.resolve(true) };
    const again = async (known?: NameRecord): Promise<unknown> => {
      const job = await jobOf(cloud, { definition: storage, params, ...(known === undefined ? {} : { names: known }) });
      return job.provisioner.provision(job.input);
    };
    await expect(again(names)).rejects.toMatchObject({ code: 'RESOURCE_NOT_OWNED' });
    for (let count = 0; count < 60; count++) await cloud.state.delete('gcs-object', `team-assets/o-${count}`);
    await expect(again()).rejects.toMatchObject({ code: 'RESOURCE_NOT_OWNED' });
    expect(await again(names)).toMatchObject({ isAdopted: false });
    expect(await cloud.owned('Team.X')).toHaveLength(1);
  });

  test('of one name in another region are neither read nor removed', async () => {
    const cloud = await full();
    const job = await jobOf(cloud, { definition: storage, params });
    const elsewhere = job.id.replace('us-central1', 'europe-west1');
    expect(await job.provisioner.read(elsewhere)).toBeUndefined();
    await job.provisioner.destroy(elsewhere);
    expect(await job.provisioner.read(job.id)).toBeDefined();
  });
});

describe('services of Cloud Run', () => {
  const params = { serviceName: 'web', image: 'hello', publicAccess: false };

  test('let nobody call them, and leave the bindings of others as they are', async () => {
    const cloud = await gcp();
    const job = await jobOf(cloud, { definition: cloudRun, params });
    await job.provisioner.provision(job.input);
    const id = 'projects/zeroplane-dev/locations/us-central1/services/web';
    expect(await cloud.state.get('run-service', id)).toMatchObject({ policy: { etag: 'ACAB' } });
    const theirs = { role: 'roles/run.invoker', members: ['user:ada@example.com'] };
    await cloud.state.update('run-service', id, (kept) => ({ ...kept, policy: { etag: 'X', bindings: [theirs] } }));
    const open = await jobOf(cloud, { definition: cloudRun, params: { ...params, publicAccess: true } });
    await open.provisioner.update(open.id, open.input);
    const opened = { role: 'roles/run.invoker', members: ['user:ada@example.com', 'allUsers'] };
    expect(await cloud.state.get('run-service', id)).toMatchObject({ policy: { bindings: [opened] } });
    const closed = await jobOf(cloud, { definition: cloudRun, params });
    await closed.provisioner.update(closed.id, closed.input);
    expect(await cloud.state.get('run-service', id)).toMatchObject({ policy: { bindings: [theirs] } });
  });

  test('whose operation fails are refused in the words of Google', async () => {
    const name = 'projects/zeroplane-dev/locations/us-central1/operations/1';
    const answers: Readonly<Record<string, unknown>> = {
      POST: { name },
      [`GET /v2/${name}`]: { name, done: true, error: { code: 9, message: 'Image not found.' } },
    };
    const egress = {
      request: ({ method, url }: EgressRequest) => {
        const found = answers[`${method} ${new URL(url).pathname}`] ?? answers[method];
        return answer(found === undefined ? 404 : 200, found ?? {});
      },
    };
    const env = { CLOUDSDK_AUTH_ACCESS_TOKEN: 't', GOOGLE_CLOUD_PROJECT: 'zeroplane-dev' };
    const cloud = await gcp();
    const job = await jobOf({ ...cloud, place: placeOf({ egress, env }) }, { definition: cloudRun, params });
    await expect(job.provisioner.provision(job.input)).rejects.toMatchObject({
      code: 'CLOUD_REFUSED',
      message: expect.stringContaining('Image not found') as string,
      details: { cloudCode: 'OPERATION_9' },
    });
  });

  test('cost by what is kept waiting', () => {
    const priced = (minInstances: number): number =>
      cloudRun.estimate(cloudRun.params.parse({ ...params, minInstances }), 'us-central1').monthlyUsd;
    expect(priced(0)).toBe(0);
    expect(priced(2)).toBeGreaterThan(priced(1));
  });
});

describe('the list of services', () => {
  test.each(gcpServices.map((each) => [each.service, each] as const))('%s is strict and has a price', (_name, each) => {
    expect(each.cloud).toBe('gcp');
    const [required] = [{ bucketName: 'abc' }, { topicName: 'news' }, { serviceName: 'web', image: 'hello' }].filter(
      (params) => each.params.safeParse(params).success,
    );
    expect(required).toBeDefined();
    expect(each.params.safeParse({ ...required, extra: 1 }).success).toBe(false);
    const params = each.params.parse(required);
    expect(each.estimate(params, undefined).pricesOf).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect(each.estimate(params, undefined).usage.length).toBeGreaterThan(0);
    expect(each.nameOf(params, 'r')).toBe(each.nameOf(params, 'another'));
  });
});
