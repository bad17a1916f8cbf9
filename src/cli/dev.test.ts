import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { LoadedConfig } from '../config/load.ts';
import { bannerText } from './banner.ts';
import { Invocation } from './command.ts';
import type { CliEvent } from './command.ts';
import { reloadText } from './dev-session.ts';
import type { InstanceStatus } from '../http/routes/instance.ts';
import type { LocalInstance, StartOptions } from '../entry/local.ts';
import { runForTest, testContext } from './run-for-test.ts';
import { PLAIN } from './style.ts';
import { statusText } from './verbs/status.ts';
import { devWith } from './verbs/dev.ts';

let cwd = '';
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'cli-dev-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

const STATUS: InstanceStatus = {
  name: 'zeroplane',
  version: '0.1.0',
  pid: 42,
  url: 'http://127.0.0.1:7421',
  mcp: 'http://127.0.0.1:7421/mcp',
  startedAt: '2026-11-25T08:00:00.000Z',
  catalogueVersion: 3,
  auth: 'token',
  backends: [
    { name: 'store', label: 'embedded' },
    { name: 'functions', label: 'embedded' },
  ],
  clouds: [{ name: 'aws', label: 'simulated', url: 'http://127.0.0.1:7422' }],
  targets: [
    {
      id: 'docs',
      kind: 'http',
      label: 'live',
      state: 'down',
      reason: 'did not answer within 5000 ms',
      tools: 0,
      prompts: 0,
      resources: 0,
      skipped: [],
      changes: [],
    },
    {
      id: 'hello',
      kind: 'stdio',
      label: 'embedded',
      state: 'ready',
      tools: 1,
      prompts: 2,
      resources: 0,
      restarts: 1,
      skipped: [{ key: 'b\u001bad', reason: 'illegal name' }],
      changes: [],
    },
  ],
  canaries: [],
  notes: ['Server "My Docs" is called docs.'],
  warnings: ['auth.mode is none: every program on this machine may call every tool.'],
  config: { path: '/home/ada/project/zeroplane.yaml', state: 'ok' },
};

interface Fake {
  readonly instance: LocalInstance;
  readonly started: StartOptions[];
  readonly reloaded: LoadedConfig[];
  readonly closed: unknown[];
  readonly refused: unknown[];
  readonly start: (options: StartOptions) => Promise<LocalInstance>;
}

function fake(): Fake {
  const started: StartOptions[] = [];
  const reloaded: LoadedConfig[] = [];
  const closed: unknown[] = [];
  const refused: unknown[] = [];
  const instance: LocalInstance = {
    url: STATUS.url,
    mcp: STATUS.mcp,
    admin: `${STATUS.url}/register`,
    token: 'tok',
    pid: 42,
    clouds: { aws: 'http://127.0.0.1:7422', gcp: 'http://127.0.0.1:7423', azure: 'https://127.0.0.1:7424' },
    status: () => STATUS,
    refuse: (problems) => void refused.push(problems),
    relist: () => Promise.resolve(),
    reload: (loaded) => Promise.resolve(void reloaded.push(loaded)),
    close: (options) => Promise.resolve(void closed.push(options)),
  };
  const start = (options: StartOptions): Promise<LocalInstance> => {
    started.push(options);
    options.onEvent?.({ type: 'target-changed', message: 'docs is down' });
    return Promise.resolve(instance);
  };
  return { instance, started, reloaded, closed, refused, start };
}

interface Session {
  readonly events: AsyncGenerator<CliEvent, number | undefined>;
  stop(signal: string): void;
}

/** `dev` over a fake gateway, with flags by their long names. */
function dev(gateway: Fake, flags: Record<string, unknown> = {}): Session {
  const controller = new AbortController();
  const context = testContext({ cwd, interrupted: controller.signal }, () => {});
  const options = new Map<string, unknown>(Object.entries({ samples: true, open: true, ...flags }));
  const events = devWith(gateway.start)(new Invocation([], options, 'stream-json'), context);
  return { events, stop: (signal) => controller.abort(signal) };
}

async function next(session: Session): Promise<CliEvent> {
  const { value, done } = await session.events.next();
  if (done === true || value === undefined || typeof value === 'number') throw new Error('dev has ended');
  return value;
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 0],
])('after %s the instance has its time to drain, and the exit code is %i', async (signal, code) => {
  const gateway = fake();
  const session = dev(gateway);
  const first = await next(session);
  expect(first).toMatchObject({ type: 'ready' });
  expect(JSON.stringify((first as { value: unknown }).value)).toBe(
    '{"url":"http://127.0.0.1:7421","mcp":"http://127.0.0.1:7421/mcp","admin":"http://127.0.0.1:7421/register","token":"tok","clouds":{"aws":"http://127.0.0.1:7422","gcp":"http://127.0.0.1:7423","azure":"https://127.0.0.1:7424"},"pid":42}',
  );
  expect(await next(session)).toEqual({
    type: 'event',
    event: { type: 'target-changed', message: 'docs is down' },
    text: 'docs is down',
  });
  session.stop(signal);
  expect(await next(session)).toMatchObject({ type: 'step', message: expect.stringContaining('Stopping') });
  expect(gateway.closed).toEqual([]);
  expect(await session.events.next()).toEqual({ done: true, value: code });
  expect(gateway.closed).toEqual([{ drainMs: 10_000 }]);
});

test('flags win over the configuration, and the data folder lies beside it', async () => {
  await writeFile(join(cwd, 'zeroplane.yaml'), 'port: 1\nlogLevel: error\n');
  const gateway = fake();
  const session = dev(gateway, { port: '0', host: '127.0.0.1', auth: 'none', logLevel: 'debug' });
  await next(session);
  expect(gateway.started[0]).toMatchObject({
    port: 0,
    host: '127.0.0.1',
    auth: 'none',
    dataDir: join(cwd, '.zeroplane'),
    loaded: { samples: false, config: { logLevel: 'debug' } },
  });
  session.stop('SIGTERM');
  for await (const _ of session.events);
});

test.each([
  [{}, true],
  [{ samples: false }, false],
])('without a configuration and with the flags %j samples are served: %j', async (flags, samples) => {
  const gateway = fake();
  const session = dev(gateway, flags);
  await next(session);
  expect(gateway.started[0]?.loaded.samples).toBe(samples);
  session.stop('SIGTERM');
  for await (const _ of session.events);
});

test('the entry that connect wrote does not make the gateway its own target', async () => {
  const own = {
    type: 'http',
    url: 'http://127.0.0.1:7420/mcp',
    headers: { Authorization: 'Bearer ${ZEROPLANE_TOKEN}' },
  };
  await writeFile(join(cwd, '.mcp.json'), JSON.stringify({ mcpServers: { gateway: own } }));
  const gateway = fake();
  const session = dev(gateway);
  await next(session);
  expect(gateway.started[0]?.loaded).toMatchObject({ samples: true, config: { mcpServers: {} } });
  session.stop('SIGTERM');
  for await (const _ of session.events);
});

test('an ephemeral instance has no data folder', async () => {
  const gateway = fake();
  const session = dev(gateway, { ephemeral: true });
  await next(session);
  expect(gateway.started[0]).not.toHaveProperty('dataDir');
  session.stop('SIGTERM');
  for await (const _ of session.events);
  expect(await readdir(cwd)).toEqual([]);
});

test('a gateway that lets everybody in says so, and is refused where others can reach it', async () => {
  const gateway = fake();
  const session = dev(gateway, { auth: 'none' });
  await next(session);
  expect(gateway.started[0]?.loaded.warnings).toEqual([expect.stringContaining('--auth none')]);
  session.stop('SIGTERM');
  for await (const _ of session.events);
  const run = await runForTest(['dev', '--auth', 'none', '--host', '0.0.0.0'], { cwd });
  expect(run).toMatchObject({ code: 2, stdout: '' });
});

test('a configuration that changes is taken over, and one that is wrong is not', async () => {
  const file = join(cwd, 'zeroplane.yaml');
  await writeFile(file, 'mcpServers:\n  one: { command: a }\n');
  const gateway = fake();
  const session = dev(gateway);
  await next(session);
  await next(session);
  await writeFile(file, 'mcpServers:\n  two: { command: a }\nlogLevel: warn\n');
  expect(await next(session)).toMatchObject({
    event: { type: 'config-reloaded' },
    text: 'Configuration read again: added two; removed one; changed logLevel',
  });
  expect(Object.keys(gateway.reloaded[0]?.config.mcpServers ?? {})).toEqual(['two']);
  await writeFile(file, 'mcpServers:\n  two: { comand: a }\n');
  const invalid = await next(session);
  expect(invalid).toMatchObject({
    event: { type: 'config-invalid' },
    text: expect.stringContaining('The last good configuration stays in use.'),
  });
  expect(gateway.reloaded).toHaveLength(1);
  expect(gateway.refused).toMatchObject([[{ code: 'CONFIG_UNKNOWN_KEY' }]]);
  session.stop('SIGTERM');
  for await (const _ of session.events);
});

test('a change during the start is not missed', async () => {
  const file = join(cwd, 'zeroplane.yaml');
  await writeFile(file, 'mcpServers:\n  one: { command: a }\n');
  const gateway = fake();
  const slow: Fake = {
    ...gateway,
    start: async (options) => {
      await writeFile(file, 'mcpServers:\n  two: { command: a }\n');
      return gateway.start(options);
    },
  };
  const session = dev(slow);
  expect(await next(session)).toMatchObject({ type: 'ready' });
  await next(session);
  expect(await next(session)).toMatchObject({
    event: { type: 'config-reloaded' },
    text: expect.stringContaining('added two'),
  });
  session.stop('SIGTERM');
  for await (const _ of session.events);
});

test('a start that fails is the error, and nothing is watched any more', async () => {
  const gateway = fake();
  const session = dev({ ...gateway, start: () => Promise.reject(new Error('no port')) });
  await expect(session.events.next()).rejects.toThrow('no port');
  expect(gateway.closed).toEqual([]);
});

test('a configuration that is wrong at the start ends with 2 and every problem', async () => {
  await writeFile(join(cwd, 'zeroplane.yaml'), 'prot: 1\nmcpServers:\n  a: { comand: x }\n');
  const run = await runForTest(['dev'], { cwd });
  expect(run).toMatchObject({ code: 2, stdout: '' });
  expect(run.stderr).toContain('zeroplane.yaml:1:1');
  expect(run.stderr).toContain('zeroplane.yaml:3:');
  expect((await runForTest(['dev', '--config', 'absent.yaml'], { cwd })).code).toBe(2);
  expect(await readdir(cwd)).toEqual(['zeroplane.yaml']);
});

test('the banner says where, who, from what, and what is wrong', () => {
  const facts = {
    cwd: '/home/ada/project',
    dataDir: '/home/ada/project/.zeroplane',
    token: 'tok',
    servesSamples: false,
    hasKeys: true,
  };
  expect(bannerText({ ...facts, status: STATUS, portMoved: { wanted: 7420, got: 7421 } }, PLAIN))
    .toMatchInlineSnapshot(`
      "
        Zeroplane 0.1.0   local mode, no account   MIT, no telemetry
        warning  auth.mode is none: every program on this machine may call every tool.
        port 7420 is taken, so this is port 7421; clients that were told 7420 need  zeroplane connect
        MCP endpoint  http://127.0.0.1:7421/mcp  1 tool from 2 targets   (legacy: /sse)
        Control API   http://127.0.0.1:7421/v1   jobs: /v1/provision, registrations: /register
        Signed in     you@dev, tenant team-x     token: zeroplane token
        AWS endpoint  http://127.0.0.1:7422      [simulated]   keys: zeroplane token --aws
        Backends      Store [embedded]   Functions [embedded]
        Configured    zeroplane.yaml
        Data          .zeroplane

        Target  Kind              State  Tools
        docs    http [live]       down   0      did not answer within 5000 ms
        hello   stdio [embedded]  ready  1      2 prompts, 1 restart, 1 skipped
        note  Server "My Docs" is called docs.

        c connect a client   t list tools   s status   r read the configuration again   ? keys   q quit
      "
    `);
});

test('the banner of an empty instance names the next step', () => {
  const facts = {
    cwd: '/home/ada',
    dataDir: undefined,
    token: 'tok',
    servesSamples: true,
    hasKeys: false,
  };
  const status: InstanceStatus = {
    ...STATUS,
    targets: [],
    notes: [],
    warnings: [],
    auth: 'none',
    config: { state: 'ok' },
  };
  expect(bannerText({ ...facts, status }, PLAIN)).toMatchInlineSnapshot(`
    "
      Zeroplane 0.1.0   local mode, no account   MIT, no telemetry
      MCP endpoint  http://127.0.0.1:7421/mcp  0 tools from 0 targets   (legacy: /sse)
      Control API   http://127.0.0.1:7421/v1   jobs: /v1/provision, registrations: /register
      Signed in     you@dev, tenant team-x     no token needed
      AWS endpoint  http://127.0.0.1:7422      [simulated]   access key zeroplane, secret zeroplane
      Backends      Store [embedded]   Functions [embedded]
      Configured    two samples, because this folder has no zeroplane.yaml and no .mcp.json
      Data          in memory, gone at the end

      No targets yet: bring servers in with  zeroplane import

      Stop with Ctrl-C. Next: zeroplane tools ls, zeroplane connect
    "
  `);
});

test('of a target with much that was left out the status names a part, and says how much more there is', () => {
  const skipped = Array.from({ length: 5_000 }, (_, index) => ({ key: `t${index}`, reason: 'illegal name' }));
  const targets = STATUS.targets.map((target) => ({ ...target, skipped: target.id === 'hello' ? skipped : [] }));
  const lines = statusText({ ...STATUS, targets }, PLAIN)
    .split('\n')
    .filter((line) => line.trimStart().startsWith('skipped'));
  expect(lines).toHaveLength(21);
  expect(lines.at(-1)).toBe('  skipped hello: 4980 more; --output json has them all');
});

test('the status names what was left out and what is wrong with the configuration', () => {
  const problems = [
    { code: 'CONFIG_UNKNOWN_KEY', file: 'zeroplane.yaml', line: 3, column: 8, message: 'Unknown key "comand"' },
  ];
  expect(statusText({ ...STATUS, config: { ...STATUS.config, state: 'invalid', problems } }, PLAIN))
    .toMatchInlineSnapshot(`
      "  MCP endpoint   http://127.0.0.1:7421/mcp   1 tool from 2 targets
        Process        42, since 2026-11-25T08:00:00.000Z, version 0.1.0
        Backends       Store [embedded]   Functions [embedded]
        AWS endpoint   http://127.0.0.1:7422 [simulated]
        Configuration  /home/ada/project/zeroplane.yaml is invalid; the last good one is in use

        Target  Kind              State  Tools
        docs    http [live]       down   0      did not answer within 5000 ms
        hello   stdio [embedded]  ready  1      2 prompts, 1 restart, 1 skipped
        skipped hello: b\\u001bad: illegal name
        CONFIG_UNKNOWN_KEY zeroplane.yaml:3:8 Unknown key "comand"
        warning auth.mode is none: every program on this machine may call every tool.
        note Server "My Docs" is called docs."
    `);
});

test.each([
  [{ added: ['a'], removed: [], changed: [] }, [], 'Configuration read again: added a'],
  [
    { added: [], removed: [], changed: [] },
    ['port'],
    'Configuration read again: changed port (port: from the next start on)',
  ],
  [{ added: [], removed: [], changed: [] }, [], 'Configuration read again: nothing changed.'],
])('a reload of servers %j and keys %j reads "%s"', (servers, keys, text) => {
  const none = { added: [], removed: [], changed: [] };
  const isEmpty = servers.added.length === 0 && keys.length === 0;
  expect(reloadText({ servers, functions: none, keys, needsRestart: keys, isEmpty })).toBe(text);
});
