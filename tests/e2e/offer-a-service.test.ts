/** The service that docs/how-to/offer-a-service.md offers: as printed it is taken, made, undone and removed. */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGateway, type LocalInstance } from '../../src/testing.ts';

const page = readFileSync(new URL('../../docs/how-to/offer-a-service.md', import.meta.url), 'utf8');
const [, offer = ''] = /```json\n([\s\S]*?)```/.exec(page) ?? [];

let gateway: LocalInstance;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close({ drainMs: 0 }));

// oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into freely
type Answer = { readonly status: number; readonly body: any };

async function post(path: string, body: string): Promise<Answer> {
  const headers = { authorization: `Bearer ${gateway.token}`, 'content-type': 'application/json', prefer: 'wait=25' };
  const response = await fetch(`${gateway.url}${path}`, { method: 'POST', headers, body });
  return { status: response.status, body: await response.json() };
}

const ask = (action: string, more: object): Promise<Answer> =>
  post(
    '/v1/provision',
    JSON.stringify({ cloud: 'aws', service: 'inbox', tenant: 'team-x', env: 'dev', action, ...more }),
  );

async function held(): Promise<string[]> {
  const headers = { authorization: `Bearer ${gateway.token}` };
  const response = await fetch(`${gateway.url}/v2/resources`, { headers });
  const { resources } = (await response.json()) as { readonly resources: readonly { readonly id: string }[] };
  return resources.map(({ id }) => id).toSorted();
}

test('is taken as printed, and says its steps', async () => {
  expect((await post('/v1/catalog', offer)).status).toBe(201);
  const { body } = await ask('plan', { params: { name: 'orders' } });
  expect(body.result.steps).toEqual(['MakeQueue', 'MakeTable', 'Made']);
});

test('makes both parts, and its destroy removes them', async () => {
  const { body } = await ask('provision', { params: { name: 'orders' } });
  expect(body).toMatchObject({ status: 'succeeded', resourceId: 'aws:-:inbox:orders' });
  expect(body.result.outputs).toEqual({
    queue: expect.stringContaining('/orders') as unknown,
    table: expect.stringMatching(/^arn:aws:dynamodb:eu-west-1:\d+:table\/orders$/) as unknown,
  });
  expect(await held()).toEqual(['aws:-:inbox:orders', 'aws:eu-west-1:dynamodb:orders', 'aws:eu-west-1:sqs:orders']);
  expect((await ask('destroy', { id: 'aws:-:inbox:orders' })).body.status).toBe('succeeded');
  expect(await held()).toEqual([]);
});

test('takes back the first part when the name of the second is taken', async () => {
  const fault = { service: 'dynamodb', operation: 'CreateTable', fault: 'already-exists' };
  await fetch(`${gateway.clouds.aws}/_zeroplane/faults`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.token}` },
    body: JSON.stringify(fault),
  });
  const { body } = await ask('provision', { params: { name: 'letters' } });
  expect(body).toMatchObject({
    status: 'rolled_back',
    error: { code: 'RESOURCE_NOT_OWNED' },
    result: { undone: ['aws:eu-west-1:sqs:letters'] },
  });
  expect(await held()).toEqual([]);
});
