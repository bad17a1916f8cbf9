/** The sample request of the seed, from every door: HTTP, an official MCP client, a token of a real issuer. */

import { GetBucketTaggingCommand, ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type LocalInstance } from '../../src/testing.ts';
import { verifies } from '../conformance/verifies.ts';
import { exchange, textOf, type Parsed } from '../fixtures/http-exchange.ts';
import { AUDIENCE, startIssuer } from '../fixtures/oidc-issuer.ts';

/** Word for word as the seed prints it. */
const SAMPLE = `{
  "cloud": "aws",
  "action": "provision",
  "service": "s3",
  "params": {
    "bucketName": "project-assets",
    "region": "us-east-1"
  },
  "tenant": "team-x",
  "env": "dev"
}`;

let gateway: LocalInstance;

beforeAll(async () => {
  gateway = await startGateway({ cloudTools: true });
});
afterAll(() => gateway.close());

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Parsed;
}

async function ask(
  method: string,
  path: string,
  {
    body,
    headers = {},
    token = gateway.token,
  }: { body?: string; headers?: Record<string, string>; token?: string } = {},
): Promise<Answer> {
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const answer = await exchange({
    url: `${gateway.url}${path}`,
    method,
    headers: { authorization: `Bearer ${token}`, ...type, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const text = await textOf(answer.body);
  const isJson = String(answer.headers['content-type']).includes('json');
  return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text };
}

const request = (more: object): string =>
  JSON.stringify({
    cloud: 'aws',
    action: 'provision',
    service: 's3',
    params: {},
    tenant: 'team-x',
    env: 'dev',
    ...more,
  });

async function ended(requestId: string): Promise<Parsed> {
  for (let at = 0; at < 400; at++) {
    const { body } = await ask('GET', `/v2/status/${requestId}`);
    if (!['queued', 'running', 'compensating'].includes(body.status)) return body;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('the job did not end');
}

const s3 = (): S3Client =>
  new S3Client({
    endpoint: gateway.clouds.aws,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'zeroplane', secretAccessKey: gateway.token },
  });

const wait = { prefer: 'wait=20' };

describe('over HTTP', () => {
  verifies('0.1', 'the sample as printed is accepted, and ends as provisioned', async () => {
    const accepted = await ask('POST', '/v1/provision', { body: SAMPLE });
    expect(accepted.status).toBe(202);
    expect(accepted.headers['location']).toBe(`/v2/status/${accepted.body.requestId}`);
    const job = await ended(accepted.body.requestId);
    expect(job).toMatchObject({ status: 'succeeded', label: 'simulated', result: { status: 'provisioned' } });
    const client = s3();
    const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
    expect(Buckets.map(({ Name }) => Name)).toContain('project-assets');
    const { TagSet = [] } = await client.send(new GetBucketTaggingCommand({ Bucket: 'project-assets' }));
    expect(Object.fromEntries(TagSet.map(({ Key = '', Value }) => [Key, Value]))).toEqual({
      tenant: 'team-x',
      env: 'dev',
      service: 's3',
      requestId: accepted.body.requestId,
      owner: 'you@dev',
      'managed-by': 'zeroplane',
    });
  });

  verifies('0.2', 'the aliases do the same, and a status is found by id and by tenant and environment', async () => {
    const body = request({ params: { bucketName: 'by-alias' }, env: 'stage' });
    const made = await ask('POST', '/provision', { body, headers: wait });
    expect(made).toMatchObject({ status: 200, body: { status: 'succeeded' } });
    const listed = await ask('GET', '/v2/status?tenant=team-x&env=stage');
    expect(listed.body).toEqual({ jobs: [expect.objectContaining({ requestId: made.body.requestId })], next: null });
    const gone = await ask('POST', '/terminate', {
      body: JSON.stringify({
        cloud: 'aws',
        service: 's3',
        params: { bucketName: 'by-alias' },
        tenant: 'team-x',
        env: 'stage',
      }),
      headers: wait,
    });
    expect(gone).toMatchObject({ status: 200, body: { action: 'destroy', result: { status: 'deprovisioned' } } });
    expect((await ask('GET', '/v2/resources?env=stage')).body).toEqual({ resources: [], next: null });
  });

  verifies('0.20', 'who prefers to wait gets the end, or 202 when it does not come in time', async () => {
    const body = request({ params: { bucketName: 'waited-for' } });
    const waited = await ask('POST', '/v1/provision', { body, headers: { prefer: 'respond-async, wait=20' } });
    expect([waited.status, waited.headers['preference-applied']]).toEqual([200, 'wait=20']);
    expect(waited.body.result.status).toBe('provisioned');
    const held = request({ params: { bucketName: 'held' }, approval: { required: true } });
    const late = await ask('POST', '/v1/provision', { body: held, headers: { prefer: 'wait=0' } });
    expect([late.status, late.body.status]).toEqual([202, 'awaiting_approval']);
    await ask('POST', `/v2/jobs/${late.body.requestId}/cancel`);
  });

  verifies('0.19', 'errors are made anew for each request, with the place of each problem', async () => {
    const wrong = await ask('POST', '/v1/provision', { body: request({ params: { bucketNam: 'x' } }) });
    const other = await ask('POST', '/v1/provision', { body: request({ cloud: 'asw' }) });
    expect(wrong).toMatchObject({ status: 400, headers: { 'content-type': 'application/problem+json' } });
    expect(wrong.body).toMatchObject({
      code: 'PROVISION_INVALID',
      problems: [
        { pointer: '/params/bucketName', message: 'is required' },
        { pointer: '/params/bucketNam', nearest: 'bucketName' },
      ],
    });
    expect(other.body.problems).toEqual([expect.objectContaining({ pointer: '/cloud', nearest: 'aws' })]);
    expect(other.body.instance).not.toBe(wrong.body.instance);
  });

  test('events are followed to the end, and from any one on', async () => {
    const body = request({ params: { bucketName: 'followed' } });
    const { body: job } = await ask('POST', '/v1/provision', { body });
    const all = await ask('GET', `/v2/jobs/${job.requestId}/events`);
    const ids = [...(all.body as string).matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
    expect(ids).toEqual(Array.from({ length: ids.length }, (_none, at) => at + 1));
    expect(all.body).toMatch(/event: job-ended\ndata: \{[^\n]*"status":"succeeded"/);
    const rest = await ask('GET', `/v2/jobs/${job.requestId}/events`, { headers: { 'last-event-id': '3' } });
    expect((rest.body as string).startsWith('id: 4\n')).toBe(true);
  });

  verifies('0.21', 'a service of two clouds is made on both, and undone on both', async () => {
    const site = { cloud: 'multi', service: 'static-site', params: { name: 'two-clouds' } };
    const made = await ask('POST', '/v1/provision', { body: request(site), headers: wait });
    expect(made.body).toMatchObject({
      status: 'succeeded',
      result: { outputs: { copy: { bucketName: 'two-clouds-copy' } } },
    });
    const undone = await ask('POST', `/v2/jobs/${made.body.requestId}/rollback`);
    expect(undone.status).toBe(202);
    expect((await ended(made.body.requestId)).status).toBe('rolled_back');
    // The second cloud refuses: what the first has made is taken back.
    const fault = { service: 'storage', operation: 'buckets.insert', fault: 'dependency-violation' };
    await fetch(`${gateway.clouds.gcp}/_zeroplane/faults`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.token}` },
      body: JSON.stringify(fault),
    });
    const failed = await ask('POST', '/v1/provision', { body: request({ ...site, params: { name: 'half-site' } }) });
    const job = await ended(failed.body.requestId);
    expect(job).toMatchObject({ status: 'rolled_back', result: { undone: ['aws:us-east-1:s3:half-site'] } });
    const { Buckets = [] } = await s3().send(new ListBucketsCommand({}));
    expect(Buckets.map(({ Name }) => Name)).not.toContain('half-site');
    const never = await ask('POST', '/v1/provision', { body: request({ ...site, params: { name: 'goog-site' } }) });
    expect([never.status, never.body.problems[0].pointer]).toEqual([400, '/params/name']);
  });
});

verifies(
  '0.7',
  'a machine is registered, checked, run and offered as a service, and runs no built-in job by itself',
  async () => {
    const definition = {
      StartAt: 'Make',
      States: {
        Make: {
          Type: 'Task',
          Resource: 'zeroplane-provision',
          Parameters: { cloud: 'aws', service: 's3', params: { 'bucketName.$': '$.params.name' } },
          ResultPath: '$.bucket',
          End: true,
        },
      },
    };
    const offer = { cloud: 'aws', service: 'team-bucket', title: 'A bucket of ours.', version: '1', definition };
    const params = {
      type: 'object',
      required: ['name'],
      properties: { name: { type: 'string', pattern: '^[a-z-]+$' } },
    };
    const offered = await ask('POST', '/v1/catalog', { body: JSON.stringify({ ...offer, params }) });
    expect(offered).toMatchObject({ status: 201, body: { workflow: { name: 'service-team-bucket', version: '1' } } });
    const made = await ask('POST', '/v1/provision', {
      body: request({ service: 'team-bucket', params: { name: 'ours-one' } }),
      headers: wait,
    });
    expect(made.body).toMatchObject({ status: 'succeeded', workflow: { name: 'service-team-bucket', version: '1' } });
    const parts = (await ask('GET', '/v2/resources?service=s3')).body.resources;
    expect(parts.map(({ id, partOf }: Parsed) => [id, partOf])).toContainEqual([
      'aws:us-east-1:s3:ours-one',
      'aws:-:team-bucket:ours-one',
    ]);
    // Without a job the same machine has one made for each resource, rules of approval included.
    const run = await ask('POST', '/v1/workflows/service-team-bucket/executions', {
      body: JSON.stringify({ name: 'by-hand', input: { params: { name: 'ours-two' } } }),
    });
    expect(run.status).toBe(202);
    let execution: Parsed;
    do execution = (await ask('GET', `/v1/workflows/executions/${run.body.id}`)).body;
    while (execution.status === 'RUNNING');
    expect(execution).toMatchObject({ status: 'SUCCEEDED', output: { bucket: { status: 'provisioned' } } });
    const { events } = (await ask('GET', `/v1/workflows/executions/${run.body.id}/history`)).body;
    expect(events.map(({ type }: Parsed) => type)).toEqual([
      'ExecutionStarted',
      'TaskStateEntered',
      'LambdaFunctionScheduled',
      'LambdaFunctionStarted',
      'LambdaFunctionSucceeded',
      'TaskStateExited',
      'ExecutionSucceeded',
    ]);
    const forged = await ask('POST', '/v1/workflows/zeroplane-provision/executions', {
      body: JSON.stringify({
        name: `${made.body.requestId}-r1`,
        input: { requestId: made.body.requestId, cloud: 'aws', service: 's3', params: { bucketName: 'forged' } },
      }),
    });
    let refused: Parsed;
    do refused = (await ask('GET', `/v1/workflows/executions/${forged.body.id}`)).body;
    while (refused.status === 'RUNNING');
    expect(refused).toMatchObject({ status: 'FAILED', error: 'FORBIDDEN' });
    const bad = {
      ...offer,
      service: 'bad',
      definition: {
        StartAt: 'A',
        States: { A: { Type: 'Task', Resource: 'arn:aws:states:::aws-sdk:s3:createBucket', End: true } },
      },
    };
    expect(await ask('POST', '/v1/catalog', { body: JSON.stringify({ ...bad, params }) })).toMatchObject({
      status: 400,
      body: { code: 'WORKFLOW_UNSUPPORTED' },
    });
  },
);

verifies('0.8', 'the audit trail has each change of a job and verifies', async () => {
  const { body } = await ask('GET', '/v1/audit?limit=3');
  expect(body.records[0]).toMatchObject({ entry: { resource: { type: 'job' } } });
  expect((await ask('GET', '/v1/audit/verify')).body).toMatchObject({ isIntact: true, problems: [] });
});

verifies('0.17', 'an official client does the same through MCP, and hears of each step', async () => {
  const client = new Client({ name: 'test', version: '1' });
  const headers = { authorization: `Bearer ${gateway.token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(gateway.mcp), { requestInit: { headers } }));
  const heard: string[] = [];
  const args = { cloud: 'aws', service: 's3', params: { bucketName: 'by-mcp' }, env: 'dev' };
  const result: Parsed = await client.callTool(
    { name: 'cloud___provision', arguments: args },
    { onprogress: ({ message = '' }) => void heard.push(message) },
  );
  expect(result.structuredContent).toMatchObject({ status: 'succeeded', result: { status: 'provisioned' } });
  expect(heard).toContain('Step create-bucket: ok.');
  const status: Parsed = await client.callTool({
    name: 'cloud___status',
    arguments: { requestId: result.structuredContent.requestId },
  });
  expect(status.structuredContent.steps.length).toBeGreaterThan(2);
  const wrong: Parsed = await client.callTool({ name: 'cloud___provision', arguments: { ...args, params: {} } });
  expect(wrong).toMatchObject({
    isError: true,
    content: [{ text: expect.stringContaining('/params/bucketName is required') }],
  });
  await client.close();
});

verifies('0.4', 'a token of a real issuer opens the control plane for its own tenant and role', async () => {
  const issuer = await startIssuer({
    ada: { claims: { tenant: 'team-x', roles: ['requester'] } },
    eve: { claims: { tenant: 'team-y', roles: ['requester'] } },
    vic: { claims: { tenant: 'team-x', roles: ['viewer'] } },
  });
  const config = {
    auth: { issuers: [{ issuer: issuer.url, audience: AUDIENCE }] },
    provisioning: { webhookSecrets: { 'hook-of-x': ['team-x'] } },
  };
  const other = await startGateway({ config });
  const at = async (who: string, method: string, path: string, body?: string): Promise<Answer> => {
    const url = other.url + path;
    const headers = { authorization: `Bearer ${await issuer.token(who)}`, 'content-type': 'application/json', ...wait };
    const answer = await exchange({ url, method, headers, ...(body === undefined ? {} : { body }) });
    return { status: answer.status, headers: answer.headers, body: JSON.parse(await textOf(answer.body)) };
  };
  try {
    const body = request({ params: { bucketName: 'by-jwt' } });
    const made = await at('ada', 'POST', '/v1/provision', body);
    expect(made).toMatchObject({ status: 200, body: { status: 'succeeded', tenant: 'team-x' } });
    expect((await at('eve', 'POST', '/v1/provision', body)).status).toBe(403);
    expect((await at('eve', 'GET', `/v2/status/${made.body.requestId}`)).status).toBe(404);
    expect((await at('vic', 'GET', `/v2/status/${made.body.requestId}`)).status).toBe(200);
    expect((await at('vic', 'POST', '/v1/provision', body)).status).toBe(403);
    // Who signs with the secret of another tenant speaks in its name.
    const signed = (tenant: string, secretRef: string): string => {
      const webhook = { url: 'https://hooks.example.com/', secretRef };
      return request({ tenant, params: { bucketName: `signed-${tenant}` }, action: 'plan', webhook });
    };
    expect((await at('ada', 'POST', '/v1/provision', signed('team-x', 'hook-of-x'))).status).toBe(200);
    for (const secretRef of ['hook-of-x', 'whatever', '__proto__'])
      expect((await at('eve', 'POST', '/v1/provision', signed('team-y', secretRef))).body).toMatchObject({
        status: 400,
        problems: [{ pointer: '/webhook/secretRef' }],
      });
  } finally {
    await other.close();
    await issuer.close();
  }
});
