/** Servers that misbehave behind the whole gateway: what their callers get, and what their neighbours notice. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Answer, Gateway, Json } from './gateway-process.ts';
import { cleanUp, evil, makeFolder, percentile, seen, startGateway, until } from './gateway-process.ts';

const TIMEOUT_MS = 1_500;

/** What a caller may be told: a JSON-RPC error or a result that says it failed, never a broken exchange. */
function errorOf(answer: Answer): { code: string; message: string } | undefined {
  const error = answer.json?.['error'] as { message: string; data?: { code?: string } } | undefined;
  if (error !== undefined) return { code: error.data?.code ?? '', message: error.message };
  const result = answer.json?.['result'] as { isError?: boolean; content?: { text: string }[] } | undefined;
  if (result?.isError !== true) return undefined;
  const message = result.content?.[0]?.text ?? '';
  return { code: /^[A-Z_]+(?=:)/.exec(message)?.[0] ?? '', message };
}

describe('servers that misbehave in a call', () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await startGateway({
      results: { inlineBytes: 1_000_000 },
      mcpServers: { evil: evil({}, { timeoutMs: TIMEOUT_MS }), patient: evil(), neighbour: evil() },
    });
    await Promise.all(['evil', 'patient', 'neighbour'].map((id) => gateway.text(`${id}___echo`)));
    return cleanUp;
  });

  const isWell = async (id: string): Promise<void> => {
    expect(await gateway.text(`${id}___echo`, { n: 1 })).toBe('{"n":1}');
  };

  test.each(['crash', 'exit', 'exit-half-line', 'close-stdout'])(
    'F-50: %s is an error within a second, the next call works within another, the list stays',
    async (death) => {
      const answer = await gateway.call(`patient___${death}`);
      expect(answer.status).toBe(200);
      expect(errorOf(answer)?.code).toBe('TARGET_UNAVAILABLE');
      expect(answer.ms).toBeLessThan(1_000);
      await isWell('neighbour');
      const began = performance.now();
      expect(await gateway.tools()).toEqual(expect.arrayContaining(['patient___echo', 'neighbour___echo']));
      await isWell('patient');
      expect(performance.now() - began).toBeLessThan(1_000);
    },
  );

  test('F-50: the last words of a server that ends without a line break are its answer', async () => {
    const answer = await gateway.call('patient___exit-without-newline');
    expect(errorOf(answer) === undefined ? answer.text : 'error').toMatch(/last words|error/);
    await isWell('patient');
  });

  test.each(['hang', 'half-line', 'wrong-id', 'jsonrpc-1'])(
    'F-51: %s is one error at the deadline, and the stray answer reaches nobody',
    async (fault) => {
      const answer = await gateway.call(`evil___${fault}`);
      const error = errorOf(answer);
      expect(error?.code).toMatch(/TARGET_TIMEOUT|TARGET_PROTOCOL_ERROR/);
      expect(answer.text).not.toContain('stray');
      if (error?.code === 'TARGET_TIMEOUT') expect(Math.abs(answer.ms - TIMEOUT_MS)).toBeLessThan(250);
      await isWell('neighbour');
      if (fault !== 'half-line') await isWell('evil');
    },
  );

  test.each(['null-result', 'malformed-error', 'invalid-utf8'])('F-51: %s is a clean error at once', async (fault) => {
    const answer = await gateway.call(`patient___${fault}`);
    expect(errorOf(answer)).toBeDefined();
    expect(answer.text).not.toMatch(/\bat .*\.(ts|js):\d+/);
    await isWell('patient');
  });

  test.each([
    ['garbage', {}, 'after'],
    ['duplicate', {}, 'first'],
    ['drip', {}, 'drip äöü €'],
    ['string-id', {}, 'as text'],
    ['stderr-flood', { mib: 30 }, 'flooded'],
    ['questions', {}, 'code'],
  ])('F-52: %s does not keep the true answer from arriving', async (fault, args, expected) => {
    const before = gateway.rssMb();
    const answer = await gateway.call(`patient___${fault}`, args);
    expect(answer.text).toContain(expected);
    expect(gateway.rssMb() - before).toBeLessThan(64);
    await isWell('patient');
  });

  test.each([
    ['notify-flood', { count: 100_000, bytes: 900 }],
    ['giant-line', { mib: 50 }],
    ['giant-line', { mib: 300, closes: false }],
  ])('F-53: %s %j neither slows the neighbour nor fills memory', async (fault, args) => {
    const latency = async (isOver: () => boolean): Promise<number[]> => {
      const times: number[] = [];
      while (!isOver() || times.length < 40) {
        times.push((await gateway.call('neighbour___echo')).ms);
        await delay(5);
      }
      return times;
    };
    const quiet = percentile(await latency(() => true), 0.5);
    const before = gateway.rssMb();
    let most = before;
    const watch = setInterval(() => (most = Math.max(most, gateway.rssMb())), 20);
    const state = { isOver: false };
    // A client that takes no stream: what the server says on the way is not for it.
    const flood = gateway
      .rpc('tools/call', { name: `patient___${fault}`, arguments: args }, { headers: { accept: 'application/json' } })
      .finally(() => (state.isOver = true));
    const busy = percentile(await latency(() => state.isOver), 0.5);
    const answer = await flood;
    clearInterval(watch);
    if (fault === 'giant-line') expect(errorOf(answer)?.code).toBe('TARGET_RESPONSE_TOO_LARGE');
    else expect(answer.text.slice(0, 300)).toContain('notified');
    expect(most - before).toBeLessThan(64);
    // A gateway that took the flood in one piece would hold the neighbour for a second or more. The flooding server,
    // the gateway, this process and another suite share the processors, so the ratio is told and not judged here.
    expect(busy).toBeLessThan(quiet + 100);
    await until('the server answers again', 3_000, async () => (await gateway.call('patient___echo')).status === 200);
    seen('F-53', { fault, quietMs: quiet.toFixed(1), busyMs: busy.toFixed(1), grownMb: Math.round(most - before) });
  });

  test('F-46: a large result comes as a preview with a link', async () => {
    const { json, text } = await gateway.call('patient___echo', { text: 'x'.repeat(3_000_000) });
    expect(json?.['error']).toBeUndefined();
    expect(text.length).toBeLessThan(1_000_000);
    expect(text).toContain('zeroplane://results/');
  });
});

describe('servers that misbehave at their start', () => {
  afterEach(cleanUp);

  test('F-55, F-56: one exits, one hangs, one prints text; the others are served at once and the status says why', async () => {
    const log = path.join(makeFolder(), 'log');
    const gateway = await startGateway({
      mcpServers: {
        exits: evil({ EVIL_START: 'exit', EVIL_LOG: log }),
        hangs: evil({ EVIL_START: 'hang' }, { startTimeoutMs: 3_000 }),
        chatty: evil({ EVIL_START: 'garbage' }),
        well: evil(),
        absent: { command: '/no/such/program' },
      },
    });
    expect(gateway.startedInMs).toBeLessThan(8_000);
    const began = performance.now();
    const tools = await gateway.tools();
    const listedMs = performance.now() - began;
    expect(listedMs).toBeLessThan(1_000);
    expect(tools).toEqual(expect.arrayContaining(['chatty___echo', 'well___echo']));
    expect(await gateway.text('well___echo', { n: 1 })).toBe('{"n":1}');
    expect(await gateway.text('chatty___echo', { n: 1 })).toBe('{"n":1}');
    expect(await gateway.target('exits')).toMatchObject({
      state: 'down',
      reason: expect.stringContaining('missing licence file') as string,
    });
    expect(await gateway.target('absent')).toMatchObject({
      state: 'down',
      reason: expect.stringContaining('/no/such/program') as string,
    });
    await until('the hanging one is down', 10_000, async () => (await gateway.target('hangs'))['state'] === 'down');
    expect((await gateway.target('hangs'))['reason']).toMatch(/3000|3 s|did not/);
    const starts = (): number => readFileSync(log, 'utf8').match(/^start/gm)?.length ?? 0;
    const end = performance.now() + 5_000;
    while (performance.now() < end) {
      await gateway.call('exits___echo');
      await delay(50);
    }
    expect(starts()).toBeLessThanOrEqual(9);
    seen('F-55', { starts: starts(), startedInMs: Math.round(gateway.startedInMs), listedMs: Math.round(listedMs) });
  });
});

describe('a gateway among others', () => {
  afterEach(cleanUp);

  test('F-45: two gateways that list each other end a call with GATEWAY_LOOP', async () => {
    const first = await startGateway({ mcpServers: { well: evil() } });
    const second = await startGateway({ mcpServers: { back: { url: `${first.url}/mcp` } } });
    first.configure({ mcpServers: { well: evil(), there: { url: `${second.url}/mcp` } } });
    await until('they know each other', 10_000, async () =>
      (await first.tools()).some((tool) => tool.startsWith('there___')),
    );
    expect(await second.text('back___well___echo', { n: 1 })).toBe('{"n":1}');
    // A name that leads round and round: each gateway takes its own prefix off.
    const round = 'there___back___'.repeat(3);
    const answer = await first.call(`${round}well___echo`, { n: 1 });
    expect(answer.ms).toBeLessThan(5_000);
    expect(answer.json?.['error'], answer.text).toBeDefined();
    const headers = { 'zeroplane-hops': '4' };
    const looped = await first.rpc('tools/call', { name: 'well___echo', arguments: {} }, { headers });
    expect(looped.text).toContain('GATEWAY_LOOP');
    const nearly = await first.rpc(
      'tools/call',
      { name: 'there___back___well___echo', arguments: {} },
      { headers: { 'zeroplane-hops': '2' } },
    );
    expect(nearly.text).toContain('GATEWAY_LOOP');
    expect(await first.text('well___echo', { n: 2 })).toBe('{"n":2}');
    seen('F-45', { roundMs: Math.round(answer.ms) });
  });
});

/** A remote server of 2025-11-25 without sessions that counts what reaches it. */
async function remote() {
  let isDown = false;
  let attempts = 0;
  const server = createServer((request, response) => {
    attempts++;
    if (isDown) {
      request.socket.destroy();
      return;
    }
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
    request.on('end', () => {
      if (request.method !== 'POST') return void response.writeHead(405).end();
      const { id, method, params } = JSON.parse(body) as { id?: number; method: string; params?: Json };
      if (id === undefined) return void response.writeHead(202).end();
      const result = answers(method, params);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id, ...result }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    attempts: () => attempts,
    set: (down: boolean) => {
      isDown = down;
      attempts = 0;
      if (down) server.closeAllConnections();
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function answers(method: string, params?: Json): Json {
  if (method === 'initialize')
    return {
      result: {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'remote', version: '1' },
      },
    };
  if (method === 'tools/list') return { result: { tools: [{ name: 'echo', inputSchema: { type: 'object' } }] } };
  if (method === 'tools/call') return { result: { content: [{ type: 'text', text: JSON.stringify(params) }] } };
  return { error: { code: -32601, message: 'Method not found' } };
}

describe('F-27: a remote server that is down', () => {
  afterEach(cleanUp);

  test('sees few of 200 calls a second, its callers are answered at once, and it is used again within 30 s', async () => {
    const upstream = await remote();
    try {
      const gateway = await startGateway({ mcpServers: { remote: { url: upstream.url }, neighbour: evil() } });
      expect((await gateway.call('remote___echo', { n: 1 })).text).toContain('content');
      upstream.set(true);
      const calls: Promise<Answer>[] = [];
      const others: Promise<Answer>[] = [];
      for (let n = 0; n < 200 * 6; n++) {
        calls.push(gateway.call('remote___echo', { n }));
        if (n % 20 === 0) others.push(gateway.call('neighbour___echo', { n }));
        await delay(5);
      }
      const [failed, well] = await Promise.all([Promise.all(calls), Promise.all(others)]);
      const codes = new Map<string, number>();
      for (const answer of failed) {
        const code = errorOf(answer)?.code ?? 'ok';
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
      const during = upstream.attempts();
      seen('F-27', {
        calls: calls.length,
        upstream: during,
        codes: Object.fromEntries(codes),
        p95Ms: Math.round(
          percentile(
            failed.map(({ ms }) => ms),
            0.95,
          ),
        ),
        neighbourP95Ms: Math.round(
          percentile(
            well.map(({ ms }) => ms),
            0.95,
          ),
        ),
      });
      expect(well.every(({ status }) => status === 200)).toBe(true);
      expect(codes.get('TARGET_BREAKER_OPEN') ?? 0).toBeGreaterThan(calls.length / 2);
      // Five failures, the attempts of the open breaker, and readings of the list.
      expect(during).toBeLessThan(20);
      expect(await gateway.target('remote')).toMatchObject({ state: 'degraded' });
      expect(await gateway.tools()).toContain('remote___echo');
      upstream.set(false);
      const closedMs = await until('used again', 31_000, async () => {
        await delay(100);
        return errorOf(await gateway.call('remote___echo', { n: 1 })) === undefined;
      });
      seen('F-27', { closedMs: Math.round(closedMs) });
    } finally {
      upstream.close();
    }
  });
});
