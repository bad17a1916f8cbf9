import { createRequire } from 'node:module';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import type { Clock, Logger } from '../core/ports.ts';
import type { Exchange, TargetCall, TargetChange, TargetListing } from '../core/target.ts';
import { Context } from '../core/context.ts';
import { McpTarget } from '../upstream/mcp-target.ts';
import { childEnvironment } from './environment.ts';
import { StdioConnector } from './stdio-connector.ts';

const require = createRequire(import.meta.url);
const quiet: Logger = { log: () => undefined, with: () => quiet };
const clock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
const open: McpTarget[] = [];
const folders: string[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((target) => target.close()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function start(script: string, args: readonly string[] = [], variables: Record<string, string> = {}): McpTarget {
  const environment = childEnvironment(process.env, variables);
  const clientInfo = { name: 'zeroplane', version: '0' };
  // The real servers need not wait out the graceful second when they ignore the end of their input.
  const connector = new StdioConnector({
    target: 'x',
    command: process.execPath,
    args: [script, ...args],
    environment,
    clock,
    log: quiet,
    clientInfo,
    termAfterMs: 100,
  });
  const target = new McpTarget({ id: 'x', connector, clock, log: quiet });
  open.push(target);
  return target;
}

function real(name: string): string {
  const manifest = require.resolve(`@modelcontextprotocol/${name}/package.json`);
  return path.join(path.dirname(manifest), 'dist', 'index.js');
}

const fixture = (name: string) => fileURLToPath(new URL(`../../tests/fixtures/${name}`, import.meta.url));
const context = () =>
  new Context({
    principal: { id: 'p', tenant: 't', roles: [], scopes: [] },
    requestId: 'r',
    clock,
    timeoutMs: 15_000,
    log: quiet,
  });

function caller(more: Partial<Exchange> = {}) {
  const told: [string, unknown][] = [];
  const asked: string[] = [];
  const exchange: Exchange = {
    capabilities: {},
    canAsk: false,
    wantsProgress: false,
    notify: (method, params) => void told.push([method, JSON.parse(params)]),
    ask: (method) => {
      asked.push(method);
      if (method === 'elicitation/create') return Promise.resolve('{"action":"accept","content":{"name":"Ada"}}');
      if (method === 'roots/list') return Promise.resolve('{"roots":[]}');
      return Promise.resolve('{"role":"assistant","model":"m","content":{"type":"text","text":"sampled words"}}');
    },
    ...more,
  };
  return { told, asked, exchange };
}

async function call(
  target: McpTarget,
  listing: TargetListing,
  name: string,
  args: unknown = {},
  by: Exchange = caller().exchange,
  more: Partial<TargetCall> = {},
) {
  const definition = listing.definitions.find(({ kind, key }) => kind === 'tool' && key === name);
  const params = [
    { key: 'name', text: JSON.stringify(name) },
    { key: 'arguments', text: JSON.stringify(args) },
  ];
  const request: TargetCall = {
    method: 'tools/call',
    name,
    params,
    meta: [],
    parsed: { name, arguments: args },
    repeatable: false,
    ...(definition === undefined ? {} : { definition }),
    ...more,
  };
  return JSON.parse((await target.call(request, by, context())).text) as {
    content: { text: string }[];
    [key: string]: unknown;
  };
}

describe('server-everything', () => {
  test('is listed whole, and what it offers only to clients that can be asked is called with one', async () => {
    const target = start(real('server-everything'), ['stdio']);
    const listing = await target.list(context());
    const kinds = listing.definitions.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'resource')).toHaveLength(7);
    expect(kinds.filter((kind) => kind === 'template')).toHaveLength(2);
    expect(kinds.filter((kind) => kind === 'prompt')).toHaveLength(4);
    const declaringOnly = listing.definitions.filter((definition) => definition.declaringOnly).map(({ key }) => key);
    expect(declaringOnly).toContain('trigger-elicitation-request');
    expect(declaringOnly).toContain('trigger-sampling-request');
    expect(listing).toMatchObject({
      protocolVersion: '2025-11-25',
      capabilities: { tools: {}, prompts: {}, resources: {} },
    });

    expect((await call(target, listing, 'echo', { message: 'hi' })).content[0]?.text).toBe('Echo: hi');
    const able = caller({ canAsk: true, capabilities: { elicitation: {}, sampling: {} } });
    expect(JSON.stringify(await call(target, listing, 'trigger-elicitation-request', {}, able.exchange))).toContain(
      'Ada',
    );
    expect(
      JSON.stringify(await call(target, listing, 'trigger-sampling-request', { prompt: 'p' }, able.exchange)),
    ).toContain('sampled words');
    expect(able.asked).toContain('elicitation/create');
    // A client that cannot be asked gets an answer all the same.
    expect(JSON.stringify(await call(target, listing, 'trigger-elicitation-request'))).toContain('declined');
    expect(target.status()).toMatchObject({ state: 'ready', protocolVersion: '2025-11-25' });
  });

  test('progress reaches the caller', async () => {
    const target = start(real('server-everything'), ['stdio']);
    const { exchange, told } = caller({ wantsProgress: true });
    await call(
      target,
      { definitions: [], capabilities: {} },
      'trigger-long-running-operation',
      { duration: 0.2, steps: 2 },
      exchange,
    );
    expect(told.filter(([method]) => method === 'notifications/progress').map(([, params]) => params)).toEqual([
      expect.objectContaining({ progress: 1, total: 2 }),
      expect.objectContaining({ progress: 2, total: 2 }),
    ]);
  });
});

test('server-memory keeps its graph between calls', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'zeroplane-'));
  folders.push(folder);
  const target = start(real('server-memory'), [], { MEMORY_FILE_PATH: path.join(folder, 'memory.jsonl') });
  const listing = await target.list(context());
  expect(listing.definitions.filter(({ kind }) => kind === 'tool')).toHaveLength(9);
  await call(target, listing, 'create_entities', {
    entities: [{ name: 'Ada', entityType: 'person', observations: ['counts'] }],
  });
  expect(JSON.stringify(await call(target, listing, 'read_graph'))).toContain('Ada');
});

test('server-sequential-thinking counts its thoughts in one warm process', async () => {
  const target = start(real('server-sequential-thinking'));
  const listing = await target.list(context());
  const thought = (thoughtNumber: number) =>
    call(target, listing, 'sequentialthinking', {
      thought: 'so',
      nextThoughtNeeded: true,
      thoughtNumber,
      totalThoughts: 2,
    });
  await thought(1);
  expect(JSON.stringify(await thought(2))).toContain('thoughtHistoryLength\\": 2');
});

describe('a server of 2026-07-28 made with the SDK', () => {
  test.each(['serve', 'reject'])(
    'is recognised on its first process and spoken to in its own revision (older ones: %s)',
    async (legacy) => {
      const target = start(fixture('modern-server.mjs'), [], { LEGACY: legacy });
      const listing = await target.list(context());
      expect(listing).toMatchObject({
        protocolVersion: '2026-07-28',
        instructions: 'be brief',
        serverInfo: { name: 'modern' },
      });
      expect(listing.definitions.map(({ key }) => key)).toEqual(['echo', 'ask', 'count', 'grow']);
      expect(await call(target, listing, 'echo', { text: 'hi' })).toMatchObject({
        content: [{ text: 'hi' }],
        resultType: 'complete',
      });
      expect(target.status()).toMatchObject({ children: 1, protocolVersion: '2026-07-28' });
    },
  );

  test('what it requires is handed back as it stands, and the answers complete the call', async () => {
    const target = start(fixture('modern-server.mjs'));
    const listing = await target.list(context());
    const able = caller({ canAsk: true, capabilities: { elicitation: { form: {} } } }).exchange;
    expect(await call(target, listing, 'ask', {}, able)).toMatchObject({
      resultType: 'input_required',
      inputRequests: { who: { method: 'elicitation/create' } },
    });
    const params = [
      { key: 'name', text: '"ask"' },
      { key: 'arguments', text: '{}' },
      { key: 'inputResponses', text: '{"who":{"action":"accept","content":{"name":"Ada"}}}' },
    ];
    expect(await call(target, listing, 'ask', {}, able, { params })).toMatchObject({
      content: [{ text: 'hello Ada' }],
    });
  });

  test('it hears what each caller can answer, not what another could', async () => {
    const target = start(fixture('modern-server.mjs'));
    const listing = await target.list(context());
    await expect(call(target, listing, 'ask')).rejects.toMatchObject({ rpcCode: -32021 });
  });

  test('progress reaches the caller, and changes of the list are heard', async () => {
    const target = start(fixture('modern-server.mjs'));
    const listing = await target.list(context());
    const { exchange, told } = caller({ wantsProgress: true });
    await call(target, listing, 'count', { to: 2 }, exchange);
    expect(told).toEqual([
      ['notifications/progress', { progress: 1, total: 2 }],
      ['notifications/progress', { progress: 2, total: 2 }],
    ]);
    const changed = new Promise<TargetChange>((resolve) => void target.onChange(resolve));
    await call(target, listing, 'grow');
    expect(await changed).toEqual({ kind: 'tools' });
  });
});
