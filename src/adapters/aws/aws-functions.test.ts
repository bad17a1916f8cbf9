import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { functionDirectoryContract } from '../../../tests/contract/function-directory.ts';
import { fakeClock } from '../../../tests/contract/fake-clock.ts';
import { startFakeAws, type FakeAws, type FakeFunction } from '../../../tests/fixtures/aws-api.ts';
import { silentLog } from '../../../tests/fixtures/assembled.ts';
import { Context } from '../../core/context.ts';
import type { Clock } from '../../core/ports.ts';
import { createEgress } from '../embedded/egress.ts';
import { systemClock } from '../embedded/system.ts';
import { AwsClients, type AwsOptions } from './aws-clients.ts';
import { awsCredentials } from './aws-credentials.ts';
import { AwsFunctionDirectory } from './aws-function-directory.ts';
import { AwsFunctionInvoker } from './aws-function-invoker.ts';

const KEYS = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret' };
const closers: (() => unknown)[] = [];
let aws: FakeAws;

beforeEach(async () => {
  aws = await startFakeAws();
  closers.push(() => aws.close());
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** Repeats do not wait: a clock whose timers are always due. */
const hasty: Clock = { ...systemClock, after: (delayMs, run) => systemClock.after(Math.min(delayMs, 1), run) };

function options(more: Partial<AwsOptions> = {}): AwsOptions {
  const egress = createEgress({ clock: systemClock });
  closers.push(() => egress.close());
  return { endpoint: aws.url, env: KEYS, egress, clock: hasty, log: silentLog, random: () => 0, ...more };
}

function directoryOf(more: Partial<AwsOptions> = {}): AwsFunctionDirectory {
  const made = options(more);
  return new AwsFunctionDirectory(new AwsClients(made), made);
}

function invokerOf(more: Partial<AwsOptions> = {}): AwsFunctionInvoker {
  const made = options({ clock: systemClock, ...more });
  return new AwsFunctionInvoker(new AwsClients(made), made);
}

function context(timeoutMs = 5_000): Context {
  const principal = { id: 'ada', tenant: 't', roles: [], scopes: [] };
  return new Context({ principal, requestId: 'r', clock: systemClock, timeoutMs, log: silentLog });
}

const given = (functions: readonly FakeFunction[]): void => void aws.functions.push(...functions);

functionDirectoryContract('AWS', async (functions, run) => {
  given(
    functions.map((each) => ({ ...each, ...(Object.keys(each.tags).length === 0 ? {} : { tags: { ...each.tags } }) })),
  );
  await run(directoryOf());
});

describe('the directory of AWS', () => {
  test('2.16: tags are read a hundred at a time', async () => {
    given(Array.from({ length: 230 }, (_, index) => ({ name: `f${index}`, tags: { n: `${index}` } })));
    expect(await directoryOf().list()).toHaveLength(230);
    expect(aws.asked.filter((each) => each === 'ListFunctions')).toHaveLength(5);
    expect(aws.asked.filter((each) => each === 'GetResources')).toHaveLength(3);
  });

  test('2.16: throttling is waited out', async () => {
    given([{ name: 'one', tags: { a: 'b' } }]);
    aws.refusals.set('ListFunctions', { error: 'TooManyRequestsException', times: 3 });
    aws.refusals.set('GetResources', { error: 'ServiceException', times: 2 });
    expect(await directoryOf().list()).toMatchObject([{ name: 'one', tags: { a: 'b' } }]);
    expect(aws.asked.filter((each) => each === 'ListFunctions')).toHaveLength(4);
  });

  test('2.16: throttling that does not end is told as such', async () => {
    aws.refusals.set('ListFunctions', { error: 'TooManyRequestsException', times: Infinity });
    await expect(directoryOf().list()).rejects.toMatchObject({ code: 'FUNCTION_THROTTLED', retryable: true });
    expect(aws.asked).toHaveLength(6);
  });

  test('pauses grow and are spread', async () => {
    const pauses: number[] = [];
    const clock: Clock = { ...hasty, after: (delayMs, run) => (pauses.push(delayMs), hasty.after(0, run)) };
    aws.refusals.set('ListFunctions', { error: 'TooManyRequestsException', times: 4 });
    await directoryOf({ clock, random: () => 0.5 }).list();
    expect(pauses.filter((each) => [100, 200, 400, 800].includes(each))).toEqual([100, 200, 400, 800]);
  });

  test('without the right to the tagging service tags are asked of Lambda, function by function', async () => {
    given([{ name: 'one', tags: { a: 'b' } }, { name: 'two' }]);
    aws.refusals.set('GetResources', { error: 'AccessDeniedException', times: Infinity });
    const directory = directoryOf();
    expect((await directory.list()).map((each) => each.tags)).toEqual([{ a: 'b' }, {}]);
    await directory.list();
    expect(aws.asked.filter((each) => each === 'GetResources')).toHaveLength(1);
    expect(aws.asked.filter((each) => each === 'ListTags')).toHaveLength(4);
  });

  test('2.19: a missing right is named', async () => {
    aws.refusals.set('ListFunctions', { error: 'AccessDeniedException', times: 1 });
    await expect(directoryOf().list()).rejects.toMatchObject({
      code: 'FUNCTION_DENIED',
      message: expect.stringContaining('lambda:ListFunctions') as string,
    });
  });

  test('2.3: a function that the caller may not invoke is found out without invoking it', async () => {
    given([{ name: 'mine' }, { name: 'theirs', denied: true }]);
    const directory = directoryOf();
    expect(await directory.mayInvoke('mine')).toBe(true);
    expect(await directory.mayInvoke(aws.arn('theirs'))).toBe(false);
    await expect(directory.mayInvoke('gone')).rejects.toMatchObject({ code: 'FUNCTION_NOT_FOUND' });
    expect(aws.asked).toEqual(['DryRun', 'DryRun', 'DryRun']);
  });

  test('a schema is read by its ARN', async () => {
    const arn = 'arn:aws:schemas:us-east-1:123456789012:schema/tools/customer@Info';
    aws.schemas.set(arn, '{"type":"object"}');
    expect(await directoryOf().schema(arn)).toBe('{"type":"object"}');
    await expect(directoryOf().schema('arn:aws:schemas:broken')).rejects.toMatchObject({ code: 'INVALID_ARGUMENTS' });
  });

  test('what does not answer is unavailable, with the place', async () => {
    const { url } = aws;
    await aws.close();
    await expect(directoryOf({ endpoint: url }).list()).rejects.toMatchObject({ code: 'TARGET_UNAVAILABLE' });
  });
});

describe('the invoker of AWS', () => {
  test('brings event, client context, answer, version and log', async () => {
    given([{ name: 'echo', answer: (event, clientContext) => ({ event, clientContext }) }]);
    const payload = '{"n":1,"text":"grüß"}';
    const result = await invokerOf().invoke(
      { functionName: aws.arn('echo'), payload, clientContext: { who: 'ada' } },
      context(),
    );
    expect(JSON.parse(result.payload)).toEqual({
      event: JSON.parse(payload),
      clientContext: { custom: { who: 'ada' } },
    });
    expect(result).toMatchObject({ executedVersion: '$LATEST', logTail: 'END of echo' });
    expect(aws.signatures[0]).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/us-east-1\/lambda\/aws4_request/,
    );
  });

  test('a failure of the function is its result', async () => {
    given([{ name: 'bad', error: { errorType: 'Oops', errorMessage: 'no' } }]);
    const result = await invokerOf().invoke({ functionName: 'bad', payload: '{}' }, context());
    expect(result).toMatchObject({ functionError: 'Unhandled', payload: '{"errorType":"Oops","errorMessage":"no"}' });
  });

  test.each([
    ['ResourceNotFoundException', 'FUNCTION_NOT_FOUND', 1],
    ['AccessDeniedException', 'FUNCTION_DENIED', 1],
    ['TooManyRequestsException', 'FUNCTION_THROTTLED', 3],
    // It may have run, so it is not sent again.
    ['ServiceException', 'TARGET_UNAVAILABLE', 1],
  ])('%s is %s after %i requests', async (error, code, requests) => {
    given([{ name: 'one' }]);
    aws.refusals.set('Invoke', { error, times: Infinity });
    const call = invokerOf().invoke({ functionName: 'one', payload: '{}' }, context());
    await expect(call).rejects.toMatchObject({ code });
    expect(aws.asked).toHaveLength(requests);
  });

  test('2.3: a denial names the right and the function', async () => {
    given([{ name: 'theirs', denied: true }]);
    const call = invokerOf().invoke({ functionName: aws.arn('theirs'), payload: '{}' }, context());
    await expect(call).rejects.toThrow(/refuses lambda:InvokeFunction on ".*:theirs"/);
  });

  test('an event over 6 MB is refused before it is sent', async () => {
    const payload = JSON.stringify('x'.repeat(6 * 1024 * 1024));
    await expect(invokerOf().invoke({ functionName: 'one', payload }, context())).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
    });
    expect(aws.asked).toEqual([]);
  });

  test('claims that AWS has no room for are left out, and the function is told', async () => {
    given([{ name: 'echo', answer: (_, clientContext) => clientContext }]);
    const clientContext = { zeroplaneTenant: 't', zeroplaneClaims: 'x'.repeat(4_000) };
    const { payload } = await invokerOf().invoke({ functionName: 'echo', payload: '{}', clientContext }, context());
    expect(JSON.parse(payload)).toEqual({ custom: { zeroplaneTenant: 't', zeroplaneClaimsOmitted: 'true' } });
  });

  test('the deadline of the call and its cancellation end the wait', async () => {
    const clock = fakeClock();
    given([{ name: 'one' }]);
    aws.refusals.set('Invoke', { error: 'TooManyRequestsException', times: Infinity });
    const cancelled = context();
    cancelled.abort(new Error('gone'));
    await expect(invokerOf().invoke({ functionName: 'one', payload: '{}' }, cancelled)).rejects.toMatchObject({
      code: 'CALL_CANCELLED',
    });
    const late = new Context({ principal: context().principal, requestId: 'r', clock, timeoutMs: 0, log: silentLog });
    const call = invokerOf({ clock }).invoke({ functionName: 'one', payload: '{}' }, late);
    const outcome = call.catch((error: unknown) => error);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    clock.advance(1);
    expect(await outcome).toMatchObject({ code: 'FUNCTION_TIMEOUT' });
  });
});

describe('credentials', () => {
  async function withFiles(run: (env: Record<string, string>) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'zp-aws-'));
    const files = { AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'), AWS_CONFIG_FILE: join(folder, 'config') };
    await writeFile(files.AWS_SHARED_CREDENTIALS_FILE, '[team]\naws_access_key_id = TEAM\naws_secret_access_key = s\n');
    await writeFile(files.AWS_CONFIG_FILE, '[profile other]\nregion = eu-west-1\n');
    const before = { ...process.env };
    // The SDK reads the files that the process names.
    Object.assign(process.env, files);
    try {
      await run(files);
    } finally {
      for (const name of Object.keys(files)) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
      await rm(folder, { recursive: true });
    }
  }

  test('2.8: the profile that is named is used', () =>
    withFiles(async (files) => {
      const credentials = await awsCredentials({ ...files, ...KEYS, AWS_PROFILE: 'team' }, () => {})();
      expect(credentials.accessKeyId).toBe('TEAM');
    }));

  test('2.8: a profile that does not exist is passed over, once with a warning', () =>
    withFiles(async (files) => {
      const warnings: string[] = [];
      const provider = awsCredentials({ ...files, ...KEYS, AWS_PROFILE: 'nobody' }, (message) =>
        warnings.push(message),
      );
      expect((await provider()).accessKeyId).toBe('AKIDEXAMPLE');
      await provider();
      expect(warnings).toEqual([expect.stringContaining('"nobody"')]);
    }));

  test('2.8: the region is us-east-1 unless a variable says otherwise', () => {
    expect(new AwsClients(options()).region).toBe('us-east-1');
    expect(new AwsClients(options({ env: { AWS_REGION: 'eu-central-1' } })).region).toBe('eu-central-1');
  });
});
