import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { PlatformError } from '../../core/errors.ts';
import type { EgressRequest } from '../../core/ports.ts';
import { createEgress } from '../embedded/egress.ts';
import { systemClock } from '../embedded/system.ts';
import { startAzureEndpoint } from './azure/azure-endpoint.ts';
import { TOKEN, simulatedAzure, simulatedGcp } from './cloud-for-test.ts';
import type { SimulatedCloud } from './cloud-for-test.ts';
import { startGcpEndpoint } from './gcp/gcp-endpoint.ts';
import type { RestEndpoint } from './rest-endpoint.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function gcp(): Promise<Awaited<ReturnType<typeof simulatedGcp>>> {
  const cloud = await simulatedGcp();
  cleanups.push(() => cloud.close());
  return cloud;
}

async function azure(): Promise<Awaited<ReturnType<typeof simulatedAzure>>> {
  const cloud = await simulatedAzure();
  cleanups.push(() => cloud.close());
  return cloud;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** Empty where it is no JSON. */
  readonly body: Body;
}

interface Body {
  readonly items?: readonly unknown[];
  readonly name?: string;
  readonly done?: boolean;
  readonly properties?: unknown;
  readonly contents?: unknown;
}

async function ask(
  { place }: SimulatedCloud<RestEndpoint>,
  route: string,
  options: { readonly body?: unknown; readonly headers?: Record<string, string> } & Partial<
    Omit<EgressRequest, 'body' | 'headers'>
  > = {},
): Promise<Answer> {
  const [method = 'GET', path = '/'] = route.split(' ');
  const { body, headers = { authorization: `Bearer ${TOKEN}` }, ...more } = options;
  const response = await place.egress.request({
    url: path.startsWith('http') ? path : `${place.endpoint}${path}`,
    method,
    headers: typeof body === 'object' ? { ...headers, 'content-type': 'application/json' } : headers,
    body: typeof body === 'object' ? JSON.stringify(body) : (body as string | undefined),
    origin: 'operator',
    timeoutMs: 5_000,
    ca: place.ca,
    ...more,
  });
  const pieces: Uint8Array[] = [];
  for await (const piece of response.body) pieces.push(piece);
  const text = Buffer.concat(pieces).toString();
  const isJson = response.headers['content-type']?.startsWith('application/json') === true;
  return { status: response.status, headers: response.headers, text, body: isJson ? (JSON.parse(text) as Body) : {} };
}

const GROUPS = '/subscriptions/0/resourcegroups';
const version = '?api-version=2021-04-01';

describe('an endpoint of a simulated cloud', () => {
  test('labels every answer, refusals too', async () => {
    const cloud = await gcp();
    for (const route of ['GET /b?project=p', 'GET /nothing', 'GET /_zeroplane/contents'])
      expect((await ask(cloud, route)).headers['x-zeroplane-label']).toBe('simulated');
    expect((await ask(cloud, 'GET /b', { headers: {} })).headers['x-zeroplane-label']).toBe('simulated');
  });

  test.each([
    ['no bearer', {}],
    ['another bearer', { authorization: 'Bearer another' }],
    ['a scheme of another kind', { authorization: `Basic ${TOKEN}` }],
  ])('answers %s in the vendor’s own words for it', async (_what, headers) => {
    const google = await ask(await gcp(), 'GET /v1/projects/p/topics', { headers });
    expect(google).toMatchObject({ status: 401, body: { error: { code: 401, status: 'UNAUTHENTICATED' } } });
    const arm = await ask(await azure(), `GET ${GROUPS}${version}`, { headers });
    expect(arm).toMatchObject({ status: 401, body: { error: { code: 'InvalidAuthenticationToken' } } });
  });

  test.each([
    ['a page of the web', { origin: 'https://example.com' }],
    ['a page of the same site', { 'sec-fetch-site': 'same-origin' }],
    ['a name that was made to lead here', { host: 'example.com' }],
  ])('does not answer %s, bearer or not', async (_who, headers) => {
    const all = { authorization: `Bearer ${TOKEN}`, ...headers };
    expect((await ask(await gcp(), 'GET /b?project=p', { headers: all })).status).toBe(403);
  });

  test('refuses a body that is too large, and one that is no JSON', async () => {
    const cloud = await gcp();
    const large = await ask(cloud, 'POST /b?project=p', { body: { name: 'x'.repeat(5 * 1024 * 1024) } });
    expect(large.status).toBe(413);
    expect((await ask(cloud, 'POST /b?project=p', { body: 'name=x' })).status).toBe(400);
    expect((await ask(cloud, 'POST /b?project=p', { body: ['name'] })).status).toBe(400);
  });

  test('says what it holds and takes faults, for the same bearer alone', async () => {
    const cloud = await azure();
    await ask(cloud, `PUT ${GROUPS}/g${version}`, { body: { location: 'eastus' } });
    const held = await ask(cloud, 'GET /_zeroplane/contents?kind=resource-group');
    expect(held.body).toMatchObject({ cloud: 'azure', label: 'simulated', contents: [{ kind: 'resource-group' }] });
    const operation = 'Microsoft.Resources/subscriptions/resourceGroups/read';
    await ask(cloud, 'POST /_zeroplane/faults', { body: { operation, fault: 'throttle' } });
    const throttled = await ask(cloud, `GET ${GROUPS}/g${version}`);
    expect(throttled).toMatchObject({ status: 429, body: { error: { code: 'TooManyRequests' } } });
    expect((await ask(cloud, `GET ${GROUPS}/g${version}`)).status).toBe(200);
    expect((await ask(cloud, 'GET /_zeroplane/contents', { headers: {} })).status).toBe(401);
  });

  test('ends the connection where it is asked to, before the effect or after it', async () => {
    const cloud = await gcp();
    for (const [fault, there] of [
      ['drop', 404],
      ['drop-after-effect', 200],
    ] as const) {
      cloud.faults.add({ operation: 'buckets.insert', fault });
      await expect(ask(cloud, 'POST /b?project=p', { body: { name: 'held' } })).rejects.toBeInstanceOf(PlatformError);
      expect((await ask(cloud, 'GET /b/held')).status).toBe(there);
    }
  });

  test('a port that somebody else has is told as such', async () => {
    const cloud = await gcp();
    const port = Number(new URL(cloud.endpoint.url).port);
    await expect(startGcpEndpoint({ ...cloud.options, port })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

describe('the endpoint of Google', () => {
  test('buckets are at the path of Google and at that of emulators', async () => {
    const cloud = await gcp();
    const made = await ask(cloud, 'POST /b?project=p', {
      body: { name: 'assets', location: 'eu', labels: { a: 'b' } },
    });
    expect(made.body).toMatchObject({ kind: 'storage#bucket', location: 'EU', locationType: 'multi-region' });
    expect(made.body).not.toHaveProperty('projectId');
    for (const base of ['/storage/v1/b', '/b']) {
      expect((await ask(cloud, `GET ${base}/assets`)).body).toMatchObject({ name: 'assets', labels: { a: 'b' } });
      expect((await ask(cloud, `GET ${base}?project=p`)).body.items).toHaveLength(1);
    }
    expect((await ask(cloud, 'GET /b?project=another')).body.items).toBeUndefined();
    const again = await ask(cloud, 'POST /storage/v1/b?project=p', { body: { name: 'assets' } });
    expect(again).toMatchObject({ status: 409, body: { error: { errors: [{ reason: 'conflict' }] } } });
  });

  test('a bucket that holds an object is not deleted', async () => {
    const cloud = await gcp();
    await ask(cloud, 'POST /b?project=p', { body: { name: 'full' } });
    await ask(cloud, 'POST /upload/storage/v1/b/full/o?uploadType=media&name=a/b.txt', { body: 'text' });
    expect((await ask(cloud, 'GET /b/full/o')).body.items).toMatchObject([{ name: 'a/b.txt', size: '4' }]);
    expect((await ask(cloud, 'DELETE /b/full')).status).toBe(409);
    expect((await ask(cloud, 'DELETE /b/full/o/a%2Fb.txt')).status).toBe(204);
    expect((await ask(cloud, 'DELETE /b/full')).status).toBe(204);
  });

  test('subscriptions outlive their topic, as they do with Google', async () => {
    const cloud = await gcp();
    const [topic, subscription] = ['projects/p/topics/news', 'projects/p/subscriptions/reader'];
    expect((await ask(cloud, `PUT /v1/${subscription}`, { body: { topic } })).status).toBe(404);
    await ask(cloud, `PUT /v1/${topic}`, { body: {} });
    await ask(cloud, `PUT /v1/${subscription}`, { body: { topic } });
    expect((await ask(cloud, `GET /v1/${topic}/subscriptions`)).body).toEqual({ subscriptions: [subscription] });
    await ask(cloud, `DELETE /v1/${topic}`);
    expect((await ask(cloud, `GET /v1/${subscription}`)).body).toMatchObject({ topic: '_deleted-topic_' });
  });

  test('an operation of Cloud Run takes its time, and its name is enough to ask for it after a restart', async () => {
    const cloud = await gcp();
    const place = '/v2/projects/p/locations/us-central1';
    const body = { template: { containers: [{ image: 'hello' }] } };
    const begun = await ask(cloud, `POST ${place}/services?serviceId=web`, { body });
    expect(begun.body.done).toBeUndefined();
    expect((await ask(cloud, `GET ${place}/services/web`)).body).toMatchObject({ reconciling: true });
    const second = await startGcpEndpoint(cloud.options);
    cleanups.push(() => second.close());
    expect((await ask(cloud, `GET ${second.url}/v2/${begun.body.name}`)).body.done).toBeUndefined();
    await cloud.advance(1_000);
    const done = await ask(cloud, `GET ${second.url}/v2/${begun.body.name}`);
    expect(done.body).toMatchObject({ done: true, response: { terminalCondition: { state: 'CONDITION_SUCCEEDED' } } });
    expect((await ask(cloud, `GET ${place}/operations/none`)).status).toBe(404);
  });

  test('hands out its token for an assertion of its own service account alone', async () => {
    const cloud = await gcp();
    const assertion = ['{}', '{"iss":"somebody"}', 'signature'].map((part) => Buffer.from(part).toString('base64url'));
    const grant = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
    const post = (form: Record<string, string>): Promise<Answer> =>
      ask(cloud, 'POST /token', { body: new URLSearchParams(form).toString(), headers: {} });
    const refused = await post({ grant_type: grant, assertion: assertion.join('.') });
    expect(refused).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    expect((await post({ grant_type: 'password' })).body).toMatchObject({ error: 'unsupported_grant_type' });
    expect(refused.text).not.toContain(TOKEN);
  });
});

describe('the endpoint of Azure', () => {
  test('answers over TLS of its own authority, which nobody else trusts', async () => {
    const cloud = await azure();
    expect((await ask(cloud, `GET ${GROUPS}${version}`)).body).toEqual({ value: [] });
    for (const ca of [undefined, (await azure()).place.ca])
      await expect(ask(cloud, `GET ${GROUPS}${version}`, { ca })).rejects.toMatchObject({ code: 'TARGET_UNAVAILABLE' });
    const plain = createEgress({ clock: systemClock });
    cleanups.push(() => plain.close());
    const url = `${cloud.endpoint.url}${GROUPS}${version}`;
    const asCaller = {
      url,
      method: 'GET',
      headers: {},
      origin: 'caller',
      timeoutMs: 5_000,
      ca: cloud.place.ca,
    } as const;
    await expect(plain.request(asCaller)).rejects.toMatchObject({ code: 'EGRESS_REFUSED' });
  });

  test('compares names without case, and wants a version', async () => {
    const cloud = await azure();
    await ask(cloud, `PUT /subscriptions/S/resourceGroups/Team${version}`, { body: { location: 'West Europe' } });
    const group = await ask(cloud, `GET /subscriptions/s/resourcegroups/TEAM${version}`);
    expect(group.body).toMatchObject({ name: 'Team', location: 'westeurope' });
    const unversioned = await ask(cloud, 'GET /subscriptions/s/resourcegroups/TEAM');
    expect(unversioned).toMatchObject({ status: 400, body: { error: { code: 'MissingApiVersionParameter' } } });
  });

  test('removes a group with everything in it, once its time has come', async () => {
    const cloud = await azure();
    await ask(cloud, `PUT ${GROUPS}/g${version}`, { body: { location: 'eastus' } });
    const nsg = `${GROUPS}/g/providers/Microsoft.Network/networkSecurityGroups/n${version}`;
    await ask(cloud, `PUT ${nsg}`, { body: { location: 'eastus', properties: {} } });
    const begun = await ask(cloud, `DELETE ${GROUPS}/g${version}`);
    expect(begun).toMatchObject({ status: 202, headers: { 'retry-after': '1' } });
    const where = `GET ${begun.headers['location']}`;
    expect((await ask(cloud, where)).status).toBe(202);
    expect((await ask(cloud, `GET ${GROUPS}/g${version}`)).body.properties).toEqual({ provisioningState: 'Deleting' });
    await cloud.advance(1_000);
    expect((await ask(cloud, where)).status).toBe(204);
    expect((await ask(cloud, 'GET /_zeroplane/contents')).body.contents).toEqual([]);
  });

  test.each([
    ['an unknown group', 'none', {}, 'ResourceGroupNotFound'],
    [
      'a subnet outside of the network',
      'g',
      { subnets: [{ name: 's', properties: { addressPrefix: '10.9.0.0/24' } }] },
      'NetcfgSubnetRangeOutsideVnet',
    ],
    [
      'a security group that is not there',
      'g',
      { subnets: [{ name: 's', properties: { addressPrefix: '10.0.0.0/24', networkSecurityGroup: { id: '/x' } } }] },
      'InvalidResourceReference',
    ],
  ])('refuses a network with %s', async (_what, group, more, code) => {
    const cloud = await azure();
    await ask(cloud, `PUT ${GROUPS}/g${version}`, { body: { location: 'eastus' } });
    const properties = { addressSpace: { addressPrefixes: ['10.0.0.0/16'] }, ...more };
    const path = `${GROUPS}/${group}/providers/Microsoft.Network/virtualNetworks/v${version}`;
    const refused = await ask(cloud, `PUT ${path}`, { body: { location: 'eastus', properties } });
    expect(refused.body).toMatchObject({ error: { code } });
  });

  test('keeps its authority in the data folder', async () => {
    const cloud = await azure();
    const folder = await mkdtemp(join(tmpdir(), 'zeroplane-azure-'));
    cleanups.push(() => rm(folder, { recursive: true, force: true }));
    const first = await startAzureEndpoint({ ...cloud.options, folder });
    await first.close();
    const second = await startAzureEndpoint({ ...cloud.options, folder });
    cleanups.push(() => second.close());
    expect(second.ca).toBe(first.ca);
  });
});
