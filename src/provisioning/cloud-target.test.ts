import { expect, test } from 'vitest';
import { Context } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import type { Exchange, TargetCall } from '../core/target.ts';
import { systemClock } from '../adapters/embedded/system.ts';
import { silentLog } from '../../tests/fixtures/assembled.ts';
import { CloudTarget } from './cloud-target.ts';
import { CLOUD_TOOLS } from './cloud-tools.ts';
import type { CatalogEntry, ControlPlane, JobEvent } from './control-plane.ts';
import type { Job } from './job.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into freely
type Parsed = any;

const job = (more: Partial<Job> = {}): Job => ({
  requestId: 'r-1',
  tenant: 'team-x',
  env: 'dev',
  status: 'queued',
  action: 'provision',
  cloud: 'aws',
  service: 's3',
  params: {},
  resourceId: 'aws:us-east-1:s3:x',
  principal: { id: 'ada', roles: ['requester'], scopes: ['zeroplane:use'] },
  tags: {},
  createdAt: '2026-11-25T00:00:00.000Z',
  timestamp: '2026-11-25T00:00:00.000Z',
  label: 'simulated',
  plan: { steps: ['create', 'tag'], estimate: { monthlyUsd: 0, usage: [], pricesOf: '2026-11-01' } },
  fence: 0,
  round: 1,
  ...more,
});

interface Asked {
  readonly verb: string;
  readonly given: readonly unknown[];
}

/** A plane that notes what it is asked; what a test does not script must not be asked. */
function planeOf(scripted: Partial<ControlPlane>): { readonly plane: ControlPlane; readonly asked: Asked[] } {
  const asked: Asked[] = [];
  const plane = Object.fromEntries(
    Object.entries(scripted).map(([verb, act]) => [
      verb,
      (...given: unknown[]): unknown => {
        asked.push({ verb, given });
        return (act as (...all: unknown[]) => unknown)(...given);
      },
    ]),
  );
  return { plane: plane as unknown as ControlPlane, asked };
}

const context = (): Context =>
  new Context({
    principal: { id: 'ada', tenant: 'team-x', roles: ['requester'], scopes: ['zeroplane:use'] },
    requestId: 'request-1',
    clock: systemClock,
    timeoutMs: 60_000,
    log: silentLog,
  });

function callOf(name: string, args: object, idempotencyKey?: string): TargetCall {
  return {
    method: 'tools/call',
    name,
    params: [],
    meta: [],
    parsed: { name, arguments: args },
    repeatable: false,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  };
}

interface Notes {
  readonly exchange: Exchange;
  readonly progress: Parsed[];
}

function exchangeOf(wantsProgress: boolean): Notes {
  const progress: Parsed[] = [];
  const exchange: Exchange = {
    capabilities: {},
    canAsk: false,
    wantsProgress,
    notify: (_method, text) => void progress.push(JSON.parse(text)),
    ask: () => Promise.reject(new Error('nobody is asked')),
  };
  return { exchange, progress };
}

async function answerOf(plane: ControlPlane, call: TargetCall, { exchange } = exchangeOf(false)): Promise<Parsed> {
  const target = new CloudTarget({ plane: () => Promise.resolve(plane), isLive: false });
  return JSON.parse((await target.call(call, exchange, context())).text);
}

const REQUEST = { cloud: 'aws', service: 's3', params: { bucketName: 'x' }, env: 'dev' };

test.each(['provision', 'plan', 'update', 'destroy'] as const)(
  '%s submits its own action for the tenant of the caller, with the key of the call',
  async (action) => {
    const { plane, asked } = planeOf({
      submit: () => Promise.resolve({ job: job({ action }), isRepeat: false }),
      wait: () => Promise.resolve(job({ action, status: 'succeeded', result: { status: 'done' } })),
    });
    const result = await answerOf(plane, callOf(action, REQUEST, 'key-1'));
    expect(asked[0]?.given[0]).toEqual({
      body: { ...REQUEST, tenant: 'team-x', action },
      action,
      idempotencyKey: 'key-1',
    });
    expect(asked[1]?.given.slice(0, 2)).toEqual(['r-1', 20_000]);
    expect(result.structuredContent).toMatchObject({ requestId: 'r-1', status: 'succeeded' });
    expect(JSON.parse(result.content[0].text)).toEqual(result.structuredContent);
  },
);

test('a job that waits for approval is not waited for', async () => {
  const { plane, asked } = planeOf({
    submit: () => Promise.resolve({ job: job({ status: 'awaiting_approval' }), isRepeat: false }),
  });
  const result = await answerOf(plane, callOf('provision', REQUEST));
  expect(result.structuredContent.status).toBe('awaiting_approval');
  expect(asked.map(({ verb }) => verb)).toEqual(['submit']);
});

test('progress grows with each notification, stays below its total, and ends with the call', async () => {
  let tell: (event: JobEvent) => void = () => undefined;
  let isWatched = true;
  const event = (id: number, type: JobEvent['type'], data: JobEvent['data']): JobEvent => ({ id, type, at: '', data });
  const { plane } = planeOf({
    submit: () => Promise.resolve({ job: job(), isRepeat: false }),
    watch: (_id, _tenant, listener) => {
      tell = listener;
      return () => (isWatched = false);
    },
    wait: () => {
      tell(event(4, 'job-status-changed', { status: 'running' }));
      tell(event(5, 'step-started', { step: 'create' }));
      tell(event(6, 'step-ended', { step: 'create', outcome: 'retrying' }));
      for (let id = 7; id < 20; id++) tell(event(id, 'step-ended', { step: 'create', outcome: 'ok' }));
      tell(event(20, 'job-ended', { status: 'succeeded' }));
      return Promise.resolve(job({ status: 'succeeded' }));
    },
  });
  const notes = exchangeOf(true);
  await answerOf(plane, callOf('provision', REQUEST), notes);
  expect(isWatched).toBe(false);
  const values: number[] = notes.progress.map(({ progress }) => progress);
  expect(values).toEqual(values.toSorted((one, other) => one - other));
  expect(new Set(values).size).toBe(values.length);
  expect(notes.progress.every(({ progress, total }) => progress <= total)).toBe(true);
  expect(notes.progress.slice(0, 3).map(({ message }) => message)).toEqual([
    'The job is running.',
    'Step create has begun.',
    'Step create: retrying.',
  ]);
});

test('a refusal is a result that names its code and every problem, a fault of ours is none', async () => {
  const problems = [
    { pointer: '/params/a', message: 'is required' },
    { pointer: '/params/b', message: 'is not known here' },
  ];
  const { plane } = planeOf({
    submit: () => Promise.reject(new PlatformError('PROVISION_INVALID', 'Two are wrong.', { problems })),
    status: () => Promise.reject(new Error('the disk is gone')),
  });
  const refused = await answerOf(plane, callOf('provision', REQUEST));
  expect(refused).toMatchObject({ isError: true, _meta: { 'io.zeroplane/error': { code: 'PROVISION_INVALID' } } });
  expect(refused.content[0].text).toBe(
    'PROVISION_INVALID: Two are wrong.\n/params/a is required\n/params/b is not known here',
  );
  await expect(answerOf(plane, callOf('status', { requestId: 'r-1' }))).rejects.toThrow('the disk is gone');
});

test.each(['cancel', 'retry', 'rollback'] as const)('%s waits for what comes of it', async (verb) => {
  const { plane, asked } = planeOf({
    [verb]: () => Promise.resolve(job({ status: 'compensating' })),
    wait: () => Promise.resolve(job({ status: 'rolled_back' })),
  });
  const result = await answerOf(plane, callOf(verb, { requestId: 'r-1' }));
  expect([asked[0]?.given[0], result.structuredContent.status]).toEqual(['r-1', 'rolled_back']);
});

test.each(['approve', 'reject', 'cancel', 'retry', 'rollback'] as const)(
  '%s refuses an argument that nobody knows, and a comment that is too long',
  async (verb) => {
    const { plane, asked } = planeOf({ [verb]: () => Promise.resolve(job()) });
    const unknown = await answerOf(plane, callOf(verb, { requestId: 'r-1', coment: 'x' }));
    expect(unknown).toMatchObject({ isError: true });
    expect(JSON.stringify(unknown)).toContain('/coment is not known here');
    const long = await answerOf(plane, callOf(verb, { requestId: 'r-1', comment: 'x'.repeat(1_001) }));
    expect([long.isError, asked]).toEqual([true, []]);
  },
);

test.each(['approve', 'reject'] as const)('%s hands the comment on', async (verb) => {
  const { plane, asked } = planeOf({ [verb]: () => Promise.resolve(job()) });
  await answerOf(plane, callOf(verb, { requestId: 'r-1', comment: 'fits' }));
  expect(asked[0]?.given.slice(0, 2)).toEqual(['r-1', 'fits']);
});

test('lists take filters and pages, and refuse a state that there is not', async () => {
  const { plane, asked } = planeOf({
    list: () => Promise.resolve({ items: [job()], next: 'more' }),
    resources: () => Promise.resolve({ items: [], next: null }),
  });
  const jobs = await answerOf(plane, callOf('jobs', { env: 'dev', status: 'failed', limit: 5, cursor: 'c' }));
  expect(jobs.structuredContent).toMatchObject({ jobs: [{ requestId: 'r-1' }], next: 'more' });
  expect(asked[0]?.given[0]).toEqual({ env: 'dev', status: 'failed', limit: 5, cursor: 'c' });
  await answerOf(plane, callOf('resources', { cloud: 'aws', service: 's3' }));
  expect(asked[1]?.given[0]).toMatchObject({ cloud: 'aws', service: 's3' });
  expect(await answerOf(plane, callOf('jobs', { status: 'done' }))).toMatchObject({ isError: true });
  expect(await answerOf(plane, callOf('status', {}))).toMatchObject({
    isError: true,
    content: [{ text: expect.stringContaining('"requestId" is required') }],
  });
});

test('the catalog is a short list, and in full for the service that is named', async () => {
  const entry = (cloud: string, service: string): CatalogEntry => ({
    cloud,
    service,
    version: '1',
    title: 'A service.',
    actions: ['provision'],
    params: { type: 'object' },
    idempotency: 'name',
    label: 'simulated',
  });
  const { plane } = planeOf({
    catalogue: () => Promise.resolve([entry('aws', 's3'), entry('aws', 'sqs'), entry('gcp', 'storage')]),
  });
  const ofCloud = await answerOf(plane, callOf('catalog', { cloud: 'aws' }));
  expect(ofCloud.structuredContent.services.map(({ service }: Parsed) => service)).toEqual(['s3', 'sqs']);
  expect(ofCloud.structuredContent.services[0]).not.toHaveProperty('params');
  const one = await answerOf(plane, callOf('catalog', { cloud: 'aws', service: 'sqs' }));
  expect(one.structuredContent.services).toEqual([entry('aws', 'sqs')]);
  const none = await answerOf(plane, callOf('catalog', { cloud: 'aws', service: 'sqss' }));
  expect(none).toMatchObject({
    isError: true,
    content: [{ text: expect.stringContaining('There is no service "sqss" of aws. Did you mean "sqs"?') }],
  });
});

test.each([
  ['jobs', { limit: 0 }, '"limit" must be a whole number from 1 to 500'],
  ['jobs', { limit: '5' }, '"limit" must be a whole number from 1 to 500'],
  ['jobs', { stat: 'failed' }, '"stat" is no argument here. Did you mean "status"?'],
  ['jobs', { env: 7 }, '"env" must be a text'],
  ['resources', { id: 'aws:us-east-1:s3:one' }, '"id" is no argument here. There are env, cloud, service'],
  ['catalog', { limit: 5 }, '"limit" is no argument here'],
  ['status', { requestId: 'r-1', env: 'dev' }, '"env" is no argument here'],
  ['provision', { cloud: 'aws', service: 's3', tenant: 'team-y' }, '/tenant is no argument here'],
  ['destroy', { cloud: 'aws', service: 's3', action: 'plan' }, '/action is no argument here'],
])('what %s does not take is not passed over: %j', async (tool, args, words) => {
  const { plane, asked } = planeOf({});
  expect(await answerOf(plane, callOf(tool, args))).toMatchObject({
    isError: true,
    content: [{ text: expect.stringContaining(words) }],
  });
  expect(asked).toEqual([]);
});

test('every tool has schemas of both sides, and says whether it changes, destroys or may be repeated', () => {
  expect(CLOUD_TOOLS.map(({ key }) => key)).toEqual([
    'provision',
    'plan',
    'update',
    'destroy',
    'status',
    'jobs',
    'cancel',
    'approve',
    'reject',
    'retry',
    'rollback',
    'resources',
    'catalog',
  ]);
  const tools: Parsed[] = CLOUD_TOOLS.map(({ text }) => JSON.parse(text));
  for (const { name, inputSchema, outputSchema, annotations } of tools) {
    expect([name, inputSchema.type, inputSchema.additionalProperties, outputSchema.type]).toEqual([
      name,
      'object',
      false,
      'object',
    ]);
    expect(annotations).toMatchObject({ readOnlyHint: expect.any(Boolean), destructiveHint: expect.any(Boolean) });
  }
  const named = (hint: string): string[] =>
    tools.filter(({ annotations }) => annotations[hint] === true).map(({ name }) => name);
  expect(named('readOnlyHint')).toEqual(['plan', 'status', 'jobs', 'resources', 'catalog']);
  expect(named('destructiveHint')).toEqual(['update', 'destroy', 'cancel', 'reject', 'rollback']);
  // What the caller and the tool say already is not asked for again.
  expect(tools[0].inputSchema.properties).not.toHaveProperty('tenant');
  expect(tools[0].inputSchema.required).toEqual(['cloud', 'service', 'env']);
});

test('a name that is no tool is unknown', async () => {
  const { plane } = planeOf({});
  await expect(answerOf(plane, callOf('explode', {}))).rejects.toMatchObject({ code: 'UNKNOWN_NAME' });
});
