/** Workflows over HTTP: registered, started, watched, stopped, redriven and answered by token, each by who may. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Principal } from '../../src/core/context.ts';
import { startGateway, type LocalInstance } from '../../src/testing.ts';
import { exchange, textOf, type Parsed } from '../fixtures/http-exchange.ts';
import { authenticatorOf, person } from '../fixtures/people.ts';
import { AnswerChecker } from '../fixtures/openapi-answers.ts';
import { verifies } from './verifies.ts';

const USE = ['zeroplane:use'];
const ALL = [...USE, 'zeroplane:admin'];

const PEOPLE: ReadonlyMap<string, Principal> = new Map([
  ['sam', person('sam', 'team-x', ['admin'], ALL)],
  ['ada', person('ada', 'team-x', ['requester'], USE)],
  ['vic', person('vic', 'team-x', ['viewer'], USE)],
  ['bob', person('bob', 'team-y', ['admin'], ALL)],
]);

const authenticator = authenticatorOf(PEOPLE);

let folder = '';
let gateway: LocalInstance;
let checker: AnswerChecker;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'workflow-api-'));
  await mkdir(join(folder, 'desk'));
  await writeFile(join(folder, 'desk', 'index.mjs'), 'export const handler = async () => "somebody will look at it";');
  const desk = { handler: 'index.handler', runtime: 'nodejs24.x', code: join(folder, 'desk') };
  gateway = await startGateway({ authenticator, config: { functions: { desk } } });
  const { body } = await raw('GET', '/v1/openapi.json', 'sam');
  checker = new AnswerChecker(body);
});
afterAll(async () => {
  await gateway.close({ drainMs: 0 });
  await rm(folder, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Parsed;
}

async function raw(method: string, path: string, as: string, value?: unknown): Promise<Answer> {
  const type = value === undefined ? {} : { 'content-type': 'application/json' };
  const { status, headers, body } = await exchange({
    url: gateway.url + path,
    method,
    headers: { authorization: `Bearer ${as}`, ...type },
    ...(value === undefined ? {} : { body: JSON.stringify(value) }),
  });
  return { status, headers, body: JSON.parse(await textOf(body)) };
}

/** Asks, and holds the answer against the API's own document. */
async function ask(method: string, path: string, value?: unknown, as = 'sam'): Promise<Answer> {
  const answer = await raw(method, path, as, value);
  const { status, headers, body } = answer;
  expect(checker.check({ method, path, status, type: String(headers['content-type']), body })).toEqual([]);
  return answer;
}

const problemOf = ({ status, body }: Answer): unknown => [status, body.code];

async function ended(id: string): Promise<Parsed> {
  for (let at = 0; at < 400; at++) {
    const { body } = await ask('GET', `/v1/workflows/executions/${id}`);
    if (body.status !== 'RUNNING') return body;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${id} did not end`);
}

const machine = (states: object): object => ({ StartAt: 'First', States: states });
const PASS = machine({ First: { Type: 'Pass', End: true } });

const register = (name: string, definition: object): Promise<Answer> =>
  ask('POST', '/v1/workflows', { name, definition });
const start = (name: string, value: object = {}, as = 'ada'): Promise<Answer> =>
  ask('POST', `/v1/workflows/${name}/executions`, value, as);

verifies('0.7', 'a definition is kept by name and version, and the same one again is the same version', async () => {
  const made = await register('kept', PASS);
  expect(made).toMatchObject({ status: 201, body: { name: 'kept', version: 1, kind: 'asl', builtIn: false } });
  expect(made.headers['location']).toBe('/v1/workflows/kept');
  expect((await register('kept', PASS)).body.version).toBe(1);
  const other = machine({ First: { Type: 'Succeed' } });
  expect((await register('kept', other)).body.version).toBe(2);
  expect((await ask('GET', '/v1/workflows/kept')).body).toMatchObject({ version: 2, definition: other });
  expect((await ask('GET', '/v1/workflows/kept?version=1')).body).toMatchObject({ version: 1, definition: PASS });
  expect(problemOf(await ask('GET', '/v1/workflows/kept?version=9'))).toEqual([404, 'NOT_FOUND']);
  const taken = { name: 'kept', definition: machine({ First: { Type: 'Fail' } }), version: 1 };
  expect(problemOf(await ask('POST', '/v1/workflows', taken))).toEqual([409, 'WORKFLOW_EXISTS']);
  const names = (await ask('GET', '/v1/workflows')).body.workflows.map(({ name }: Parsed) => name);
  expect(names).toEqual(expect.arrayContaining(['kept', 'zeroplane-provision']));
});

test.each([
  ['no name', { definition: PASS }, 'INVALID_ARGUMENTS'],
  ['a name that is none', { name: 'a b', definition: PASS }, 'INVALID_ARGUMENTS'],
  ['no definition', { name: 'x' }, 'INVALID_ARGUMENTS'],
  ['a list', [], 'INVALID_ARGUMENTS'],
  ['a version that is none', { name: 'x', definition: PASS, version: 0 }, 'INVALID_ARGUMENTS'],
  [
    'a state that leads nowhere',
    { name: 'x', definition: machine({ First: { Type: 'Pass', Next: 'Gone' } }) },
    'WORKFLOW_INVALID',
  ],
  [
    'a service of AWS alone',
    {
      name: 'x',
      definition: machine({ First: { Type: 'Task', Resource: 'arn:aws:states:::sqs:sendMessage', End: true } }),
    },
    'WORKFLOW_UNSUPPORTED',
  ],
  ['the name of a built-in', { name: 'zeroplane-provision', definition: PASS }, 'WORKFLOW_EXISTS'],
])('%s is refused, and nothing is kept', async (_what, body, code) => {
  expect((await ask('POST', '/v1/workflows', body)).body.code).toBe(code);
  expect(problemOf(await ask('GET', '/v1/workflows/x'))).toEqual([404, 'NOT_FOUND']);
});

test('a start is idempotent by name, tells where the execution is, and keeps who began it', async () => {
  await register('once', PASS);
  const first = await start('once', { name: 'monday', input: { day: 1 } });
  expect(first).toMatchObject({ status: 202, body: { id: 'once:monday', startedBy: 'ada', input: { day: 1 } } });
  expect(first.headers['location']).toBe('/v1/workflows/executions/once%3Amonday');
  expect((await start('once', { name: 'monday', input: { day: 1 } })).body.startedAt).toBe(first.body.startedAt);
  expect(problemOf(await start('once', { name: 'monday', input: { day: 2 } }))).toEqual([409, 'EXECUTION_EXISTS']);
  expect(problemOf(await start('nobody'))).toEqual([404, 'NOT_FOUND']);
  expect(problemOf(await start('once', { version: 'newest' }))).toEqual([400, 'INVALID_ARGUMENTS']);
  expect(await ended('once:monday')).toMatchObject({ status: 'SUCCEEDED', output: { day: 1 } });
  const { executions, next } = (await ask('GET', '/v1/workflows/executions?workflow=once&status=SUCCEEDED')).body;
  expect([executions.map(({ id }: Parsed) => id), next]).toEqual([['once:monday'], null]);
  expect(problemOf(await ask('GET', '/v1/workflows/executions?status=done'))).toEqual([400, 'INVALID_ARGUMENTS']);
});

test('a history is read forward, backward and page by page', async () => {
  await register('told', PASS);
  await start('told', { name: 'x' });
  await ended('told:x');
  const path = '/v1/workflows/executions/told:x/history';
  const { events } = (await ask('GET', path)).body;
  expect(events.map(({ id }: Parsed) => id)).toEqual(events.map((_each: Parsed, at: number) => at + 1));
  expect(events[1]).toMatchObject({ type: 'PassStateEntered', stateEnteredEventDetails: { name: 'First' } });
  expect((await ask('GET', `${path}?reverse=true`)).body.events).toEqual(events.toReversed());
  const page = (await ask('GET', `${path}?limit=1`)).body;
  const rest = (await ask('GET', `${path}?cursor=${encodeURIComponent(page.next)}`)).body;
  expect([...page.events, ...rest.events]).toEqual(events);
  expect((await ask('GET', `${path}?after=2`)).body).toEqual({ events: events.slice(2), next: null });
  const behind = (await ask('GET', `${path}?after=1&limit=1`)).body;
  expect(behind.events).toEqual([events[1]]);
  expect((await ask('GET', `${path}?after=1&cursor=${behind.next}`)).body.events).toEqual(events.slice(2));
  expect((await ask('GET', `${path}?after=${events.length}`)).body).toEqual({ events: [], next: null });
  for (const wrong of ['after=-1', 'after=x', 'after=1&reverse=true'])
    expect(problemOf(await ask('GET', `${path}?${wrong}`))).toEqual([400, 'INVALID_ARGUMENTS']);
});

test('what runs is stopped with its reason, and goes on when it is redriven', async () => {
  await register('slow', machine({ First: { Type: 'Wait', Seconds: 3600, End: true } }));
  await start('slow', { name: 'x' });
  const stopped = await ask('POST', '/v1/workflows/executions/slow:x/stop', { error: 'Enough', cause: 'of this' });
  expect(stopped).toMatchObject({ status: 200, body: { status: 'ABORTED', error: 'Enough', cause: 'of this' } });
  const again = await ask('POST', '/v1/workflows/executions/slow:x/redrive');
  expect(again).toMatchObject({ status: 202, body: { status: 'RUNNING', redriveCount: 1 } });
  expect(problemOf(await ask('POST', '/v1/workflows/executions/slow:x/redrive'))).toEqual([
    409,
    'EXECUTION_NOT_REDRIVABLE',
  ]);
  expect((await ask('POST', '/v1/workflows/executions/slow:x/stop')).body.status).toBe('ABORTED');
  expect(problemOf(await ask('POST', '/v1/workflows/executions/slow:nobody/stop'))).toEqual([404, 'NOT_FOUND']);
});

test('a task that waits for its token is kept alive, answered once, and by nobody without it', async () => {
  const Parameters = { FunctionName: 'desk', Payload: { 'token.$': '$$.Task.Token' } };
  const Resource = 'arn:aws:states:::lambda:invoke.waitForTaskToken';
  const First = { Type: 'Task', Resource, Parameters, HeartbeatSeconds: 60, TimeoutSeconds: 600, End: true };
  await register('asks', machine({ First }));
  await start('asks', { name: 'x' });
  const history = async (): Promise<Parsed[]> =>
    (await ask('GET', '/v1/workflows/executions/asks:x/history')).body.events;
  let submitted: Parsed;
  for (let at = 0; submitted === undefined && at < 400; at++) {
    submitted = (await history()).find(({ type }) => type === 'TaskSubmitted');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const scheduled = (await history()).find(({ type }) => type === 'TaskScheduled');
  const taskToken = JSON.parse(scheduled.taskScheduledEventDetails.parameters).token;
  const tell = (verb: string, value: object, as = 'ada'): Promise<Answer> =>
    ask('POST', `/v1/workflows/tasks/${verb}`, value, as);
  expect(await tell('heartbeat', { taskToken })).toMatchObject({ status: 200, body: {} });
  expect(problemOf(await tell('success', { taskToken: `${taskToken}x`, output: 1 }))).toEqual([
    400,
    'TASK_TOKEN_INVALID',
  ]);
  expect(problemOf(await tell('success', { output: 1 }))).toEqual([400, 'INVALID_ARGUMENTS']);
  // Another tenant's token is nobody's, and a viewer answers nothing.
  expect(problemOf(await tell('success', { taskToken, output: 1 }, 'bob'))).toEqual([400, 'TASK_TOKEN_INVALID']);
  expect(problemOf(await tell('success', { taskToken, output: 1 }, 'vic'))).toEqual([403, 'FORBIDDEN']);
  expect((await tell('success', { taskToken, output: { fine: true } })).status).toBe(200);
  expect(await ended('asks:x')).toMatchObject({ status: 'SUCCEEDED', output: { fine: true } });
  expect((await tell('failure', { taskToken, error: 'Late' })).status).toBeGreaterThanOrEqual(400);
});

test('a viewer reads, a requester starts, an administrator registers, and another tenant knows of nothing', async () => {
  await register('mine', PASS);
  await start('mine', { name: 'x' });
  expect((await ask('GET', '/v1/workflows/mine', undefined, 'vic')).status).toBe(200);
  expect(problemOf(await start('mine', {}, 'vic'))).toEqual([403, 'FORBIDDEN']);
  expect(problemOf(await ask('POST', '/v1/workflows', { name: 'mine', definition: PASS }, 'ada'))).toEqual([
    403,
    'INSUFFICIENT_SCOPE',
  ]);
  for (const [method, path] of [
    ['GET', '/v1/workflows/mine'],
    ['GET', '/v1/workflows/executions/mine:x'],
    ['GET', '/v1/workflows/executions/mine:x/history'],
    ['POST', '/v1/workflows/executions/mine:x/stop'],
    ['POST', '/v1/workflows/executions/mine:x/redrive'],
  ] as const)
    expect([path, ...(problemOf(await ask(method, path, undefined, 'bob')) as unknown[])]).toEqual([
      path,
      404,
      'NOT_FOUND',
    ]);
  expect((await ask('GET', '/v1/workflows/executions', undefined, 'bob')).body.executions).toEqual([]);
});

test('every operation on workflows has been held against the document', () => {
  const ids = ['listWorkflows', 'registerWorkflow', 'getWorkflow', 'startExecution', 'listExecutions', 'getExecution'];
  const more = ['getExecutionHistory', 'stopExecution', 'redriveExecution', 'sendTaskSuccess', 'sendTaskHeartbeat'];
  expect([...checker.seen]).toEqual(expect.arrayContaining([...ids, ...more]));
});
