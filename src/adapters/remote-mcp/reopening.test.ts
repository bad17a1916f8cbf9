import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { textOf } from '../../../tests/fixtures/http-exchange.ts';
import { Context } from '../../core/context.ts';
import type { Clock } from '../../core/ports.ts';
import { createEgress } from '../embedded/egress.ts';
import { createHttpConnector } from './http-connector.ts';

/** A minute and a half of this clock in two seconds. */
const SPEED = 45;
const SECONDS = 90;
const clock: Clock = {
  nowMs: () => Date.now() * SPEED,
  monotonicMs: () => performance.now() * SPEED,
  after: (delayMs, run) => {
    const timer = setTimeout(run, Math.min(delayMs / SPEED, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
};
const quiet = { log: () => undefined, with: () => quiet };
const principal = { id: 'p', tenant: 't', roles: [], scopes: [] };

interface Asked {
  readonly id?: number;
  readonly method: string;
}

type Answer = (message: Asked, response: ServerResponse) => unknown;

const json = (response: ServerResponse, id: number | undefined, result: unknown): unknown =>
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, result }));
const events = (response: ServerResponse, text: string): unknown =>
  response.writeHead(200, { 'content-type': 'text/event-stream' }).end(text);

const modern =
  (listen: Answer) =>
  (message: Asked, response: ServerResponse): unknown =>
    message.method === 'subscriptions/listen'
      ? listen(message, response)
      : json(response, message.id, {
          supportedVersions: ['2026-07-28'],
          capabilities: { tools: { listChanged: true } },
          resultType: 'complete',
        });

function legacy({ id, method }: Asked, response: ServerResponse): unknown {
  if (method === 'server/discover') return response.writeHead(400).end();
  if (id === undefined) return response.writeHead(202).end();
  return json(response, id, {
    protocolVersion: '2025-11-25',
    capabilities: { tools: { listChanged: true } },
    serverInfo: { name: 'x', version: '1' },
  });
}

/** How often a server is listened to in {@link SECONDS}, whose streams end as `answer` has it. */
async function listens(answer: Answer): Promise<number> {
  let count = 0;
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<unknown> => {
    if (request.method === 'GET') {
      count++;
      return events(response, ': bye\n\n');
    }
    const message = JSON.parse(await textOf(request)) as Asked;
    if (message.method === 'subscriptions/listen') count++;
    return answer(message, response);
  };
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const egress = createEgress({ clock });
  const connector = createHttpConnector({
    target: 'docs',
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    origin: 'operator',
    egress,
    clock,
    clientInfo: { name: 'zeroplane', version: '0' },
  });
  try {
    const context = new Context({ principal, requestId: 'r', clock, log: quiet, timeoutMs: 1e6 });
    const conversation = await connector.open({ declare: {}, context, timeoutMs: 1e6 });
    await delay((SECONDS * 1_000) / SPEED);
    await conversation.close();
    return count;
  } finally {
    await connector.close();
    egress.close();
    server.closeAllConnections();
    server.close();
  }
}

test.each<[string, Answer]>([
  ['is answered at once', modern(({ id }, response) => json(response, id, { resultType: 'complete' }))],
  [
    'is a stream that is over at once',
    modern(({ id }, response) =>
      events(response, `data: {"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete"}}\n\n`),
    ),
  ],
  ['ends at once without an answer', modern((_, response) => events(response, ': bye\n\n'))],
  ['of 2025-11-25 ends at once', legacy],
])('a stream of changes that %s is opened again, but not every second', async (_, answer) => {
  const count = await listens(answer);
  // 1, 2, 4, 8, 16 and 32 seconds, each a part shorter.
  expect(count).toBeGreaterThanOrEqual(4);
  expect(count).toBeLessThanOrEqual(9);
});
