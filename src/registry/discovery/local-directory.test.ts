import { functionDirectoryContract } from '../../../tests/contract/function-directory.ts';
import { expect, test } from 'vitest';
import type { FunctionControl, FunctionRecord } from '../../core/function-control.ts';
import { localFunctionArn } from '../../core/lambda-arn.ts';
import { LocalFunctionDirectory } from './local-directory.ts';

function record(name: string, more: Partial<FunctionRecord> = {}): FunctionRecord {
  return {
    name,
    arn: localFunctionArn(name),
    version: '$LATEST',
    runtime: 'nodejs24.x',
    handler: 'index.handler',
    description: '',
    role: 'r',
    memoryMb: 128,
    timeoutSeconds: 3,
    environment: {},
    tags: {},
    codeSha256: Buffer.alloc(32).toString('base64'),
    codeSize: 1,
    lastModified: '2026-11-01T00:00:00.000+0000',
    revisionId: '1',
    architectures: ['x86_64'],
    packageType: 'Zip',
    layers: [],
    concurrency: 10,
    executes: true,
    ...more,
  };
}

/** As much of the control plane as a directory asks. */
function control(records: readonly FunctionRecord[]): FunctionControl {
  const listeners = new Set<(name: string) => void>();
  const part: Pick<FunctionControl, 'list' | 'onChange'> & { announce: (name: string) => void } = {
    list: () => Promise.resolve(records),
    onChange: (listener) => (listeners.add(listener), () => void listeners.delete(listener)),
    announce: (name) => {
      for (const listener of listeners) listener(name);
    },
  };
  return part as unknown as FunctionControl;
}

functionDirectoryContract('local', (functions, run) =>
  run(new LocalFunctionDirectory(control(functions.map(({ name, ...rest }) => record(name, rest))))),
);

test('a function that was only created through the control plane does not run here and is not listed', async () => {
  const directory = new LocalFunctionDirectory(control([record('runs'), record('kept', { executes: false })]));
  expect((await directory.list()).map((each) => each.name)).toEqual(['runs']);
  expect(await directory.mayInvoke('kept')).toBe(false);
});

test('a schema is read by the registry and name of its ARN, whatever its region and account', async () => {
  const get = (registry: string, name: string): Promise<{ content: string } | undefined> =>
    Promise.resolve(registry === 'tools' && name === 'order' ? { content: '{"type":"object"}' } : undefined);
  const directory = new LocalFunctionDirectory(control([]), { get });
  expect(await directory.schema('arn:aws:schemas:eu-west-1:1:schema/tools/order')).toBe('{"type":"object"}');
  await expect(directory.schema('arn:aws:schemas:eu-west-1:1:schema/tools/none')).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining('tools/none.json') as string,
  });
  await expect(directory.schema('arn:aws:s3:::bucket/key')).rejects.toMatchObject({ code: 'INVALID_ARGUMENTS' });
});

test('changes are told until they are no longer listened to', () => {
  const of = control([]) as FunctionControl & { announce(name: string): void };
  let count = 0;
  const stop = new LocalFunctionDirectory(of).onChange(() => count++);
  of.announce('a');
  stop();
  of.announce('a');
  expect(count).toBe(1);
});
