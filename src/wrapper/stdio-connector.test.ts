import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import type { Clock, Logger } from '../core/ports.ts';
import type { Exchange } from '../core/target.ts';
import type { Conversation, ConversationRequest } from '../upstream/conversation.ts';
import type { StdioConnectorOptions } from './stdio-connector.ts';
import { Context } from '../core/context.ts';
import { childEnvironment } from './environment.ts';
import { StdioConnector } from './stdio-connector.ts';

const evil = fileURLToPath(new URL('../../tests/fixtures/evil-server.mjs', import.meta.url));
const quiet: Logger = { log: () => undefined, with: () => quiet };
const clock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};
const open: StdioConnector[] = [];
const folders: string[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((connector) => connector.close()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function context(timeoutMs = 10_000): Context {
  return new Context({
    principal: { id: 'p', tenant: 't', roles: [], scopes: [] },
    requestId: 'r',
    clock,
    timeoutMs,
    log: quiet,
  });
}

function connect(variables: Record<string, string> = {}, more: Partial<StdioConnectorOptions> = {}): StdioConnector {
  const connector = new StdioConnector({
    target: 'evil',
    command: process.execPath,
    args: [evil],
    environment: childEnvironment(process.env, variables),
    clock,
    log: quiet,
    clientInfo: { name: 'zeroplane', version: '0' },
    ...more,
  });
  open.push(connector);
  return connector;
}

function start(
  variables: Record<string, string> = {},
  more: Partial<StdioConnectorOptions> = {},
): Promise<Conversation> {
  return connect(variables, more).open({ declare: {}, context: context(), timeoutMs: 5_000 });
}

async function call(
  conversation: Conversation,
  name: string,
  args: unknown = {},
  more: Partial<ConversationRequest> = {},
): Promise<string> {
  const result = await conversation.request({
    method: 'tools/call',
    params: [
      { key: 'name', text: JSON.stringify(name) },
      { key: 'arguments', text: JSON.stringify(args) },
    ],
    meta: [],
    context: context(),
    timeoutMs: 5_000,
    ...more,
  });
  return (JSON.parse(result) as { content: { text: string }[] }).content[0]?.text ?? '';
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // What has ended but was not collected by the first process of a container is gone for us.
    return !existsSync(`/proc/${pid}/stat`) || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}

describe('a server that dies', () => {
  test.each([
    ['crash', /was ended by SIGSEGV/],
    ['exit', /has exited with code 7/],
    ['exit-half-line', /has exited with code 0/],
    ['close-stdout', /has closed its output/],
  ])('%s: the call in flight fails within a second and says how it ended', async (name, message) => {
    const conversation = await start();
    const began = performance.now();
    await expect(call(conversation, name)).rejects.toMatchObject({
      code: 'TARGET_UNAVAILABLE',
      message: expect.stringMatching(message) as string,
    });
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(conversation.ended).toBe(true);
  });

  test('its last words on stderr are told, with control characters masked', async () => {
    const conversation = await start();
    await expect(call(conversation, 'exit')).rejects.toMatchObject({
      message: expect.stringContaining('fatal:? out of cheese') as string,
      details: { exitCode: 7, stderr: '?[31mfatal:? out of cheese' },
    });
  });

  test('a complete last answer without a newline is delivered', async () => {
    expect(await call(await start(), 'exit-without-newline')).toBe('last words');
  });
});

describe('a server that answers badly', () => {
  test.each(['hang', 'half-line', 'wrong-id'])(
    '%s: one error at the deadline, and the next call works or says why',
    async (name) => {
      const conversation = await start();
      const began = performance.now();
      await expect(call(conversation, name, {}, { timeoutMs: 300 })).rejects.toMatchObject({ code: 'TARGET_TIMEOUT' });
      expect(performance.now() - began).toBeGreaterThan(290);
      expect(performance.now() - began).toBeLessThan(550);
      // The half line swallows the next message; the one after that is whole again.
      if (name === 'half-line') await call(conversation, 'echo', {}, { timeoutMs: 200 }).catch(() => undefined);
      expect(await call(conversation, 'echo', { n: 1 })).toBe('{"n":1}');
    },
  );

  test('an answer whose id is text is the answer all the same', async () => {
    const conversation = await start();
    expect(await call(conversation, 'string-id')).toBe('as text');
  });

  test.each(['jsonrpc-1', 'null-result', 'malformed-error', 'invalid-utf8'])(
    '%s: that call fails at once, the next works',
    async (name) => {
      const conversation = await start();
      await expect(call(conversation, name)).rejects.toMatchObject({ code: 'TARGET_PROTOCOL_ERROR' });
      expect(await call(conversation, 'echo', { n: 1 })).toBe('{"n":1}');
    },
  );

  test.each([
    ['garbage', '{"after":"garbage"}'],
    ['duplicate', 'first'],
    ['drip', 'drip äöü €'],
  ])('%s: the true answer arrives, and later calls get theirs', async (name, answer) => {
    const conversation = await start();
    expect(await call(conversation, name)).toBe(answer);
    expect(await call(conversation, 'echo', { n: 1 })).toBe('{"n":1}');
  });

  test.each([true, false])('a line over the limit fails its own call only (id first: %s)', async (idFirst) => {
    const conversation = await start({}, { maxLineBytes: 100_000 });
    const neighbour = call(conversation, 'slow', { ms: 300 });
    await expect(call(conversation, 'giant-line', { mib: 2, idFirst })).rejects.toMatchObject({
      code: 'TARGET_RESPONSE_TOO_LARGE',
    });
    expect(await neighbour).toBe('slow');
    expect(await call(conversation, 'echo', { n: 1 })).toBe('{"n":1}');
  });

  test('what it asks is declined when nobody can answer, and ping is answered', async () => {
    const answers = JSON.parse(await call(await start(), 'questions')) as unknown;
    expect(answers).toEqual([{}, { code: -32601 }, { code: -1 }, { action: 'decline' }, { code: -32601 }]);
  });

  test('what it asks reaches the caller that can answer', async () => {
    const exchange: Exchange = {
      capabilities: { elicitation: {} },
      canAsk: true,
      wantsProgress: false,
      notify: () => undefined,
      ask: (method) => Promise.resolve(`{"action":"accept","content":{"asked":"${method}"}}`),
    };
    const answer = await call(await start(), 'elicit', {}, { exchange });
    expect(JSON.parse(answer)).toEqual({ action: 'accept', content: { asked: 'elicitation/create' } });
  });

  test('text with line ends in it is sent as one line', async () => {
    const conversation = await start();
    const params = [
      { key: 'name', text: '"echo"' },
      { key: 'arguments', text: '{\r\n  "a": 1\n}' },
    ];
    expect(
      await conversation.request({ method: 'tools/call', params, meta: [], context: context(), timeoutMs: 5_000 }),
    ).toContain('{\\"a\\":1}');
  });
});

describe('the start', () => {
  test('a command that does not exist is named', async () => {
    const started = start({}, { command: 'no-such-command-here' });
    await expect(started).rejects.toMatchObject({
      code: 'TARGET_UNAVAILABLE',
      message: expect.stringContaining('no command "no-such-command-here"') as string,
    });
  });

  test('a command that may not be executed is named', async () => {
    await expect(start({}, { command: evil, args: [] })).rejects.toMatchObject({
      message: expect.stringMatching(/may not be executed/) as string,
    });
  });

  test('an argument that no process can take is refused', async () => {
    await expect(start({}, { args: ['a\0b'] })).rejects.toMatchObject({ code: 'TARGET_UNAVAILABLE' });
  });

  test('a server that exits at once is reported with its last words', async () => {
    await expect(start({ EVIL_START: 'exit' })).rejects.toMatchObject({
      code: 'TARGET_UNAVAILABLE',
      message: expect.stringContaining('missing licence file') as string,
    });
  });

  test.each([
    [
      [
        'npm warn exec The following package was not found',
        'npm error code E404',
        'npm error 404 Not Found - GET https://registry.example/no-such - Not found',
        "npm error 404  'no-such@*' is not in this registry.",
        'npm error A complete log of this run can be found in: /home/you/.npm/_logs/x.log',
      ],
      'Its last words: npm error 404 Not Found - GET https://registry.example/no-such - Not found',
    ],
    [
      [
        'npm error code ENOTFOUND',
        'npm error syscall getaddrinfo',
        'npm error errno ENOTFOUND',
        'npm error network request to https://registry.example failed, reason: getaddrinfo ENOTFOUND',
        'npm error A complete log of this run can be found in: /home/you/.npm/_logs/x.log',
      ],
      'Its last words: npm error network request to https://registry.example failed, reason: getaddrinfo ENOTFOUND',
    ],
  ])(
    'npx that finds no package is reported with the reason and not with where its log is (%#)',
    async (lines, words) => {
      const script = `process.stderr.write(${JSON.stringify(`${lines.join('\n')}\n`)}); process.exitCode = 1;`;
      await expect(start({}, { args: ['-e', script] })).rejects.toMatchObject({
        message: expect.stringContaining(words) as string,
      });
    },
  );

  test('a server that never introduces itself fails at the start deadline and leaves no process', async () => {
    const connector = connect({ EVIL_START: 'hang' }, { probeTimeoutMs: 100 });
    await expect(connector.open({ declare: {}, context: context(), timeoutMs: 400 })).rejects.toMatchObject({
      code: 'TARGET_TIMEOUT',
    });
    expect(connector.children()).toBe(0);
  });

  test.each(['y', '{', '{"level":30}'])(
    'a command that writes %s without end is ended with the reason',
    async (line) => {
      const connector = connect({}, { command: 'yes', args: [line] });
      await expect(connector.open({ declare: {}, context: context(), timeoutMs: 5_000 })).rejects.toMatchObject({
        code: 'TARGET_UNAVAILABLE',
        message: expect.stringMatching(/10000 lines .* no messages.*write its log to stderr/) as string,
      });
      expect(await until(() => connector.children() === 0, 1_000)).toBe(true);
    },
  );

  test.each(['', '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'])(
    'a command that writes %j without end leaves time to everybody else',
    async (line) => {
      const connector = connect({}, { command: 'yes', args: [line] });
      const opened = connector.open({ declare: {}, context: context(), timeoutMs: 1_000 });
      opened.catch(() => undefined);
      let turns = 0;
      const stop = setInterval(() => turns++, 5);
      await expect(opened).rejects.toMatchObject({ code: 'TARGET_TIMEOUT' });
      clearInterval(stop);
      // Taken as it comes, the flood of empty lines leaves 25 turns of some 330, and fewer on a busy machine.
      expect(turns).toBeGreaterThan(35);
    },
  );

  test('text before the introduction is skipped', async () => {
    expect(await call(await start({ EVIL_START: 'garbage' }), 'echo', { n: 1 })).toBe('{"n":1}');
  });

  test.each(['exit-on-probe', 'ignore-probe'])(
    'a legacy server that cannot bear the era probe is served all the same (%s)',
    async (mode) => {
      const folder = mkdtempSync(path.join(tmpdir(), 'zeroplane-'));
      folders.push(folder);
      const log = path.join(folder, 'log');
      const connector = connect({ EVIL_START: mode, EVIL_LOG: log }, { probeTimeoutMs: 200 });
      for (let i = 0; i < 2; i++) {
        const conversation = await connector.open({ declare: {}, context: context(), timeoutMs: 5_000 });
        expect(conversation).toMatchObject({ era: 'legacy', protocolVersion: '2025-11-25' });
        await conversation.close();
      }
      // The second time the verdict is known: nobody dies of the question again.
      const starts = readFileSync(log, 'utf8').match(/^start/gm);
      expect(starts).toHaveLength(mode === 'exit-on-probe' ? 3 : 2);
    },
  );

  test('the child sees nothing of the host but a minimum', async () => {
    const seen = JSON.parse(await call(await start({ GIVEN: 'yes' }), 'environment')) as Record<string, string>;
    expect(seen['GIVEN']).toBe('yes');
    for (const name of Object.keys(seen))
      expect(['PATH', 'HOME', 'LANG', 'TMPDIR', 'GIVEN', 'ZEROPLANE_CHILD', '__CF_USER_TEXT_ENCODING']).toContain(name);
  });
});

describe('the end', () => {
  test('a server that ends with its input is gone at once', async () => {
    const conversation = await start();
    const pid = Number(await call(conversation, 'pid'));
    const began = performance.now();
    await conversation.close();
    expect(alive(pid)).toBe(false);
    expect(performance.now() - began).toBeLessThan(900);
  });

  test('a server that ignores everything is killed with its grandchildren', async () => {
    const connector = connect({ EVIL_IGNORE: '1' }, { termAfterMs: 50, killAfterMs: 100 });
    const conversation = await connector.open({ declare: {}, context: context(), timeoutMs: 5_000 });
    const pids = [Number(await call(conversation, 'pid')), Number(await call(conversation, 'grandchild'))];
    expect(pids.every(alive)).toBe(true);
    await connector.close();
    expect(await until(() => !pids.some(alive), 1_000)).toBe(true);
  });

  test('what a crashed server had started is ended too', async () => {
    const conversation = await start();
    const grandchild = Number(await call(conversation, 'grandchild'));
    await expect(call(conversation, 'exit')).rejects.toMatchObject({ code: 'TARGET_UNAVAILABLE' });
    expect(await until(() => !alive(grandchild), 1_000)).toBe(true);
  });

  test.runIf(process.platform === 'linux')(
    'what has left the process group is ended too, after a crash and after a close',
    async () => {
      const [crashing, closing] = [await start(), await start()];
      const stragglers = [
        Number(await call(crashing, 'detached-grandchild')),
        Number(await call(closing, 'detached-grandchild')),
      ];
      expect(stragglers.every(alive)).toBe(true);
      await expect(call(crashing, 'exit')).rejects.toMatchObject({ code: 'TARGET_UNAVAILABLE' });
      await closing.close();
      expect(await until(() => !stragglers.some(alive), 1_000)).toBe(true);
    },
  );

  test('an abandoned call tells the server, which learns the id it knows', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'zeroplane-'));
    folders.push(folder);
    const log = path.join(folder, 'log');
    const conversation = await start({ EVIL_LOG: log });
    const abandoned = context();
    const answer = call(conversation, 'hang', {}, { context: abandoned });
    setImmediate(() => abandoned.abort('client gone'));
    await expect(answer).rejects.toMatchObject({ code: 'CALL_CANCELLED' });
    expect(await until(() => /notifications\/cancelled \{"requestId":\d+/.test(readFileSync(log, 'utf8')), 1_000)).toBe(
      true,
    );
  });
});
