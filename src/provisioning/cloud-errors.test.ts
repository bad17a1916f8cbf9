import { expect, test } from 'vitest';
import { bareCause, cloudError, withoutCredentials } from './cloud-errors.ts';

const SECRET = 'FwoGZXIvYXdzE-and-more-of-it';

test.each([
  `The signature does not match. The Canonical String for this request should have been 'POST\n/\nx-amz-security-token:${SECRET}\n'`,
  `x-amz-security-token:${SECRET}`,
  `headers {"X-Amz-Security-Token":"${SECRET}","host":"x"}`,
  `authorization: Bearer ${SECRET}`,
  `Authorization: Basic ${SECRET}`,
  `AWS4-HMAC-SHA256 Credential=${SECRET}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=${SECRET}`,
  `https://bucket.example.com/key?X-Amz-Credential=a&X-Amz-Signature=${SECRET}&x=1`,
  `https://account.blob.example.com/c?sv=1&sig=${SECRET}`,
  `DefaultEndpointsProtocol=https;AccountName=a;AccountKey=${SECRET};`,
  `grant with client_secret=${SECRET}&assertion=${SECRET}`,
  `the token eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.${SECRET} is not valid`,
])('what opens something is not repeated: %s', (text) => {
  expect(withoutCredentials(text)).not.toContain(SECRET);
  const error = cloudError({ cloud: 'aws', fault: 'denied', operation: 'Ask', cloudCode: 'No', message: text });
  expect(error.message).not.toContain(SECRET);
});

test.each([
  'User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: s3:CreateBucket on resource: "arn:aws:s3:::assets"',
  'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  'Quota of basic tier reached: 5 of 5.',
  'Bearer token is expired',
])('words that say nothing secret stay as they are: %s', (text) => {
  expect(withoutCredentials(text)).toBe(text);
});

test('a cause is words and places in the code, without the request that the SDK hangs on it', () => {
  const thrown = Object.assign(new Error(`x-amz-security-token:${SECRET}`), {
    name: 'SignatureDoesNotMatch',
    $response: { headers: { authorization: SECRET } },
  });
  const cause = bareCause(thrown);
  expect(cause).toMatchObject({ name: 'SignatureDoesNotMatch' });
  expect(Object.getOwnPropertyNames(cause).toSorted()).toEqual(['message', 'name', 'stack']);
  expect(`${cause?.stack} ${cause?.message}`).not.toContain(SECRET);
  expect(cause?.stack).toContain('cloud-errors.test.ts');
});
