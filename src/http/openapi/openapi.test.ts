import { validate } from '@readme/openapi-parser';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { OpenAPIClientAxios } from 'openapi-client-axios';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifies } from '../../../tests/conformance/verifies.ts';
import { exchange, textOf } from '../../../tests/fixtures/http-exchange.ts';
import type { StoreRoot } from '../../core/ports.ts';
import { builtInPolicy } from '../../policy/decide.ts';
import type { CatalogEntry, ControlPlane } from '../../provisioning/control-plane.ts';
import { startGateway, type LocalInstance } from '../../testing.ts';
import type { WorkflowEngine } from '../../workflows/engine/workflow-engine.ts';
import { systemClock } from '../../adapters/embedded/system.ts';
import { controlPlaneRoutes } from '../routes/provisioning.ts';
import { openApiDocument, schemaByItself } from './document.ts';
import { OPERATIONS } from './operations.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- a document is looked into freely
type Parsed = any;

let gateway: LocalInstance;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close({ drainMs: 0 }));

async function ask(method: string, path: string, value?: unknown): Promise<{ status: number; body: Parsed }> {
  const type = value === undefined ? {} : { 'content-type': 'application/json' };
  const headers = { authorization: `Bearer ${gateway.token}`, ...type };
  const body = value === undefined ? {} : { body: JSON.stringify(value) };
  const answer = await exchange({ url: gateway.url + path, method, headers, ...body });
  return { status: answer.status, body: JSON.parse(await textOf(answer.body)) };
}

const entry = (more: Partial<CatalogEntry>): CatalogEntry => ({
  cloud: 'aws',
  service: 'thing',
  version: '1',
  title: 'A thing.',
  actions: ['provision', 'destroy', 'plan'],
  params: { type: 'object' },
  idempotency: 'name',
  label: 'simulated',
  ...more,
});

describe('the document', () => {
  verifies('0.1', 'is valid OpenAPI 3.1, and has every service with its parameters', async () => {
    const { status, body } = await ask('GET', '/v1/openapi.json');
    expect([status, body.openapi]).toEqual([200, '3.1.0']);
    expect(await validate(structuredClone(body))).toMatchObject({ valid: true });
    const { services } = (await ask('GET', '/v1/catalog')).body;
    expect(services.length).toBeGreaterThan(15);
    const names = services.map(({ cloud, service }: CatalogEntry) => `params.${cloud}.${service}`);
    expect(Object.keys(body.components.schemas)).toEqual(expect.arrayContaining(names));
  });

  test('has every route, and nothing else', () => {
    const routes = controlPlaneRoutes({
      plane: {} as ControlPlane,
      engine: {} as WorkflowEngine,
      policy: builtInPolicy,
      store: {} as StoreRoot,
      sealingKey: new Uint8Array(32),
      clock: systemClock,
      version: '1.0.0',
    });
    const described = OPERATIONS.map(({ method, path }) => ({
      method: method.toUpperCase(),
      path: path.replaceAll(/\{\w+\}/g, 'x'),
    }));
    const isOf = (route: (typeof routes)[number], { method, path }: (typeof described)[number]): boolean =>
      route.method === method && route.pattern.test(path);
    expect(described.filter((each) => !routes.some((route) => isOf(route, each)))).toEqual([]);
    expect(routes.filter((route) => !described.some((each) => isOf(route, each)))).toEqual([]);
  });

  test('names each operation once, and every reference leads somewhere', () => {
    const document: Parsed = openApiDocument({ services: [entry({})], version: '1.0.0' });
    const ids = OPERATIONS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"/]+)/g)];
    expect(references.length).toBeGreaterThan(40);
    expect(references.map(([, name = '']) => name).filter((name) => !(name in document.components.schemas))).toEqual(
      [],
    );
    const unused = Object.keys(document.components.schemas).filter(
      (name) => !JSON.stringify(document).includes(`"#/components/schemas/${name}"`),
    );
    expect(unused).toEqual([]);
  });

  test('keeps references inside what a tenant offers, whatever the service is called', async () => {
    const params = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: 'https://example.com/thing',
      type: 'object',
      properties: { size: { $ref: '#/$defs/size' }, same: { $ref: '#/properties/size' }, word: { enum: ['$ref'] } },
      $defs: { size: { type: 'integer' } },
    };
    const services = [entry({ cloud: 'my cloud/of mine', params })];
    const document: Parsed = openApiDocument({ services, version: '1.0.0' });
    expect(await validate(structuredClone(document))).toMatchObject({ valid: true });
    const own = document.components.schemas['params.my_cloud_of_mine.thing'];
    expect(own.properties.same).toEqual({ $ref: '#/components/schemas/params.my_cloud_of_mine.thing/properties/size' });
    const alone = schemaByItself('ProvisionRequest', services) ?? {};
    const valid = new Ajv2020({ strict: false, validateFormats: false }).compile(alone);
    const body = { cloud: 'my cloud/of mine', action: 'provision', service: 'thing', tenant: 't', env: 'e' };
    expect([valid({ ...body, params: { same: 1 } }), valid({ ...body, params: { same: 'x' } })]).toEqual([true, false]);
  });
});

test('a client made of the document asks for a job, reads its end and lists what it made', async () => {
  const { body: definition } = await ask('GET', '/v1/openapi.json');
  const axiosConfigDefaults = { baseURL: gateway.url, headers: { authorization: `Bearer ${gateway.token}` } };
  const client: Parsed = await new OpenAPIClientAxios({ definition, axiosConfigDefaults }).init();
  const request = {
    cloud: 'aws',
    action: 'provision',
    service: 's3',
    params: { bucketName: 'by-generated-client' },
    tenant: 'team-x',
    env: 'dev',
  };
  const made = await client.provision({ Prefer: 'wait=20' }, request);
  expect(made).toMatchObject({ status: 200, data: { status: 'succeeded', result: { status: 'provisioned' } } });
  const read = await client.getJob({ requestId: made.data.requestId });
  expect(read.data.steps.length).toBeGreaterThan(2);
  const listed = await client.listResources({ env: 'dev' });
  expect(listed.data.resources.map(({ id }: Parsed) => id)).toEqual(['aws:us-east-1:s3:by-generated-client']);
  const started = await client.startExecution({ workflow: 'zeroplane-provision' }, { input: {} });
  expect(started.headers.location).toBe(`/v1/workflows/executions/${encodeURIComponent(started.data.id)}`);
  await expect(client.getJob({ requestId: 'nobody' })).rejects.toMatchObject({
    response: { status: 404, data: { code: 'JOB_NOT_FOUND' } },
  });
});

describe('a schema by itself', () => {
  test('is complete, and unknown names are 404', async () => {
    const { schemas } = (await ask('GET', '/v1/schemas')).body;
    for (const { href } of schemas) {
      const { status, body } = await ask('GET', href);
      expect([href, status]).toEqual([href, 200]);
      expect(() => new Ajv2020({ strict: false, validateFormats: false }).compile(body)).not.toThrow();
    }
    expect(await ask('GET', '/v1/schemas/constructor.json')).toMatchObject({
      status: 404,
      body: { code: 'NOT_FOUND' },
    });
  });

  const base = {
    cloud: 'aws',
    action: 'plan',
    service: 's3',
    params: { bucketName: 'held-against' },
    tenant: 'team-x',
    env: 'dev',
  };
  const id = 'aws:us-east-1:s3:by-generated-client';

  test.each<[string, object, boolean]>([
    ['the sample', base, true],
    ['a region', { ...base, region: 'eu-west-1' }, true],
    ['a region that is none', { ...base, region: 'mars' }, false],
    [
      'a region where there is none',
      {
        ...base,
        service: 'iam-role',
        region: 'us-east-1',
        params: { roleName: 'r', trustedServices: ['lambda.amazonaws.com'] },
      },
      false,
    ],
    ['no parameters', { ...base, params: undefined }, false],
    ['a parameter too many', { ...base, params: { ...base.params, colour: 'red' } }, false],
    ['a service of another cloud', { ...base, service: 'vnet' }, false],
    ['a cloud that is none', { ...base, cloud: 'ibm' }, false],
    ['a key too many', { ...base, colour: 'red' }, false],
    ['a composite', { ...base, cloud: 'multi', service: 'static-site', params: { name: 'a-site' } }, true],
    [
      'an action that a composite has not',
      { ...base, action: 'update', cloud: 'multi', service: 'static-site', params: { name: 'a-site' } },
      false,
    ],
    ['no tenant', { ...base, tenant: undefined }, false],
    ['an env that is none', { ...base, env: 'a b' }, false],
    ['a tag', { ...base, tags: { team: 'red' } }, true],
    ['a tag that is no text', { ...base, tags: { team: 1 } }, false],
    ['a time to live that is too short', { ...base, ttlSeconds: 1 }, false],
    ['a plan by id without parameters', { ...base, id, params: undefined }, false],
  ])('says of %s what the API says', async (_what, value, isFine) => {
    const { body: schema } = await ask('GET', '/v1/schemas/ProvisionRequest.json');
    const valid = new Ajv2020({ strict: false, validateFormats: false }).compile(schema);
    // As it is sent: what is undefined is absent.
    const body = JSON.parse(JSON.stringify(value));
    const { status, body: said } = await ask('POST', '/v1/provision', body);
    expect([valid(body), status === 202, said.code]).toEqual([
      isFine,
      isFine,
      isFine ? undefined : 'PROVISION_INVALID',
    ]);
  });

  test('says of a destroy by id that it needs no parameters', async () => {
    const { body: schema } = await ask('GET', '/v1/schemas/TerminateRequest.json');
    const valid = new Ajv2020({ strict: false, validateFormats: false }).compile(schema);
    const { action: _action, params: _params, ...rest } = base;
    expect([valid({ ...rest, id }), valid(rest), valid({ ...rest, id, action: 'plan' })]).toEqual([true, false, false]);
    expect((await ask('POST', '/terminate', rest)).status).toBe(400);
    expect((await ask('POST', '/terminate', { ...rest, id })).status).toBe(202);
  });
});
