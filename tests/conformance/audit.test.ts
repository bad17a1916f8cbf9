/** Every request that changes something is on record, or there is a reason why not; a new one has to be decided on. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Principal } from '../../src/core/context.ts';
import { OPERATIONS } from '../../src/http/openapi/operations.ts';
import { startGateway, type LocalInstance } from '../../src/testing.ts';
import { exchange, textOf, type Parsed } from '../fixtures/http-exchange.ts';
import { authenticatorOf, person } from '../fixtures/people.ts';
import { verifies } from './verifies.ts';

const ALL = ['zeroplane:use', 'zeroplane:admin'];
const PEOPLE: ReadonlyMap<string, Principal> = new Map([
  ['sam', person('sam', 'team-x', ['admin'], ALL)],
  ['ada', person('ada', 'team-x', ['requester'], ALL)],
  ['bob', person('bob', 'team-y', ['admin'], ALL)],
]);
const authenticator = authenticatorOf(PEOPLE);

let folder = '';
let gateway: LocalInstance;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audit-'));
  await mkdir(join(folder, 'desk'));
  await writeFile(join(folder, 'desk', 'index.mjs'), 'export const handler = async () => "somebody will look at it";');
  const desk = { handler: 'index.handler', runtime: 'nodejs24.x', code: join(folder, 'desk') };
  gateway = await startGateway({ authenticator, config: { functions: { desk } } });
});
afterAll(async () => {
  await gateway.close({ drainMs: 0 });
  await rm(folder, { recursive: true, force: true });
});

interface Asking {
  readonly body?: unknown;
  readonly as?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function ask(method: string, path: string, { body, as = 'sam', headers = {} }: Asking = {}): Promise<Parsed> {
  const answer = await exchange({
    url: gateway.url + path,
    method,
    headers: {
      authorization: `Bearer ${as}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await textOf(answer.body);
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
}

/** Asks, and is let do it. */
async function done(method: string, path: string, asking?: Asking): Promise<Parsed> {
  const { status, body } = await ask(method, path, asking);
  expect([status < 300, body]).toEqual([true, body]);
  return body;
}

/** What Sam did of late, oldest first. */
async function recordsOfSam(): Promise<Parsed[]> {
  const { records } = await done('GET', '/v1/audit?limit=500');
  return records.filter(({ entry }: Parsed) => entry.principal === 'sam').toReversed();
}

let count = 0;
const fresh = (what: string): string => `${what}-${++count}`;
const request = (more: object = {}): object => ({
  cloud: 'aws',
  action: 'provision',
  service: 's3',
  params: { bucketName: fresh('audited-bucket') },
  tenant: 'team-x',
  env: 'dev',
  ...more,
});
const HELD = { approval: { required: true } };
const WAIT = { prefer: 'wait=20' };
const held = async (): Promise<string> =>
  (await done('POST', '/v1/provision', { body: request(HELD), as: 'ada' })).requestId;
const verb = (name: string) => async (requestId: string) => done('POST', `/v2/jobs/${requestId}/${name}`);

const PASS = { StartAt: 'A', States: { A: { Type: 'Pass', End: true } } };
const NAP = { StartAt: 'A', States: { A: { Type: 'Wait', Seconds: 600, End: true } } };
const ASKING = {
  StartAt: 'A',
  States: {
    A: {
      Type: 'Task',
      Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
      Parameters: { FunctionName: 'desk', Payload: { 'token.$': '$$.Task.Token' } },
      End: true,
    },
  },
};

/** An execution that Ada started, of a machine that is registered without Sam. */
async function running(definition: object): Promise<string> {
  const name = fresh('flow');
  // What is prepared is not what is looked at: the records of it come before.
  await done('POST', '/v1/workflows', { body: { name, definition } });
  return (await done('POST', `/v1/workflows/${name}/executions`, { body: {}, as: 'ada' })).id;
}

async function tokenOf(id: string): Promise<string> {
  for (let at = 0; at < 400; at++) {
    const { events } = await done('GET', `/v1/workflows/executions/${id}/history`);
    const submitted = events.some(({ type }: Parsed) => type === 'TaskSubmitted');
    const scheduled = events.find(({ type }: Parsed) => type === 'TaskScheduled');
    if (submitted && scheduled !== undefined) return JSON.parse(scheduled.taskScheduledEventDetails.parameters).token;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${id} asks for no token`);
}

const tell =
  (what: string, more: object = {}) =>
  async (taskToken: string) =>
    done('POST', `/v1/workflows/tasks/${what}`, { body: { taskToken, ...more } });

const registered = async (): Promise<string> => {
  const name = fresh('find');
  await done('POST', '/register', { body: { ...FIND, name } });
  return `tool-${name}`;
};
const FIND = {
  type: 'tool',
  description: 'Finds.',
  lambdaArn: 'arn:aws:lambda:us-east-1:000000000000:function:desk',
  parameters: {},
};

interface Case {
  /** What has to be there first. */
  readonly before?: () => Promise<string>;
  readonly act: (prepared: string) => Promise<unknown>;
  /** `action` of each record that it leaves, in order. */
  readonly leaves: readonly string[];
  /** Where it leaves none. */
  readonly why?: string;
}

/** By the API's id of the operation. */
const CASES: Readonly<Record<string, Case>> = {
  provision: { act: () => done('POST', '/v1/provision', { body: request(HELD) }), leaves: ['job-accepted'] },
  provisionAlias: { act: () => done('POST', '/provision', { body: request(HELD) }), leaves: ['job-accepted'] },
  terminate: {
    before: async () => {
      const bucketName = fresh('audited-bucket');
      await done('POST', '/v1/provision', { body: request({ params: { bucketName } }), headers: WAIT, as: 'ada' });
      return bucketName;
    },
    act: (bucketName) => {
      const { action: _action, ...body } = request({ params: { bucketName }, ...HELD }) as { readonly action: string };
      return done('POST', '/terminate', { body });
    },
    leaves: ['job-accepted'],
  },
  cancelJob: { before: held, act: verb('cancel'), leaves: ['job-cancelled'] },
  approveJob: { before: held, act: verb('approve'), leaves: ['job-approved'] },
  rejectJob: { before: held, act: verb('reject'), leaves: ['job-rejected'] },
  retryJob: {
    before: async () => {
      const theirs = request({ tenant: 'team-y' });
      await done('POST', '/v1/provision', { body: theirs, headers: WAIT, as: 'bob' });
      const body = { ...theirs, tenant: 'team-x' };
      const failed = await done('POST', '/v1/provision', { body, headers: WAIT, as: 'ada' });
      expect(failed).toMatchObject({ status: 'failed', error: { code: 'RESOURCE_NOT_OWNED' } });
      return failed.requestId;
    },
    act: verb('retry'),
    leaves: ['job-queued'],
  },
  rollbackJob: {
    before: async () => (await done('POST', '/v1/provision', { body: request(), headers: WAIT, as: 'ada' })).requestId,
    act: verb('rollback'),
    leaves: ['job-compensating'],
  },
  offerService: {
    act: () => {
      const service = fresh('pair');
      const params = { type: 'object', properties: { name: { type: 'string' } } };
      const body = { cloud: 'aws', service, title: 'Nothing.', version: '1', params, definition: PASS };
      return done('POST', '/v1/catalog', { body });
    },
    leaves: ['workflow-registered', 'service-offered'],
  },
  registerWorkflow: {
    act: () => done('POST', '/v1/workflows', { body: { name: fresh('flow'), definition: PASS } }),
    leaves: ['workflow-registered'],
  },
  startExecution: {
    before: async () => (await running(PASS)).replace(/:.*/, ''),
    act: (name) => done('POST', `/v1/workflows/${name}/executions`, { body: {} }),
    leaves: [],
    why: 'the execution names who started it',
  },
  stopExecution: {
    before: () => running(NAP),
    act: (id) => done('POST', `/v1/workflows/executions/${id}/stop`),
    leaves: ['execution-stopped'],
  },
  redriveExecution: {
    before: async () => {
      const id = await running(NAP);
      await done('POST', `/v1/workflows/executions/${id}/stop`, { as: 'ada' });
      return id;
    },
    act: (id) => done('POST', `/v1/workflows/executions/${id}/redrive`),
    leaves: ['execution-redriven'],
  },
  sendTaskSuccess: {
    before: async () => tokenOf(await running(ASKING)),
    act: tell('success', { output: 'the secret output' }),
    leaves: ['task-succeeded'],
  },
  sendTaskFailure: {
    before: async () => tokenOf(await running(ASKING)),
    act: tell('failure', { error: 'No', cause: 'the secret cause' }),
    leaves: ['task-failed'],
  },
  sendTaskHeartbeat: {
    before: async () => tokenOf(await running(ASKING)),
    act: tell('heartbeat'),
    leaves: [],
    why: 'it moves a deadline and nothing else',
  },
};

/** `/register` is not in the document of the API. */
const REGISTER: Readonly<Record<string, Case>> = {
  'POST /register': { act: registered, leaves: ['registration-created'] },
  'POST /register?upsert=true': {
    before: registered,
    act: (id) => done('POST', '/register?upsert=true', { body: { ...FIND, name: id.slice(5) } }),
    leaves: ['registration-replaced'],
  },
  'PUT /register/{id}': {
    before: registered,
    act: (id) => done('PUT', `/register/${id}`, { body: { ...FIND, name: id.slice(5), description: 'Other.' } }),
    leaves: ['registration-replaced'],
  },
  'DELETE /register/{id}': {
    before: registered,
    act: (id) => done('DELETE', `/register/${id}`),
    leaves: ['registration-removed'],
  },
};

test('each operation that changes something is in this table, or the table has a reason', () => {
  const changing = OPERATIONS.filter(({ method }) => method !== 'get').map(({ id }) => id);
  expect(Object.keys(CASES).toSorted()).toEqual(changing.toSorted());
  for (const [id, { leaves, why }] of Object.entries({ ...CASES, ...REGISTER }))
    expect([id, leaves.length === 0]).toEqual([id, why !== undefined]);
});

describe('a request that changes something is on record with who made it', () => {
  for (const [id, { before, act, leaves }] of Object.entries({ ...CASES, ...REGISTER }))
    verifies('0.8-admin', id, async () => {
      const prepared = (await before?.()) ?? '';
      const seen = (await recordsOfSam()).length;
      await act(prepared);
      const records = (await recordsOfSam()).slice(seen);
      expect(records.map(({ entry }: Parsed) => entry.action)).toEqual(leaves);
      for (const { entry } of records) {
        expect(entry.requestId).toMatch(/^[0-9a-f-]{36}$/);
        expect(entry.resource.id).not.toBe('');
      }
      expect(JSON.stringify(records)).not.toMatch(/secret/);
    });
});

verifies('0.8-admin', 'what is refused is not on record, and one tenant sees nothing of another', async () => {
  const id = await registered();
  const seen = (await done('GET', '/v1/audit?limit=500')).records.length;
  const refused = [
    await ask('POST', '/register', { body: { ...FIND, name: 'x' }, as: 'ada' }),
    await ask('DELETE', `/register/${id}`, { as: 'ada' }),
    await ask('DELETE', `/register/${id}`, { as: 'bob' }),
    await ask('POST', '/v1/workflows', { body: { name: 'x', definition: PASS }, as: 'ada' }),
    await ask('POST', '/v1/workflows', { body: { name: 'x', definition: {} } }),
  ];
  expect(refused.map(({ status }) => status)).toEqual([403, 403, 404, 403, 400]);
  expect((await done('GET', '/v1/audit?limit=500')).records.length).toBe(seen);
  const { records } = await done('GET', '/v1/audit?limit=500', { as: 'bob' });
  expect(records.some(({ entry }: Parsed) => entry.principal === 'sam' || entry.resource.id === id)).toBe(false);
});

verifies('0.8-admin', 'the trail of all this verifies, and still has a head that was kept before', async () => {
  const { head } = await done('GET', '/v1/audit/head');
  // Registrations and jobs of one tenant race for one end of the trail.
  await Promise.all([
    ...Array.from({ length: 20 }, () => registered()),
    ...Array.from({ length: 20 }, () => done('POST', '/v1/provision', { body: request(HELD) })),
    ...Array.from({ length: 10 }, () =>
      done('POST', '/v1/workflows', { body: { name: fresh('flow'), definition: PASS } }),
    ),
  ]);
  const path = `/v1/audit/verify?head=${encodeURIComponent(head)}`;
  expect(await done('GET', path)).toMatchObject({ isIntact: true, chains: 1, problems: [] });
  const other = head.replace(/.$/, (last: string) => (last === '0' ? '1' : '0'));
  expect(await done('GET', `/v1/audit/verify?head=${encodeURIComponent(other)}`)).toMatchObject({
    isIntact: false,
    problems: [{ problem: 'missing' }],
  });
  // A misspelt "head" would verify less than was asked for.
  for (const query of ['verify?head=none', 'verify?haed=x', 'verify?head='])
    expect(await ask('GET', `/v1/audit/${query}`)).toMatchObject({ status: 400 });
});
