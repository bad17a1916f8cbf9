import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Sha256 } from '@aws-crypto/sha256-js';
import {
  GetFunctionConfigurationCommand,
  InvokeCommand,
  LambdaClient,
  ListTagsCommand,
  UpdateFunctionConfigurationCommand,
} from '@aws-sdk/client-lambda';
import { SignatureV4 } from '@smithy/signature-v4';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { startGateway } from '../../src/testing.ts';
import type { LocalInstance } from '../../src/testing.ts';
import { WireClient } from '../fixtures/wire-client.ts';
import { verifies } from './verifies.ts';

const greet = fileURLToPath(new URL('../e2e/greet', import.meta.url));
const MEMORY = 'export const handler = async () => process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE;';
const SCHEMA_ARN = 'arn:aws:schemas:us-east-1:000000000000:schema/tools/memory';
let folder: string;
let gateway: LocalInstance;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroplane-endpoint-'));
  await writeFile(join(folder, 'memory.mjs'), MEMORY);
  await mkdir(join(folder, 'schemas/tools'), { recursive: true });
  const schema = { type: 'object', properties: { unit: { type: 'string' } } };
  await writeFile(join(folder, 'schemas/tools/memory.json'), JSON.stringify(schema));
  gateway = await startGateway({
    config: {
      functions: {
        memory: { handler: 'memory.handler', runtime: 'nodejs22.x', code: folder, tags: { schema: SCHEMA_ARN } },
        greet: { handler: 'index.handler', runtime: 'nodejs22.x', code: greet, tags: { MCP_Support: 'true' } },
      },
      discover: { schemaTag: 'schema' },
      clouds: { aws: { schemas: join(folder, 'schemas'), deny: [{ action: 'lambda:ListTags', function: 'gre*' }] } },
    },
  });
});
afterAll(async () => {
  await gateway.close();
  await rm(folder, { recursive: true, force: true });
});

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly query?: Record<string, string>;
  readonly body?: string;
  readonly secret?: string;
  readonly accessKeyId?: string;
}

const signer = ({ secret = gateway.token, accessKeyId = 'zeroplane' }: Sent): SignatureV4 =>
  new SignatureV4({
    credentials: { accessKeyId, secretAccessKey: secret },
    region: 'us-east-1',
    service: 'lambda',
    sha256: Sha256,
  });

const place = (): { protocol: string; hostname: string; port: number; host: string } => {
  const url = new URL(gateway.url);
  return { protocol: 'http:', hostname: url.hostname, port: Number(url.port), host: url.host };
};

/** Signed in its headers, as awscurl does. */
async function signed(sent: Sent, change: (body: string) => string = (body) => body): Promise<Response> {
  const { method, path, query = {}, body } = sent;
  const { host, ...at } = place();
  const headers = { host, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
  const made = await signer(sent).sign({
    ...at,
    method,
    path,
    query,
    headers,
    ...(body === undefined ? {} : { body }),
  });
  const search = new URLSearchParams(query).toString();
  const { host: _host, ...plain } = made.headers;
  return fetch(`${gateway.url}${path}${search === '' ? '' : `?${search}`}`, {
    method,
    headers: plain,
    ...(body === undefined ? {} : { body: change(body) }),
  });
}

const REGISTRATION = JSON.stringify({
  type: 'tool',
  name: 'welcome',
  description: 'Greets',
  lambdaArn: 'arn:aws:lambda:us-east-1:000000000000:function:greet',
  parameters: { name: 'string' },
});

describe('signatures of AWS', () => {
  verifies('4.40', 'open the registration endpoint, as the printed awscurl commands use it', async () => {
    const created = await signed({ method: 'POST', path: '/register', body: REGISTRATION });
    expect(created.status).toBe(201);
    expect(await created.json()).toMatchObject({ id: 'tool-welcome' });
    const listed = await signed({ method: 'GET', path: '/register' });
    expect(await listed.json()).toHaveLength(1);
    const removed = await signed({ method: 'DELETE', path: '/register/tool-welcome' });
    expect(removed.status).toBe(204);
  });

  verifies('4.40', 'open /sse in the query, for clients that cannot send headers, and /message', async () => {
    const { host, ...at } = place();
    const made = await signer({ method: 'GET', path: '/sse' }).presign(
      { ...at, method: 'GET', path: '/sse', query: {}, headers: { host } },
      { expiresIn: 60 },
    );
    const search = new URLSearchParams(made.query as Record<string, string>).toString();
    const controller = new AbortController();
    const stream = await fetch(`${gateway.url}/sse?${search}`, { signal: controller.signal });
    expect(stream.status).toBe(200);
    const reader = (stream.body as ReadableStream<Uint8Array>).getReader();
    const first = Buffer.from((await reader.read()).value ?? []).toString();
    const sessionId = /sessionId=([0-9a-f-]+)/.exec(first)?.[1] ?? '';
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'greet', params: { name: 'Ada' } });
    const accepted = await signed({ method: 'POST', path: '/message', query: { sessionId }, body });
    expect(accepted.status).toBe(202);
    let text = '';
    while (!text.includes('Hello, Ada!')) text += Buffer.from((await reader.read()).value ?? []).toString();
    controller.abort();
  });

  verifies('4.40', 'that are wrong are all refused alike, and change nothing', async () => {
    const sent = { method: 'POST', path: '/register', body: REGISTRATION };
    const answers = [
      await signed({ ...sent, secret: 'wrong' }),
      await signed({ ...sent, accessKeyId: 'AKIDSOMEBODY' }),
      await signed(sent, (body) => body.replace('Greets', 'Steals')),
      await fetch(`${gateway.url}/register`, {
        method: 'POST',
        headers: { authorization: 'AWS4-HMAC-SHA256 x', 'content-type': 'application/json' },
        body: REGISTRATION,
      }),
    ];
    const texts = await Promise.all(
      answers.map(async (answer) => [answer.status, ((await answer.json()) as { detail: string }).detail]),
    );
    expect(new Set(texts.map((text) => JSON.stringify(text))).size).toBe(1);
    expect(texts[0]?.[0]).toBe(401);
    expect(await (await signed({ method: 'GET', path: '/register' })).json()).toEqual([]);
  });

  verifies('4.40', 'do not open /mcp, whose clients bring bearers', async () => {
    const answer = await signed({ method: 'POST', path: '/mcp', body: '{"jsonrpc":"2.0","id":1,"method":"ping"}' });
    expect(answer.status).toBe(401);
  });
});

describe('the local AWS endpoint of an instance', () => {
  const client = (): LambdaClient =>
    new LambdaClient({
      endpoint: gateway.clouds.aws,
      region: 'us-east-1',
      credentials: { accessKeyId: 'zeroplane', secretAccessKey: gateway.token },
    });

  verifies('3.10', 'invokes its functions for the official client', async () => {
    const aws = client();
    const answer = await aws.send(new InvokeCommand({ FunctionName: 'greet', Payload: Buffer.from('{"name":"Ada"}') }));
    expect(Buffer.from(answer.Payload ?? []).toString()).toContain('Hello, Ada!');
    aws.destroy();
  });

  verifies('3.19', 'changes the memory of a function, as its next invocation sees it', async () => {
    const aws = client();
    const FunctionName = 'memory';
    const invoke = async (): Promise<unknown> => {
      const { Payload } = await aws.send(new InvokeCommand({ FunctionName }));
      return JSON.parse(Buffer.from(Payload ?? []).toString());
    };
    expect(await invoke()).toBe('128');
    await aws.send(new UpdateFunctionConfigurationCommand({ FunctionName, MemorySize: 2048 }));
    const read = await aws.send(new GetFunctionConfigurationCommand({ FunctionName }));
    expect(read.MemorySize).toBe(2048);
    expect(await invoke()).toBe('2048');
    aws.destroy();
  });

  verifies(
    '2.12',
    'describes the schemas of a folder, which become those of the tools that name them by tag',
    async () => {
      const mcp = new WireClient({ url: gateway.mcp, era: 'modern', token: gateway.token });
      const { result } = await mcp.request('tools/list');
      const tools = result?.['tools'] as { name: string; inputSchema: unknown }[];
      expect(tools.find(({ name }) => name === 'memory')?.inputSchema).toMatchObject({
        properties: { unit: { type: 'string' } },
      });
    },
  );

  verifies('2.3', 'refuses what clouds.aws.deny names', async () => {
    const aws = client();
    const Resource = 'arn:aws:lambda:us-east-1:000000000000:function:greet';
    await expect(aws.send(new ListTagsCommand({ Resource }))).rejects.toMatchObject({ name: 'AccessDeniedException' });
    aws.destroy();
  });

  verifies('4.40', 'is closed to whoever has not the token, and names nothing of what it serves', async () => {
    const aws = new LambdaClient({
      endpoint: gateway.clouds.aws,
      region: 'us-east-1',
      credentials: { accessKeyId: 'zeroplane', secretAccessKey: 'guessed' },
    });
    const refusals = await Promise.all(
      ['greet', 'nobody'].map((FunctionName) =>
        aws.send(new InvokeCommand({ FunctionName })).catch((error: Error) => `${error.name}: ${error.message}`),
      ),
    );
    expect(new Set(refusals).size).toBe(1);
    expect(refusals[0]).toContain('InvalidSignatureException');
    aws.destroy();
  });
});
