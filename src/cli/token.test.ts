import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListFunctionsCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startGateway } from '../testing.ts';
import { EXIT } from './exit-codes.ts';
import { runForTest } from './run-for-test.ts';

let cwd = '';
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'cli-token-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

const run = (...words: string[]): ReturnType<typeof runForTest> =>
  runForTest(['token', ...words, '--data-dir', cwd], { cwd });

test.each(['token', 'none'] as const)('with auth %s, the printed variables open the AWS endpoint', async (auth) => {
  // A token that an earlier start has left opens nothing while everybody is let in.
  await writeFile(join(cwd, 'token'), 'zp_left_by_an_earlier_start\n');
  const gateway = await startGateway({ auth, dataDir: cwd });
  try {
    const { stdout } = await run('--aws');
    const lines = stdout.trim().split('\n');
    expect(lines.every((line) => /^export AWS_[A-Z_]+=[A-Za-z0-9:/._-]+$/.test(line))).toBe(true);
    const said = Object.fromEntries(lines.map((line) => line.slice('export '.length).split('=')));
    expect(JSON.parse((await run('--aws', '--output', 'json')).stdout)).toEqual(said);
    expect(said).toMatchObject({ AWS_ENDPOINT_URL: gateway.clouds.aws, AWS_REGION: 'us-east-1' });
    const client = new LambdaClient({
      endpoint: said['AWS_ENDPOINT_URL'],
      region: said['AWS_REGION'],
      credentials: { accessKeyId: said['AWS_ACCESS_KEY_ID'], secretAccessKey: said['AWS_SECRET_ACCESS_KEY'] },
    });
    expect((await client.send(new ListFunctionsCommand())).Functions).toEqual([]);
    client.destroy();
  } finally {
    await gateway.close({ drainMs: 0 });
  }
  const ended = await run('--aws');
  expect(ended.code).toBe(EXIT.unreachable);
  expect(ended.stderr).toContain('zeroplane dev');
});
