/** Our transports under the official clients of both generations, against a Lambda service and a signed Function URL. */

import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Sha256 } from '@aws-crypto/sha256-js';
import { Client as Client2 } from '@modelcontextprotocol/client';
import type { Transport as Transport2 } from '@modelcontextprotocol/client';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import type { Transport as Transport1 } from '@modelcontextprotocol/sdk/shared/transport.js';
import { SignatureV4 } from '@smithy/signature-v4';
import { afterEach, describe, expect, test } from 'vitest';
import {
  LambdaFunctionClientTransport,
  StreamableHTTPClientWithSigV4Transport,
  createHandler,
} from '../../src/wrapper.ts';
import type { HandlerOptions, LambdaContext, WrappedHandler } from '../../src/wrapper.ts';
import { functionUrl } from '../fixtures/function-url.ts';
import { verifies } from '../conformance/verifies.ts';

process.env['LOG_LEVEL'] ??= 'ERROR';

const require = createRequire(import.meta.url);
const everything = join(
  dirname(require.resolve('@modelcontextprotocol/server-everything/package.json')),
  'dist',
  'index.js',
);
const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const credentials = { accessKeyId: 'AKID', secretAccessKey: 'secret', sessionToken: 'token' };
const region = 'eu-west-1';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each.close();
});

function wrap(script: string, options: Partial<HandlerOptions> = {}): WrappedHandler {
  const handler = createHandler({ command: process.execPath, args: [script], name: 'x', ...options });
  open.push(handler);
  return handler;
}

/** 403 unless the official signer, given the same credentials, signs the request alike. */
async function checkSignature(service: string, request: IncomingMessage, body: Buffer): Promise<number | undefined> {
  const given = request.headers.authorization ?? '';
  const names = /SignedHeaders=([^,]+)/.exec(given)?.[1]?.split(';') ?? [];
  const headers = Object.fromEntries(names.map((name) => [name, String(request.headers[name])]));
  const date = String(request.headers['x-amz-date']);
  const when = date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z');
  const signer = new SignatureV4({ service, region, credentials, sha256: Sha256 });
  const url = new URL(request.url ?? '/', 'http://x');
  const signed = await signer.sign(
    { method: request.method ?? '', protocol: 'http:', hostname: 'x', path: url.pathname, query: {}, headers, body },
    { signingDate: new Date(when) },
  );
  return signed.headers['authorization'] === given ? undefined : 403;
}

type LambdaHandler = (event: unknown, context: LambdaContext) => Promise<unknown>;

interface Service {
  readonly url: string;
  readonly paths: readonly string[];
  readonly contexts: readonly unknown[];
}

/** `Invoke` of the Lambda service, in front of a handler. */
async function lambdaService(handler: LambdaHandler): Promise<Service> {
  const paths: string[] = [];
  const contexts: unknown[] = [];
  const server = createServer((request, response) => {
    const serve = async (): Promise<void> => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks);
      paths.push(request.url ?? '');
      const status = await checkSignature('lambda', request, body);
      if (status !== undefined) {
        response.writeHead(status).end('{"message":"The request signature does not match."}');
        return;
      }
      const context = request.headers['x-amz-client-context'];
      const clientContext: unknown =
        context === undefined ? undefined : JSON.parse(Buffer.from(String(context), 'base64').toString('utf8'));
      contexts.push(clientContext);
      try {
        const answer = await handler(JSON.parse(body.toString('utf8')), { clientContext });
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      } catch (error) {
        response.writeHead(200, { 'x-amz-function-error': 'Unhandled' });
        response.end(JSON.stringify({ errorType: 'Error', errorMessage: (error as Error).message }));
      }
    };
    void serve();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => new Promise((resolve) => server.close(() => resolve())) });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, paths, contexts };
}

type AnyTransport = LambdaFunctionClientTransport | StreamableHTTPClientWithSigV4Transport;

async function older(transport: AnyTransport): Promise<Client1> {
  const client = new Client1({ name: 'v1', version: '1' });
  open.push(client);
  await client.connect(transport as Transport1);
  return client;
}

async function newer(transport: AnyTransport, capabilities: object = {}): Promise<Client2> {
  const versionNegotiation = { mode: 'auto' } as const;
  const client = new Client2({ name: 'v2', version: '1' }, { versionNegotiation, capabilities });
  open.push(client);
  await client.connect(transport as Transport2);
  return client;
}

describe('LambdaFunctionClientTransport', () => {
  verifies('3.14', 'carries the official clients of both generations to a function', async () => {
    const service = await lambdaService(wrap(everything));
    const functionName = 'arn:aws:lambda:eu-west-1:123456789012:function:docs:live';
    const transport = (): LambdaFunctionClientTransport =>
      new LambdaFunctionClientTransport({ functionName, regionName: region, credentials, endpoint: service.url });
    for (const client of [await older(transport()), await newer(transport())]) {
      const { tools } = await client.listTools();
      expect(tools.map((tool) => tool.name)).toContain('echo');
      const result = await client.callTool({ name: 'echo', arguments: { message: 'äö' } });
      expect(result.content).toEqual([{ type: 'text', text: 'Echo: äö' }]);
    }
    expect(new Set(service.paths)).toEqual(
      new Set([`/2015-03-31/functions/${encodeURIComponent(functionName)}/invocations`]),
    );
  });

  test('answers questions of an older server to a newer client', async () => {
    const service = await lambdaService(wrap(fixture('asking-server.mjs'), { questions: 'replay', stateKey: 'k' }));
    const parameters = { functionName: 'f', regionName: region, credentials: () => Promise.resolve(credentials) };
    const client = await newer(new LambdaFunctionClientTransport({ ...parameters, endpoint: service.url }), {
      elicitation: { form: {} },
    });
    client.setRequestHandler('elicitation/create', ({ params }) => ({
      action: 'accept',
      content: { value: `<${params.message}>` },
    }));
    const result = await client.callTool({ name: 'book', arguments: { seats: 2 } });
    expect(result.content).toEqual([{ type: 'text', text: 'booked 2: <which day?>, <which seat?>' }]);
  });

  test('says what is wrong: a signature, a function that fails, credentials that are missing', async () => {
    const service = await lambdaService(() => Promise.reject(new Error('out of order')));
    const at = (more: object): LambdaFunctionClientTransport =>
      new LambdaFunctionClientTransport({ functionName: 'f', regionName: region, endpoint: service.url, ...more });
    const clientContext = { custom: { zeroplaneTenant: 'a' } };
    await expect(older(at({ credentials, clientContext }))).rejects.toThrow('function "f" failed (Unhandled)');
    expect(service.contexts).toEqual([clientContext]);
    const wrong = { ...credentials, secretAccessKey: 'guess' };
    await expect(older(at({ credentials: wrong }))).rejects.toThrow('HTTP 403');
    const none = (): Promise<never> => Promise.reject(new Error('no credentials here'));
    await expect(older(at({ credentials: none }))).rejects.toThrow('no credentials here');
  });
});

describe('StreamableHTTPClientWithSigV4Transport', () => {
  async function signedUrl(handler: WrappedHandler, streaming: boolean): Promise<URL> {
    const checked = {
      streaming,
      check: (request: IncomingMessage, body: Buffer) => checkSignature('lambda', request, body),
    };
    const front = await functionUrl(handler, checked);
    open.push(front);
    return new URL(front.url);
  }

  verifies('3.14', 'carries the official clients of both generations to a signed URL', async () => {
    for (const streaming of [false, true]) {
      const url = await signedUrl(wrap(everything, { streaming }), streaming);
      const transport = (): StreamableHTTPClientWithSigV4Transport =>
        new StreamableHTTPClientWithSigV4Transport(url, { service: 'lambda', region, credentials });
      for (const client of [await older(transport()), await newer(transport())]) {
        const heard: number[] = [];
        const call = { name: 'trigger-long-running-operation', arguments: { duration: 0.2, steps: 2 } };
        const onprogress = ({ progress }: { progress: number }): void => void heard.push(progress);
        if (client instanceof Client1) await client.callTool(call, undefined, { onprogress });
        else await client.callTool(call, { onprogress });
        expect(heard).toEqual([1, 2]);
        await expect(client.callTool({ name: 'echo', arguments: { message: 'hi' } })).resolves.toMatchObject({
          content: [{ text: 'Echo: hi' }],
        });
      }
    }
  });

  test('a wrong signature is an error with its status', async () => {
    const url = await signedUrl(wrap(everything), false);
    const wrong = { ...credentials, secretAccessKey: 'guess' };
    const transport = new StreamableHTTPClientWithSigV4Transport(url, {
      service: 'lambda',
      region,
      credentials: wrong,
    });
    await expect(older(transport)).rejects.toThrow('HTTP 403');
  });

  test('closing the client ends what is under way', async () => {
    const url = await signedUrl(wrap(fixture('evil-server.mjs')), false);
    const transport = new StreamableHTTPClientWithSigV4Transport(url, { service: 'lambda', region, credentials });
    const client = await older(transport);
    const call = client.callTool({ name: 'hang' });
    const outcome = expect(call).rejects.toThrow();
    await client.close();
    await outcome;
  });
});
