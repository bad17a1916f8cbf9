import { expect, test } from 'vitest';
import { fakeClock } from '../../tests/contract/fake-clock.ts';
import { silentLog } from '../../tests/fixtures/assembled.ts';
import type { Reply, Sink } from '../gateway/reply.ts';
import type { HttpRequest } from '../http/pipeline.ts';
import { StdioHost } from './stdio-host.ts';

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

const json = (body: string, headers: Record<string, string> = {}): Reply => ({ status: 200, headers, body });
const rpc = (id: unknown, method: string, params: object = {}): string =>
  JSON.stringify({ jsonrpc: '2.0', ...(id === undefined ? {} : { id }), method, params });

/** Feeds lines to a host whose gateway is the function given. */
async function serve(
  lines: readonly string[] | AsyncIterable<Uint8Array>,
  handle: (request: HttpRequest, body: string) => Reply | Promise<Reply>,
): Promise<string[]> {
  const written: string[] = [];
  async function* input(): AsyncIterable<Uint8Array> {
    for (const line of lines as readonly string[]) yield await Promise.resolve(Buffer.from(`${line}\n`));
  }
  const host = new StdioHost({
    path: '/mcp',
    input: Array.isArray(lines) ? input() : (lines as AsyncIterable<Uint8Array>),
    write: (line) => void written.push(line),
    handle: async (request) => handle(request, Buffer.from(await request.readBody()).toString('utf8')),
    clock: fakeClock(),
    log: silentLog,
  });
  await host.run();
  return written;
}

test('a modern message carries the headers that mirror it', async () => {
  const seen: HttpRequest['headers'][] = [];
  await serve([rpc(1, 'tools/call', { name: 'grüße', _meta: META })], (request) => {
    seen.push(request.headers);
    return json('{"jsonrpc":"2.0","id":1,"result":{}}');
  });
  expect(seen[0]).toMatchObject({
    host: '127.0.0.1',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': `=?base64?${Buffer.from('grüße').toString('base64')}?=`,
  });
  expect(seen[0]).not.toHaveProperty('mcp-session-id');
});

test('what comes after a handshake waits for it, and carries its session and version', async () => {
  const seen: [string, HttpRequest['headers']][] = [];
  const lines = [rpc(1, 'initialize'), rpc(2, 'tools/list'), rpc(undefined, 'notifications/initialized')];
  await serve(lines, async (request, body) => {
    seen.push([request.method, request.headers]);
    if (!body.includes('initialize"')) return json('');
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    return json('{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18"}}', { 'mcp-session-id': 's1' });
  });
  const own = { 'mcp-session-id': 's1', 'mcp-protocol-version': '2025-06-18' };
  expect(seen[0]?.[1]).not.toHaveProperty('mcp-session-id');
  expect(seen.slice(1)).toEqual([
    ['POST', expect.objectContaining(own)],
    ['POST', expect.objectContaining(own)],
    // The stream of what the server says by itself.
    ['GET', expect.objectContaining(own)],
  ]);
});

test('a refusal that was made before the message was read gets the id of its request', async () => {
  const refusal = '{"jsonrpc":"2.0","id":null,"error":{"code":429,"message":"too many"}}';
  const [line = ''] = await serve([rpc('a', 'tools/list')], () => json(refusal));
  expect(JSON.parse(line)).toEqual({ jsonrpc: '2.0', id: 'a', error: { code: 429, message: 'too many' } });
});

test('a notification that is refused is logged and not answered', async () => {
  const refusal = '{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}';
  expect(await serve([rpc(undefined, 'notifications/x')], () => json(refusal))).toEqual([]);
});

test('one message is one line, however it was laid out', async () => {
  const written = await serve([rpc(1, 'tools/list')], () => json('{"jsonrpc":"2.0",\n"id":1,\r\n"result":{}}'));
  expect(written).toEqual(['{"jsonrpc":"2.0", "id":1, "result":{}}\n']);
});

test('the messages of a stream come in order, without what keeps it alive', async () => {
  const open = (sink: Sink): void => {
    sink.write(': keep-alive\n\nid: 1\nevent: message\ndata: {"a":1}\n');
    sink.write('\nid: 2\ndata:\n\ndata: {"b":2}\n\n');
    sink.end();
  };
  const written = await serve([rpc(1, 'tools/call')], () => ({ status: 200, headers: {}, body: { open } }));
  expect(written).toEqual(['{"a":1}\n', '{"b":2}\n']);
});

test('a line over 4 MiB is refused, and the next one is served', async () => {
  const bodies: string[] = [];
  const written = await serve([`"${'x'.repeat(4 * 1024 * 1024)}"`, rpc(2, 'ping')], (_, body) => {
    bodies.push(body);
    return json('{"jsonrpc":"2.0","id":2,"result":{}}');
  });
  expect(bodies).toEqual([rpc(2, 'ping')]);
  expect(JSON.parse(written[0] ?? '')).toMatchObject({ id: null, error: { code: -32600 } });
  expect(written).toHaveLength(2);
});

test('a cancelled modern request is disconnected, a legacy one is told of it', async () => {
  const gone: string[] = [];
  const bodies: string[] = [];
  const lines = [
    rpc('slow', 'tools/call', { name: 'x', _meta: META }),
    rpc(undefined, 'notifications/cancelled', { requestId: 'slow', _meta: META }),
    rpc(undefined, 'notifications/cancelled', { requestId: 7 }),
  ];
  const written = await serve(lines, (request, body) => {
    bodies.push(body);
    if (!body.includes('"slow"')) return json('');
    return new Promise((resolve) => {
      request.onDisconnect(() => {
        gone.push('slow');
        resolve({ status: 499, headers: {}, body: '' });
      });
    });
  });
  expect([gone, bodies.length, written]).toEqual([['slow'], 2, []]);
});
