import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';

import { Context } from '../../core/context.ts';
import type { Exchange, TargetCall } from '../../core/target.ts';
import { McpTarget } from '../../upstream/mcp-target.ts';
import { createEgress } from '../embedded/egress.ts';
import { systemClock as clock } from '../embedded/system.ts';
import { createHttpConnector } from './http-connector.ts';

const log = { log: () => undefined, with: () => log };
const nobody: Exchange = {
  capabilities: {},
  canAsk: false,
  wantsProgress: false,
  notify: () => undefined,
  ask: () => Promise.reject(new Error('nobody can be asked')),
};

interface Message {
  readonly id: number;
  readonly method: string;
}

test.each([
  { repeatable: true, calls: 2 },
  { repeatable: false, calls: 1 },
])('a connection that breaks under a call, repeatable $repeatable: $calls sent', async ({ repeatable, calls }) => {
  let seen = 0;
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const { id, method } = JSON.parse(body) as Message;
      if (method === 'tools/call' && ++seen === 1) return request.socket.resetAndDestroy();
      const result =
        method === 'tools/call'
          ? { resultType: 'complete', content: [] }
          : { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} } };
      return response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ jsonrpc: '2.0', id, result }));
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  const egress = createEgress({ clock });
  const clientInfo = { name: 'zeroplane', version: '0' };
  const connector = createHttpConnector({ target: 'up', url, origin: 'operator', egress, clock, clientInfo });
  const target = new McpTarget({ id: 'up', connector, clock, log });
  const principal = { id: 'you', tenant: 't', roles: [], scopes: [] };
  const context = new Context({ principal, requestId: 'r', clock, timeoutMs: 5_000, log });
  const params = [{ key: 'name', text: '"echo"' }];
  const call: TargetCall = { method: 'tools/call', name: 'echo', params, meta: [], parsed: {}, repeatable };
  try {
    const outcome = target.call(call, nobody, context);
    if (repeatable) expect(JSON.parse((await outcome).text)).toMatchObject({ content: [] });
    else await expect(outcome).rejects.toMatchObject({ code: 'TARGET_UNAVAILABLE', details: { lost: true } });
    expect(seen).toBe(calls);
  } finally {
    await target.close();
    egress.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
