/** The adapter against the local AWS endpoint, with functions that run: both sides hold the same wire. */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLog } from '../../../tests/fixtures/assembled.ts';
import { Context } from '../../core/context.ts';
import { createEgress } from '../embedded/egress.ts';
import { systemClock } from '../embedded/system.ts';
import { endpointForTest, FUNCTIONS, type EndpointForTest } from '../simulated-cloud/endpoint-for-test.ts';
import { AwsClients, type AwsOptions } from './aws-clients.ts';
import { AwsFunctionDirectory } from './aws-function-directory.ts';
import { AwsFunctionInvoker } from './aws-function-invoker.ts';

let endpoint: EndpointForTest;
let invoker: AwsFunctionInvoker;
let directory: AwsFunctionDirectory;
const egress = createEgress({ clock: systemClock });

beforeAll(async () => {
  endpoint = await endpointForTest();
  const { credentials } = endpoint.settings();
  const env = { AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey };
  const options: AwsOptions = { endpoint: endpoint.url, env, egress, clock: systemClock, log: silentLog };
  const clients = new AwsClients(options);
  [invoker, directory] = [new AwsFunctionInvoker(clients, options), new AwsFunctionDirectory(clients, options)];
});

afterAll(async () => {
  egress.close();
  await endpoint.close();
});

function context(): Context {
  const principal = { id: 'ada', tenant: 't', roles: [], scopes: [] };
  return new Context({ principal, requestId: 'r', clock: systemClock, timeoutMs: 10_000, log: silentLog });
}

test('2.16: every function is listed, with its tags', async () => {
  const listed = await directory.list();
  expect(listed).toHaveLength(FUNCTIONS);
  expect(listed.find((each) => each.name === 'hello')?.tags).toEqual({ MCP_Support: 'true', owner: 'a' });
});

test('2.3: what the endpoint denies may not be invoked, and says so when it is', async () => {
  expect(await directory.mayInvoke('hello')).toBe(true);
  expect(await directory.mayInvoke('hidden')).toBe(false);
  await expect(invoker.invoke({ functionName: 'hidden', payload: '{}' }, context())).rejects.toMatchObject({
    code: 'FUNCTION_DENIED',
  });
});

test('a schema of the registry is read', async () => {
  expect(JSON.parse(await directory.schema('arn:aws:schemas:us-east-1:000000000000:schema/tools/hello'))).toEqual({
    type: 'object',
  });
});

test('an invocation brings answer, client context, log and failure', async () => {
  const done = await invoker.invoke(
    { functionName: 'hello', payload: '{"a":"grüß"}', clientContext: { who: 'ada' } },
    context(),
  );
  expect(JSON.parse(done.payload)).toMatchObject({ event: { a: 'grüß' }, client: { custom: { who: 'ada' } } });
  expect(done.logTail).toContain('seen');
  const failed = await invoker.invoke({ functionName: 'hello', payload: '{"fail":true}' }, context());
  expect(failed.functionError).toBe('Unhandled');
  expect(JSON.parse(failed.payload)).toMatchObject({ errorType: 'TypeError', errorMessage: 'bad colour' });
});

async function textOf(body: AsyncIterable<Uint8Array>): Promise<{ text: string; pieces: number }> {
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(Buffer.from(piece));
  return { text: Buffer.concat(pieces).toString('utf8'), pieces: pieces.length };
}

test('a streamed answer comes piece by piece, and its failure with its end', async () => {
  const stream = await invoker.invokeStream({ functionName: 'streams', payload: '{}' }, context());
  expect(await textOf(stream.body)).toEqual({ text: 'one two', pieces: 2 });
  expect(await stream.ending).not.toHaveProperty('functionError');
  const broken = await invoker.invokeStream({ functionName: 'streams', payload: '{"fail":true}' }, context());
  expect((await textOf(broken.body)).text).toBe('one two');
  expect((await broken.ending).functionError).toBeDefined();
});

test('a streamed answer may be left before its end', async () => {
  const stream = await invoker.invokeStream({ functionName: 'streams', payload: '{}' }, context());
  for await (const piece of stream.body) {
    expect(Buffer.from(piece).toString('utf8')).toBe('one ');
    break;
  }
  expect(await stream.ending).toEqual({});
});
