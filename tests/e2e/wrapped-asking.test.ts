/** Behind a function: tools that a server lists only for callers who can be asked. */

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGateway } from '../../src/testing.ts';
import type { LocalInstance } from '../../src/testing.ts';
import { WireClient } from '../fixtures/wire-client.ts';
import { WrappedFunctions } from '../fixtures/wrapped.ts';

const require = createRequire(import.meta.url);
const everything = join(
  dirname(require.resolve('@modelcontextprotocol/server-everything/package.json')),
  'dist/index.js',
);
const ASKS = 'everything___trigger-elicitation-request';

let wrapped: WrappedFunctions;
let gateway: LocalInstance;

beforeAll(async () => {
  wrapped = await WrappedFunctions.create();
  const functions = { everything: await wrapped.wrap('everything', { command: process.execPath, args: [everything] }) };
  gateway = await startGateway({ config: { functions, mcpServers: { everything: { function: 'everything' } } } });
});
afterAll(async () => {
  await gateway.close();
  await wrapped.close();
});

test.each(['modern', 'stateless'] as const)(
  'a %s caller who cannot be asked finds such a tool and hears why it gets no answer',
  async (era) => {
    const wire = new WireClient({ url: gateway.mcp, era, token: gateway.token });
    const listed = await wire.request('tools/list');
    expect(JSON.stringify(listed.result)).toContain(ASKS);
    const called = await wire.request('tools/call', { name: ASKS, arguments: {} });
    expect(called.result?.['isError']).toBe(true);
    expect(JSON.stringify(called.result)).toContain('CLIENT_CANNOT_ANSWER');
    expect(JSON.stringify(called.result)).not.toContain('not found');
    expect(wire.violations).toEqual([]);
  },
);
