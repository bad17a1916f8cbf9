import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { systemClock } from '../adapters/embedded/system.ts';
import { isStream } from '../gateway/reply.ts';
import { relayTo } from './relay.ts';

const MIB = 1_048_576;
const TOTAL = 64 * MIB;

test('while the client does not read, no more is read from the instance than it has room for', async () => {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end('x'.repeat(TOTAL));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const relay = relayTo({ url, token: '', pid: 1 }, () => Promise.resolve(undefined), systemClock);
    const reply = await relay({
      method: 'GET',
      path: '/mcp',
      query: '',
      headers: {},
      duplicates: [],
      readBody: () => Promise.resolve(new Uint8Array()),
      onDisconnect: () => undefined,
    });
    if (!isStream(reply.body)) throw new Error('no stream');
    let received = 0;
    let isReading = false;
    const { body } = reply;
    const ended = new Promise<void>((resolve) => {
      body.open({
        write: (text) => void (received += text.length),
        end: resolve,
        abort: resolve,
        get buffered() {
          return isReading ? 0 : received;
        },
        onClose: () => undefined,
      });
    });
    await delay(200);
    expect(received).toBeGreaterThan(MIB);
    expect(received).toBeLessThan(2 * MIB);
    isReading = true;
    await ended;
    expect(received).toBe(TOTAL);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
