import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
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
      server: { name: 'zeroplane' },
      host: '127.0.0.1',
      port: 7420,
      auth: { mode: 'token' },
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
    const server = config.mcpServers['a'];
    expect(() => ((server as { args: string[] }).args[0] = 'z')).toThrow(TypeError);
    expect(
      Object.isFrozen(config) && Object.isFrozen(config.mcpServers) && Object.isFrozen(config.endpoints.mcp.search.pin),
    ).toBe(true);
  });
});

void [chmod, fc, formatProblems, problemsOf];
