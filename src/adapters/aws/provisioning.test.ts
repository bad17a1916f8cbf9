/** Whose credentials, whose resources, and what AWS's refusals are called: what all provisioners of AWS stand on. */

import { describe, expect, test } from 'vitest';
import { failure } from '../../../tests/contract/harness.ts';
import { silentLog } from '../../../tests/fixtures/assembled.ts';
import { PlatformError } from '../../core/errors.ts';
import type { Egress, EgressRequest } from '../../core/ports.ts';
import type { CloudPlace, ProvisionContext } from '../../provisioning/provisioner.ts';
import { ask, askFor } from './cloud-call.ts';
import { clientSettings } from './job-clients.ts';
import { awsTagForm, tagText } from './ownership.ts';

const NOBODY: Egress = { request: () => Promise.reject(new Error('nobody is there')) };

interface Parts {
  readonly place?: Partial<CloudPlace>;
  readonly secret?: string;
  readonly tenant?: string;
  readonly requestId?: string;
  readonly owner?: string;
  readonly expiresAt?: string;
  readonly userTags?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

function contextOf(parts: Parts = {}): ProvisionContext {
  const { tenant = 'team-x', requestId = 'request-1', owner = 'ada', expiresAt, userTags = {} } = parts;
  const request = { cloud: 'aws', service: 's3', params: {}, tenant, env: 'dev' } as const;
  return {
    request,
    id: 'aws:us-east-1:s3:assets',
    requestId,
    ownership: { tenant, env: 'dev', service: 's3', requestId, owner, expiresAt, 'managed-by': 'zeroplane' },
    userTags,
    place: {
      label: 'live',
      egress: NOBODY,
      secrets: { get: (name) => Promise.resolve(name === 'AWS_CREDENTIALS' ? parts.secret : undefined) },
      env: {},
      ...parts.place,
    },
    steps: { run: () => Promise.reject(new Error('no step')), until: () => Promise.reject(new Error('no step')) },
    log: silentLog,
    signal: parts.signal ?? new AbortController().signal,
  };
}

describe('credentials', () => {
  const credentials = (parts: Parts): Promise<unknown> => clientSettings(contextOf(parts), 'eu-west-1').credentials();

  test('a secret comes before what stands in the environment', async () => {
    const env = { AWS_ACCESS_KEY_ID: 'AKIDENV', AWS_SECRET_ACCESS_KEY: 'of the environment' };
    const keys = { accessKeyId: 'AKIDSECRET', secretAccessKey: 'of the secret', sessionToken: 'session' };
    expect(await credentials({ secret: JSON.stringify(keys), place: { env } })).toEqual(keys);
    expect(await credentials({ place: { env } })).toEqual({
      accessKeyId: 'AKIDENV',
      secretAccessKey: 'of the environment',
    });
  });

  test.each([
    ['no JSON', 'AKID:and-the-key'],
    ['no object', '"and-the-key"'],
    ['half of it', '{"accessKeyId":"AKID","secretKey":"and-the-key"}'],
  ])('a secret that is %s is refused without being shown', async (_what, secret) => {
    const refused = await failure(credentials({ secret }), 'CLOUD_DENIED');
    expect(refused.message).toContain('AWS_CREDENTIALS');
    expect(refused.message).not.toContain('and-the-key');
  });

  test('a simulated cloud is never shown what lies in the files of this machine', async () => {
    const place = { label: 'simulated', env: { AWS_PROFILE: 'default', HOME: '/root' } } as const;
    expect((await failure(credentials({ place }), 'CLOUD_DENIED')).details['cloudCode']).toBe('NoCredentials');
  });
});

describe('the way out', () => {
  test('requests of a job go through the egress, and end with the job', async () => {
    const seen: EgressRequest[] = [];
    const egress: Egress = {
      request: (request) => {
        seen.push(request);
        return Promise.reject(new PlatformError('TARGET_UNAVAILABLE', 'nobody is there'));
      },
    };
    const { signal } = new AbortController();
    const place = { egress, endpoint: 'http://127.0.0.1:9', env: {} };
    const settings = clientSettings(contextOf({ place, signal }), 'eu-west-1');
    const request = { protocol: 'http:', hostname: '127.0.0.1', port: 9, method: 'GET', path: '/', headers: {} };
    await failure(settings.requestHandler.handle(request), 'TARGET_UNAVAILABLE');
    expect(seen[0]).toMatchObject({ url: 'http://127.0.0.1:9/', origin: 'operator', signal });
    expect(settings).toMatchObject({ maxAttempts: 1, region: 'eu-west-1', endpoint: 'http://127.0.0.1:9' });
  });
});

describe('refusals', () => {
  const thrown = (name: string, httpStatusCode?: number, message = 'words'): Error =>
    Object.assign(new Error(message), { name, $metadata: { httpStatusCode, requestId: 'abc' } });

  test.each([
    ['SlowDown', 503, 'CLOUD_THROTTLED'],
    ['ThrottlingException', 400, 'CLOUD_THROTTLED'],
    ['RequestLimitExceeded', 503, 'CLOUD_THROTTLED'],
    ['OperationAborted', 409, 'CLOUD_THROTTLED'],
    ['Anything', 429, 'CLOUD_THROTTLED'],
    ['InternalError', 500, 'CLOUD_UNAVAILABLE'],
    ['TimeoutError', undefined, 'CLOUD_UNAVAILABLE'],
    ['AccessDenied', 403, 'CLOUD_DENIED'],
    ['UnauthorizedOperation', 403, 'CLOUD_DENIED'],
    ['SignatureDoesNotMatch', 403, 'CLOUD_DENIED'],
    ['CredentialsProviderError', undefined, 'CLOUD_DENIED'],
    ['BucketAlreadyExists', 409, 'CLOUD_REFUSED'],
    ['ValidationException', 400, 'CLOUD_REFUSED'],
  ] as const)('%s with status %s is %s', async (name, status, code) => {
    const failed = await failure(
      ask('CreateBucket', () => Promise.reject(thrown(name, status))),
      code,
    );
    expect(failed.details).toEqual({
      cloud: 'aws',
      operation: 'CreateBucket',
      cloudCode: name,
      cloudRequestId: 'abc',
    });
  });

  test('a connection that failed is worth another attempt, one that the egress refused is not', async () => {
    const failing = (code: 'TARGET_TIMEOUT' | 'EGRESS_REFUSED'): Promise<unknown> =>
      ask('CreateBucket', () => Promise.reject(new PlatformError(code, 'words')));
    expect((await failure(failing('TARGET_TIMEOUT'), 'CLOUD_UNAVAILABLE')).retryable).toBe(true);
    expect((await failure(failing('EGRESS_REFUSED'), 'EGRESS_REFUSED')).retryable).toBe(false);
  });

  test('an answer without a body is named by its status', async () => {
    const failed = await failure(
      ask('HeadBucket', () => Promise.reject(thrown('UnknownError', 400, ''))),
      'CLOUD_REFUSED',
    );
    expect(failed.message).toContain('aws answered HeadBucket with Http400: status 400.');
  });

  test('what may be absent is undefined when it is', async () => {
    const absent = askFor('GetRole', ['NoSuchEntity'], () => Promise.reject(thrown('NoSuchEntity', 404)));
    expect(await absent).toBeUndefined();
    await failure(
      askFor('GetRole', ['NoSuchEntity'], () => Promise.reject(thrown('Other', 404))),
      'CLOUD_REFUSED',
    );
  });
});

describe('tags', () => {
  test("the mandatory ones win over the user's, in letters that AWS takes", () => {
    const userTags = { tenant: 'somebody', 'cost centre': '4|2', service: 'mine' };
    expect(awsTagForm.newTags(contextOf({ owner: 'auth0|1 ü', userTags, expiresAt: '2026-12-01T00:00:00Z' }))).toEqual({
      tenant: 'team-x',
      env: 'dev',
      service: 's3',
      requestId: 'request-1',
      owner: 'auth0_1 ü',
      'managed-by': 'zeroplane',
      expiresAt: '2026-12-01T00:00:00Z',
      'cost centre': '4_2',
    });
    expect(tagText('x'.repeat(300))).toHaveLength(256);
  });

  test('whose something is, is told by the tenant alone; who made it, by the request too', () => {
    const tags = awsTagForm.newTags(contextOf());
    const judge = (parts: Parts): readonly boolean[] => [
      awsTagForm.isTenants(tags, contextOf(parts)),
      awsTagForm.isMadeByRequest(tags, contextOf(parts)),
    ];
    expect(judge({})).toEqual([true, true]);
    expect(judge({ requestId: 'request-2' })).toEqual([true, false]);
    expect(judge({ tenant: 'team-y' })).toEqual([false, false]);
    expect(judge({ tenant: 'Team-x' })).toEqual([false, false]);
    expect(awsTagForm.isTenants({}, contextOf())).toBe(false);
  });

  test("an adopter adds what is missing; an update moves the end of life, and no one takes the maker's place", () => {
    const existing = { tenant: 'team-x', requestId: 'first', owner: 'eve', expiresAt: 'soon', 'aws:own': '1', a: '1' };
    const context = contextOf({ expiresAt: 'later', userTags: { a: '2' } });
    const common = { tenant: 'team-x', env: 'dev', service: 's3', requestId: 'first', owner: 'eve' };
    const adopted = awsTagForm.tagsOver(existing, context, { isUpdate: false });
    expect(adopted).toEqual({ ...common, 'managed-by': 'zeroplane', expiresAt: 'soon', a: '2' });
    const updated = awsTagForm.tagsOver(existing, context, { isUpdate: true });
    expect(updated).toEqual({ ...common, 'managed-by': 'zeroplane', expiresAt: 'later', a: '2' });
    expect(awsTagForm.tagsOver(existing, contextOf(), { isUpdate: true })['expiresAt']).toBe('soon');
  });
});
