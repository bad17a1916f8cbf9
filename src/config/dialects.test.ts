import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { agents, getAgentTypes, upsertServer } from 'add-mcp';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { importServers } from './dialects.ts';
import { loadConfig } from './load.ts';

const json = (value: unknown): string => JSON.stringify(value, null, 2);

describe('importing the file of another client', () => {
  test('mcpServers with a missing type, a bare variable and fields of its own', () => {
    const text = json({
      mcpServers: {
        fs: {
          command: 'npx',
          args: ['-y', 'server', '${HOME}'],
          env: { T: '${TOKEN:-none}' },
          autoApprove: ['x'],
          disabled: false,
        },
        Web: { url: 'https://h.example/mcp', headers: { A: 'Bearer ${env:T}' }, alwaysAllow: [], timeout: 60 },
      },
    });
    expect(importServers(text, '.mcp.json')).toEqual({
      dialect: 'mcp-json',
      servers: [
        {
          id: 'fs',
          sourceName: 'fs',
          config: {
            command: 'npx',
            args: ['-y', 'server', '${env:HOME}'],
            env: { T: '${env:TOKEN:-none}' },
            disabled: false,
          },
        },
        { id: 'web', sourceName: 'Web', config: { url: 'https://h.example/mcp', headers: { A: 'Bearer ${env:T}' } } },
      ],
      notes: [
        { kind: 'ignored', path: 'mcpServers.fs', text: 'Server "fs": not used here: autoApprove.' },
        { kind: 'ignored', path: 'mcpServers.Web', text: 'Server "Web": not used here: timeout.' },
        { kind: 'renamed', path: 'mcpServers.Web', text: 'Server "Web" is published as "web".' },
      ],
      problems: [],
    });
  });

  test.each([
    ['Windsurf', { serverUrl: 'http://h/sse' }, { url: 'http://h/sse' }],
    ['Gemini', { httpUrl: 'http://h/mcp', trust: true }, { url: 'http://h/mcp' }],
    ['Cline', { type: 'streamableHttp', url: 'http://h/mcp' }, { type: 'streamable-http', url: 'http://h/mcp' }],
    [
      'a remote with empty leftovers',
      { type: 'http', url: 'http://h/', command: '', args: [], env: {} },
      { type: 'http', url: 'http://h/' },
    ],
    ['a stdio with an empty url', { type: 'stdio', command: 'x', url: '' }, { type: 'stdio', command: 'x' }],
    ['null fields', { command: 'x', env: null, url: null }, { command: 'x' }],
    ['an address that is a variable', { url: '${BASE}/mcp' }, { url: '${env:BASE}/mcp' }],
    [
      'our own keys',
      { command: 'x', tenants: ['team-x'], timeoutMs: 500 },
      { command: 'x', tenants: ['team-x'], timeoutMs: 500 },
    ],
    ['shell text', { command: 'sh', args: ['-c', 'echo ${a[0]}'] }, { command: 'sh', args: ['-c', 'echo $${a[0]}'] }],
  ])('%s', (_, written, expected) => {
    const result = importServers(json({ mcpServers: { a: written } }), 'mcp.json');
    expect(result.problems).toEqual([]);
    expect(result.servers.map((server) => server.config)).toEqual([expected]);
  });

  test('VS Code: servers and inputs, with folder variables', () => {
    const text = `{
      // inputs become secrets
      "inputs": [{ "id": "key", "type": "promptString", "password": true }],
      "servers": {
        "gh": { "type": "http", "url": "https://h.example/", "headers": { "Authorization": "Bearer \${input:key}" } },
        "local": { "type": "stdio", "command": "node", "args": ["\${workspaceFolder}/s.js"], "envFile": ".env" },
      }
    }`;
    const result = importServers(text, '.vscode/mcp.json');
    expect(result.dialect).toBe('vscode');
    expect(result.servers.map((server) => server.config)).toEqual([
      { type: 'http', url: 'https://h.example/', headers: { Authorization: 'Bearer ${input:key}' } },
      { type: 'stdio', command: 'node', args: ['./s.js'] },
    ]);
    expect(result.notes.map((note) => note.text)).toEqual(['Server "local": not used here: envFile.']);
  });

  test('VS Code settings keep them one level down', () => {
    const text = json({ 'editor.fontSize': 12, mcp: { inputs: [], servers: { a: { command: 'x' } } } });
    expect(importServers(text, 'settings.json')).toMatchObject({
      dialect: 'vscode',
      servers: [{ id: 'a', config: { command: 'x' } }],
    });
  });

  test('Zed: context_servers with a command of three parts, and extensions left out', () => {
    const text = json({
      theme: 'One Dark',
      context_servers: {
        flat: { source: 'custom', command: 'x', args: ['1'], env: { A: '${B}' } },
        nested: { command: { path: 'y', args: ['2'], env: { C: 'd' } }, settings: {} },
        extension: { settings: { key: 1 } },
        far: { url: 'https://h.example/', headers: { X: 'y' } },
      },
    });
    const result = importServers(text, 'settings.json');
    expect(result.dialect).toBe('zed');
    expect(result.servers.map((server) => [server.id, server.config])).toEqual([
      ['flat', { command: 'x', args: ['1'], env: { A: '$${B}' } }],
      ['nested', { command: 'y', args: ['2'], env: { C: 'd' } }],
      ['far', { url: 'https://h.example/', headers: { X: 'y' } }],
    ]);
    expect(result.notes.map((note) => note.text)).toContain(
      'Server "extension" is left out: a Zed extension brings it.',
    );
  });

  test('OpenCode: mcp with local and remote, command lists and its own variables', () => {
    const text = json({
      $schema: 'https://opencode.ai/config.json',
      server: { port: 4096 },
      logLevel: 'INFO',
      mcp: {
        here: { type: 'local', command: ['bun', 'x', 'server'], environment: { T: '{env:TOKEN}' }, enabled: true },
        there: { type: 'remote', url: 'https://h.example/mcp', headers: { A: 'Bearer {env:TOKEN}' }, enabled: false },
      },
    });
    const result = importServers(text, 'opencode.json');
    expect(result).toMatchObject({ dialect: 'opencode', problems: [], notes: [] });
    expect(result.servers.map((server) => server.config)).toEqual([
      { type: 'stdio', command: 'bun', args: ['x', 'server'], env: { T: '${env:TOKEN}' } },
      { url: 'https://h.example/mcp', headers: { A: 'Bearer ${env:TOKEN}' }, disabled: true },
    ]);
  });

  test('Codex: TOML tables, headers from variables, seconds', () => {
    const text = [
      'model = "o9"',
      '[mcp_servers.docs]',
      'command = "npx"',
      'args = ["-y", "${NOT_A_REFERENCE}"]',
      'env_vars = ["HOME"]',
      'startup_timeout_sec = 2.5',
      'tool_timeout_sec = 90',
      '[mcp_servers.docs.env]',
      'A = "b"',
      '[mcp_servers."far away"]',
      'url = "https://h.example/mcp"',
      'bearer_token_env_var = "TOKEN"',
      'http_headers = { "X-A" = "1" }',
      'env_http_headers = { "X-B" = "B_VAR" }',
      'enabled = false',
    ].join('\n');
    const result = importServers(text, 'config.toml');
    expect(result).toMatchObject({ dialect: 'codex', problems: [] });
    expect(result.servers).toEqual([
      {
        id: 'docs',
        sourceName: 'docs',
        config: {
          command: 'npx',
          args: ['-y', '$${NOT_A_REFERENCE}'],
          env: { A: 'b' },
          inheritEnv: ['HOME'],
          startTimeoutMs: 2500,
          timeoutMs: 90_000,
        },
      },
      {
        id: 'far-away',
        sourceName: 'far away',
        config: {
          url: 'https://h.example/mcp',
          disabled: true,
          headers: { 'X-A': '1', Authorization: 'Bearer ${env:TOKEN}', 'X-B': '${env:B_VAR}' },
        },
      },
    ]);
  });

  test('servers without a key around them', () => {
    expect(importServers(json({ a: { command: 'x' }, b: { url: 'http://h/' } }), 'mcp.json')).toMatchObject({
      dialect: 'mcp-json',
      servers: [{ id: 'a' }, { id: 'b' }],
    });
  });

  test('our own file is read strictly', () => {
    const result = importServers(
      'mcpServers:\n  a: { command: x, autoApprove: [] }\n  b: { command: "${X}" }',
      'zeroplane.yaml',
    );
    expect(result.servers).toEqual([{ id: 'b', sourceName: 'b', config: { command: '${env:X}' } }]);
    expect(result.problems).toMatchObject([{ code: 'CONFIG_UNKNOWN_KEY', path: 'mcpServers.a.autoApprove', line: 2 }]);
  });

  test.each([
    ['a server that is neither', json({ mcpServers: { a: { foo: 1 } } }), 'needs "command"'],
    ['a web socket', json({ mcpServers: { a: { type: 'ws', url: 'ws://h/' } } }), 'must be an http://'],
    ['no servers at all', json({ editor: 1 }), 'No MCP servers here'],
    ['servers that are a list', json({ mcpServers: [] }), 'must be a mapping of names'],
    ['broken text', '{', 'A closing } is expected here'],
  ])('%s is a problem with a place', (_, text, message) => {
    const result = importServers(text, '.mcp.json');
    expect(result.servers).toEqual([]);
    expect(result.problems.map((problem) => problem.message).join('\n')).toContain(message);
    expect(result.problems.every((problem) => problem.line > 0 && problem.column > 0)).toBe(true);
  });

  test('nothing makes it throw', () => {
    const words = fc.constantFrom(
      'mcpServers',
      'servers',
      'context_servers',
      'mcp',
      'mcp_servers',
      'inputs',
      'command',
      'url',
      'type',
      'enabled',
      'env',
      'args',
      'headers',
      'bearer_token_env_var',
      'env_http_headers',
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'medium' },
        fc.constantFrom('x', 1, null, true, '${a', '{env:A}'),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(words, tie('value'), { maxKeys: 5 }),
      ),
    }));
    fc.assert(
      fc.property(value, fc.constantFrom('.mcp.json', 'a.json', 'settings.json', 'b.yaml'), (data, name) => {
        const result = importServers(json(data), name);
        expect(result.servers.length + result.problems.length).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 500 },
    );
  });
});

describe('starting with the file of another client', () => {
  let cwd = '';
  beforeAll(async () => {
    cwd = await mkdtemp(path.join(os.tmpdir(), 'dialect-'));
  });
  afterAll(async () => rm(cwd, { recursive: true, force: true }));

  test('.mcp.json alone is enough', async () => {
    await writeFile(path.join(cwd, '.mcp.json'), json({ mcpServers: { fs: { command: 'x', trust: true } }, port: 1 }));
    const loaded = await loadConfig({ cwd, env: {} });
    expect(loaded).toMatchObject({
      dialect: 'mcp-json',
      samples: false,
      config: { port: 7420, mcpServers: { fs: { command: 'x', cwd } } },
    });
    expect(loaded.notes.map((note) => note.text)).toEqual([
      '"port" is not read from this file; write a zeroplane.yaml for it.',
      'Server "fs": not used here: trust.',
    ]);
  });

  test.each(getAgentTypes().filter((type) => agents[type].localConfigPath !== undefined))(
    'what add-mcp writes for %s is read back the same',
    async (agent) => {
      const folder = path.join(cwd, agent);
      await mkdir(folder);
      const options = { local: true, cwd: folder };
      const near = { command: 'npx', args: ['-y', 'server'], env: { A: 'b' } };
      const written = upsertServer(agent, 'near', near, options);
      upsertServer(agent, 'far', { type: 'http', url: 'https://h.example/mcp', headers: { X: 'y' } }, options);
      const { servers, notes, problems } = importServers(await readFile(written.path, 'utf8'), written.path);
      expect({ notes, problems }).toEqual({ notes: [], problems: [] });
      expect(servers).toMatchObject([
        { id: 'near', config: near },
        { id: 'far', config: { url: 'https://h.example/mcp', headers: { X: 'y' } } },
      ]);
      const loaded = await loadConfig({ cwd: folder, configPath: written.path, env: {} });
      expect(Object.keys(loaded.config.mcpServers)).toEqual(['near', 'far']);
    },
  );

  test('inputs of VS Code are secrets, with their default, and paths start at the project', async () => {
    await mkdir(path.join(cwd, '.vscode'));
    const inputs = [{ id: 'key' }, { id: 'region', default: 'eu' }];
    const servers = { a: { command: 'x', env: { K: '${input:key}', R: '${input:region}' } } };
    await writeFile(path.join(cwd, '.vscode/mcp.json'), json({ inputs, servers }));
    const load = (env: Record<string, string>) => loadConfig({ cwd, configPath: '.vscode/mcp.json', env });
    const loaded = await load({ ZEROPLANE_SECRET_KEY: 'k' });
    expect(loaded.baseDir).toBe(cwd);
    expect(loaded.config.mcpServers['a']).toMatchObject({ cwd, env: { K: 'k', R: 'eu' } });
    await expect(load({})).rejects.toMatchObject({
      problems: [{ code: 'CONFIG_MISSING_SECRET', path: 'mcpServers.a.env.K' }],
    });
  });

  test('a missing variable points into the file as its client wrote it', async () => {
    await writeFile(path.join(cwd, 'a.toml'), '[mcp_servers.a]\nurl = "http://h/"\nbearer_token_env_var = "TOK"\n');
    await writeFile(path.join(cwd, 'b.json'), '{"mcpServers": {"a": {"command": "x", "args": ["a ${TOK}"]}}}');
    const problemOf = (configPath: string) =>
      loadConfig({ cwd, configPath, env: {} }).catch((error: { problems: unknown }) => error.problems);
    expect(await problemOf('a.toml')).toMatchObject([{ code: 'CONFIG_MISSING_VARIABLE', line: 3, column: 24 }]);
    expect(await problemOf('b.json')).toMatchObject([{ code: 'CONFIG_MISSING_VARIABLE', line: 1, column: 51 }]);
  });
});
