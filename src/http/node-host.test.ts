import { connect } from 'node:net';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { exchange, textOf } from '../../tests/fixtures/http-exchange.ts';
import { startGateway } from '../testing.ts';

test('a close does not wait for a connection that has never sent a request', async () => {
  const gateway = await startGateway();
  const { port } = new URL(gateway.url);
  const socket = connect(Number(port), '127.0.0.1');
  await once(socket, 'connect');
  // The host has to have taken it, or there would be nothing to wait for.
  await fetchOnce(gateway.url);
  const closed = once(socket, 'close');
  socket.resume();
  socket.on('error', () => undefined);
  const startedMs = performance.now();
  await gateway.close({ drainMs: 5_000 });
  await closed;
  expect(performance.now() - startedMs).toBeLessThan(2_500);
});

async function fetchOnce(url: string): Promise<void> {
  const answer = await exchange({ url: `${url}/healthz`, method: 'GET', headers: {} });
  await textOf(answer.body);
}
