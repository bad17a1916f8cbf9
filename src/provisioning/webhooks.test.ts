import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fakeClock } from '../../tests/contract/fake-clock.ts';
import { contextOf, memoryStore, startControlPlane, type Started } from '../../tests/fixtures/control-plane.ts';
import { thingCloud, thingService } from '../../tests/fixtures/thing-service.ts';
import { createEgress } from '../adapters/embedded/egress.ts';
import { systemClock } from '../adapters/embedded/system.ts';
import type { Clock, Item, StoreRoot } from '../core/ports.ts';
import type { StartParts } from '../../tests/fixtures/control-plane.ts';
import { DELIVERIES, signatureOf } from './webhooks.ts';

interface Received {
  readonly signature: string;
  readonly body: string;
  readonly method: string;
}

let store: StoreRoot;
let at: Started;
let received: Received[];
let answer: (response: ServerResponse, count: number) => void;
let url: string;
const server = createServer((request: IncomingMessage, response) => {
  let body = '';
  request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
  request.on('end', () => {
    received.push({ signature: String(request.headers['x-zeroplane-signature']), body, method: request.method ?? '' });
    answer(response, received.length);
  });
});

/** Later than it is, so that what would wait for seconds is due. */
const ahead = (ms: () => number): Clock => ({ ...systemClock, nowMs: () => Date.now() + ms() });

async function begin(parts: Partial<StartParts> = {}, allow: readonly string[] = ['127.0.0.1']): Promise<void> {
  store = await memoryStore();
  at = await startControlPlane({
    store,
    services: [thingService(thingCloud())],
    egress: createEgress({ allow, clock: systemClock }),
    secrets: { get: (name) => Promise.resolve(name === 'hook' ? 'the secret' : undefined) },
    ...parts,
  });
}

beforeEach(async () => {
  received = [];
  answer = (response) => response.writeHead(200).end();
  if (!server.listening) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
});
afterEach(async () => {
  await at.stop();
  await store.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function made(webhook: object): Promise<string> {
  const { requestId } = await at.submit({ params: { name: 'one' }, webhook });
  await at.ended(requestId);
  return requestId;
}

async function until(isSo: () => boolean): Promise<void> {
  const lateMs = Date.now() + 8_000;
  while (!isSo()) {
    if (Date.now() > lateMs) throw new Error('it never came to be');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('the end of a job is told, signed over time and body', async () => {
  await begin();
  const requestId = await made({ url, secretRef: 'hook' });
  await until(() => received.length === 1);
  const { signature, body, method } = received[0] as Received;
  const [, seconds = '', hex = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? [];
  expect(hex).toBe(createHmac('sha256', 'the secret').update(`${seconds}.${body}`).digest('hex'));
  expect(Math.abs(Number(seconds) - Date.now() / 1_000)).toBeLessThan(60);
  expect([method, JSON.parse(body)]).toMatchObject([
    'POST',
    { type: 'job-ended', id: `${requestId}-succeeded-1`, job: { requestId, status: 'succeeded' } },
  ]);
  expect(signatureOf('the secret', Number(seconds), body)).toBe(signature);
});

test('a receiver that fails is asked again with the same event, until it takes it', async () => {
  let aheadMs = 0;
  await begin({ clock: ahead(() => aheadMs) });
  answer = (response, count) => response.writeHead(count < 3 ? 500 : 204).end();
  await made({ url, secretRef: 'hook' });
  await until(() => received.length === 1);
  aheadMs = 10_000;
  await until(() => received.length === 2);
  aheadMs = 60_000;
  await until(() => received.length === 3);
  expect(new Set(received.map(({ body }) => body)).size).toBe(1);
  aheadMs = 3_600_000;
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(received).toHaveLength(3);
});

/** What is kept of the only delivery. */
async function kept(requestId: string): Promise<Item | undefined> {
  return store
    .store('team-x')
    .table(DELIVERIES)
    .get({ id: `${requestId}-succeeded-1` });
}

test('a private address that nobody allowed is never asked, and it is not tried again', async () => {
  let aheadMs = 0;
  await begin({ clock: ahead(() => aheadMs) }, []);
  const requestId = await made({ url, secretRef: 'hook' });
  await expect.poll(async () => (await kept(requestId))?.['status']).toBe('given-up');
  expect(await kept(requestId)).toMatchObject({ attempts: 1, lastError: expect.stringContaining('127.0.0.1') });
  // Who asked hears of it, and nothing about the network here.
  expect((await at.plane.status(requestId, contextOf())).webhook).toEqual({
    status: 'given-up',
    attempts: 1,
    reason: 'The address is none that callers may have asked from here.',
  });
  aheadMs = 3_600_000;
  await at.provisioning.sweep();
  expect([received, (await kept(requestId))?.['attempts']]).toEqual([[], 1]);
});

test('the status of a job says whether its end was told, and why not', async () => {
  await begin();
  answer = (response, count) => response.writeHead(count < 2 ? 503 : 200).end();
  const requestId = await made({ url, secretRef: 'hook' });
  const state = async () => (await at.plane.status(requestId, contextOf())).webhook;
  await expect.poll(state).toEqual({ status: 'pending', attempts: 1, reason: 'The receiver answered 503.' });
  await expect.poll(state, { timeout: 8_000 }).toEqual({ status: 'delivered', attempts: 2 });
  const { requestId: without } = await at.submit({ params: { name: 'two' } });
  await at.ended(without);
  expect((await at.plane.status(without, contextOf())).webhook).toBeUndefined();
});

test('a redirect is not followed: it is no success, and asked again', async () => {
  let aheadMs = 0;
  await begin({ clock: ahead(() => aheadMs) });
  answer = (response, count) =>
    count === 1
      ? response.writeHead(307, { location: `${url}/elsewhere` }).end()
      : response.writeHead(202).end('taken');
  const requestId = await made({ url, secretRef: 'hook' });
  await expect.poll(async () => (await kept(requestId))?.['lastError']).toContain('307');
  aheadMs = 10_000;
  await expect.poll(async () => (await kept(requestId))?.['status']).toBe('delivered');
  expect(received).toHaveLength(2);
});

test('a receiver that is not there is asked again, and given up after a day', async () => {
  let aheadMs = 0;
  await begin({ clock: ahead(() => aheadMs) });
  const requestId = await made({ url: 'http://127.0.0.1:1/', secretRef: 'hook' });
  await expect.poll(async () => (await kept(requestId))?.['attempts']).toBe(1);
  aheadMs = 10_000;
  await expect.poll(async () => (await kept(requestId))?.['attempts']).toBe(2);
  expect(await kept(requestId)).toMatchObject({ status: 'pending' });
  aheadMs = 25 * 3_600_000;
  await expect.poll(async () => (await kept(requestId))?.['status']).toBe('given-up');
});

test('a delivery that a process could not finish is made by the next, under the same event id', async () => {
  await begin();
  answer = () => undefined;
  await made({ url, secretRef: 'hook' });
  await until(() => received.length === 1);
  const beganMs = Date.now();
  await at.stop();
  expect(Date.now() - beganMs).toBeLessThan(2_000);
  answer = (response) => response.writeHead(200).end();
  at = await startControlPlane({
    store,
    services: [],
    clock: ahead(() => 10_000),
    egress: createEgress({ allow: ['127.0.0.1'], clock: systemClock }),
    secrets: { get: () => Promise.resolve('the secret') },
  });
  await until(() => received.length === 2);
  expect(received[1]?.body).toBe(received[0]?.body);
});

test('without its secret nothing is sent, and the reason is kept', async () => {
  await begin();
  const requestId = await made({ url, secretRef: 'unknown' });
  await expect.poll(async () => (await kept(requestId))?.['lastError']).toContain('"unknown"');
  expect([received, (await kept(requestId))?.['status']]).toEqual([[], 'pending']);
});

test('a receiver that hangs holds up neither the job nor the deliveries of others', async () => {
  await begin();
  answer = (response, count) => (count === 1 ? undefined : response.writeHead(200).end());
  const requestId = await made({ url, secretRef: 'hook' });
  await until(() => received.length === 1);
  expect((await at.ended(requestId)).status).toBe('succeeded');
  const other = await at.submit({ params: { name: 'two' }, webhook: { url, secretRef: 'hook' } });
  await at.ended(other.requestId);
  await expect.poll(async () => (await kept(other.requestId))?.['status']).toBe('delivered');
});

test('of an answer only the status counts: a body that never ends is not waited for', async () => {
  await begin();
  answer = (response) => void response.writeHead(200, { 'content-type': 'text/plain' }).write('.');
  const requestId = await made({ url, secretRef: 'hook' });
  await expect.poll(async () => (await kept(requestId))?.['status']).toBe('delivered');
  expect(received).toHaveLength(1);
});

test('a receiver that takes too long is let go after ten seconds', async () => {
  const clock = fakeClock();
  await begin({ egress: createEgress({ allow: ['127.0.0.1'], clock }) });
  answer = () => undefined;
  const requestId = await made({ url, secretRef: 'hook' });
  await until(() => received.length === 1);
  expect((await kept(requestId))?.['attempts']).toBe(0);
  clock.advance(10_000);
  await expect.poll(async () => (await kept(requestId))?.['attempts']).toBe(1);
  expect(await kept(requestId)).toMatchObject({ status: 'pending' });
});

test('a secret that was replaced since the job was accepted signs with what it is now', async () => {
  let secret = 'the old one';
  let aheadMs = 0;
  await begin({ clock: ahead(() => aheadMs), secrets: { get: () => Promise.resolve(secret) } });
  answer = (response, count) => response.writeHead(count === 1 ? 500 : 200).end();
  await made({ url, secretRef: 'hook' });
  await until(() => received.length === 1);
  secret = 'the new one';
  aheadMs = 10_000;
  await until(() => received.length === 2);
  const signers = received.map(({ signature, body }) => {
    const seconds = Number(/^t=(\d+)/.exec(signature)?.[1]);
    return ['the old one', 'the new one'].find((each) => signatureOf(each, seconds, body) === signature);
  });
  expect(signers).toEqual(['the old one', 'the new one']);
});

test('a secret that was withdrawn signs nothing that was accepted before, and what is left goes out once it is back', async () => {
  let isGiven = true;
  let aheadMs = 0;
  await begin({ clock: ahead(() => aheadMs), maySignWith: () => isGiven });
  answer = (response, count) => response.writeHead(count === 1 ? 500 : 200).end();
  const requestId = await made({ url, secretRef: 'hook' });
  await until(() => received.length === 1);
  await expect.poll(async () => (await kept(requestId))?.['attempts']).toBe(1);
  isGiven = false;
  aheadMs = 10_000;
  await expect.poll(async () => (await kept(requestId))?.['lastError']).toContain('withdrawn');
  expect([received.length, (await kept(requestId))?.['status']]).toEqual([1, 'pending']);
  isGiven = true;
  aheadMs = 60_000;
  await expect.poll(async () => (await kept(requestId))?.['status']).toBe('delivered');
  expect(received).toHaveLength(2);
});

test('a secret of another tenant, or of nobody, signs nothing, and both are refused in the same words', async () => {
  await begin({ maySignWith: (name, tenant) => name === 'hook' && tenant === 'team-y' });
  const asked = (secretRef: string): Promise<unknown> =>
    at.submit({ params: { name: 'one' }, webhook: { url, secretRef } }).then(
      () => 'accepted',
      ({ code, details }) => [code, details],
    );
  const refusal = await asked('hook');
  expect(refusal).toMatchObject(['PROVISION_INVALID', { problems: [{ pointer: '/webhook/secretRef' }] }]);
  expect(await asked('nothing')).toEqual(refusal);
  expect((await at.plane.list({}, contextOf())).items).toEqual([]);
});
