/** State machines in another's Step Functions, by the vendor's SDK, with the functions of a golden machine behind it. */

import { CreateFunctionCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { JsonValue } from '../../src/core/ports.ts';
import { zipFolder } from '../../src/packaging/zip.ts';
import { StatesError } from '../../src/workflows/asl/states-error.ts';
import type { TaskCall } from '../../src/workflows/asl/asl-host.ts';
import type { Ended, PeerMachine } from './asl-machines.ts';
import { functionOf } from './asl-machines.ts';

interface Described {
  readonly status: string;
  readonly output?: string;
  readonly error?: string;
  readonly cause?: string;
}

interface Client {
  send(command: object): Promise<unknown>;
  destroy(): void;
  readonly middlewareStack: { add(middleware: Middleware, options: object): void };
}

type Next = (args: { readonly request: { readonly headers: Record<string, string> } }) => Promise<unknown>;
type Middleware = (next: Next) => Next;

interface Sdk {
  readonly SFNClient: new (options: object) => Client;
  readonly CreateStateMachineCommand: new (input: object) => object;
  readonly StartExecutionCommand: new (input: object) => object;
  readonly DescribeExecutionCommand: new (input: object) => object;
  readonly GetExecutionHistoryCommand: new (input: object) => object;
}

/** The account of the machines' functions; MiniStack reads it from the key. */
const SIGNED = {
  region: 'us-east-1',
  credentials: { accessKeyId: '123456789012', secretAccessKey: 'testing' },
};

export interface SfnPeer {
  /** Defines the machines. @returns what it refuses, and why. */
  define(machines: readonly PeerMachine[]): Promise<ReadonlyMap<PeerMachine, string>>;
  run(machine: PeerMachine): Promise<Ended>;
  close(): Promise<void>;
}

export interface SfnPeerOptions {
  readonly url: string;
  /** Where the functions of the machines answer. */
  readonly functionsPort: number;
  /** Module of `@aws-sdk/client-sfn`. */
  readonly client: string;
  /** Each machine is given an account of its own. */
  readonly isAccountEach: boolean;
  /** Functions are made there, which ask ours. Else they are called at `functionsPort`, as if Lambda were there. */
  readonly hasLambda: boolean;
}

export async function sfnPeer(options: SfnPeerOptions): Promise<SfnPeer> {
  const { url, functionsPort, client: sdkModule } = options;
  const sdk = (await import(pathToFileURL(sdkModule).href)) as Sdk;
  const clients = new Map<PeerMachine, Client>();
  const byNumber = new Map<string, PeerMachine>();
  const arns = new Map<PeerMachine, string>();
  const sent = async <Answered>(machine: PeerMachine, command: object): Promise<Answered> =>
    (await clients.get(machine)?.send(command)) as Answered;
  const functions = await serveFunctions(functionsPort, byNumber);
  const forwarding = options.hasLambda ? await forwarder(functionsPort) : undefined;
  return {
    async define(machines) {
      const refused = new Map<PeerMachine, string>();
      for (const [at, machine] of machines.entries()) {
        byNumber.set(`m${at}`, machine);
        const client = new sdk.SFNClient({ endpoint: url, ...SIGNED, maxAttempts: 1 });
        if (options.isAccountEach) client.middlewareStack.add(asAccount(100_000_000_000 + at), { step: 'build' });
        clients.set(machine, client);
        if (forwarding !== undefined) await makeFunctions(url, forwarding, { machine, at });
        const definition = JSON.stringify(machine.definition);
        const roleArn = 'arn:aws:iam::123456789012:role/machines';
        const command = new sdk.CreateStateMachineCommand({ name: `m${at}`, definition, roleArn });
        try {
          const { stateMachineArn } = await sent<{ stateMachineArn: string }>(machine, command);
          arns.set(machine, stateMachineArn);
        } catch (error) {
          refused.set(machine, String(error));
        }
      }
      return refused;
    },
    async run(machine) {
      const { input } = machine;
      const stateMachineArn = arns.get(machine);
      const start = new sdk.StartExecutionCommand({ stateMachineArn, name: 'run-1', input: JSON.stringify(input) });
      const { executionArn } = await sent<{ executionArn: string }>(machine, start);
      const described = await untilEnded(() =>
        sent<Described>(machine, new sdk.DescribeExecutionCommand({ executionArn })),
      );
      const ask = new sdk.GetExecutionHistoryCommand({ executionArn, maxResults: 1000 });
      const { events } = await sent<{ events: readonly { readonly type: string }[] }>(machine, ask);
      return ended(
        described,
        events.map(({ type }) => type),
      );
    },
    async close() {
      for (const client of clients.values()) client.destroy();
      functions.closeAllConnections();
      await new Promise((resolve) => functions.close(resolve));
    },
  };
}

/** Once moto has executed a machine of an account it can copy no other of that account, so each has one of its own. */
function asAccount(id: number): Middleware {
  return (next) => (args) => {
    args.request.headers['x-moto-account-id'] = String(id);
    return next(args);
  };
}

async function untilEnded(describe: () => Promise<Described>): Promise<Described> {
  for (const deadline = Date.now() + 60_000; ;) {
    const described = await describe();
    if (described.status !== 'RUNNING') return described;
    if (Date.now() > deadline) throw new Error('the execution did not end within 60 s');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** An error or cause that is empty is one that is absent. */
export function ended({ status, output, error = '', cause = '' }: Described, events: readonly string[]): Ended {
  if (status === 'SUCCEEDED') return { status, output: outputOf(output ?? 'null'), events };
  return { status, error, hasCause: cause !== '', events };
}

/** The service answers JSON text; moto leaves the quotes of a string out. */
function outputOf(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text;
  }
}

/** As the runtime of a function tells of an error that its code throws. */
export function thrown(error: unknown): { readonly errorType: string; readonly errorMessage: string } {
  if (error instanceof StatesError) return { errorType: error.error, errorMessage: error.cause };
  return { errorType: 'Error', errorMessage: String(error) };
}

/** A golden function behind the integration `lambda:invoke` answers with the envelope, which the service adds itself. */
export function payloadOf(answered: JsonValue): JsonValue {
  if (typeof answered !== 'object' || answered === null || Array.isArray(answered)) return answered;
  return 'StatusCode' in answered ? (answered['Payload'] ?? null) : answered;
}

/** A function that asks ours, and fails as that does. */
const FORWARDER = (port: number): string => `
import json, urllib.error, urllib.parse, urllib.request
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
def handler(event, context):
    name = urllib.parse.quote(context.invoked_function_arn, safe='')
    url = 'http://localhost:${port}/2015-03-31/functions/' + name + '/invocations'
    request = urllib.request.Request(url, json.dumps(event).encode(), {'content-type': 'application/json'})
    with direct.open(request) as answer:
        body = json.loads(answer.read())
        if answer.headers.get('x-amz-function-error'):
            raise type(str(body['errorType']), (Exception,), {})(body['errorMessage'])
        return body
`;

async function forwarder(port: number): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'zeroplane-forwarder-'));
  try {
    await writeFile(join(folder, 'function.py'), FORWARDER(port));
    await zipFolder(folder, `${folder}.zip`);
    return await readFile(`${folder}.zip`);
  } finally {
    await rm(folder, { recursive: true });
    await rm(`${folder}.zip`, { force: true });
  }
}

async function makeFunctions(
  url: string,
  ZipFile: Uint8Array,
  { machine, at }: { readonly machine: PeerMachine; readonly at: number },
): Promise<void> {
  const lambda = new LambdaClient({ endpoint: url, ...SIGNED });
  for (const name of Object.keys(machine.functions)) {
    const role = 'arn:aws:iam::123456789012:role/functions';
    const about = { Runtime: 'python3.11', Handler: 'function.handler', Role: role, Timeout: 60 } as const;
    await lambda.send(new CreateFunctionCommand({ FunctionName: `m${at}-${name}`, ...about, Code: { ZipFile } }));
  }
  lambda.destroy();
}

/** The service that Lambda is, as far as an invocation goes. */
async function serveFunctions(port: number, machines: ReadonlyMap<string, PeerMachine>): Promise<Server> {
  const server = createServer((request, response) => {
    void answer(request, machines).then(({ status, headers = {}, body }) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify(body));
    });
  });
  // moto says localhost, which may be either.
  await new Promise<void>((resolve) => {
    server.listen(port, 'localhost', resolve);
  });
  return server;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

async function answer(request: IncomingMessage, machines: ReadonlyMap<string, PeerMachine>): Promise<Answer> {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  const [, named = ''] = /\/functions\/([^/]+)\/invocations/.exec(pathname) ?? [];
  const arn = decodeURIComponent(named);
  const [, number = ''] = /:function:(m\d+)-/.exec(arn) ?? [];
  const run = machines.get(number)?.functions[functionOf(arn)];
  if (run === undefined) {
    const headers = { 'x-amzn-errortype': 'ResourceNotFoundException' };
    return { status: 404, headers, body: { Type: 'User', Message: `Function not found: ${arn}` } };
  }
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const input = JSON.parse(Buffer.concat(chunks).toString() || 'null') as JsonValue;
  const call = { input, kind: 'function', signal: new AbortController().signal } as unknown as TaskCall;
  try {
    return { status: 200, body: payloadOf(await run(call)) };
  } catch (error) {
    return { status: 200, headers: { 'x-amz-function-error': 'Unhandled' }, body: thrown(error) };
  }
}
