/** How the gateway ends: asked, asked twice, killed; and what is left of its children. */

import { afterEach, describe, expect, test } from 'vitest';
import { setTimeout as delay } from 'node:timers/promises';
import { WireClient } from '../fixtures/wire-client.ts';
import type { Gateway } from './gateway-process.ts';
import { cleanUp, evil, processesWith, seen, startGateway, until } from './gateway-process.ts';

afterEach(cleanUp);

const INITIALIZE = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'a', version: '1' } };
let marks = 0;
const nextMark = (): string => `ZP_MARK=fault-${process.pid}-${++marks}`;

/** A server that ignores every friendly end, with a grandchild that does the same. */
async function stubborn(mark: string): Promise<Gateway> {
  const [name = '', value = ''] = mark.split('=');
  const gateway = await startGateway({
    mcpServers: { evil: evil({ EVIL_IGNORE: '1', [name]: value }), other: evil({ [name]: value }) },
  });
  await gateway.text('evil___grandchild');
  await gateway.text('evil___detached-grandchild');
  await gateway.text('other___echo');
  expect(processesWith(mark).length).toBeGreaterThanOrEqual(4);
  return gateway;
}

async function sessionOf(gateway: Gateway): Promise<Record<string, string>> {
  const opened = await gateway.rpc('initialize', INITIALIZE);
  return { 'mcp-session-id': String(opened.headers['mcp-session-id']) };
}

describe('F-58: SIGTERM', () => {
  test('lets calls of every era end, says goodbye on streams, takes no new call, and exits with 0', async () => {
    const gateway = await startGateway({ mcpServers: { evil: evil() } });
    const url = `${gateway.url}/mcp`;
    const modern = await new WireClient({ url, era: 'modern' }).open();
    const sse = await new WireClient({ url: `${gateway.url}/sse`, era: 'sse' }).open();
    const listener = new WireClient({ url, era: 'modern' });
    const subscribed = await listener.subscribe({ toolsListChanged: true });
    const session = await sessionOf(gateway);
    const slow = { name: 'evil___slow', arguments: { ms: 1_500 } };
    const running = {
      stateless: gateway.rpc('tools/call', slow).then(({ text }) => text),
      session: gateway.rpc('tools/call', slow, { headers: session }).then(({ text }) => text),
      modern: modern.request('tools/call', slow).then((reply) => JSON.stringify(reply.result ?? reply.error)),
      sse: sse.request('tools/call', slow).then((reply) => JSON.stringify(reply.result ?? reply.error)),
    };
    await delay(400);
    const began = performance.now();
    gateway.signal('SIGTERM');
    await delay(200);
    const late = await gateway.call('evil___echo');
    expect([0, 503]).toContain(late.status);
    for (const [era, answer] of Object.entries(running))
      expect(await Promise.race([answer, delay(5_000, 'no answer')]), era).toContain('"slow"');
    expect(listener.seen.at(-1)?.message).toMatchObject({ id: subscribed.id, result: { resultType: 'complete' } });
    const ended = await gateway.ended;
    const tookMs = performance.now() - began;
    expect(ended).toEqual({ code: 0, signal: null });
    // The calls ended 1.1 s after the signal; nobody else is waited for.
    expect(tookMs).toBeLessThan(4_000);
    seen('F-58', { tookMs: Math.round(tookMs), late: late.status });
  });

  test('cuts a call that outlasts the drain time, and leaves nothing running', async () => {
    const mark = nextMark();
    const gateway = await stubborn(mark);
    const call = gateway.call('evil___hang');
    await delay(200);
    const began = performance.now();
    gateway.signal('SIGTERM');
    expect((await call).status).not.toBe(200);
    const ended = await gateway.ended;
    const tookMs = performance.now() - began;
    expect(ended.code).toBe(0);
    expect(tookMs).toBeLessThan(16_000);
    await until('all children gone', 5_000, () => processesWith(mark).length === 0);
    seen('F-58 drain', { tookMs: Math.round(tookMs) });
  });

  test('a second time ends at once with 143; stubborn children and their children are gone within 5 s', async () => {
    const mark = nextMark();
    const gateway = await stubborn(mark);
    void gateway.call('evil___hang');
    await delay(200);
    gateway.signal('SIGTERM');
    await delay(300);
    const began = performance.now();
    gateway.signal('SIGTERM');
    const ended = await gateway.ended;
    expect(ended.code).toBe(143);
    expect(performance.now() - began).toBeLessThan(1_000);
    const goneMs = await until('all children gone', 5_000, () => processesWith(mark).length === 0);
    seen('F-58 second', { goneMs: Math.round(goneMs) });
  });

  test('SIGINT exits with 130', async () => {
    const gateway = await startGateway({ mcpServers: { evil: evil() } });
    gateway.signal('SIGINT');
    expect(await gateway.ended).toEqual({ code: 130, signal: null });
  });
});

describe('F-54: children of a gateway that ends', () => {
  test('in order: none is left 5 s later', async () => {
    const mark = nextMark();
    const gateway = await stubborn(mark);
    gateway.signal('SIGTERM');
    await gateway.ended;
    const goneMs = await until('all children gone', 5_000, () => processesWith(mark).length === 0);
    seen('F-54 stop', { goneMs: Math.round(goneMs) });
  });

  test('by SIGKILL: none is left 2 s later', async () => {
    const mark = nextMark();
    const gateway = await stubborn(mark);
    gateway.signal('SIGKILL');
    await gateway.ended;
    const goneMs = await until('all children gone', 2_000, () => processesWith(mark).length === 0);
    seen('F-54 kill', { goneMs: Math.round(goneMs) });
  });
});
