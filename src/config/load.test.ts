import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LoadedConfig, LoadOptions } from './load.ts';
import { loadConfig } from './load.ts';
import { ConfigError, formatProblems } from './problems.ts';

let root = '';
let counter = 0;

beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'config-'));
});
afterAll(async () => rm(root, { recursive: true, force: true }));

/** A fresh folder with these files, loaded. */
async function load(files: Record<string, string | Uint8Array>, options: LoadOptions = {}): Promise<LoadedConfig> {
  counter += 1;
  const cwd = path.join(root, String(counter));
  await mkdir(cwd);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(cwd, name)), { recursive: true });
    await writeFile(path.join(cwd, name), content);
  }
  return loadConfig({ cwd, env: {}, ...options });
}

async function problemsOf(files: Record<string, string | Uint8Array>, options: LoadOptions = {}) {
  const error = await load(files, options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConfigError)) throw error ?? new Error('was accepted');
  expect(error.details['problems']).toBe(error.problems);
  return error.problems;
}

describe('what is loaded', () => {
  test('no file gives the defaults with the samples', async () => {
    const loaded = await load({});
    expect(loaded).toMatchObject({ path: undefined, samples: true, dialect: 'zeroplane', warnings: [], notes: [] });
    expect(loaded.config).toEqual({
      clouds: { aws: { port: 0, deny: [] }, gcp: { port: 0 }, azure: { port: 0 } },
      provisioning: { concurrency: 4, tools: true, webhookSecrets: {} },
      audience: { external: ['visibility=external'], internal: [] },
      server: { name: 'zeroplane' },
      host: '127.0.0.1',
      port: 7420,
      auth: { mode: 'token', issuers: [] },
      approvals: { selfApproval: true, rules: [] },
      mcpServers: {},
      functions: {},
      endpoints: { mcp: { search: { pin: [] } } },
      sessions: 'on',
      cors: { origins: [] },
      hosts: [],
      egress: { allow: [] },
      compat: [],
      limits: { inFlightPerPrincipal: 256, inFlight: 1024, bodyBytes: 4_194_304 },
      results: { inlineBytes: 5_242_880, pageBytes: 1_048_576, expiresAfterSeconds: 86_400 },
      logLevel: 'info',
    });
  });

  test('a YAML file is read, with absolute folders and defaults filled in', async () => {
    const loaded = await load(
      {
        'zeroplane.yaml': [
          '# yaml-language-server: $schema=./schema.json',
          'name: team-x',
          'mcpServers:',
          '  docs: { command: npx, args: [-y, server], cwd: sub }',
          '  linear: { type: http, url: https://mcp.example.com/mcp, headers: { Authorization: "Bearer ${env:LINEAR_TOKEN}" } }',
          'functions:',
          '  hello: { handler: index.handler, code: ./fn, schema: ./fn/schema.json }',
        ].join('\n'),
      },
      { env: { LINEAR_TOKEN: 'lin_0123456789' } },
    );
    expect(loaded.samples).toBe(false);
    expect(loaded.config.mcpServers['docs']).toMatchObject({
      kind: 'stdio',
      command: 'npx',
      args: ['-y', 'server'],
      cwd: path.join(loaded.baseDir, 'sub'),
      timeoutMs: 60_000,
    });
    expect(loaded.config.mcpServers['linear']).toMatchObject({
      kind: 'remote',
      headers: { Authorization: 'Bearer lin_0123456789' },
    });
    expect(loaded.config.functions['hello']).toMatchObject({
      code: path.join(loaded.baseDir, 'fn'),
      runtime: 'nodejs24.x',
      timeoutSeconds: 30,
      memoryMb: 128,
      event: 'arguments',
    });
    expect(loaded.secretValues).toContain('lin_0123456789');
  });

  test('the result is frozen to the leaves', async () => {
    const { config } = await load({ 'zeroplane.yaml': 'mcpServers: { a: { command: x, args: [y] } }' });
    expect(Object.isFrozen(config) && Object.isFrozen(config.mcpServers)).toBe(true);
    expect(Object.isFrozen(config.mcpServers['a']) && Object.isFrozen(config.endpoints.mcp.search.pin)).toBe(true);
    expect(Object.getPrototypeOf(config.mcpServers)).toBe(null);
  });

  test('the first file of the known names counts, and the others are named', async () => {
    const loaded = await load({ 'zeroplane.yml': 'port: 1', 'zeroplane.json': '{', '.mcp.json': '{}' });
    expect(loaded.config.port).toBe(1);
    expect(loaded.notes.map((note) => note.text)).toEqual([
      'zeroplane.json is not read because zeroplane.yml is there.',
      '.mcp.json is not read because zeroplane.yml is there; `zeroplane import .mcp.json` brings its servers in.',
    ]);
  });

  test('JSON with comments, trailing commas, byte order mark and CRLF is read', async () => {
    const text = '\uFEFF// servers\r\n{ "mcpServers": { "a": { "command": "x", }, }, /* y */ "port": 1, }\r\n';
    const loaded = await load({ 'zeroplane.jsonc': text });
    expect(loaded.config.mcpServers['a']).toMatchObject({ kind: 'stdio', command: 'x' });
  });

  test('a server may be a function, by name or ARN', async () => {
    const arn = 'arn:aws:lambda:eu-west-1:123456789012:function:docs:live';
    const { config } = await load({
      'zeroplane.yaml': `mcpServers: { a: { function: docs }, b: { function: "${arn}", contract: method-params, stream: true } }`,
    });
    expect(config.mcpServers['a']).toEqual({
      kind: 'function',
      function: 'docs',
      contract: 'auto',
      stream: false,
      timeoutMs: 60_000,
      startTimeoutMs: 30_000,
    });
    expect(config.mcpServers['b']).toMatchObject({ function: arn, contract: 'method-params', stream: true });
  });

  test('a server that is a function is for no tenant that its function is not for, and has its tags', async () => {
    const { config } = await load({
      'zeroplane.yaml': `
        functions:
          open: { handler: a.b }
          closed: { handler: a.b, tenants: [x, y], tags: { visibility: internal, team: docs } }
        mcpServers:
          open: { function: open, tenants: [z] }
          closed: { function: "arn:aws:lambda:us-east-1:1:function:closed:live", tags: { team: own, visibility: external } }
          both: { function: closed, tenants: [y, z] }
          neither: { function: closed, tenants: [z] }`,
    });
    const { open, closed, both, neither } = config.mcpServers;
    expect(open?.tenants).toEqual(['z']);
    expect(closed?.tenants).toEqual(['x', 'y']);
    expect(closed?.tags).toEqual({ team: 'own', visibility: 'internal' });
    expect([both?.tenants, neither?.tenants]).toEqual([['y'], []]);
  });

  test('a key without a value counts as left out', async () => {
    const loaded = await load({ 'zeroplane.yaml': 'mcpServers:\nfunctions:\nname: a\n' });
    expect(loaded.config).toMatchObject({ mcpServers: {}, functions: {}, name: 'a' });
  });

  test('keys that are no legal id are renamed and said', async () => {
    const loaded = await load({
      'zeroplane.yaml':
        'mcpServers: { My Server: { command: a }, my-server: { command: b }, registry: { command: c } }',
    });
    expect(Object.keys(loaded.config.mcpServers)).toEqual(['my-server-2', 'my-server', 'registry-2']);
    expect(loaded.notes.map((note) => note.text)).toEqual([
      'Server "My Server" is published as "my-server-2".',
      'Server "registry" is published as "registry-2" because that name is reserved.',
    ]);
  });

  test('a disabled server is left out, and what it refers to need not exist', async () => {
    const loaded = await load({
      'zeroplane.yaml': 'mcpServers: { a: { command: x, disabled: true, env: { T: "${env:NOPE}" } } }',
    });
    expect(loaded.config.mcpServers).toEqual({});
  });

  test('the variables that select functions win over the file', async () => {
    const env = {
      FUNCTION_PREFIX: 'mcp-',
      FUNCTION_LIST: '["a", "b"]',
      FUNCTION_TAG_KEY: 'K',
      FUNCTION_TAG_VALUE: 'V',
    };
    const loaded = await load({ 'zeroplane.yaml': 'discover: { prefix: x-, owner: me }' }, { env });
    expect(loaded.config.discover).toMatchObject({ prefix: 'mcp-', owner: 'me', list: ['a', 'b'] });
  });

  test('a host that others reach gives a warning, and so does auth none', async () => {
    const open = await load({ 'zeroplane.yaml': 'host: 0.0.0.0' });
    expect(open.warnings).toEqual([expect.stringContaining('other machines can reach this gateway')]);
    const none = await load({ 'zeroplane.yaml': 'auth: { mode: none }' });
    expect(none.warnings).toEqual([expect.stringContaining('every program on this machine')]);
  });
});

describe('references', () => {
  const server = (env: Record<string, string>, rest = {}) => ({
    'zeroplane.json': JSON.stringify({ mcpServers: { a: { command: 'x', env } }, ...rest }),
  });
  const envOf = (loaded: LoadedConfig) => {
    const found = loaded.config.mcpServers['a'];
    return found?.kind === 'stdio' ? found.env : undefined;
  };

  test.each([
    ['${env:X}', 'value'],
    ['${X}', 'value'],
    ['<${env:X}-${env:X}>', '<value-value>'],
    ['${env:NONE:-fallback}', 'fallback'],
    ['${NONE:-a:-b}', 'a:-b'],
    ['${env:EMPTY}', ''],
    ['${env:EMPTY:-full}', 'full'],
    ['$${env:X}', '${env:X}'],
    ['pa$$word$', 'pa$$word$'],
    ['${arr[0]} ${#x}', '${arr[0]} ${#x}'],
    ['${env:NESTED}', '${env:X}'],
  ])('%s becomes %s', async (written, expected) => {
    const env = { X: 'value', EMPTY: '', NESTED: '${env:X}' };
    expect(envOf(await load(server({ V: written }), { env }))).toEqual({ V: expected });
  });

  test('a number or a switch may be one reference', async () => {
    const text = 'port: ${env:PORT}\nmcpServers: { a: { command: x, disabled: "${env:OFF}" } }';
    const loaded = await load({ 'zeroplane.yaml': text }, { env: { PORT: '81', OFF: 'true' } });
    expect(loaded.config).toMatchObject({ port: 81, mcpServers: {} });
  });

  test('secrets are put in and collected, with everything that is named like one', async () => {
    const secrets = { get: async (name: string) => (name === 'gh' ? 'sec-ret' : undefined) };
    const env = { T: '${secret:gh}', API_KEY: 'literal-key', MODE: 'production-mode', V: '${env:SOME_TOKEN}' };
    const loaded = await load(server(env), { secrets, env: { SOME_TOKEN: 'from-variable' } });
    expect([...loaded.secretValues].sort()).toEqual(['from-variable', 'literal-key', 'sec-ret']);
  });

  test('one that is missing is named with its server and its place, and said once', async () => {
    const text = 'mcpServers:\n  web:\n    url: ${env:BASE}\n    headers:\n      A: "Bearer ${secret:tok}"\n';
    expect(await problemsOf({ 'zeroplane.yaml': text })).toEqual([
      {
        code: 'CONFIG_MISSING_VARIABLE',
        file: 'zeroplane.yaml',
        line: 3,
        column: 10,
        path: 'mcpServers.web.url',
        message: 'The variable BASE of server "web" is not set; set it, or write ${env:BASE:-DEFAULT}',
      },
      {
        code: 'CONFIG_MISSING_SECRET',
        file: 'zeroplane.yaml',
        line: 5,
        column: 18,
        path: 'mcpServers.web.headers.A',
        message:
          'The secret tok of server "web" is not known; set ZEROPLANE_SECRET_TOK, or write it to secrets/tok in the data folder',
      },
    ]);
  });

  test('the default chain reads the data folder beside the file', async () => {
    const files = { ...server({ T: '${secret:gh}' }), '.zeroplane/secrets/gh': 'from-file\n' };
    const [problem] = await problemsOf(files);
    expect(problem).toMatchObject({ code: 'CONFIG_MISSING_SECRET', message: expect.stringContaining('chmod 600') });
    const cwd = path.join(root, String(counter));
    await chmod(path.join(cwd, '.zeroplane/secrets/gh'), 0o600);
    expect(envOf(await loadConfig({ cwd, env: {} }))).toEqual({ T: 'from-file' });
  });

  test('no message holds a value', async () => {
    const text =
      'mcpServers: { a: { url: "${env:BAD}", type: "${env:BAD}", timeoutMs: "${env:BAD}" } }\nport: "${env:BAD}"';
    const problems = await problemsOf({ 'zeroplane.yaml': text }, { env: { BAD: 'hunter2-hunter2' } });
    expect(problems.length).toBe(4);
    expect(JSON.stringify(problems) + formatProblems(problems)).not.toContain('hunter2');
  });
});

describe('problems', () => {
  type Row = [
    title: string,
    file: string,
    text: string,
    place: string,
    code: string,
    path: string,
    message: string,
    nearest?: string,
  ];
  const table: Row[] = [
    ['unknown key', 'a.yaml', 'name: x\nprot: 80\n', '2:1', 'CONFIG_UNKNOWN_KEY', 'prot', 'Unknown key "prot"', 'port'],
    [
      'nested unknown key',
      'a.yaml',
      'limits:\n  inflight: 1',
      '2:3',
      'CONFIG_UNKNOWN_KEY',
      'limits.inflight',
      'Unknown key "inflight" in "limits"',
      'inFlight',
    ],
    [
      'misspelt deciding key',
      'a.yaml',
      'mcpServers:\n  fs:\n    comand: npx',
      '3:5',
      'CONFIG_UNKNOWN_KEY',
      'mcpServers.fs.comand',
      'Unknown key "comand" in server "fs"',
      'command',
    ],
    [
      'unknown key of a function',
      'a.json',
      '{\n "functions": {"f": {"handler": "i.h", "timeout": 3}}}',
      '2:40',
      'CONFIG_UNKNOWN_KEY',
      'functions.f.timeout',
      'Unknown key "timeout" in function "f"',
    ],
    [
      'section of another client',
      'a.yaml',
      'servers: {}',
      '1:1',
      'CONFIG_UNKNOWN_KEY',
      'servers',
      'Unknown key "servers"',
      'mcpServers',
    ],
    [
      'neither command nor url',
      'a.yaml',
      'mcpServers:\n  x: { lambda: arn }',
      '2:3',
      'CONFIG_INVALID',
      'mcpServers.x',
      'Server "x" needs "command" (a program), "url" (a remote server) or "function" (a Lambda function)',
    ],
    [
      'both',
      'a.yaml',
      'mcpServers:\n  x: { command: a, url: b }',
      '2:3',
      'CONFIG_INVALID',
      'mcpServers.x',
      'Server "x" has both "command" and "url"; keep one',
    ],
    [
      'command and function',
      'a.yaml',
      'mcpServers:\n  x: { command: a, function: b }',
      '2:3',
      'CONFIG_INVALID',
      'mcpServers.x',
      'Server "x" has both "command" and "function"; keep one',
    ],
    [
      'no name of a function',
      'a.yaml',
      'mcpServers:\n  x: { function: "arn:aws:s3:::x" }',
      '2:18',
      'CONFIG_INVALID',
      'mcpServers.x.function',
      '"mcpServers.x.function" must be the name or ARN of a function, with ":version" or ":alias" behind it if need be',
    ],
    [
      'server is text',
      'a.yaml',
      'mcpServers:\n  x: npx',
      '2:6',
      'CONFIG_INVALID',
      'mcpServers.x',
      'Server "x" must be a mapping with "command", "url" or "function"',
    ],
    [
      'servers is a list',
      'a.yaml',
      'mcpServers:\n  - x',
      '2:3',
      'CONFIG_INVALID',
      'mcpServers',
      '"mcpServers" must be a mapping of names to servers',
    ],
    [
      'wrong type',
      'a.json',
      '{ "name": "x",\n  "port": "80" }',
      '2:11',
      'CONFIG_INVALID',
      'port',
      '"port" must be a number, not text',
    ],
    [
      'number for text',
      'a.yaml',
      'mcpServers: { a: { command: x, env: { P: 80 } } }',
      '1:42',
      'CONFIG_INVALID',
      'mcpServers.a.env.P',
      '"mcpServers.a.env.P" must be text, not a number; put it in quotes',
    ],
    ['out of range', 'a.yaml', 'port: 70000', '1:7', 'CONFIG_INVALID', 'port', '"port" must be at most 65,535'],
    [
      'misspelt choice',
      'a.yaml',
      'auth: { mode: tokn }',
      '1:15',
      'CONFIG_INVALID',
      'auth.mode',
      '"auth.mode" must be one of "token", "none"',
      'token',
    ],
    [
      'missing key',
      'a.yaml',
      'functions:\n  f: { code: . }',
      '2:3',
      'CONFIG_INVALID',
      'functions.f.handler',
      '"functions.f.handler" is missing',
    ],
    [
      'illegal function name',
      'a.yaml',
      'functions:\n  a___b: { handler: h }',
      '2:3',
      'CONFIG_INVALID',
      'functions.a___b',
      'The name "a___b" must be 1 to 64 letters, digits, "-" or "_", without "___"',
    ],
    [
      'compat without quotes',
      'a.yaml',
      'compat: [002]',
      '1:10',
      'CONFIG_INVALID',
      'compat[0]',
      '"compat[0]" must be one of "002", "003", "004", not a number; put it in quotes',
    ],
    [
      'version and alias',
      'a.yaml',
      'functions:\n  f: { handler: h, version: 1, alias: live }',
      '2:39',
      'CONFIG_INVALID',
      'functions.f.alias',
      '"alias" cannot stand beside "version"',
    ],
    [
      'no such version',
      'a.yaml',
      'functions:\n  f: { handler: h, version: 1.5 }',
      '2:29',
      'CONFIG_INVALID',
      'functions.f.version',
      '"functions.f.version" must be the number of a published version, or "$LATEST"',
    ],
    [
      'canary of nothing',
      'a.yaml',
      'functions:\n  f: { handler: h, canary: { percent: 5 } }',
      '2:28',
      'CONFIG_INVALID',
      'functions.f.canary',
      '"canary" needs "version" or "alias": what is to be tried',
    ],
    [
      'canary for nobody',
      'a.yaml',
      'functions:\n  f: { handler: h, canary: { version: 2 } }',
      '2:28',
      'CONFIG_INVALID',
      'functions.f.canary',
      '"canary" needs "percent" or "cohort": who is to try it',
    ],
    [
      'canary of what everybody has',
      'a.yaml',
      'functions:\n  f: { handler: h, alias: live, canary: { alias: live, percent: 5 } }',
      '2:41',
      'CONFIG_INVALID',
      'functions.f.canary',
      'everybody is pinned to "live" already',
    ],
    [
      'any web origin',
      'a.yaml',
      'cors: { origins: ["*"] }',
      '1:19',
      'CONFIG_INVALID',
      'cors.origins[0]',
      '"*" is allowed only with compat: ["004"]; name the origins',
    ],
    [
      'no auth beyond loopback',
      'a.yaml',
      'host: 0.0.0.0\nauth: { mode: none }',
      '2:15',
      'CONFIG_INVALID',
      'auth.mode',
      '"none" is allowed only while "host" is a loopback address',
    ],
    [
      'password in a url',
      'a.yaml',
      'mcpServers: { a: { url: "http://u:p@h/" } }',
      '1:25',
      'CONFIG_INVALID',
      'mcpServers.a.url',
      '"mcpServers.a.url" must be an http:// or https:// address without a user name',
    ],
    [
      'header of two lines',
      'a.yaml',
      'mcpServers: { a: { url: "http://h/", headers: { A: "x\\r\\ny" } } }',
      '1:52',
      'CONFIG_INVALID',
      'mcpServers.a.headers.A',
      '"mcpServers.a.headers.A" must be one line',
    ],
    [
      'bare reference elsewhere',
      'a.yaml',
      'name: "x ${Y}"',
      '1:10',
      'CONFIG_INVALID',
      'name',
      '"${Y}" is no reference; write ${env:Y}, or $${Y} for the text itself',
    ],
    [
      'variable with a space before its name',
      'a.yaml',
      'mcpServers: { a: { command: x, env: { T: "${env: X}" } } }',
      '1:43',
      'CONFIG_INVALID',
      'mcpServers.a.env.T',
      '"${env: X}" names no variable; letters, digits and "_" are allowed',
    ],
    [
      'secret without a name',
      'a.yaml',
      'mcpServers: { a: { url: "http://h/", headers: { A: "Bearer ${secret:}" } } }',
      '1:60',
      'CONFIG_INVALID',
      'mcpServers.a.headers.A',
      '"${secret:}" is no reference; write ${env:NAME} or ${secret:NAME}, or $${secret:} for the text itself',
    ],
    ['duplicate key', 'a.yaml', 'port: 1\nport: 2', '2:1', 'CONFIG_SYNTAX', '', 'The key "port" is written twice'],
    [
      'duplicate key in JSON',
      'a.json',
      '{"port": 1,\n "port": 2}',
      '2:2',
      'CONFIG_SYNTAX',
      '',
      'The key "port" is written twice',
    ],
    [
      'prototype key',
      'a.json',
      '{"mcpServers": {"__proto__": {}}}',
      '1:17',
      'CONFIG_UNKNOWN_KEY',
      '',
      'The key "__proto__" cannot be used here',
    ],
    [
      'tab',
      'a.yaml',
      'auth:\n\tmode: none',
      '2:1',
      'CONFIG_SYNTAX',
      '',
      'A tab is used to indent; YAML takes spaces only',
    ],
    [
      'two documents',
      'a.yaml',
      'port: 1\n---\nport: 2',
      '2:1',
      'CONFIG_SYNTAX',
      '',
      'A second YAML document begins here; a configuration is one document',
    ],
    [
      'not a mapping',
      'a.yaml',
      '\n- a\n',
      '2:1',
      'CONFIG_INVALID',
      '',
      'The file holds a list; it must be a mapping with keys such as mcpServers',
    ],
    [
      'single value',
      'a.json',
      '7',
      '1:1',
      'CONFIG_INVALID',
      '',
      'The file holds a single value; it must be a mapping with keys such as mcpServers',
    ],
    [
      'empty',
      'a.yaml',
      '  \n',
      '1:1',
      'CONFIG_SYNTAX',
      '',
      'The file is empty; add mcpServers or functions, or remove the file',
    ],
    [
      'comments alone',
      'a.yaml',
      '# x\n',
      '1:1',
      'CONFIG_SYNTAX',
      '',
      'The file is empty; add mcpServers or functions, or remove the file',
    ],
    ['unclosed JSON', 'a.json', '{\n "port": 1', '2:11', 'CONFIG_SYNTAX', '', 'A closing } is expected here'],
    [
      'JSON without quotes',
      'a.json',
      '{ port: 1 }',
      '1:3',
      'CONFIG_SYNTAX',
      '',
      'This is no JSON value; text needs double quotes',
    ],
    ['CRLF', 'a.yaml', 'name: x\r\nprot: 1\r\n', '2:1', 'CONFIG_UNKNOWN_KEY', 'prot', 'Unknown key "prot"', 'port'],
    ['byte order mark', 'a.yaml', '\uFEFFprot: 1', '1:1', 'CONFIG_UNKNOWN_KEY', 'prot', 'Unknown key "prot"', 'port'],
    [
      'TOML',
      'a.toml',
      '[mcp_servers.x]\ncommand = 3',
      '2:11',
      'CONFIG_INVALID',
      'mcpServers.x.command',
      '"mcpServers.x.command" must be text, not a number; put it in quotes',
    ],
    [
      'broken TOML',
      'a.toml',
      'a = 1\nb = ',
      '2:5',
      'CONFIG_SYNTAX',
      '',
      expect.stringContaining('The TOML cannot be read') as unknown as string,
    ],
  ];

  test.each(table)('%s is reported at its place', async (_, file, text, place, code, at, message, nearest) => {
    const [line, column] = place.split(':').map(Number);
    const problems = await problemsOf({ [file]: text }, { configPath: file });
    const expected = { code, file, line, column, path: at, message, ...(nearest === undefined ? {} : { nearest }) };
    expect(problems[0]).toMatchObject(expected);
    expect(problems[0]?.nearest).toBe(nearest);
  });

  test('all of them come at once, in the order of the file', async () => {
    const text = 'port: x\nmcpServers:\n  a: { comand: x }\n  b: { url: y }\nnmae: z\n';
    const problems = await problemsOf({ 'zeroplane.yaml': text });
    expect(problems.map((problem) => [problem.line, problem.path])).toEqual([
      [1, 'port'],
      [3, 'mcpServers.a.comand'],
      [4, 'mcpServers.b.url'],
      [5, 'nmae'],
    ]);
  });

  test('the terminal shows place, key and the next step', async () => {
    const problems = await problemsOf({
      'zeroplane.yaml': 'mcpServers:\n  fs:\n    comand: npx\n\nport: "\u001b[31m"\n',
    });
    expect(formatProblems(problems)).toBe(
      [
        'error CONFIG_UNKNOWN_KEY  Unknown key "comand" in server "fs"',
        '  zeroplane.yaml:3:5   comand: …      did you mean "command"?',
        'error CONFIG_INVALID  "port" must be a number, not text',
        '  zeroplane.yaml:5:7',
        '  next: fix the 2 places, or run  zeroplane doctor',
        '',
      ].join('\n'),
    );
  });

  test('control characters of a key do not reach the terminal', async () => {
    const problems = await problemsOf({ 'zeroplane.yaml': '"a\\e[31m\\u202Eb": 1' });
    // oxlint-disable-next-line no-control-regex -- their absence is the point
    expect(formatProblems(problems)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
  });

  test('a file that is named and absent is CONFIG_NOT_FOUND', async () => {
    await expect(load({}, { configPath: 'nope.yaml' })).rejects.toMatchObject({
      code: 'CONFIG_NOT_FOUND',
      problems: [{ file: 'nope.yaml' }],
    });
  });

  test.each([
    ['UTF-16', Buffer.from('\uFEFFport: 1', 'utf16le')],
    ['invalid UTF-8', Buffer.from([0x70, 0xff])],
  ])('%s is refused', async (_, bytes) => {
    const [problem] = await problemsOf({ 'zeroplane.yaml': bytes });
    expect(problem).toMatchObject({ code: 'CONFIG_SYNTAX', message: 'The file is not UTF-8 text; save it as UTF-8' });
  });

  test('a folder in place of the file is refused', async () => {
    const [problem] = await problemsOf({ 'zeroplane.yaml/x': '' });
    expect(problem).toMatchObject({ message: 'The file cannot be read (EISDIR)' });
  });
});

describe('hostile text', () => {
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x,x]',
    ...'bcdefgh'.split('').map((name, index) => {
      const before = 'abcdefgh'[index] ?? 'a';
      return `${name}: &${name} [${Array.from({ length: 10 }, () => `*${before}`).join(',')}]`;
    }),
  ].join('\n');

  test.each([
    ['multiplying anchors', 'a.yaml', bomb],
    ['an anchor that holds itself', 'a.yaml', 'a: &a [*a]'],
    ['an anchor at the root that holds itself', 'a.yaml', '&a { b: *a }'],
    ['brackets a hundred thousand deep', 'a.yaml', '['.repeat(100_000)],
    ['the same in JSON', 'a.json', '{"a":'.repeat(100_000)],
    ['the same in TOML', 'a.toml', `a = ${'['.repeat(100_000)}`],
    ['dashes a hundred thousand deep', 'a.yaml', '- '.repeat(100_000)],
    [
      'indentation a thousand deep',
      'a.yaml',
      Array.from({ length: 1000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
    ],
    ['nesting just over the limit', 'a.json', `{"a":${'['.repeat(70)}${']'.repeat(70)}}`],
    ['a file of two megabytes', 'a.yaml', `name: ${'x'.repeat(2_000_000)}`],
    [
      'a hundred thousand keys',
      'a.json',
      `{${Array.from({ length: 100_000 }, (_, index) => `"${index}":1`).join(',')}}`,
    ],
  ])('%s is refused with a reason', async (_, file, text) => {
    const problems = await problemsOf({ [file]: text }, { configPath: file });
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.every((problem) => problem.message.length < 300)).toBe(true);
  });

  const keys = fc.constantFrom(
    'mcpServers',
    'servers',
    'mcp',
    'functions',
    'command',
    'url',
    'args',
    'env',
    'constructor',
    '__proto__',
    'toString',
    'discover',
    'port',
    'type',
  );
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.string(),
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom('${env:X}', '${', '${a}', 'http://x/'),
      tie('list'),
      tie('map'),
    ),
    list: fc.array(tie('value'), { maxLength: 4 }),
    map: fc.dictionary(fc.oneof(keys, fc.string()), tie('value'), { maxKeys: 5 }),
  }));
  const noise = fc.array(
    fc.constantFrom(
      'a',
      ': ',
      '- ',
      '\n',
      '  ',
      '\t',
      '[',
      '{',
      '}',
      ']',
      '"',
      "'",
      '&x ',
      '*x',
      '!!',
      '|',
      '>',
      '#',
      '? ',
      ',',
      '\uFEFF',
      '\r',
      '=',
      '${',
      'mcpServers',
      '---',
      '%',
      '\0',
      '\uD800',
    ),
    { maxLength: 40 },
  );
  const texts = fc.oneof(
    json.map.map((value) => JSON.stringify(value)),
    fc.string(),
    noise.map((parts) => parts.join('')),
  );

  test.each(['a.yaml', 'a.json', 'a.toml', '.mcp.json'])(
    'no text of %s makes anything but the configuration error',
    async (file) => {
      const cwd = path.join(root, `property-${file}`);
      await mkdir(cwd);
      await fc.assert(
        fc.asyncProperty(texts, async (text) => {
          await writeFile(path.join(cwd, file), text);
          const error: unknown = await loadConfig({ cwd, configPath: file, env: {} }).then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
          expect(error === undefined || error instanceof ConfigError).toBe(true);
        }),
        { numRuns: 300 },
      );
    },
  );
});
