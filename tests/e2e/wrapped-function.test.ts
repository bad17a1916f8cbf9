/** A bundled handler as a function of the local Lambda runtime: the same file as on AWS, under the same Runtime API. */

import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/adapters/embedded/system.ts';
import { Context } from '../../src/core/context.ts';
import type { Logger } from '../../src/core/ports.ts';
import { createFunctionRuntime } from '../../src/functions/function-runtime.ts';
import type { FunctionRuntime } from '../../src/functions/function-runtime.ts';

const quiet: Logger = { log: () => undefined, with: () => quiet };
const source = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const evil = source('tests/fixtures/evil-server.mjs');
let folder = '';
let runtime: FunctionRuntime;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroplane-wrapped-'));
  const { outputFiles } = await build({
    stdin: {
      contents: `import { createHandler } from ${JSON.stringify(source('src/wrapper.ts'))};
        export const handler = createHandler({ command: process.execPath, args: [${JSON.stringify(evil)}] });`,
      resolveDir: folder,
    },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
  });
  await writeFile(join(folder, 'index.mjs'), outputFiles[0]?.contents ?? '');
});
afterEach(() => runtime.close());
afterAll(() => rm(folder, { recursive: true }));

function start(timeoutSeconds = 10): void {
  const environment = { LOG_LEVEL: 'error' };
  const spec = {
    name: 'evil',
    handler: 'index.handler',
    runtime: 'nodejs22.x',
    code: '.',
    timeoutSeconds,
    environment,
  };
  runtime = createFunctionRuntime({
    functions: [spec],
    baseDir: folder,
    clock: systemClock,
    log: quiet,
    ids: { uuid: () => randomUUID() },
  });
}

interface Invoked {
  readonly functionError?: string;
  readonly value: { readonly statusCode: number; readonly body: string };
}

async function invoke(payload: unknown, clientContext: Record<string, string> = {}): Promise<Invoked> {
  const principal = { id: 'ada', tenant: 'team-x', roles: [], scopes: [] } as const;
  const context = new Context({ principal, requestId: 'r', clock: systemClock, timeoutMs: 20_000, log: quiet });
  const result = await runtime.invoke(
    { functionName: 'evil', payload: JSON.stringify(payload), clientContext },
    context,
  );
  return { ...result, value: JSON.parse(result.payload) as Invoked['value'] };
}

const isAlive = (pid: number): boolean => {
  const { status, stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return status === 0 && !stdout.startsWith('Z');
};
const call = (name: string, args: object = {}): object => ({ method: 'tools/call', params: { name, arguments: args } });
const textOf = (result: Invoked): string => JSON.parse(result.value.body).content[0].text;

test('3.10: every form of invocation reaches one warm server through the Runtime API', async () => {
  start();
  const pid = textOf(await invoke(call('pid')));
  expect(textOf(await invoke(call('pid')))).toBe(pid);
  const raw = await invoke({ jsonrpc: '2.0', id: 'a', ...call('pid') });
  expect(raw.value).toEqual({ jsonrpc: '2.0', id: 'a', result: { content: [{ type: 'text', text: pid }] } });
  const bare = await invoke({}, { bedrockAgentCoreToolName: 'target___pid' });
  expect(bare.value).toEqual({ content: [{ type: 'text', text: pid }] });
  const failed = await invoke({}, { bedrockAgentCoreToolName: 'pid' });
  expect(failed).toMatchObject({
    functionError: 'Unhandled',
    value: { errorMessage: 'Invalid gateway tool name format: pid' },
  });
});

test('F-41: a call that outlives the function is answered by its handler, and the function goes on', async () => {
  start(2);
  const { value } = await invoke(call('hang'));
  expect(value.statusCode).toBe(200);
  expect(JSON.parse(value.body)).toMatchObject({ isError: true });
  expect(textOf(await invoke(call('echo', { still: 'here' })))).toBe('{"still":"here"}');
});

test('F-40: another tenant gets another process', async () => {
  start();
  const pid = textOf(await invoke(call('pid'), { zeroplaneTenant: 'a' }));
  expect(textOf(await invoke(call('pid'), { zeroplaneTenant: 'a' }))).toBe(pid);
  expect(textOf(await invoke(call('pid'), { zeroplaneTenant: 'b' }))).not.toBe(pid);
});

test('3.18: whatever the server has started is gone soon after the function', async () => {
  start();
  const pids = [textOf(await invoke(call('pid'))), textOf(await invoke(call('grandchild')))].map(Number);
  expect(pids.filter(isAlive)).toHaveLength(2);
  await runtime.close();
  await expect.poll(() => pids.filter(isAlive), { timeout: 8_000 }).toEqual([]);
});
