/** Behind a function: tools that a real server lists only for callers who can be asked, and what becomes of its questions. */

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
  const server = { command: process.execPath, args: [everything] };
  const functions = {
    everything: await wrapped.wrap('everything', server),
    replayed: await wrapped.wrap('replayed', { ...server, questions: 'replay' }),
  };
  const mcpServers = { everything: { function: 'everything' }, replayed: { function: 'replayed' } };
  gateway = await startGateway({ config: { functions, mcpServers } });
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

const SAMPLED = {
  role: 'assistant',
  content: { type: 'text', text: 'forty-two' },
  model: 'of the test',
  stopReason: 'endTurn',
};

test.each(['everything', 'replayed'])(
  '3.2: %s: a server that samples gets what a modern caller answers',
  async (target) => {
    const wire = new WireClient({
      url: gateway.mcp,
      era: 'modern',
      token: gateway.token,
      capabilities: { sampling: {} },
    });
    const call = { name: `${target}___trigger-sampling-request`, arguments: { prompt: 'the answer', maxTokens: 10 } };
    const asked = await wire.request('tools/call', call);
    expect(asked.result?.['resultType']).toBe('input_required');
    const requests = asked.result?.['inputRequests'] as Record<string, { method: string }>;
    expect(Object.values(requests).map(({ method }) => method)).toEqual(['sampling/createMessage']);
    const inputResponses = Object.fromEntries(Object.keys(requests).map((key) => [key, SAMPLED]));
    const answered = await wire.request('tools/call', {
      ...call,
      inputResponses,
      requestState: asked.result?.['requestState'],
    });
    expect(JSON.stringify(answered.result?.['content'])).toContain('forty-two');
    expect(wire.violations).toEqual([]);
  },
);

test.each(['everything', 'replayed'])('3.2: %s: and what a caller with a session answers', async (target) => {
  const methods: string[] = [];
  const wire = await new WireClient({
    url: gateway.mcp,
    era: 'session',
    token: gateway.token,
    capabilities: { sampling: {} },
    answer: (method) => {
      methods.push(method);
      return SAMPLED;
    },
  }).open();
  const call = { name: `${target}___trigger-sampling-request`, arguments: { prompt: 'the answer', maxTokens: 10 } };
  const answered = await wire.request('tools/call', call);
  expect(methods).toEqual(['sampling/createMessage']);
  expect(JSON.stringify(answered.result?.['content'])).toContain('forty-two');
  expect(wire.violations).toEqual([]);
  await wire.close();
});
