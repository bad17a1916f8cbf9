/** Changes while calls run: the configuration file edited again and again, registrations written and removed. */

import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { Answer, Json } from './gateway-process.ts';
import { cleanUp, environmentOf, evil, nodeChildren, percentile, registration, RUNS, seen } from './gateway-process.ts';
import { startGateway, until } from './gateway-process.ts';

afterEach(cleanUp);

/** Calls without a pause until told to stop. */
function callUntil(isOver: () => boolean, work: (n: number) => Promise<Answer>, width = 4): Promise<Answer[]> {
  const answers: Answer[] = [];
  let n = 0;
  const worker = async (): Promise<void> => {
    while (!isOver()) {
      answers.push(await work(n++));
      await delay(5);
    }
  };
  return Promise.all(Array.from({ length: width }, worker)).then(() => answers);
}

const problems = (answers: readonly Answer[]): string[] =>
  answers
    .filter(({ status, json }) => status !== 200 || json?.['error'] !== undefined)
    .map(({ status, text }) => `${status} ${text.slice(0, 300)}`);

test('F-31: a file edited ten times a second under load fails no call of an untouched server, and leaves no child', async () => {
  const changing = (n: number): Json => evil({ GENERATION: String(n) });
  const config = (n: number): Json => ({
    mcpServers: { still: evil(), changing: changing(n), ...(n % 2 === 0 ? { sometimes: evil() } : {}) },
  });
  const gateway = await startGateway(config(0));
  const still = await gateway.text('still___pid');
  const state = { isOver: false };
  const calls = callUntil(
    () => state.isOver,
    (n) => gateway.call('still___echo', { n }),
  );
  const lists = callUntil(
    () => state.isOver,
    () => gateway.rpc('tools/list'),
    1,
  );
  const edits = RUNS * 3;
  for (let n = 1; n <= edits; n++) {
    gateway.configure(config(n));
    await delay(100);
  }
  await until('the last edit is in use', 5_000, async () => {
    const text = await gateway.text('changing___environment').catch(() => '{}');
    return (JSON.parse(text) as Json)['GENERATION'] === String(edits);
  });
  state.isOver = true;
  const [called, listed] = await Promise.all([calls, lists]);
  expect(problems(called)).toEqual([]);
  expect(problems(listed)).toEqual([]);
  expect(called.length).toBeGreaterThan(100);
  for (const { text } of listed) expect(text).toContain('still___echo');
  expect(await gateway.text('still___pid')).toBe(still);
  const generations = (): string[] => [
    ...new Set(nodeChildren(gateway.pid).flatMap((pid) => /GENERATION=\d+/.exec(environmentOf(pid))?.[0] ?? [])),
  ];
  await until('children of older generations gone', 10_000, () => generations().join() === `GENERATION=${edits}`);
  // One that lists, one that calls, one for a short while that shows what clients who can be asked would see.
  expect(nodeChildren(gateway.pid).length).toBeLessThanOrEqual(9);
  const reloads = gateway.output.match(/"config-reloaded"/g)?.length ?? 0;
  expect(reloads).toBeGreaterThan(edits / 10);
  seen('F-31', { edits, reloads, calls: called.length, lists: listed.length });
});

test('F-31: calls of a server that is changed or removed are finished before it ends', async () => {
  const gateway = await startGateway({ mcpServers: { still: evil(), changing: evil(), leaving: evil() } });
  const slow = (id: string): Promise<Answer> => gateway.call(`${id}___slow`, { ms: 1_500 });
  const running = [slow('changing'), slow('leaving'), slow('still')];
  await delay(300);
  gateway.configure({ mcpServers: { still: evil(), changing: evil({ NEW: '1' }) } });
  await until('the change is in use', 5_000, async () => {
    const text = await gateway.text('changing___environment').catch(() => '{}');
    return (JSON.parse(text) as Json)['NEW'] === '1';
  });
  for (const answer of await Promise.all(running)) expect(answer.text).toContain('slow');
  const gone = await gateway.call('leaving___echo');
  expect(gone.json?.['error']).toMatchObject({ code: -32602 });
});

test('F-32: an invalid file is refused, the old one stays, the status names file, line and reason', async () => {
  const gateway = await startGateway({ mcpServers: { still: evil() } });
  for (const [text, code] of [
    ['{"mcpServers": {"still": ', 'CONFIG_SYNTAX'],
    ['{"mcpServers": {"still": {"command": "node", "argz": []}}}', 'CONFIG_UNKNOWN_KEY'],
    [
      '{"mcpServers": {"still": {"command": "node", "env": {"A": "${env:NOT_THERE_AT_ALL}"}}}}',
      'CONFIG_MISSING_VARIABLE',
    ],
  ] as const) {
    gateway.configure(text);
    await until(`refused for ${code}`, 5_000, async () =>
      JSON.stringify((await gateway.status())['config']).includes(code),
    );
    const { state, problems: found } = (await gateway.status())['config'] as { state: string; problems: Json[] };
    expect(state).toBe('invalid');
    expect(found[0]).toMatchObject({ code, file: 'zeroplane.json', line: expect.any(Number) as number });
    expect(await gateway.text('still___echo', { n: 1 })).toBe('{"n":1}');
  }
  gateway.configure({ mcpServers: { still: evil(), more: evil() } });
  await until('valid again', 5_000, async () => (await gateway.tools()).includes('more___echo'));
  expect((await gateway.status())['config']).toMatchObject({ state: 'ok' });
});

test('F-33: of two writers with the same revision one wins and the other is told with 412', async () => {
  const gateway = await startGateway({ mcpServers: {} }, { args: ['--no-samples'] });
  expect((await gateway.register('shared')).status).toBe(201);
  const put = (description: string, revision: string): Promise<Answer> => {
    const body = JSON.stringify({ ...registration('shared'), description });
    return gateway.send('PUT', '/register/tool-shared', { body, headers: { 'if-match': revision } });
  };
  for (let round = 0; round < RUNS; round++) {
    const { etag } = (await gateway.send('GET', '/register/tool-shared')).headers;
    const writers = ['a', 'b', 'c', 'd'].map((name) => `${name}${round}`);
    const answers = await Promise.all(writers.map((name) => put(name, String(etag))));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 412, 412, 412]);
    const winner = writers[answers.findIndex(({ status }) => status === 200)];
    expect((await gateway.send('GET', '/register/tool-shared')).json).toMatchObject({ description: winner });
  }
});

test('F-30: register, replace, delete, call and list at once: never a fault of ours, and a list that agrees', async () => {
  const gateway = await startGateway({ mcpServers: { evil: evil() } });
  const state = { isOver: false };
  const isOver = (): boolean => state.isOver;
  const name = (n: number): string => `tool_${n % 8}`;
  const churn = callUntil(isOver, async (n) => {
    if (n % 3 === 0) return gateway.register(name(n));
    if (n % 3 === 1) return gateway.send('DELETE', `/register/tool-${name(n - 1)}`);
    const body = JSON.stringify({ ...registration(name(n)), description: `v${n}` });
    return gateway.send('PUT', `/register/tool-${name(n)}`, { body });
  });
  const calls = callUntil(isOver, (n) => gateway.call(name(n), { text: 'x' }));
  const lists = callUntil(isOver, () => gateway.rpc('tools/list'), 1);
  const others = callUntil(isOver, (n) => gateway.call('evil___echo', { n }), 1);
  await delay(Math.min(20_000, RUNS * 200));
  state.isOver = true;
  const [written, called, listed, well] = await Promise.all([churn, calls, lists, others]);
  expect(written.filter(({ status }) => ![200, 201, 204, 404, 409].includes(status)).map(({ text }) => text)).toEqual(
    [],
  );
  // A registration that is gone is an unknown name; one that is there has no function behind it, which is a tool's error.
  for (const { status, json, text } of called) {
    expect(status, text).toBe(200);
    const code = (json?.['error'] as { code: number } | undefined)?.code;
    expect([undefined, -32602], text).toContain(code);
  }
  expect(problems(listed)).toEqual([]);
  expect(problems(well)).toEqual([]);
  const registered = (await gateway.send('GET', '/register')).json as unknown as { name: string }[];
  const names = (await gateway.tools()).filter((tool) => tool.startsWith('tool_'));
  expect(names.toSorted()).toEqual(registered.map((each) => each.name).toSorted());
  const callP95Ms = percentile(
    well.map(({ ms }) => ms),
    0.95,
  );
  seen('F-30', {
    writes: written.length,
    calls: called.length,
    lists: listed.length,
    callP95Ms: Math.round(callP95Ms),
  });
});

test('F-26: a process that stands still for five seconds goes on with its sessions and streams', async () => {
  const gateway = await startGateway({ mcpServers: { evil: evil() } });
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'a', version: '1' } };
  const opened = await gateway.rpc('initialize', params);
  const headers = { 'mcp-session-id': String(opened.headers['mcp-session-id']) };
  const stream = gateway.send('GET', '/mcp', { headers: { ...headers, accept: 'text/event-stream' } });
  let streamEnded = false;
  void stream.then(() => (streamEnded = true));
  const before = gateway.rpc('tools/call', { name: 'evil___slow', arguments: { ms: 1_000 } }, { headers });
  await delay(300);
  gateway.signal('SIGSTOP');
  const during = Promise.all(Array.from({ length: 20 }, (_, n) => gateway.call('evil___echo', { n })));
  await delay(5_000);
  gateway.signal('SIGCONT');
  expect((await before).text).toContain('slow');
  expect(problems(await during)).toEqual([]);
  const after = await gateway.rpc('tools/call', { name: 'evil___echo', arguments: { n: 1 } }, { headers });
  expect(problems([after])).toEqual([]);
  expect(streamEnded).toBe(false);
  expect(await gateway.target('evil')).toMatchObject({ state: 'ready', restarts: 0 });
});
