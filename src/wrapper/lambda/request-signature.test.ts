import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { sign } from './request-signature.ts';

const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG' };
const now = new Date('2026-11-25T12:00:00.000Z');

const word = fc.stringMatching(/^[A-Za-z0-9 ~!*'()._:;,äö€-]{1,12}$/);
const request = fc.record({
  method: fc.constantFrom('GET', 'POST', 'DELETE'),
  path: fc.array(word.map(encodeURIComponent), { maxLength: 4 }),
  query: fc.uniqueArray(fc.tuple(word, word), { maxLength: 4, selector: ([name]) => name }),
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

test('signs as the official signer does', async () => {
  const property = fc.asyncProperty(request, async ({ method, path, query, headers, body, sessionToken }) => {
    const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => !NEVER_SIGNED.test(name)));
    const url = new URL(`https://lambda.us-east-1.amazonaws.com/${path.join('/')}`);
    for (const [name, value] of query) url.searchParams.append(name, value);
    const token = sessionToken === undefined ? {} : { sessionToken };
    const signer = new SignatureV4({
      service: 'lambda',
      region: 'us-east-1',
      credentials: { ...credentials, ...token },
      sha256: Sha256,
    });
    const signed = await signer.sign(
      {
        method,
        protocol: 'https:',
        hostname: url.hostname,
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        headers: { ...kept, host: url.host },
        body,
      },
      { signingDate: now },
    );
    const own = sign(
      { method, url: url.href, headers: kept, body },
      { ...credentials, ...token, region: 'us-east-1', service: 'lambda', now },
    );
    expect(own['authorization']).toBe(signed.headers['authorization']);
    expect(own['x-amz-content-sha256']).toBe(signed.headers['x-amz-content-sha256']);
    expect(own['x-amz-date']).toBe(signed.headers['x-amz-date']);
  });
  await fc.assert(property, { numRuns: 200 });
});
