import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SignedRequest } from './sigv4.ts';
import { isSigned, readClaim, sign, verify } from './sigv4.ts';

const SECRET = 'a secret of some length';
const NOW = Date.UTC(2026, 6, 31, 12);
const credentials = { accessKeyId: 'zeroplane', secretAccessKey: SECRET };

interface Plain {
  readonly method: string;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly service: string;
}

const PLAIN: Plain = {
  method: 'POST',
  path: '/2015-03-31/functions/hello/invocations',
  query: { Qualifier: 'PROD' },
  headers: { host: '127.0.0.1:7421', 'x-amz-invocation-type': 'Event' },
  body: '{"a":1}',
  service: 'lambda',
};

function signer(service: string, applyChecksum = true): SignatureV4 {
  return new SignatureV4({
    credentials,
    region: 'eu-central-1',
    service,
    sha256: Sha256,
    applyChecksum,
    uriEscapePath: service !== 's3',
  });
}

const encode = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
const queryText = (query: Record<string, unknown>): string =>
  Object.entries(query)
    .map(([key, value]) => `${encode(key)}=${encode(String(value))}`)
    .join('&');

/** Signed by the vendor's own library, as its clients send it. */
async function signed(plain: Plain, options: { checksum?: boolean; atMs?: number } = {}): Promise<SignedRequest> {
  const { method, path, query, headers, body, service } = plain;
  const made = await signer(service, options.checksum).sign(
    { method, protocol: 'http:', hostname: '127.0.0.1', path, query, headers, body },
    { signingDate: new Date(options.atMs ?? NOW) },
  );
  const lower = Object.fromEntries(Object.entries(made.headers).map(([name, value]) => [name.toLowerCase(), value]));
  return { method, path, query: queryText(query), headers: lower };
}

async function presigned(plain: Plain, expiresIn: number): Promise<SignedRequest> {
  const { method, path, query, headers, service } = plain;
  const made = await signer(service).presign(
    { method, protocol: 'http:', hostname: '127.0.0.1', path, query, headers: { host: headers['host'] ?? '' } },
    { signingDate: new Date(NOW), expiresIn },
  );
  return { method, path, query: queryText(made.query ?? {}), headers: { host: headers['host'] } };
}

function judge(request: SignedRequest, body: string, nowMs = NOW, secretAccessKey = SECRET): string | undefined {
  const claim = readClaim(request);
  if (claim === undefined) return 'unreadable';
  return verify(request, claim, { secretAccessKey, nowMs, body: Buffer.from(body) });
}

/** The official signer collects names in a plain object, where this one is lost: it signs as if the parameter were not there. */
const isKept = (name: string): boolean => name !== '__proto__';

describe('4.40: a signature of the official signer', () => {
  test.each([true, false])('in the headers is accepted, with a digest of the body in them: %s', async (checksum) => {
    const request = await signed(PLAIN, { checksum });
    expect(isSigned(request)).toBe(true);
    expect(readClaim(request)).toMatchObject({ accessKeyId: 'zeroplane', region: 'eu-central-1', service: 'lambda' });
    expect(judge(request, PLAIN.body)).toBeUndefined();
  });

  test('is accepted for any path, query, header and body', async () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
    const header = fc.string({ unit: fc.constantFrom(...Array.from('abc 123;=,')), maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { minLength: 1, maxLength: 4 }),
        fc.dictionary(text.filter(isKept), text, { maxKeys: 4 }),
        header,
        text,
        fc.constantFrom('lambda', 's3', 'tagging'),
        async (segments, query, value, body, service) => {
          const path = `/${segments.map(encode).join('/')}`;
          const plain = { ...PLAIN, path, query, headers: { host: 'h', 'x-amz-meta-a': value }, body, service };
          fc.pre(!segments.some((segment) => segment === '.' || segment === '..'));
          expect(judge(await signed(plain), body)).toBeUndefined();
        },
      ),
      { numRuns: 200 },
    );
  });

  test('does not cover a parameter that the signer loses', async () => {
    const request = await signed({ ...PLAIN, query: JSON.parse('{"__proto__":"a"}') as Record<string, string> });
    expect(judge(request, PLAIN.body)).toBe('mismatch');
  });

  test('in a presigned URL is accepted until it expires', async () => {
    const request = await presigned({ ...PLAIN, method: 'GET', path: '/sse', query: {} }, 60);
    expect(isSigned(request)).toBe(true);
    expect(judge(request, '')).toBeUndefined();
    expect(judge(request, '', NOW + 60_000)).toBeUndefined();
    expect(judge(request, '', NOW + 61_000)).toBe('expired');
    expect(judge(request, 'smuggled')).not.toBeUndefined();
  });
});

describe('a changed request is refused', () => {
  test.each<[string, (request: SignedRequest) => SignedRequest, string]>([
    ['another method', (request) => ({ ...request, method: 'DELETE' }), 'mismatch'],
    ['another path', (request) => ({ ...request, path: `${request.path}x` }), 'mismatch'],
    ['another query', (request) => ({ ...request, query: 'Qualifier=TEST' }), 'mismatch'],
    ['another host', (request) => ({ ...request, headers: { ...request.headers, host: 'evil' } }), 'mismatch'],
    [
      'another value of a signed header',
      (request) => ({ ...request, headers: { ...request.headers, 'x-amz-invocation-type': 'DryRun' } }),
      'mismatch',
    ],
    [
      'a header of AWS that is not signed',
      (request) => ({ ...request, headers: { ...request.headers, 'x-amz-log-type': 'Tail' } }),
      'malformed',
    ],
    [
      'another digest of the body',
      (request) => ({ ...request, headers: { ...request.headers, 'x-amz-content-sha256': '0'.repeat(64) } }),
      'body',
    ],
    [
      'an unsigned body',
      (request) => ({ ...request, headers: { ...request.headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } }),
      'body',
    ],
  ])('%s', async (_title, change, refusal) => {
    expect(judge(change(await signed(PLAIN)), PLAIN.body)).toBe(refusal);
  });

  test('another body, another secret, and a clock that is off', async () => {
    const request = await signed(PLAIN, { checksum: false });
    expect(judge(request, '{"a":2}')).toBe('mismatch');
    expect(judge(request, PLAIN.body, NOW, 'another secret')).toBe('mismatch');
    expect(judge(request, PLAIN.body, NOW + 300_001)).toBe('expired');
    expect(judge(request, PLAIN.body, NOW - 300_001)).toBe('expired');
    expect(judge(request, PLAIN.body, NOW + 299_000)).toBeUndefined();
  });

  test.each([
    '',
    'AWS4-HMAC-SHA256',
    'AWS4-HMAC-SHA512 Credential=a/20260731/r/s/aws4_request, SignedHeaders=host, Signature=00',
    `AWS4-HMAC-SHA256 Credential=a/20260731/r/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`,
    `AWS4-HMAC-SHA256 Credential=a/20260731/r/s/aws4_request, SignedHeaders=date, Signature=${'0'.repeat(64)}`,
    `AWS4-HMAC-SHA256 Credential=a/20260730/r/s/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`,
    `AWS4-HMAC-SHA256 Credential=a/20260731/r/s/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(63)}`,
  ])('a malformed signature: %s', (authorization) => {
    const headers = { authorization, host: 'h', 'x-amz-date': '20260731T120000Z' };
    expect(readClaim({ method: 'GET', path: '/', query: '', headers })).toBeUndefined();
  });

  test('nothing that arrives makes the reader throw', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (authorization, query, date) => {
        const request = {
          method: 'GET',
          path: '/',
          query,
          headers: { authorization: `AWS4-HMAC-SHA256 ${authorization}`, 'x-amz-date': date },
        };
        const claim = readClaim(request);
        if (claim !== undefined) verify(request, claim, { secretAccessKey: SECRET, nowMs: NOW, body: Buffer.alloc(0) });
      }),
    );
  });
});

const signingKeys = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG' };
const signedAt = new Date('2026-11-25T12:00:00.000Z');

const word = fc.stringMatching(/^[A-Za-z0-9 ~!*'()._:;,äö€-]{1,12}$/);
const signable = fc.record({
  method: fc.constantFrom('GET', 'POST', 'DELETE'),
  path: fc.array(word.map(encodeURIComponent), { maxLength: 4 }),
  query: fc.uniqueArray(fc.tuple(word.filter(isKept), word), { maxLength: 4, selector: ([name]) => name }),
  headers: fc.dictionary(fc.stringMatching(/^[a-z][a-z-]{0,8}[a-z]$/), fc.stringMatching(/^[!-~][ -~]{0,10}[!-~]$/), {
    maxKeys: 4,
    noNullPrototype: true,
  }),
  body: fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant('')),
  sessionToken: fc.option(fc.constant('a/session+token='), { nil: undefined }),
});

/** Headers that the official signer leaves out whatever they are. */
const NEVER_SIGNED =
  /^(?:authorization|cache-control|connection|expect|from|keep-alive|max-forwards|pragma|referer|te|trailer|transfer-encoding|upgrade|user-agent|x-amzn-trace-id|sec-|proxy-|host$)/;

test('our signature is that of the official signer', async () => {
  const property = fc.asyncProperty(signable, async ({ method, path, query, headers, body, sessionToken }) => {
    const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => !NEVER_SIGNED.test(name)));
    const url = new URL(`https://lambda.us-east-1.amazonaws.com/${path.join('/')}`);
    for (const [name, value] of query) url.searchParams.append(name, value);
    const token = sessionToken === undefined ? {} : { sessionToken };
    const official = new SignatureV4({
      service: 'lambda',
      region: 'us-east-1',
      credentials: { ...signingKeys, ...token },
      sha256: Sha256,
    });
    const theirs = await official.sign(
      {
        method,
        protocol: 'https:',
        hostname: url.hostname,
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        headers: { ...kept, host: url.host },
        body,
      },
      { signingDate: signedAt },
    );
    const own = sign(
      { method, url: url.href, headers: kept, body },
      { ...signingKeys, ...token, region: 'us-east-1', service: 'lambda', now: signedAt },
    );
    expect(own['authorization']).toBe(theirs.headers['authorization']);
    expect(own['x-amz-content-sha256']).toBe(theirs.headers['x-amz-content-sha256']);
    expect(own['x-amz-date']).toBe(theirs.headers['x-amz-date']);
  });
  await fc.assert(property, { numRuns: 200 });
});
