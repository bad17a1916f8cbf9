/**
 * The control plane's door over HTTP: what it takes, what it refuses and how it says so, who sees what. That the clouds
 * then hold what was asked for is the business of `tests/e2e/provisioning.test.ts`.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Principal } from '../../src/core/context.ts';
import { startGateway, type LocalInstance } from '../../src/testing.ts';
import { eventsOf, exchange, textOf, type Exchange, type Parsed } from '../fixtures/http-exchange.ts';
import { authenticatorOf, person } from '../fixtures/people.ts';
import { AnswerChecker } from '../fixtures/openapi-answers.ts';
import { verifies } from './verifies.ts';

/** By token. */
const PEOPLE: ReadonlyMap<string, Principal> = new Map([
  ['ada', person('ada', 'team-x', ['requester'])],
  ['ann', person('ann', 'team-x', ['approver'])],
  ['vic', person('vic', 'team-x', ['viewer'])],
  ['sam', person('sam', 'team-x', ['admin'], ['zeroplane:use', 'zeroplane:admin'])],
  ['ned', person('ned', 'team-x', ['requester'], [])],
  ['bob', person('ada', 'team-y', ['requester'])],
]);

const authenticator = authenticatorOf(PEOPLE);

let gateway: LocalInstance;
/** Every answer of this file is as the API's own document says. */
let checker: AnswerChecker;
beforeAll(async () => {
  gateway = await startGateway({ authenticator });
  const { body } = await open('GET', '/v1/openapi.json');
  checker = new AnswerChecker(JSON.parse(await textOf(body)));
});
afterAll(() => gateway.close({ drainMs: 0 }));

interface Question {
  readonly as?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function open(method: string, path: string, { as = 'ada', body, headers = {} }: Question = {}): Promise<Exchange> {
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return exchange({
    url: `${gateway.url}${path}`,
    method,
    headers: { authorization: `Bearer ${as}`, ...type, ...headers },
    ...(body === undefined ? {} : { body }),
  });
}

interface Answer {
  readonly status: number;
  readonly headers: Exchange['headers'];
  readonly body: Parsed;
}

/** Refusals of what is in no document: other methods, paths of nobody. */
const isOfNobody = (status: number, code: string): boolean =>
  status === 405 || (status === 404 && code === 'NOT_FOUND');

async function ask(method: string, path: string, question?: Question): Promise<Answer> {
  const answer = await open(method, path, question);
  const text = await textOf(answer.body);
  const type = String(answer.headers['content-type']);
  const body: Parsed = type.includes('json') && text !== '' ? JSON.parse(text) : text;
  const { status, headers } = answer;
  if (method !== 'HEAD' && !isOfNobody(status, body.code))
    expect(checker.check({ method, path, status, type, body })).toEqual([]);
  return { status, headers, body };
}

let count = 0;
const bucket = (): string => `bucket-of-test-${++count}`;

const request = (more: object = {}): string =>
  JSON.stringify({
    cloud: 'aws',
    action: 'provision',
    service: 's3',
    params: { bucketName: bucket() },
    tenant: 'team-x',
    env: 'dev',
    ...more,
  });

/** A job that waits until somebody decides. */
async function held(more: object = {}, as = 'ada'): Promise<string> {
  const body = request({ approval: { required: true }, ...more });
  const { status, body: job } = await ask('POST', '/v1/provision', { as, body });
  expect([status, job.status]).toEqual([202, 'awaiting_approval']);
  return job.requestId;
}

const provisioned = async (more: object = {}): Promise<Parsed> =>
  (await ask('POST', '/v1/provision', { body: request(more), headers: { prefer: 'wait=20' } })).body;

const problemOf = ({ status, headers, body }: Answer): unknown => [status, headers['content-type'], body.code];
const isProblem = (status: number, code: string): unknown => [status, 'application/problem+json', code];

/** Nothing was stored of what was refused. */
async function jobsOf(env: string): Promise<Parsed[]> {
  return (await ask('GET', `/v2/status?env=${env}`)).body.jobs;
}

describe('what it takes', () => {
  verifies(
    '0.3',
    'an answer that comes at once carries the requestId, one that waited the status provisioned',
    async () => {
      const now = await ask('POST', '/v1/provision', { body: request() });
      expect(now.body.requestId).toMatch(/^[0-9a-f-]{36}$/);
      expect(now.headers['location']).toBe(`/v2/status/${now.body.requestId}`);
      const later = await provisioned();
      expect(later).toMatchObject({ requestId: expect.any(String), result: { status: 'provisioned' } });
    },
  );

  verifies(
    '0.20',
    'waiting longer than 25 seconds is waiting 25 seconds, and a wish that nobody knows is none',
    async () => {
      const long = await ask('POST', '/v1/provision', { body: request(), headers: { prefer: 'wait=600' } });
      expect([long.status, long.headers['preference-applied']]).toEqual([200, 'wait=25']);
      const strange = await ask('POST', '/v1/provision', { body: request(), headers: { prefer: 'wait=soon' } });
      expect([strange.status, strange.headers['preference-applied']]).toEqual([202, undefined]);
    },
  );

  verifies('0.2', '/terminate destroys by id, whatever else it says is refused', async () => {
    const { resourceId } = await provisioned();
    const wrong = await ask('POST', '/terminate', { body: request({ action: 'provision' }) });
    expect(wrong.body.problems).toEqual([expect.objectContaining({ pointer: '/action', allowed: ['destroy'] })]);
    const body = JSON.stringify({ cloud: 'aws', service: 's3', id: resourceId, tenant: 'team-x', env: 'dev' });
    const gone = await ask('POST', '/terminate', { body, headers: { prefer: 'wait=20' } });
    expect(gone).toMatchObject({ status: 200, body: { result: { status: 'deprovisioned' } } });
  });

  test('the same key and body lead to the same job, another body is refused, and keys are personal', async () => {
    const body = request();
    const headers = { 'idempotency-key': 'once' };
    const first = await ask('POST', '/v1/provision', { body, headers });
    const again = await ask('POST', '/v1/provision', { body, headers });
    expect(again.body.requestId).toBe(first.body.requestId);
    expect(problemOf(await ask('POST', '/v1/provision', { body: request(), headers }))).toEqual(
      isProblem(422, 'IDEMPOTENCY_MISMATCH'),
    );
    const other = await ask('POST', '/v1/provision', { as: 'sam', body: request(), headers });
    expect(other.body.requestId).not.toBe(first.body.requestId);
    const unprintable = { 'idempotency-key': 'a b' };
    expect(problemOf(await ask('POST', '/v1/provision', { body: request(), headers: unprintable }))).toEqual(
      isProblem(400, 'INVALID_ARGUMENTS'),
    );
  });

  test('a plan says what would be done, what it costs, and changes nothing', async () => {
    const { status, result } = await provisioned({ action: 'plan', env: 'planned' });
    expect([status, result.status]).toEqual(['succeeded', 'planned']);
    expect(result.steps.length).toBeGreaterThan(0);
    expect(result.estimate.pricesOf).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect((await ask('GET', '/v2/resources?env=planned')).body.resources).toEqual([]);
  });

  test('a version of a workflow that is asked for runs, is in plan and status, and one that there is not is refused', async () => {
    const offer = (version: string, say: string): string =>
      JSON.stringify({
        cloud: 'aws',
        service: 'saying',
        title: 'Says something.',
        version,
        params: { type: 'object' },
        definition: { StartAt: say, States: { [say]: { Type: 'Pass', Result: { said: say }, End: true } } },
      });
    for (const [version, say] of [
      ['1', 'Hello'],
      ['4', 'Goodbye'],
    ] as const)
      expect((await ask('POST', '/v1/catalog', { as: 'sam', body: offer(version, say) })).status).toBe(201);
    const workflow = { name: 'service-saying', version: '1' };
    const one = { service: 'saying', params: { name: 'one' }, env: 'versions' };

    const planned = await provisioned({ ...one, action: 'plan', workflow });
    expect(planned.result).toMatchObject({ steps: ['Hello'], workflow });
    const made = await provisioned({ ...one, workflow });
    expect(made).toMatchObject({ workflow, result: { outputs: { said: 'Hello' } } });
    expect((await ask('GET', `/v2/status/${made.requestId}`)).body).toMatchObject({ workflow });
    const usual = await provisioned({ ...one, params: { name: 'two' } });
    expect(usual).toMatchObject({ workflow: { version: '4' }, result: { outputs: { said: 'Goodbye' } } });

    const before = (await jobsOf('versions')).length;
    for (const [more, problem] of [
      [
        { workflow: { ...workflow, version: '2' } },
        { pointer: '/workflow/version', message: 'must be one of 4, 1', allowed: ['4', '1'] },
      ],
      [{ workflow: { name: 'web-stack', version: '1' } }, { pointer: '/workflow/name', allowed: ['service-saying'] }],
      [
        { workflow, service: 's3' },
        { pointer: '/workflow', message: expect.stringContaining('s3 is no workflow') },
      ],
    ]) {
      const refused = await ask('POST', '/v1/provision', { body: request({ ...one, params: {}, ...more }) });
      expect(problemOf(refused)).toEqual(isProblem(400, 'PROVISION_INVALID'));
      expect(refused.body.problems).toMatchObject([problem]);
    }
    expect(await jobsOf('versions')).toHaveLength(before);
  });
});

const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

describe('what it refuses', () => {
  test.each([
    ['no JSON', '{"cloud":', 400, 'PARSE_ERROR'],
    ['a key twice', request().replace('"env"', '"cloud":"gcp","env"'), 400, 'INVALID_REQUEST'],
    ['too deep', nested(70), 400, 'INVALID_REQUEST'],
    ['too large', `{"cloud":"${'x'.repeat(4 * 1_048_576)}"}`, 413, 'BODY_TOO_LARGE'],
    ['a list', '[]', 400, 'PROVISION_INVALID'],
    ['nothing', '', 400, 'PARSE_ERROR'],
    [
      'a prototype',
      request({ env: 'proto' }).replace('{', '{"__proto__":{"tenant":"team-x"},'),
      400,
      'PROVISION_INVALID',
    ],
    [
      'a prototype in params',
      request({ env: 'proto' }).replace('"params":{', '"params":{"__proto__":{},'),
      400,
      'PROVISION_INVALID',
    ],
    [
      'a prototype in tags',
      request({ env: 'proto', tags: {} }).replace('"tags":{', '"tags":{"__proto__":"x"'),
      400,
      'PROVISION_INVALID',
    ],
    [
      'two regions',
      request({ env: 'proto', region: 'eu-west-1', params: { bucketName: 'two-regions', region: 'us-east-1' } }),
      400,
      'PROVISION_INVALID',
    ],
    ['an action that nobody knows', request({ env: 'proto', action: 'explode' }), 400, 'PROVISION_INVALID'],
    ['a tag that is set by itself', request({ env: 'proto', tags: { tenant: 'team-y' } }), 400, 'PROVISION_INVALID'],
  ])('%s', async (_what, body, status, code) => {
    const answer = await ask('POST', '/v1/provision', { body });
    expect(problemOf(answer)).toEqual(isProblem(status, code));
    expect(answer.body).toMatchObject({
      status,
      title: code,
      detail: expect.any(String),
      instance: expect.any(String),
    });
    expect(await jobsOf('proto')).toEqual([]);
  });

  test.each([
    ['another type', { 'content-type': 'text/plain' }],
    ['another charset', { 'content-type': 'application/json; charset=latin1' }],
    ['an encoding', { 'content-encoding': 'gzip' }],
  ])('%s', async (_what, headers) => {
    const answer = await ask('POST', '/v1/provision', { body: request(), headers });
    expect(problemOf(answer)).toEqual(isProblem(415, 'UNSUPPORTED_MEDIA_TYPE'));
  });

  verifies('0.19', 'every problem is told at once, with its place, what would do, and what was meant', async () => {
    const body = JSON.stringify({ cloud: 'aws', action: 'provison', service: 's3', tennant: 'team-x', env: '-dev' });
    const { body: problem } = await ask('POST', '/v1/provision', { body });
    const places = (problem.problems as Parsed[]).map(({ pointer, nearest }) => [pointer, nearest]);
    expect(places).toEqual(
      expect.arrayContaining([
        ['/action', 'provision'],
        ['/tennant', 'tenant'],
        ['/tenant', undefined],
        ['/env', undefined],
      ]),
    );
    expect((problem.problems as Parsed[]).find(({ pointer }) => pointer === '/action').allowed).toContain('destroy');
    // What one call was told is in no other's answer.
    const next = await ask('POST', '/v1/provision', { body: request({ service: 's4' }) });
    expect(next.body.problems).toEqual([expect.objectContaining({ pointer: '/service', nearest: 's3' })]);
  });

  test.each([
    ['PUT', '/v1/provision', 'POST'],
    ['GET', '/terminate', 'POST'],
    ['DELETE', '/v2/status', 'GET, HEAD'],
    ['GET', '/v2/jobs/x/cancel', 'POST'],
    ['PUT', '/v1/catalog', 'GET, HEAD, POST'],
    ['POST', '/v1/audit', 'GET, HEAD'],
  ])('%s %s, which is for %s', async (method, path, allow) => {
    const answer = await ask(method, path, { as: 'sam' });
    expect(problemOf(answer)).toEqual(isProblem(405, 'METHOD_NOT_ALLOWED'));
    expect(answer.headers['allow']).toBe(allow);
  });

  test.each([
    '/v2/status/',
    '/v2/status/a/b',
    '/v2/jobs/x',
    '/v2/jobs/x/explode',
    '/v1/workflows/a/b/c',
    '/v1/schemas/',
    '/v2/resources/x/y/z',
  ])('a path that is nobody’s: %s', async (path) => {
    expect(problemOf(await ask('GET', path))).toEqual(isProblem(404, 'NOT_FOUND'));
  });

  test.each([
    ['/v2/status?stauts=failed', 'The query member "stauts" is not known here. Did you mean "status"?'],
    ['/v2/status?env=', 'The query member "env" is empty. Give it a value, or leave it out.'],
    ['/v2/resources?cloud=', 'The query member "cloud" is empty.'],
    ['/v2/resources?env=%00', 'The query member "env" is no text that anything is called.'],
    ['/v2/resources?id=x', 'There are tenant, env, cloud, service, status, limit, cursor.'],
  ])('a filter that filters nothing: %s', async (path, words) => {
    const answer = await ask('GET', path);
    expect([answer.status, answer.body.code, answer.body.detail]).toEqual([
      400,
      'INVALID_ARGUMENTS',
      expect.stringContaining(words),
    ]);
  });

  test.each(['limit=0', 'limit=x', 'limit=501', 'status=done', 'cursor=forged'])('a list with %s', async (query) => {
    const answer = await ask('GET', `/v2/status?${query}`);
    expect([answer.status, answer.headers['content-type']]).toEqual([400, 'application/problem+json']);
    expect(['INVALID_ARGUMENTS', 'INVALID_CURSOR']).toContain(answer.body.code);
  });

  test('HEAD answers as GET does, without a body', async () => {
    const requestId = await held();
    for (const path of ['/v2/status', `/v2/status/${requestId}`, '/v1/catalog', `/v2/jobs/${requestId}/events`]) {
      const { status, body } = await ask('HEAD', path);
      expect([path, status, body]).toEqual([path, 200, '']);
    }
    expect((await ask('HEAD', '/v2/status/nobody')).status).toBe(404);
  });
});

describe('who may', () => {
  test('a foreign tenant in the body or a query is 403, a foreign job does not exist', async () => {
    const requestId = await held();
    expect(problemOf(await ask('POST', '/v1/provision', { as: 'bob', body: request() }))).toEqual(
      isProblem(403, 'FORBIDDEN'),
    );
    for (const path of ['/v2/status?tenant=team-x', '/v2/resources?tenant=team-x'])
      expect(problemOf(await ask('GET', path, { as: 'bob' }))).toEqual(isProblem(403, 'FORBIDDEN'));
    const unknown = await ask('GET', '/v2/status/00000000-0000-4000-8000-000000000000', { as: 'bob' });
    for (const [method, path] of [
      ['GET', `/v2/status/${requestId}`],
      ['GET', `/v2/jobs/${requestId}/events`],
      ['POST', `/v2/jobs/${requestId}/cancel`],
      ['POST', `/v2/jobs/${requestId}/approve`],
    ] as const) {
      const answer = await ask(method, path, { as: 'bob' });
      expect(problemOf(answer)).toEqual(problemOf(unknown));
    }
    expect((await ask('GET', '/v2/status', { as: 'bob' })).body).toEqual({ jobs: [], next: null });
  });

  test.each([
    ['ned', 'POST', '/v1/provision', 'zeroplane:use'],
    ['ned', 'GET', '/v2/status', 'zeroplane:use'],
    ['ned', 'GET', '/v1/workflows', 'zeroplane:use'],
    ['ada', 'GET', '/v1/audit', 'zeroplane:admin'],
    ['ada', 'GET', '/v1/audit/verify', 'zeroplane:admin'],
    ['ada', 'GET', '/v1/audit/head', 'zeroplane:admin'],
  ])('%s lacks a scope for %s %s: %s', async (as, method, path, scope) => {
    const answer = await ask(method, path, { as, ...(method === 'POST' ? { body: request() } : {}) });
    expect(problemOf(answer)).toEqual(isProblem(403, 'INSUFFICIENT_SCOPE'));
    expect(answer.headers['www-authenticate']).toBe(
      `Bearer realm="zeroplane", error="insufficient_scope", scope="${scope}"`,
    );
  });

  test('a viewer reads and changes nothing, an approver approves and makes nothing', async () => {
    const requestId = await held();
    expect((await ask('GET', `/v2/status/${requestId}`, { as: 'vic' })).status).toBe(200);
    expect(problemOf(await ask('POST', '/v1/provision', { as: 'vic', body: request() }))).toEqual(
      isProblem(403, 'FORBIDDEN'),
    );
    expect(problemOf(await ask('POST', `/v2/jobs/${requestId}/cancel`, { as: 'vic' }))).toEqual(
      isProblem(403, 'FORBIDDEN'),
    );
    expect(problemOf(await ask('POST', `/v2/jobs/${requestId}/approve`))).toEqual(isProblem(403, 'FORBIDDEN'));
    expect(problemOf(await ask('POST', '/v1/provision', { as: 'ann', body: request() }))).toEqual(
      isProblem(403, 'FORBIDDEN'),
    );
    const comment = JSON.stringify({ comment: 'fits the budget' });
    const approved = await ask('POST', `/v2/jobs/${requestId}/approve`, { as: 'ann', body: comment });
    expect(approved).toMatchObject({
      status: 202,
      body: { approval: { decision: 'approved', decidedBy: 'ann', comment: 'fits the budget' } },
    });
  });

  verifies('0.16', 'one environment shows nothing of another', async () => {
    const { requestId, resourceId } = await provisioned({ env: 'prod' });
    expect((await jobsOf('prod')).map((job) => job.requestId)).toEqual([requestId]);
    expect((await jobsOf('stage')).map((job) => job.requestId)).toEqual([]);
    const ids = async (env: string): Promise<string[]> =>
      (await ask('GET', `/v2/resources?env=${env}`)).body.resources.map(({ id }: Parsed) => id);
    expect([await ids('prod'), await ids('stage')]).toEqual([[resourceId], []]);
    // Nor does it reach into the other.
    const body = JSON.stringify({ cloud: 'aws', service: 's3', id: resourceId, tenant: 'team-x', env: 'stage' });
    const refused = await ask('POST', '/terminate', { body });
    expect(refused.body.problems).toEqual([expect.objectContaining({ pointer: '/env', allowed: ['prod'] })]);
    expect(await ids('prod')).toEqual([resourceId]);
    // Byte for byte: another case is another environment.
    expect(await ids('Prod')).toEqual([]);
  });
});

describe('the body of a verb', () => {
  const verbs = ['approve', 'reject', 'cancel', 'retry', 'rollback'] as const;
  const post = (requestId: string, verb: string, body: string): Promise<Answer> => {
    const as = verb === 'approve' || verb === 'reject' ? 'ann' : 'ada';
    return ask('POST', `/v2/jobs/${requestId}/${verb}`, { as, body });
  };

  test.each(verbs)('of %s has no member that nobody knows', async (verb) => {
    const requestId = await held();
    const allowed = verb === 'approve' || verb === 'reject' ? ['comment'] : [];
    const refused = await post(requestId, verb, '{"coment":"why","reason":"x","__proto__":{}}');
    expect(problemOf(refused)).toEqual(isProblem(400, 'PROVISION_INVALID'));
    const nearest = allowed.length === 0 ? {} : { nearest: 'comment' };
    expect(refused.body.problems).toEqual([
      { pointer: '/coment', message: 'is not known here', allowed, ...nearest },
      { pointer: '/reason', message: 'is not known here', allowed },
      { pointer: '/__proto__', message: 'is not known here', allowed },
    ]);
    for (const body of ['[]', '"why"', 'null'])
      expect((await post(requestId, verb, body)).body.problems).toEqual([expect.objectContaining({ pointer: '' })]);
    expect((await ask('GET', `/v2/status/${requestId}`)).body.status).toBe('awaiting_approval');
  });

  test.each(['approve', 'reject'])('of %s has a comment that is kept whole, or refused', async (verb) => {
    const requestId = await held();
    for (const comment of [7, null, ['why'], 'x'.repeat(1_001), '\u{1F600}'.repeat(1_001)]) {
      const refused = await post(requestId, verb, JSON.stringify({ comment }));
      expect(problemOf(refused)).toEqual(isProblem(400, 'PROVISION_INVALID'));
      expect(refused.body.problems).toEqual([expect.objectContaining({ pointer: '/comment' })]);
    }
    const comment = '\u{1F600}'.repeat(1_000);
    expect((await post(requestId, verb, JSON.stringify({ comment }))).body.approval.comment).toBe(comment);
  });

  test.each(['', '{}'])('may be %j', async (body) => {
    expect((await post(await held(), 'reject', body)).status).toBe(202);
  });
});

describe('what follows', () => {
  test('a decision is made once, and what a state does not allow is 409 with the state', async () => {
    const requestId = await held();
    const rejected = await ask('POST', `/v2/jobs/${requestId}/reject`, { as: 'ann' });
    expect(rejected).toMatchObject({ status: 202, body: { status: 'cancelled', reason: 'rejected' } });
    for (const verb of ['approve', 'reject', 'cancel', 'retry', 'rollback']) {
      const again = await ask('POST', `/v2/jobs/${requestId}/${verb}`, { as: 'sam' });
      expect([verb, ...(problemOf(again) as unknown[])]).toEqual([verb, ...(isProblem(409, 'JOB_STATE') as unknown[])]);
      expect(again.body).toMatchObject({ status: 409, requestId, jobStatus: 'cancelled' });
    }
  });

  test('a resource has one job at a time, and who comes second is told which', async () => {
    const params = { bucketName: bucket() };
    const requestId = await held({ params });
    const second = await ask('POST', '/v1/provision', { body: request({ params }) });
    expect(problemOf(second)).toEqual(isProblem(409, 'RESOURCE_BUSY'));
    expect(second.body.requestId ?? second.body.activeRequestId).toBe(requestId);
  });

  test('lists go on where they ended, newest first', async () => {
    const made: string[] = [];
    for (let at = 0; at < 3; at++) made.push(await held({ env: 'paged' }));
    const seen: string[] = [];
    let next: string | null = '';
    while (next !== null) {
      const cursor: string = next === '' ? '' : `&cursor=${encodeURIComponent(next)}`;
      const { body }: Answer = await ask('GET', `/v2/status?env=paged&limit=2${cursor}`);
      expect(body.jobs.length).toBeLessThanOrEqual(2);
      seen.push(...body.jobs.map((job: Parsed) => job.requestId));
      next = body.next;
    }
    expect(seen.toSorted()).toEqual(made.toSorted());
    const waiting = await ask('GET', '/v2/status?env=paged&status=awaiting_approval');
    expect(waiting.body.jobs.length).toBe(3);
    expect((await ask('GET', '/v2/status?env=paged&status=failed')).body.jobs).toEqual([]);
  });

  test('a filtered list has full pages, and a resource is there under its id', async () => {
    const ids: string[] = [];
    for (let at = 0; at < 3; at++) ids.push((await provisioned({ env: 'filled' })).resourceId);
    await held({ env: 'filled' });
    const { body } = await ask('GET', '/v2/status?env=filled&status=succeeded&limit=3');
    expect(body.jobs.map((job: Parsed) => job.resourceId).toSorted()).toEqual(ids.toSorted());
    const ready = await ask('GET', '/v2/resources?env=filled&cloud=aws&service=s3&status=ready&limit=2');
    expect([ready.body.resources.length, typeof ready.body.next]).toEqual([2, 'string']);
    const [id = ''] = ids;
    const one = await ask('GET', `/v2/resources/${encodeURIComponent(id)}`);
    expect(one).toMatchObject({ status: 200, body: { id, status: 'ready', env: 'filled' } });
    for (const wrong of ['aws:us-east-1:s3:nobody', 'x'])
      expect(problemOf(await ask('GET', `/v2/resources/${wrong}`))).toEqual(isProblem(404, 'RESOURCE_NOT_FOUND'));
    expect(problemOf(await ask('GET', '/v2/resources?status=gone'))).toEqual(isProblem(400, 'INVALID_ARGUMENTS'));
  });

  test('who follows a job hears each event once, live, and goes on after any of them', async () => {
    const requestId = await held();
    const stream = await open('GET', `/v2/jobs/${requestId}/events`);
    expect(stream.headers).toMatchObject({ 'content-type': 'text/event-stream' });
    const heard: Parsed[] = [];
    for await (const { event, id, data } of eventsOf(stream.body)) {
      if (data === '') continue;
      heard.push({ event, id: Number(id), ...JSON.parse(data) });
      if (heard.at(-1).status === 'awaiting_approval')
        await ask('POST', `/v2/jobs/${requestId}/approve`, { as: 'ann' });
    }
    expect(heard.map(({ id }) => id)).toEqual(heard.map((_each, at) => at + 1));
    expect(heard.at(-1)).toMatchObject({ event: 'job-ended', status: 'succeeded' });
    expect(heard.map(({ event }) => event)).toEqual(expect.arrayContaining(['step-started', 'step-ended']));
    const last = heard.length;
    const rest = await ask('GET', `/v2/jobs/${requestId}/events?after=${last - 1}`);
    expect([...(rest.body as string).matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))).toEqual([last]);
    // Nothing is left to tell: the stream ends by itself.
    expect((await ask('GET', `/v2/jobs/${requestId}/events?after=${last}`)).body).toBe('');
    const header = await ask('GET', `/v2/jobs/${requestId}/events`, { headers: { 'last-event-id': 'x' } });
    expect(problemOf(header)).toEqual(isProblem(400, 'INVALID_ARGUMENTS'));
  });

  test('streams of one caller have a limit, and one that is closed makes room', async () => {
    const requestId = await held();
    const streams: Exchange[] = [];
    let refused: Exchange | undefined;
    while (refused === undefined && streams.length < 100) {
      const stream = await open('GET', `/v2/jobs/${requestId}/events`);
      if (stream.status === 200) streams.push(stream);
      else refused = stream;
    }
    expect([refused?.status, refused?.headers['retry-after']]).toEqual([429, '5']);
    for (const stream of streams) stream.abort();
    // The server hears of it in its own time.
    let after = await open('GET', `/v2/jobs/${requestId}/events`);
    for (let at = 0; at < 50 && after.status === 429; at++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      after = await open('GET', `/v2/jobs/${requestId}/events`);
    }
    expect(after.status).toBe(200);
    after.abort();
  });
});
