/**
 * Two tenants at one control plane, whose callers have the same name and every right: whatever one asks about what the
 * other has is answered as if it did not exist, over every operation of the API's own table.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Principal } from '../../src/core/context.ts';
import { OPERATIONS } from '../../src/http/openapi/operations.ts';
import { startGateway, type LocalInstance } from '../../src/testing.ts';
import { eventsOf, exchange, textOf, type Parsed } from '../fixtures/http-exchange.ts';
import { authenticatorOf } from '../fixtures/people.ts';

/** In everything that the first tenant has. */
const MARK = 'canaryx';
const scopes = ['zeroplane:use', 'zeroplane:admin'];
const PEOPLE: ReadonlyMap<string, Principal> = new Map([
  ['mine', { id: 'ada', tenant: 'team-x', roles: ['admin'], scopes }],
  ['other', { id: 'ada', tenant: 'team-y', roles: ['admin'], scopes }],
]);

const authenticator = authenticatorOf(PEOPLE);

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly body: Parsed;
}

let gateway: LocalInstance;

interface Question {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

async function ask(as: string, method: string, path: string, { body, headers = {} }: Question = {}): Promise<Answer> {
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const answer = await exchange({
    url: `${gateway.url}${path}`,
    method,
    headers: { authorization: `Bearer ${as}`, ...type, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await textOf(answer.body);
  return { status: answer.status, text, body: text.startsWith('{') ? JSON.parse(text) : text };
}

const request = (tenant: string, more: object): object => ({
  cloud: 'aws',
  action: 'provision',
  service: 's3',
  tenant,
  env: MARK,
  params: {},
  ...more,
});
const WAITS = {
  StartAt: 'Ask',
  States: {
    Ask: {
      Type: 'Task',
      Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
      Parameters: { FunctionName: 'create-vpc', Payload: { 'token.$': '$$.Task.Token' } },
      End: true,
    },
  },
};
const PASSES = { StartAt: 'Pass', States: { Pass: { Type: 'Pass', End: true } } };

/** What the first tenant has, by the word for it in the paths of the API. */
const things: Record<string, string> = {};
let heldJob = '';

async function made(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Parsed> {
  const answer = await ask('mine', 'POST', path, { body, headers });
  expect([200, 201, 202], answer.text).toContain(answer.status);
  return answer.body;
}

beforeAll(async () => {
  gateway = await startGateway({ authenticator });
  const bucket = request('team-x', { params: { bucketName: `${MARK}-bucket` }, tags: { note: MARK } });
  const { requestId, resourceId } = await made('/v1/provision', bucket, { prefer: 'wait=20' });
  const held = { params: { bucketName: `${MARK}-held` }, approval: { required: true } };
  heldJob = (await made('/v1/provision', request('team-x', held), { 'idempotency-key': 'same' })).requestId;
  await made('/v1/workflows', { name: `${MARK}-flow`, definition: PASSES });
  const { id } = await made(`/v1/workflows/${MARK}-flow/executions`, { input: { note: MARK } });
  const service = { service: `${MARK}-service`, cloud: 'multi', title: MARK, version: '1', params: { type: 'object' } };
  await made('/v1/catalog', { ...service, definition: PASSES });
  Object.assign(things, { requestId, id: resourceId, workflow: `${MARK}-flow`, execution: id });
});
afterAll(() => gateway.close({ drainMs: 0 }));

/** One that nobody has, of the same form. */
const unknownOf = (value: string): string =>
  value.replaceAll(MARK, 'canaryz').replace(/^[0-9a-f]{8}-[0-9a-f]{4}/, '00000000-0000');

/** An answer without what differs from question to question. */
const bare = ({ status, text }: Answer, value: string): unknown => [
  status,
  text
    .replaceAll(value, 'THING')
    .replaceAll(encodeURIComponent(value), 'THING')
    .replaceAll(/"instance":"[^"]*"/g, ''),
];

const filled = (path: string, value: (name: string) => string): string =>
  path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(value(name)));

const BODIES: Readonly<Record<string, unknown>> = {
  startExecution: { input: {} },
};
const aboutOne = OPERATIONS.filter(({ path }) =>
  Object.keys({ requestId: 1, id: 1, workflow: 1, execution: 1 }).some((name) => path.includes(`{${name}}`)),
);
const lists = OPERATIONS.filter(({ method, path }) => method === 'get' && !path.includes('{'));

test('the table has the operations that this file is about', () => {
  expect([aboutOne.length, lists.length]).toEqual([
    expect.toSatisfy((count: number) => count >= 14),
    expect.toSatisfy((count: number) => count >= 8),
  ]);
});

test.each(aboutOne)(
  '$method $path answers another tenant as if there were no such thing',
  async ({ id, method, path }) => {
    const body = BODIES[id] ?? (method === 'post' ? {} : undefined);
    const question = body === undefined ? {} : { body };
    const name = /\{(\w+)\}/.exec(path)?.[1] ?? '';
    const value = things[name] ?? '';
    expect(value).not.toBe('');
    const foreign = await ask(
      'other',
      method.toUpperCase(),
      filled(path, () => value),
      question,
    );
    const unknown = await ask(
      'other',
      method.toUpperCase(),
      filled(path, () => unknownOf(value)),
      question,
    );
    expect(foreign.status).toBe(404);
    expect(bare(foreign, value)).toEqual(bare(unknown, unknownOf(value)));
  },
);

test.each(lists)('$method $path shows another tenant nothing of it', async ({ method, path }) => {
  const { status, text } = await ask('other', method.toUpperCase(), path);
  expect(status).toBe(200);
  expect(text).not.toContain(MARK);
  const own = await ask('mine', method.toUpperCase(), path);
  if (
    ['/v2/status', '/v2/resources', '/v1/catalog', '/v1/workflows', '/v1/workflows/executions', '/v1/audit'].includes(
      path,
    )
  )
    expect(own.text).toContain(MARK);
});

describe('a request of another tenant', () => {
  test.each(['/v1/provision', '/provision'])('by POST %s in the name of the first is 403', async (path) => {
    const { status, body } = await ask('other', 'POST', path, {
      body: request('team-x', { params: { bucketName: 'b-1' } }),
    });
    expect([status, body.code]).toEqual([403, 'FORBIDDEN']);
  });

  test.each(['destroy', 'update'] as const)('to %s what the first has is 404, by id and by name', async (action) => {
    const about = (params: object): object => request('team-y', { action, ...params });
    const byId = await ask('other', 'POST', '/v1/provision', {
      body: about({ id: things['id'], params: { bucketName: `${MARK}-bucket` } }),
    });
    const byName = await ask('other', 'POST', '/v1/provision', {
      body: about({ params: { bucketName: `${MARK}-bucket` } }),
    });
    expect([byId.status, byId.body.code, byName.status, byName.body.code]).toEqual([
      404,
      'RESOURCE_NOT_FOUND',
      404,
      'RESOURCE_NOT_FOUND',
    ]);
  });

  test('with the same idempotency key is a request of its own', async () => {
    const body = request('team-y', { params: { bucketName: 'own-held' }, approval: { required: true } });
    const own = await ask('other', 'POST', '/v1/provision', { body, headers: { 'idempotency-key': 'same' } });
    expect([own.status, own.body.requestId === heldJob]).toEqual([202, false]);
  });

  test('for a resource that the first holds is not kept out by its lock, and hears nothing of it', async () => {
    const body = request('team-y', { params: { bucketName: `${MARK}-held` }, approval: { required: true } });
    const { status, body: job } = await ask('other', 'POST', '/v1/provision', { body });
    expect([status, job.status]).toEqual([202, 'awaiting_approval']);
    await ask('other', 'POST', `/v2/jobs/${job.requestId}/cancel`);
    expect((await ask('mine', 'GET', `/v2/status/${heldJob}`)).body.status).toBe('awaiting_approval');
  });

  test('for the service that the first offers is told of no such service', async () => {
    const body = request('team-y', { cloud: 'multi', service: `${MARK}-servic` });
    const { status, body: refusal } = await ask('other', 'POST', '/v1/provision', { body });
    expect([status, refusal.code]).toEqual([400, 'PROVISION_INVALID']);
    expect(JSON.stringify(refusal)).not.toContain(`${MARK}-service`);
  });

  test('for the bucket that the first has fails, and changes nothing of it', async () => {
    const before = (await ask('mine', 'GET', `/v2/resources/${encodeURIComponent(things['id'] ?? '')}`)).text;
    const body = request('team-y', { params: { bucketName: `${MARK}-bucket` } });
    const { body: job } = await ask('other', 'POST', '/v1/provision', { body, headers: { prefer: 'wait=20' } });
    expect([job.status, job.error?.code]).toEqual(['failed', 'RESOURCE_NOT_OWNED']);
    expect(JSON.stringify(job)).not.toContain('team-x');
    expect(JSON.stringify(job)).not.toContain(things['requestId']);
    expect((await ask('mine', 'GET', `/v2/resources/${encodeURIComponent(things['id'] ?? '')}`)).text).toBe(before);
  });

  test('cannot answer the task that waits in the first', async () => {
    await made('/v1/workflows', { name: `${MARK}-waits`, definition: WAITS });
    const { id } = await made(`/v1/workflows/${MARK}-waits/executions`, {});
    let token = '';
    for (const lateMs = Date.now() + 5_000; token === '' && Date.now() < lateMs;) {
      const { body } = await ask('mine', 'GET', `/v1/workflows/executions/${encodeURIComponent(id)}/history`);
      token = /"token\\?":\\?"([^"\\]+)/.exec(JSON.stringify(body).replaceAll('\\\\', '\\'))?.[1] ?? '';
    }
    expect(token).not.toBe('');
    for (const verb of ['success', 'failure', 'heartbeat']) {
      const foreign = await ask('other', 'POST', `/v1/workflows/tasks/${verb}`, { body: { taskToken: token } });
      expect(foreign.status).toBeGreaterThanOrEqual(400);
      expect(foreign.text).not.toContain(MARK);
    }
    expect((await ask('mine', 'GET', `/v1/workflows/executions/${encodeURIComponent(id)}`)).body.status).toBe(
      'RUNNING',
    );
  });
});

test('events of one job reach nobody of another tenant who follows a job of its own', async () => {
  const body = request('team-y', { params: { bucketName: 'own-followed' } });
  const { body: own } = await ask('other', 'POST', '/v1/provision', { body });
  await made('/v1/provision', request('team-x', { params: { bucketName: `${MARK}-beside` } }), { prefer: 'wait=20' });
  const stream = await exchange({
    url: `${gateway.url}/v2/jobs/${own.requestId}/events`,
    method: 'GET',
    headers: { authorization: 'Bearer other' },
  });
  const heard: string[] = [];
  for await (const { data } of eventsOf(stream.body)) heard.push(data);
  expect(heard.join('\n')).toContain('job-ended');
  expect(heard.join('\n')).not.toContain(MARK);
});
