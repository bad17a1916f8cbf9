import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Running } from '../fixtures/child.ts';
import type { GatewayReady } from '../fixtures/gateway.ts';
import type { Json, WireEra } from '../fixtures/wire-client.ts';
import type { Revision } from '../oracle/check-wire.ts';
import { fixtureServer } from '../fixtures/child.ts';
import { fixtureCommand, startGateway } from '../fixtures/gateway.ts';
import { WireClient } from '../fixtures/wire-client.ts';
import { WrappedFunctions } from '../fixtures/wrapped.ts';

const remotes: Running<{ url: string }>[] = [];
let gateway: Running<GatewayReady>;
let wrapped: WrappedFunctions;

beforeAll(async () => {
  remotes.push(
    ...(await Promise.all([fixtureServer('http-modern'), fixtureServer('http-legacy'), fixtureServer('http-sse')])),
  );
  wrapped = await WrappedFunctions.create();
  const old = fixtureCommand('stdio-legacy');
  const functions = {
    // One instance, so that the answers to a held call's questions find it.
    'wrapped-old': { ...(await wrapped.wrap('old', { ...old, streaming: true, questions: 'hold' })), concurrency: 1 },
    'wrapped-replay': await wrapped.wrap('replay', {
      ...old,
      streaming: true,
      questions: 'replay',
      stateKey: 'the same in every instance',
    }),
    'wrapped-new': await wrapped.wrap('new', { ...fixtureCommand('stdio'), streaming: true }),
  };
  const [modern = '', sessions = '', sse = ''] = remotes.map((remote) => remote.ready.url);
  gateway = await startGateway(() => ({
    mcpServers: {
      modern: { url: modern },
      sessions: { url: sessions },
      stream: { url: sse },
      'stdio-old': fixtureCommand('stdio-legacy'),
      'stdio-new': fixtureCommand('stdio'),
      'function-hold': { function: 'wrapped-old' },
      'function-replay': { function: 'wrapped-replay' },
      'function-new': { function: 'wrapped-new' },
    },
    functions,
  }));
}, 40_000);

afterAll(async () => {
  await gateway?.stop();
  await Promise.all([...remotes.map((remote) => remote.stop()), wrapped?.close()]);
});

const callers: { era: WireEra; version: Revision; asks: boolean }[] = [
  { era: 'modern', version: '2026-07-28', asks: true },
  { era: 'session', version: '2025-11-25', asks: true },
  { era: 'session', version: '2025-06-18', asks: true },
  { era: 'session', version: '2025-03-26', asks: false },
  { era: 'stateless', version: '2025-11-25', asks: false },
  { era: 'sse', version: '2024-11-05', asks: false },
];
const targets = 'modern sessions stream stdio-old stdio-new function-hold function-replay function-new'.split(' ');

async function connect(
  { era, version, asks }: (typeof callers)[number],
  onMessage?: (message: Json) => void,
): Promise<WireClient> {
  const url = era === 'sse' ? `${gateway.ready.url}/sse` : gateway.ready.mcp;
  const capabilities = asks ? { elicitation: {} } : {};
  const answer = () => ({ action: 'accept', content: { response: 'Ada' } });
  return new WireClient({
    url,
    era,
    version,
    token: gateway.ready.token,
    capabilities,
    answer,
    ...(onMessage === undefined ? {} : { onMessage }),
  }).open();
}

const textOf = (result: Json | undefined): string => JSON.stringify(result?.['content'] ?? result);

describe.each(callers)('a caller of $version ($era)', (caller) => {
  test.each(targets)('reaches the target "%s" in full', async (target) => {
    const told: Json[] = [];
    const wire = await connect(caller, (message) => told.push(message));
    const call = (name: string, args: Json = {}, meta?: Json) =>
      wire.complete('tools/call', { name: `${target}___${name}`, arguments: args }, meta === undefined ? {} : { meta });

    expect(textOf((await call('test_simple_text')).result)).toContain('simple text');
    expect((await call('test_error_handling')).result?.['isError']).toBe(true);
    expect((await call('missing')).error?.code).toBe(-32602);
    const read = await wire.request('resources/read', { uri: `${target}+test://static-text` });
    expect(JSON.stringify(read.result)).toContain('A static text.');
    const prompt = await wire.request('prompts/get', {
      name: `${target}___test_prompt_with_arguments`,
      arguments: { arg1: 'a', arg2: 'b' },
    });
    expect(JSON.stringify(prompt.result)).toContain("arg1='a'");

    if (caller.era !== 'stateless') {
      await call('test_tool_with_progress', {}, { progressToken: 'token' });
      const progress = told
        .filter((message) => message['method'] === 'notifications/progress')
        .map((message) => message['params'] as Json);
      expect(progress.map((params) => [params['progressToken'], params['progress']])).toEqual([
        ['token', 0],
        ['token', 50],
        ['token', 100],
      ]);
    }

    const asked = await call('test_elicitation', { message: 'Who?' });
    if (caller.asks) expect(textOf(asked.result)).toContain('action=accept');
    else expect(textOf(asked.result ?? { ...asked.error })).not.toContain('action=accept');

    await wire.close();
    expect(wire.violations).toEqual([]);
  });
});

// Last in this file, because it leaves questions behind.
test.each(['sessions', 'stdio-old'])(
  'questions that nobody answers keep no later call of "%s" waiting',
  async (target) => {
    const wire = await connect({ era: 'modern', version: '2026-07-28', asks: true });
    const call = (name: string) =>
      wire.request('tools/call', { name: `${target}___${name}`, arguments: { message: 'Anybody?' } });
    for (let left = 0; left < 6; left++) {
      expect((await call('test_elicitation')).result?.['resultType']).toBe('input_required');
    }
    expect(textOf((await call('test_simple_text')).result)).toContain('simple text');
    await wire.close();
  },
);
