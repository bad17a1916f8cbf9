import { request as httpRequest } from 'node:http';
import { Sha256 } from '@aws-crypto/sha256-js';
import * as lambda from '@aws-sdk/client-lambda';
import { SignatureV4 } from '@smithy/signature-v4';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startAwsEndpoint } from './aws-endpoint.ts';
import type { EndpointForTest } from './endpoint-for-test.ts';
import { bareOptions, endpointForTest, nameOfError } from './endpoint-for-test.ts';

let endpoint: EndpointForTest;
let client: lambda.LambdaClient;

beforeAll(async () => {
  endpoint = await endpointForTest();
  client = new lambda.LambdaClient(endpoint.settings());
});
afterAll(async () => {
  client.destroy();
  await endpoint.close();
});

describe('who may ask', () => {
  test.each<[string, [string, string?], string]>([
    ['another secret', ['wrong'], 'InvalidSignatureException'],
    ['another access key', [bareOptions.secretAccessKey, 'AKIDSOMEBODY'], 'UnrecognizedClientException'],
  ])('%s is refused', async (_title, keys, name) => {
    const other = new lambda.LambdaClient(endpoint.settings(...keys));
    expect(await nameOfError(other.send(new lambda.ListFunctionsCommand()))).toBe(name);
    other.destroy();
  });

  test('a request without a signature, and one for another host', async () => {
    const unsigned = await fetch(`${endpoint.url}/2015-03-31/functions`);
    expect(unsigned.status).toBe(403);
    expect(unsigned.headers.get('x-amzn-errortype')).toBe('MissingAuthenticationTokenException');
    const signer = new SignatureV4({ ...endpoint.settings(), service: 'lambda', sha256: Sha256 });
    const { headers } = await signer.sign({
      method: 'GET',
      protocol: 'http:',
      hostname: 'evil.example',
      path: '/2015-03-31/functions',
      headers: { host: 'evil.example' },
    });
    const status = await new Promise((done) => {
      httpRequest(`${endpoint.url}/2015-03-31/functions`, { headers }, (answer) => done(answer.statusCode)).end();
    });
    expect(status).toBe(403);
  });

  test('a request for too much is refused before or after it is read, and the next one is served', async () => {
    const body = Buffer.alloc(9 * 1024 * 1024);
    const path = '/2015-03-31/functions/hello/invocations';
    const unsigned = await fetch(`${endpoint.url}${path}`, { method: 'POST', body });
    expect(unsigned.headers.get('x-amzn-errortype')).toBe('MissingAuthenticationTokenException');
    const sent = client.send(new lambda.InvokeCommand({ FunctionName: 'hello', Payload: body }));
    expect(await nameOfError(sent)).toBe('RequestTooLargeException');
    expect((await client.send(new lambda.InvokeCommand({ FunctionName: 'hello' }))).StatusCode).toBe(200);
  });

  test('a web page is refused, whatever it signs', async () => {
    const signer = new SignatureV4({ ...endpoint.settings(), service: 'lambda', sha256: Sha256 });
    const { host, hostname, port } = new URL(endpoint.url);
    const path = '/2015-03-31/functions/hello/invocations';
    const at = { method: 'POST', protocol: 'http:', hostname, port: Number(port), path, headers: { host } };
    const { query } = await signer.presign(at, { expiresIn: 60 });
    const url = `${endpoint.url}${path}?${new URLSearchParams(query as Record<string, string>).toString()}`;
    const ask = (headers: Record<string, string>): Promise<unknown> =>
      new Promise((done, fail) => {
        const sent = httpRequest(url, { method: 'POST', headers }, (answer) => done(answer.resume().statusCode));
        sent.on('error', fail).end();
      });
    expect(await ask({})).toBe(200);
    expect(await ask({ origin: 'https://evil.example' })).toBe(403);
    expect(await ask({ 'sec-fetch-site': 'cross-site' })).toBe(403);
  });

  test('a valid signature does not make a malformed request our fault', async () => {
    const { host, hostname } = new URL(endpoint.url);
    const word = fc.oneof(
      fc.constantFrom('hello', 'hello:1', 'nobody', '$LATEST', 'tools', '%', '%2F..', '%00', 'arn:aws:lambda:a:b:c:d'),
      fc.string({ minLength: 3, maxLength: 8 }).map(encodeURIComponent),
    );
    const place = fc.constantFrom(
      ...[
        '',
        '/{}',
        '/{}/configuration',
        '/{}/code',
        '/{}/versions',
        '/{}/aliases',
        '/{}/aliases/{}',
        '/{}/policy',
      ].map((rest) => `/2015-03-31/functions${rest}`),
      '/2015-03-31/functions/{}/invocations',
      '/2021-11-15/functions/{}/response-streaming-invocations',
      '/2017-03-31/tags/{}',
      '/2019-09-30/functions/{}/concurrency',
      '/v1/registries/name/{}/schemas',
      '/v1/registries/name/{}/schemas/name/{}',
      '/{}',
    );
    const body = fc.oneof(fc.json(), fc.string({ maxLength: 30 }), fc.constant('{"Tags":{"a":1},"MaxItems":-1}'));
    const target = fc.constantFrom('', 'X.GetResources', 'X.GetTagValues', 'X.', '.');
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('lambda', 'lambda', 'lambda', 'schemas', 'schemas', 'tagging', 'sts', 'iam'),
        fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH'),
        fc.tuple(place, word, word),
        fc.dictionary(fc.constantFrom('Marker', 'MaxItems', 'Qualifier', 'limit', 'nextToken'), fc.string()),
        fc.tuple(body, target),
        async (service, method, [template, ...words], query, [text, operation]) => {
          const signer = new SignatureV4({ ...endpoint.settings(), service, sha256: Sha256 });
          const path = words.reduce((filled, each) => filled.replace('{}', () => each), template);
          const sent = method === 'GET' ? {} : { body: text };
          const headers = { host, 'x-amz-target': operation };
          const made = await signer.sign({ method, protocol: 'http:', hostname, path, query, headers, ...sent });
          const search = Object.entries(query).map((pair) => pair.map(encodeURIComponent).join('='));
          const { host: _host, ...plain } = made.headers;
          const url = `${endpoint.url}${path}?${search.join('&')}`;
          const answer = await fetch(url, { method, headers: plain, ...sent });
          await answer.arrayBuffer();
          expect(answer.status).toBeLessThan(500);
          expect(answer.headers.get('x-amzn-requestid')).toBeTruthy();
        },
      ),
      { numRuns: 300 },
    );
  });

  test('a service that is not simulated says so', async () => {
    const signer = new SignatureV4({ ...endpoint.settings(), service: 'braket', sha256: Sha256 });
    const host = new URL(endpoint.url).host;
    const { headers } = await signer.sign({
      method: 'GET',
      protocol: 'http:',
      hostname: '127.0.0.1',
      path: '/',
      headers: { host },
    });
    const answer = await fetch(`${endpoint.url}/`, { headers });
    expect(answer.status).toBe(404);
    expect(await answer.text()).toContain('not simulated here');
  });
});

describe('the port', () => {
  test('that somebody else has is an error that says what to change', async () => {
    const port = Number(new URL(endpoint.url).port);
    const started = startAwsEndpoint({ ...bareOptions, port });
    await expect(started).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('clouds.aws.port') as string,
    });
  });
});
