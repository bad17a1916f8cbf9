/**
 * What a control plane must not let out: credentials of clouds, secrets of webhooks, tokens in use. The clouds of this
 * test refuse everything and repeat in their refusals all that they were sent.
 */

import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { makeKey, sign } from '../../src/adapters/oidc/issuer-for-test.ts';
import type { Answer, Gateway, Json } from './gateway-process.ts';
import { cleanUp, seen, startGateway } from './gateway-process.ts';

const CANARY = 'canary/7f3a9c51+d2e84b06';
const SECRETS = {
  awsSecret: `${CANARY}aws-secret-key==`,
  awsSession: `${CANARY}aws-session-token==`,
  google: `${CANARY}google-access-token`,
  azure: `${CANARY}azure-access-token`,
  hook: `${CANARY}webhook-signing-secret`,
};
/** A text as it may stand in URLs, headers and files. */
const formsOf = (value: string): string[] => [
  value,
  encodeURIComponent(value),
  Buffer.from(value).toString('base64').replace(/=+$/, ''),
  Buffer.from(value).toString('base64url'),
  Buffer.from(value).toString('hex'),
];

const servers: Server[] = [];
async function serve(answer: (request: IncomingMessage, body: string) => [number, string, string]): Promise<string> {
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      const [status, type, text] = answer(request, body);
      response.writeHead(status, { 'content-type': type, 'x-repeated': formsOf(text)[1]?.slice(0, 2_000) }).end(text);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
/** Headers of a request in the forms in which something may come back. */
const repeated = ({ url, headers }: IncomingMessage): string => {
  const bearer = String(headers.authorization).replace('Bearer ', '');
  const session = String(headers['x-amz-security-token']);
  return `${url} ${JSON.stringify(headers)} ${formsOf(session).slice(0, 3).join(' ')} ${formsOf(bearer).slice(0, 3).join(' ')}`;
};

let cloud = '';
let receiver = '';
let issuer = '';
let hookBodies: string[] = [];
const key = await makeKey('one');

beforeAll(async () => {
  cloud = await serve((request) => {
    const words = repeated(request);
    if (request.headers['x-amz-security-token'] === undefined)
      return [
        403,
        'application/json',
        JSON.stringify({ error: { status: 'PERMISSION_DENIED', code: 403, message: words } }),
      ];
    const xml = `<Error><Code>SignatureDoesNotMatch</Code><Message>No. The Canonical String for this request should have been '${escaped(words)}'</Message></Error>`;
    return request.method === 'HEAD'
      ? [404, 'application/xml', '']
      : [
          403,
          'application/xml',
          xml.replace('No. The Canonical', request.url?.includes('plain') ? 'You sent' : 'No. The Canonical'),
        ];
  });
  receiver = await serve((request, body) => {
    hookBodies.push(`${JSON.stringify(request.headers)} ${body}`);
    return [500, 'text/plain', JSON.stringify(request.headers)];
  });
  issuer = await serve((request) => {
    const text = request.url?.includes('well-known')
      ? JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` })
      : JSON.stringify({ keys: [key.jwk] });
    return [200, 'application/json', text];
  });
});
afterEach(cleanUp);
afterAll(() => servers.forEach((server) => (server.closeAllConnections(), server.close())));

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
}

const REQUESTS: readonly Json[] = [
  { cloud: 'aws', service: 's3', params: { bucketName: 'plain-bucket' } },
  { cloud: 'aws', service: 's3', params: { bucketName: 'signed-bucket' } },
  { cloud: 'aws', service: 'sqs', params: { queueName: 'plain-queue' } },
  { cloud: 'aws', service: 'vpc', params: { name: 'net', cidr: '10.0.0.0/16' } },
  { cloud: 'gcp', service: 'storage', params: { bucketName: 'plain-google-bucket', project: 'some-project' } },
  { cloud: 'azure', service: 'resource-group', params: { resourceGroupName: 'plain-group' } },
  { cloud: 'multi', service: 'static-site', params: { name: 'plain-site' } },
];

/** Jobs of every cloud, at once. @returns their ids once they have ended. */
async function jobsOf(gateway: Gateway, keep: (answer: Promise<Answer>) => Promise<Answer>): Promise<string[]> {
  const webhook = { url: `${receiver}/hook`, secretRef: 'hook' };
  const jobs = REQUESTS.map(async (request) => {
    const body = JSON.stringify({ ...request, action: 'provision', tenant: 'team-x', env: 'dev', webhook });
    const headers = { prefer: 'wait=25', 'content-type': 'application/json' };
    const { json, text } = await keep(gateway.send('POST', '/v1/provision', { body, headers }));
    expect(json?.['requestId'], text).toBeDefined();
    return String(json?.['requestId']);
  });
  return Promise.all(jobs);
}

test('F-60: credentials of clouds, secrets of webhooks and tokens in use appear in no answer, event, message, log line or file', async () => {
  const jwt = await sign(key, {
    iss: issuer,
    aud: 'zeroplane',
    iat: Math.floor(Date.now() / 1_000) - 5,
    exp: Math.floor(Date.now() / 1_000) + 600,
    roles: ['admin'],
    scope: 'zeroplane:use zeroplane:admin',
  });
  const config = {
    logLevel: 'debug',
    clouds: { aws: { endpoint: cloud }, gcp: { endpoint: cloud }, azure: { endpoint: cloud } },
    egress: { allow: ['127.0.0.1'] },
    provisioning: { webhookSecrets: { hook: ['team-x'] } },
    auth: {
      issuers: [
        {
          issuer,
          audience: 'zeroplane',
          algorithms: ['ES256'],
          claims: { tenant: 'tenant', roles: 'roles', scopes: 'scope' },
        },
      ],
    },
  };
  const env = {
    AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
    AWS_SECRET_ACCESS_KEY: SECRETS.awsSecret,
    AWS_SESSION_TOKEN: SECRETS.awsSession,
    CLOUDSDK_AUTH_ACCESS_TOKEN: SECRETS.google,
    AZURE_ACCESS_TOKEN: SECRETS.azure,
    AZURE_SUBSCRIPTION_ID: '00000000-0000-0000-0000-000000000000',
    ZEROPLANE_SECRET_HOOK: SECRETS.hook,
  };
  hookBodies = [];
  const gateway = await startGateway(config, { env, auth: 'token' });
  const answers: Answer[] = [];
  const keep = async (asked: Promise<Answer>): Promise<Answer> => {
    const answer = await asked;
    answers.push(answer);
    return answer;
  };
  const ids = await jobsOf(gateway, keep);
  expect(ids).toHaveLength(REQUESTS.length);
  for (const id of ids) {
    const { json } = await keep(gateway.send('GET', `/v2/status/${id}`));
    // Refused by a cloud and not by us, or nothing was proven.
    expect(json, JSON.stringify(json)).toMatchObject({
      error: { code: expect.stringMatching(/^(?:CLOUD_|ROLLBACK)/) as unknown },
    });
    await keep(gateway.send('GET', `/v2/jobs/${id}/events`));
  }
  const lists = ['/v2/status', '/v2/resources', '/v1/audit', '/v1/workflows/executions', '/v1/instance', '/v1/catalog'];
  for (const list of lists) await keep(gateway.send('GET', list));
  const executions = (answers.find(({ text }) => text.startsWith('{"executions"'))?.json?.['executions'] ?? []) as {
    id: string;
  }[];
  for (const { id } of executions) {
    await keep(gateway.send('GET', `/v1/workflows/executions/${encodeURIComponent(id)}`));
    await keep(gateway.send('GET', `/v1/workflows/executions/${encodeURIComponent(id)}/history`));
  }
  const asked = { headers: { authorization: `Bearer ${jwt}` } };
  expect((await keep(gateway.send('GET', '/v2/status', asked))).status).toBe(200);
  await keep(gateway.send('POST', '/v1/provision', { ...asked, body: '{"cloud":' }));
  const wrong = { headers: { authorization: `Bearer ${jwt.slice(0, -4)}AAAA` } };
  expect((await keep(gateway.send('GET', '/v2/status', wrong))).status).toBe(401);
  for (let waited = 0; hookBodies.length < ids.length && waited < 100; waited++) await delay(100);
  expect(hookBodies.length).toBeGreaterThanOrEqual(ids.length);
  const forbidden = [...Object.values(SECRETS).flatMap(formsOf), jwt, jwt.slice(0, -4), String(jwt.split('.')[2])];
  const leaked = (text: string): string[] =>
    forbidden
      .filter((form) => text.includes(form))
      .map((form) => {
        const at = text.indexOf(form);
        return text.slice(Math.max(0, at - 200), at + 40);
      });
  const leaks = {
    answers: answers.flatMap(({ text }) => leaked(text)),
    log: leaked(gateway.output),
    webhooks: hookBodies.flatMap(leaked),
    files: [] as string[],
  };
  gateway.signal('SIGTERM');
  await gateway.ended;
  for (const file of filesBelow(gateway.dataDir))
    leaks.files.push(...leaked(readFileSync(file, 'latin1')).map((where) => `${path.basename(file)}: ${where}`));
  expect(leaks).toEqual({ answers: [], log: [], webhooks: [], files: [] });
  seen('F-60 control plane', { jobs: ids.length, answers: answers.length, webhooks: hookBodies.length });
});
