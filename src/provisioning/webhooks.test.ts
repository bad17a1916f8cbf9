import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { memoryStore, quiet, startControlPlane, type Started } from '../../tests/fixtures/control-plane.ts';
import { thingCloud, thingService } from '../../tests/fixtures/thing-service.ts';
import { createEgress } from '../adapters/embedded/egress.ts';
import { systemClock } from '../adapters/embedded/system.ts';
import type { Clock, StoreRoot } from '../core/ports.ts';
import type { StartParts } from '../../tests/fixtures/control-plane.ts';
import { signatureOf } from './webhooks.ts';

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

test('a private address that nobody allowed is never asked, and no redirect is followed', async () => {
  await begin({}, []);
  await made({ url, secretRef: 'hook' });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(received).toEqual([]);
});

test('without its secret nothing is sent', async () => {
  await begin({ log: quiet });
  await made({ url, secretRef: 'unknown' });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(received).toEqual([]);
});

test('a receiver that hangs holds up neither the job nor a stop', async () => {
  await begin();
  answer = () => undefined;
  const requestId = await made({ url, secretRef: 'hook' });
  await until(() => received.length === 1);
  expect((await at.ended(requestId)).status).toBe('succeeded');
  server.closeAllConnections();
});
