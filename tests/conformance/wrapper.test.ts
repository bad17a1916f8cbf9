/** What seed 003 promises of a stdio server behind a function, shown on real servers and on ones that misbehave. */

import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { createHandler, closeServers } from '../../src/wrapper.ts';
import * as wrapper from '../../src/wrapper.ts';
import type { HandlerOptions, LambdaContext, WrappedHandler } from '../../src/wrapper.ts';
import { verifies } from './verifies.ts';

const require = createRequire(import.meta.url);
const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const real = (name: string): string =>
  join(dirname(require.resolve(`@modelcontextprotocol/${name}/package.json`)), 'dist', 'index.js');

// What the wrapper logs of servers that are broken on purpose is nobody's news.
process.env['LOG_LEVEL'] ??= 'ERROR';

const open: { close(): Promise<void> }[] = [];
const folders: string[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
  await closeServers();
  for (const path of folders.splice(0)) await rm(path, { recursive: true });
});

function wrap(
  script: string,
  options: Partial<HandlerOptions> & { readonly arguments_?: string[] } = {},
): WrappedHandler {
  const { arguments_ = [], ...rest } = options;
  const handler = createHandler({ command: process.execPath, args: [script, ...arguments_], name: 'x', ...rest });
  open.push(handler);
  return handler;
}

const everything = (options: Partial<HandlerOptions> = {}): WrappedHandler => wrap(real('server-everything'), options);
const evil = (options: Partial<HandlerOptions> = {}): WrappedHandler => wrap(fixture('evil-server.mjs'), options);
const modern = (options: Partial<HandlerOptions> = {}): WrappedHandler => wrap(fixture('modern-server.mjs'), options);

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'zeroplane-wrapper-'));
  folders.push(path);
  return path;
}

/** Every member that any answer here may have; a test reads those that its own has. */
interface Json {
  readonly id: unknown;
  readonly name: string;
  readonly message: string;
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly error: { readonly code: number; readonly message: string; readonly data: { readonly stderr: string } };
  readonly result: {
    readonly content: readonly { readonly text: string }[];
    readonly isError?: boolean;
    readonly resultType?: string;
    readonly requestState?: string;
    readonly instructions?: string;
    readonly supportedVersions: readonly string[];
    readonly _meta: Readonly<Record<string, { readonly name: string }>>;
  };
}
const call = (name: string, args: object = {}, more: object = {}): object => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name, arguments: args, ...more },
});
const textOf = (answer: unknown): string => (answer as Json).result.content[0]?.text ?? '';
const tenant = (name: string): LambdaContext => ({ clientContext: { custom: { zeroplaneTenant: name } } });
const within = (ms: number): LambdaContext => {
  const end = performance.now() + ms;
  return { getRemainingTimeInMillis: () => end - performance.now() };
};
const envelope = (capabilities: object = {}, more: object = {}): object => ({
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': capabilities,
  ...more,
});
/** A process that has ended stays in the table until somebody asks after it. */
const isAlive = (pid: number): boolean => {
  const { status, stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return status === 0 && !stdout.startsWith('Z');
};

describe('direct invocation', () => {
  verifies('3.1', 'tools/list and tools/call answer statusCode 200 with the result as JSON text', async () => {
    const handler = everything();
    const listed = (await handler({ method: 'tools/list' })) as Json;
    expect(listed.statusCode).toBe(200);
    expect(JSON.parse(listed.body).tools.map((tool: Json) => tool.name)).toContain('echo');
    const called = await handler({ method: 'tools/call', params: { name: 'echo', arguments: { message: 'hi' } } });
    expect(called).toEqual({ statusCode: 200, body: '{"content":[{"type":"text","text":"Echo: hi"}]}' });
  });

  verifies('3.21', 'an unknown method is -32601, a call without name or arguments -32602', async () => {
    const handler = evil();
    const code = async (event: object): Promise<unknown> => {
      const { statusCode, body } = (await handler(event)) as Json;
      return [statusCode, JSON.parse(body).error.code];
    };
    expect(await code({ method: 'tools/fly' })).toEqual([404, -32601]);
    expect(await code({ method: 'tools/call' })).toEqual([400, -32602]);
    expect(await code({ method: 'tools/call', params: { arguments: {} } })).toEqual([400, -32602]);
    expect(await code({ method: 'tools/call', params: { name: 'echo' } })).toEqual([400, -32602]);
    expect(await code({ method: 'tools/call', params: ['echo'] })).toEqual([400, -32602]);
    const unknown = (await handler({ jsonrpc: '2.0', id: 7, method: 'tools/fly' })) as Json;
    expect([unknown.id, unknown.error.code]).toEqual([7, -32601]);
    const nameless = (await handler({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: {} })) as Json;
    expect(nameless.error.code).toBe(-32602);
  });

  verifies('3.9', 'JSON-RPC answers JSON-RPC, a notification {}, anything else -32600', async () => {
    const handler = evil();
    expect(await handler(call('echo', { message: 'hi' }))).toEqual({
      jsonrpc: '2.0',
      id: 1,
      result: { content: [{ type: 'text', text: '{"message":"hi"}' }] },
    });
    expect(await handler({ jsonrpc: '2.0', method: 'notifications/initialized' })).toEqual({});
    const neither = {
      jsonrpc: '2.0',
      id: 0,
      error: {
        code: -32600,
        message: 'Request is neither a valid JSON-RPC request nor a valid JSON-RPC notification',
      },
    };
    for (const event of [
      {},
      null,
      7,
      'tools/list',
      [],
      [call('echo')],
      { jsonrpc: '2.0' },
      { jsonrpc: '2.0', id: 1, result: {} },
    ])
      expect(await handler(event)).toEqual(neither);
    expect(((await handler({ jsonrpc: '2.0', id: null, method: 'ping' })) as Json).error.code).toBe(-32600);
  });

  verifies(
    '3.9',
    'a failure of the wrapper is -32603 with its reason, and code 500 without one in compat',
    async () => {
      const options = { command: 'no-such-command-anywhere', name: 'x' };
      const ours = createHandler(options);
      const theirs = createHandler({ ...options, compat: ['003'] });
      open.push(ours, theirs);
      const { error } = (await ours(call('echo'))) as Json;
      expect(error.code).toBe(-32603);
      expect(error.message).toContain('there is no command "no-such-command-anywhere"');
      expect((await theirs(call('echo'))) as Json).toEqual({
        jsonrpc: '2.0',
        id: 1,
        error: { code: 500, message: 'Internal failure, please check Lambda function logs' },
      });
    },
  );
});

interface HttpCase {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly isBase64Encoded?: boolean;
}
const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const v2 = ({ method = 'POST', headers = JSON_HEADERS, body, isBase64Encoded }: HttpCase): object => ({
  version: '2.0',
  rawPath: '/mcp',
  headers,
  requestContext: { http: { method, path: '/mcp' }, domainName: 'x.lambda-url.us-east-1.on.aws' },
  ...(body === undefined ? {} : { body }),
  isBase64Encoded: isBase64Encoded ?? false,
});
const v1 = ({ method = 'POST', headers = JSON_HEADERS, body, isBase64Encoded }: HttpCase): object => ({
  resource: '/mcp',
  path: '/mcp',
  httpMethod: method,
  headers,
  multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
  requestContext: { stage: 'prod', identity: { sourceIp: '127.0.0.1' } },
  body: body ?? null,
  isBase64Encoded: isBase64Encoded ?? false,
});
const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
const note = '{"jsonrpc":"2.0","method":"notifications/initialized"}';
const reply = '{"jsonrpc":"2.0","id":9,"result":{}}';
const legacyHeaders = { ...JSON_HEADERS, 'mcp-protocol-version': '2025-06-18' };

describe('HTTP events', () => {
  verifies('3.10', 'a Function URL, API Gateway v1 and v2, Invoke and AgentCore reach the same server', async () => {
    const handler = everything();
    const body = JSON.stringify(call('echo', { message: 'hi' }));
    const expected = { jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'Echo: hi' }] } };
    for (const event of [v1({ body }), v2({ body })]) {
      const { statusCode, headers, body: answer } = (await handler(event)) as Json;
      expect([statusCode, headers['Content-Type'], JSON.parse(answer)]).toEqual([200, 'application/json', expected]);
    }
    expect(await handler(call('echo', { message: 'hi' }))).toEqual(expected);
    const custom = { bedrockAgentCoreToolName: 't___echo' };
    expect(await handler({ message: 'hi' }, { clientContext: { custom } })).toEqual(expected.result);
    expect(handler.pids()).toHaveLength(1);
  });

  verifies('3.11', 'methods, types and bodies are answered as the original library answers them', async () => {
    const handler = everything();
    const cases: [HttpCase, number, number | undefined][] = [
      [{ method: 'OPTIONS' }, 200, undefined],
      [{ method: 'GET' }, 405, -32000],
      [{ method: 'DELETE' }, 405, -32000],
      [{ method: 'PUT', body: ping }, 405, -32000],
      [{ headers: { 'content-type': 'application/json' }, body: ping }, 406, -32000],
      [{ headers: { ...JSON_HEADERS, accept: 'text/event-stream' }, body: ping }, 406, -32000],
      [{ headers: { ...JSON_HEADERS, accept: 'application/json;q=0' }, body: ping }, 406, -32000],
      [{ headers: { ...JSON_HEADERS, accept: '*/*' }, body: ping }, 200, undefined],
      [{ headers: { accept: 'application/json' }, body: ping }, 415, -32000],
      [{ headers: { ...JSON_HEADERS, 'content-type': 'text/plain' }, body: ping }, 415, -32000],
      [{ headers: { ...JSON_HEADERS, 'content-type': 'application/json; charset=latin1' }, body: ping }, 415, -32000],
      [{ headers: { ...JSON_HEADERS, 'content-type': 'Application/JSON; charset=UTF-8' }, body: ping }, 200, undefined],
      [{ headers: { ...JSON_HEADERS, 'content-encoding': 'gzip' }, body: ping }, 415, -32000],
      [{}, 400, -32700],
      [{ body: '' }, 400, -32700],
      [{ body: ' \n' }, 400, -32700],
      [{ body: '{"jsonrpc":' }, 400, -32700],
      [{ body: '[{]' }, 400, -32700],
      [{ body: '/w==', isBase64Encoded: true }, 400, -32700],
      [{ body: '7' }, 400, -32600],
      [{ body: '{}' }, 400, -32600],
      [{ body: '[]' }, 400, -32600],
      [{ body: '[1]' }, 400, -32600],
      [{ body: `[${ping},{}]` }, 400, -32600],
      [{ body: `[${Array.from({ length: 101 }, () => ping).join(',')}]` }, 400, -32600],
      [{ body: '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}' }, 400, -32602],
      [{ headers: { ...JSON_HEADERS, 'mcp-protocol-version': '1999-01-01' }, body: ping }, 400, -32600],
      [{ body: note }, 202, undefined],
      [{ body: reply }, 202, undefined],
      [{ body: `[${note},${reply}]` }, 202, undefined],
    ];
    for (const [request, status, code] of cases) {
      for (const event of [v1(request), v2(request)]) {
        const answer = (await handler(event)) as Json;
        const where = JSON.stringify(request).slice(0, 200);
        expect([answer.statusCode, where]).toEqual([status, where]);
        if (code !== undefined) expect(JSON.parse(answer.body)).toMatchObject({ jsonrpc: '2.0', error: { code } });
        if (status === 202 || request.method === 'OPTIONS') expect(answer.body).toBe('');
        if (status === 405) expect(answer.headers['Allow']).toBe('POST, OPTIONS');
        expect(answer.headers['Access-Control-Allow-Origin']).toBe('*');
        const allowed = answer.headers['Access-Control-Allow-Headers'];
        for (const name of ['Mcp-Session-Id', 'Mcp-Protocol-Version', 'Mcp-Method', 'Mcp-Name'])
          expect(allowed).toContain(name);
      }
    }
    // Refused before any server is needed.
    expect(handler.pids()).toHaveLength(0);
  });

  verifies('3.11', 'a batch answers an array of its requests, one request one object', async () => {
    const handler = evil();
    const one = (await handler(v2({ body: ping }))) as Json;
    expect(JSON.parse(one.body)).toEqual({ jsonrpc: '2.0', id: 1, result: {} });
    const body = `[${ping},${note},{"jsonrpc":"2.0","id":"b","method":"nope"},${reply}]`;
    const many = (await handler(v2({ body }))) as Json;
    expect(many.statusCode).toBe(200);
    expect(JSON.parse(many.body)).toMatchObject([
      { id: 1, result: {} },
      { id: 'b', error: { code: -32601 } },
    ]);
    expect(JSON.parse(((await handler(v2({ body: `[${ping}]` }))) as Json).body)).toEqual([
      { jsonrpc: '2.0', id: 1, result: {} },
    ]);
  });

  verifies('3.12', 'base64 bodies and header names in any case are read', async () => {
    const handler = evil();
    const headers = { 'CONTENT-TYPE': 'application/json', AcCePt: 'application/json' };
    const said = 'äöü € 🙂';
    const body = Buffer.from(JSON.stringify(call('echo', { message: said }))).toString('base64');
    for (const event of [v1({ headers, body, isBase64Encoded: true }), v2({ headers, body, isBase64Encoded: true })]) {
      const answer = (await handler(event)) as Json;
      expect(textOf(JSON.parse(answer.body))).toBe(JSON.stringify({ message: said }));
    }
    const lists = { ...v1({ body, isBase64Encoded: true }), headers: null };
    expect(((await handler(lists)) as Json).statusCode).toBe(200);
  });

  verifies(
    '3.2',
    'progress and logs come before the answer to a caller who takes events, and are dropped for others',
    async () => {
      const handler = wrap(fixture('fixture-server.mjs'), { arguments_: ['stdio-legacy'] });
      const body = JSON.stringify(call('test_tool_with_progress', {}, { _meta: { progressToken: 'p' } }));
      const events = (await handler(v2({ headers: legacyHeaders, body }))) as Json;
      expect(events.headers['Content-Type']).toBe('text/event-stream');
      const messages = [...(events.body as string).matchAll(/^data: (.*)$/gm)].map(([, data]) =>
        JSON.parse(data ?? ''),
      );
      expect(messages.slice(0, -1).map((message) => message.method)).toEqual(
        Array.from({ length: messages.length - 1 }, () => 'notifications/progress'),
      );
      expect(messages.length).toBeGreaterThan(2);
      expect(messages[0].params.progressToken).toBe('p');
      expect(messages.at(-1)).toMatchObject({ id: 1, result: {} });
      const plain = (await handler(v2({ headers: { ...legacyHeaders, accept: 'application/json' }, body }))) as Json;
      expect(plain.headers['Content-Type']).toBe('application/json');
      expect(JSON.parse(plain.body)).toMatchObject({ id: 1, result: {} });
    },
  );
});

describe('AgentCore', () => {
  const named = (name: string, spelling = 'custom'): LambdaContext => ({
    clientContext: { [spelling]: { bedrockAgentCoreToolName: name, bedrockAgentCoreGatewayId: 'g' } },
  });

  verifies('3.13', 'the name is in the client context, the event is the arguments, the result is bare', async () => {
    const handler = everything();
    const bare = { content: [{ type: 'text', text: 'Echo: hi' }] };
    expect(await handler({ message: 'hi' }, named('target___echo'))).toEqual(bare);
    expect(await handler({ message: 'hi' }, named('target___echo', 'Custom'))).toEqual(bare);
    // Arguments may look like any other event.
    const odd = { message: 'hi', method: 'tools/list', httpMethod: 'GET' };
    expect(await handler(odd, named('target___echo'))).toEqual(bare);
  });

  verifies('3.13', 'names that are none are refused in the known words, and errors are thrown', async () => {
    const handler = everything();
    await expect(handler({}, named('echo'))).rejects.toThrow('Invalid gateway tool name format: echo');
    await expect(handler({}, named('target___'))).rejects.toThrow('Empty tool name extracted from: target___');
    const target = new wrapper.BedrockAgentCoreGatewayTargetHandler({
      handleRequest: () => Promise.resolve({ jsonrpc: '2.0', id: 1, error: { code: -32603, message: 'no luck' } }),
    });
    await expect(target.handle({}, {})).rejects.toThrow('Missing bedrockAgentCoreToolName in context');
    await expect(target.handle({}, named('target___echo'))).rejects.toThrow('no luck');
  });
});

describe('the exports of the original library', () => {
  const parameters = { command: process.execPath, args: [real('server-everything'), 'stdio'] };
  const body = JSON.stringify(call('echo', { message: 'hi' }));

  verifies('3.14', 'exist by name and answer alike', async () => {
    const requests = new wrapper.StdioServerAdapterRequestHandler(parameters);
    expect(textOf(await wrapper.stdioServerAdapter(parameters, call('echo', { message: 'hi' }), {}))).toBe('Echo: hi');
    const handled = await requests.handleRequest(
      { jsonrpc: '2.0', id: 3, method: 'tools/call', params: { name: 'echo', arguments: { message: 'hi' } } },
      {},
    );
    expect([handled['id'], textOf(handled)]).toEqual([3, 'Echo: hi']);
    const url = await new wrapper.LambdaFunctionURLEventHandler(requests).handle(v2({ body }), {});
    const rest = await new wrapper.APIGatewayProxyEventHandler(requests).handle(v1({ body }), {});
    const http = await new wrapper.APIGatewayProxyEventV2Handler(requests).handle(v2({ body }), {});
    for (const answer of [url, rest, http]) expect(textOf(JSON.parse(answer.body))).toBe('Echo: hi');
    const context = { clientContext: { custom: { bedrockAgentCoreToolName: 't___echo' } } };
    const core = await new wrapper.BedrockAgentCoreGatewayTargetHandler(requests).handle({ message: 'hi' }, context);
    expect(core).toEqual({ content: [{ type: 'text', text: 'Echo: hi' }] });
  });

  verifies('3.14', "a request handler of the user's own answers HTTP, whatever it does", async () => {
    const answers: Record<string, () => Promise<unknown>> = {
      good: () => Promise.resolve({ jsonrpc: '2.0', id: 1, result: { own: true } }),
      odd: () => Promise.resolve({ fine: true }),
    };
    const handler = new wrapper.LambdaFunctionURLEventHandler({
      handleRequest: (request) =>
        (answers[request.method] ?? (() => Promise.reject(new Error('secret detail'))))() as Promise<
          Record<string, unknown>
        >,
    });
    const ask = async (method: string): Promise<Json> => {
      const answer = await handler.handle(v2({ body: JSON.stringify({ jsonrpc: '2.0', id: 1, method }) }), {});
      expect(answer.statusCode).toBe(200);
      return JSON.parse(answer.body) as Json;
    };
    expect((await ask('good')).result).toEqual({ own: true });
    expect((await ask('odd')).error.code).toBe(-32603);
    expect(JSON.stringify(await ask('bad'))).not.toContain('secret detail');
  });
});

describe('the child', () => {
  const environmentOf = async (handler: WrappedHandler): Promise<Record<string, string>> =>
    JSON.parse(textOf(await handler(call('environment')))) as Record<string, string>;
  const credentials = { AWS_ACCESS_KEY_ID: 'AKID', AWS_SECRET_ACCESS_KEY: 'hush', AWS_SESSION_TOKEN: 'token' };

  async function withVariables(variables: Record<string, string>, run: () => Promise<void>): Promise<void> {
    const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
    Object.assign(process.env, variables);
    try {
      await run();
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  }

  verifies('3.15', 'gets its own variables and folder, and no credentials unless asked', async () => {
    const home = await folder();
    await withVariables({ ...credentials, SECRET_OF_THE_HOST: 'x', AWS_REGION: 'eu-west-1' }, async () => {
      const plain = await environmentOf(evil({ env: { MINE: 'yes' }, cwd: home }));
      expect(plain).toMatchObject({ MINE: 'yes', AWS_REGION: 'eu-west-1' });
      expect(plain['PWD'] ?? home).toBe(home);
      expect(Object.keys(plain).filter((name) => /KEY|TOKEN|SECRET/.test(name))).toEqual([]);
      expect(await environmentOf(evil({ credentials: 'env' }))).toMatchObject(credentials);
      const byFile = await environmentOf(evil({ credentials: 'file' }));
      expect(byFile['AWS_SECRET_ACCESS_KEY']).toBeUndefined();
      const path = byFile['AWS_SHARED_CREDENTIALS_FILE'] ?? '';
      expect(await readFile(path, 'utf8')).toBe(
        '[default]\naws_access_key_id=AKID\naws_secret_access_key=hush\naws_session_token=token\n',
      );
      expect((await stat(path)).mode & 0o777).toBe(0o600);
    });
  });

  verifies('3.15', 'LOG_LEVEL decides what the wrapper says', async () => {
    const lines: string[] = [];
    const { stderr } = process;
    const write = stderr.write.bind(stderr);
    stderr.write = ((chunk: string) => lines.push(chunk) > 0) as typeof write;
    try {
      for (const level of ['error', 'debug']) {
        await withVariables({ LOG_LEVEL: level }, async () => {
          const handler = evil();
          await handler(call('garbage'));
          await handler.close();
        });
        lines.push(`--${level}`);
      }
    } finally {
      stderr.write = write;
    }
    const quiet = lines.slice(0, lines.indexOf('--error'));
    const loud = lines.slice(lines.indexOf('--error') + 1).filter((line) => line.startsWith('{'));
    expect(quiet).toEqual([]);
    expect(loud.map((line) => (JSON.parse(line) as Json).message)).toContain('stdio line dropped');
  });

  verifies('3.16', 'finds writable caches below the temporary folder, and layers', async () => {
    await withVariables({ PYTHONPATH: '/opt/python', NODE_PATH: '/opt/nodejs' }, async () => {
      const environment = await environmentOf(evil());
      expect(environment).toMatchObject({ PYTHONPATH: '/opt/python', NODE_PATH: '/opt/nodejs' });
      for (const name of [
        'HOME',
        'TMPDIR',
        'XDG_CACHE_HOME',
        'npm_config_cache',
        'UV_CACHE_DIR',
        'PYTHONPYCACHEPREFIX',
      ]) {
        expect(environment[name]?.startsWith(tmpdir())).toBe(true);
        expect((await stat(environment[name] ?? '')).isDirectory()).toBe(true);
      }
    });
    const own = await environmentOf(evil({ env: { HOME: '/mine' } }));
    expect(own['HOME']).toBe('/mine');
  });

  test.each([
    ['node', ['-e', "require('node:fs')"]],
    ['npx', ['--offline', 'no-such-package-of-mine']],
  ])('3.16: a command like %s %j that is no server is an error with its last words', async (command, args) => {
    const handler = createHandler({ command, args, name: 'x', startTimeoutMs: 15_000 });
    open.push(handler);
    const { error } = (await handler(call('echo'))) as Json;
    expect(error.code).toBe(-32603);
    expect(error.message).toMatch(/target "x" (?:has exited|has closed)/);
  });

  verifies('3.18', 'is one process for all calls, and started again with a handshake after its death', async () => {
    const log = join(await folder(), 'log');
    const handler = evil({ env: { EVIL_LOG: log } });
    const pid = textOf(await handler(call('pid')));
    for (let i = 0; i < 50; i++) expect(textOf(await handler(call('pid')))).toBe(pid);
    const { error } = (await handler(call('exit'))) as Json;
    expect(error.code).toBe(-32603);
    expect(error.message).toContain('has exited with code 7');
    expect(error.data.stderr).toContain('out of cheese');
    const second = textOf(await handler(call('pid')));
    expect(second).not.toBe(pid);
    const lines = (await readFile(log, 'utf8')).split('\n');
    expect(lines.filter((line) => line.startsWith('start'))).toHaveLength(2);
    expect(lines.filter((line) => line.startsWith('initialize'))).toHaveLength(2);
    await handler.close();
    expect([Number(pid), Number(second)].filter(isAlive)).toEqual([]);
  });

  verifies('3.18', 'may die again and again: each call after it works, and no process is left', async () => {
    const handler = evil();
    const pids: number[] = [];
    for (let i = 0; i < 4; i++) {
      pids.push(Number(textOf(await handler(call('pid')))), Number(textOf(await handler(call('grandchild')))));
      expect(((await handler(call('exit'))) as Json).error.code).toBe(-32603);
    }
    expect(new Set(pids).size).toBe(8);
    await handler.close();
    expect(pids.filter(isAlive)).toEqual([]);
  });

  verifies('3.18', 'ends with everything it has started, even what left its process group', async () => {
    const handler = evil({ env: { EVIL_IGNORE: '1' } });
    const pids = [
      Number(textOf(await handler(call('pid')))),
      Number(textOf(await handler(call('grandchild')))),
      Number(textOf(await handler(call('detached-grandchild')))),
    ];
    expect(pids.filter(isAlive)).toHaveLength(3);
    await handler.close();
    expect(pids.filter(isAlive)).toEqual([]);
  });

  verifies('3.18', 'is a process of its own for each call where that is asked for', async () => {
    const handler = evil({ isolation: 'call' });
    const pids = new Set<string>();
    for (let i = 0; i < 3; i++) pids.add(textOf(await handler(call('pid'))));
    expect(pids.size).toBe(3);
    await expect.poll(() => [...pids].map(Number).filter(isAlive), { timeout: 5_000 }).toEqual([]);
  });

  verifies('3.18', 'that hangs is found out and replaced before the next call', async () => {
    const handler = evil();
    const pid = textOf(await handler(call('pid')));
    await handler(call('busy', { ms: 20_000 }), within(600));
    expect(textOf(await handler(call('pid'), within(10_000)))).not.toBe(pid);
  });

  test.each([
    ['garbage', { after: 'garbage' }],
    ['stderr-flood', { flooded: 2 }],
    ['notify-flood', { notified: 2_000 }],
  ])('3.18: a server that answers among %s is understood', async (tool, expected) => {
    const handler = evil();
    const args = { mib: 2, count: 2_000 };
    expect(JSON.parse(textOf(await handler(call(tool, args))))).toEqual(expected);
  });
});

describe('faults', () => {
  verifies('F-40', 'two tenants in turn never meet in one process or on one disk', async () => {
    const handler = wrap(real('server-memory'));
    const add = call('create_entities', { entities: [{ name: 'secret', entityType: 't', observations: [] }] });
    await handler(add, tenant('a'));
    const [pid] = handler.pids();
    expect(JSON.stringify(await handler(call('read_graph'), tenant('a')))).toContain('secret');
    expect(handler.pids()).toEqual([pid]);
    const other = evil();
    const seen = new Map<string, Record<string, string>>();
    for (const name of ['a', 'b', 'a', 'b']) {
      const environment = JSON.parse(textOf(await other(call('environment'), tenant(name)))) as Record<string, string>;
      const key = `${name}${seen.size}`;
      for (const [, before] of seen) expect(environment['ZEROPLANE_CHILD']).not.toBe(before['ZEROPLANE_CHILD']);
      expect(await readdir(environment['HOME'] ?? '')).toEqual([]);
      seen.set(key, environment);
    }
    expect(new Set([...seen.values()].map((environment) => environment['HOME'])).size).toBe(4);
    await expect.poll(() => other.pids().length, { timeout: 5_000 }).toBe(1);
  });

  verifies('F-40', 'a call of one tenant outlives the arrival of another', async () => {
    const handler = evil();
    const slow = handler(call('slow', { ms: 300 }), tenant('a'));
    await delay(100);
    expect(JSON.parse(textOf(await handler(call('echo', { b: 1 }), tenant('b'))))).toEqual({ b: 1 });
    expect(textOf(await slow)).toBe('slow');
  });

  verifies('F-41', 'a call that is too slow says so before Lambda ends it', async () => {
    const handler = evil();
    await handler(call('echo'));
    const began = performance.now();
    const { result } = (await handler(call('hang'), within(1_000))) as Json;
    expect(performance.now() - began).toBeLessThan(900);
    expect(result.isError).toBe(true);
    expect(result.content[0]?.text).toMatch(/timed out after \d+ ms and may have run/);
    const listing = (await evil({ env: { EVIL_START: 'hang' } })(
      { jsonrpc: '2.0', id: 1, method: 'tools/list' },
      within(700),
    )) as Json;
    expect(listing.error).toMatchObject({ code: -32603, data: { code: 'TARGET_TIMEOUT' } });
  });

  verifies('F-43', 'a crash at start and a folder that cannot be written are errors, and tried anew', async () => {
    const crashing = evil({ env: { EVIL_START: 'exit' } });
    for (let i = 0; i < 7; i++) {
      const { error } = (await crashing(call('echo'), within(5_000))) as Json;
      expect(error.message).toContain('missing licence file');
    }
    const before = process.env['TMPDIR'];
    process.env['TMPDIR'] = '/dev/null/nowhere';
    try {
      const { error } = (await evil()(call('echo'))) as Json;
      expect(error.message).toContain('ephemeral storage');
    } finally {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
    }
  });
});

describe('both eras', () => {
  verifies('3.2', 'a modern caller of an older server is answered in its own form', async () => {
    const handler = everything();
    const discovered = (await handler({
      jsonrpc: '2.0',
      id: 1,
      method: 'server/discover',
      params: { _meta: envelope() },
    })) as Json;
    expect(discovered.result.supportedVersions).toContain('2026-07-28');
    expect(discovered.result._meta['io.modelcontextprotocol/serverInfo']?.name).toBe('mcp-servers/everything');
    const { result } = (await handler(call('echo', { message: 'hi' }, { _meta: envelope() }))) as Json;
    expect(result).toMatchObject({ resultType: 'complete', content: [{ text: 'Echo: hi' }] });
  });

  verifies('3.2', 'an older caller of a modern server is answered in its own form', async () => {
    const handler = modern();
    const { result } = (await handler({
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
    })) as Json;
    expect(result).toMatchObject({ protocolVersion: '2025-06-18', serverInfo: { name: 'modern' } });
    expect(result.instructions).toBe('be brief');
    expect((await handler(call('echo', { text: 'hi' }))) as Json).toEqual({
      jsonrpc: '2.0',
      id: 1,
      result: { content: [{ type: 'text', text: 'hi' }] },
    });
    const asked = (await handler(call('ask'))) as Json;
    expect(asked.error ?? asked.result.isError).toBeTruthy();
  });

  verifies('3.2', 'a modern server asks a modern caller over as many requests as it takes', async () => {
    const handler = modern();
    const _meta = envelope({ elicitation: { form: {} } });
    const first = ((await handler(call('ask', {}, { _meta }))) as Json).result;
    expect(first.resultType).toBe('input_required');
    const inputResponses = { who: { action: 'accept', content: { name: 'Ada' } } };
    const state = first.requestState === undefined ? {} : { requestState: first.requestState };
    const second = await handler(call('ask', {}, { _meta, inputResponses, ...state }));
    expect(textOf(second)).toBe('hello Ada');
  });
});
