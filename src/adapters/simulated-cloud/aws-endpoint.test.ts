import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Sha256 } from '@aws-crypto/sha256-js';
import * as lambda from '@aws-sdk/client-lambda';
import {
  GetResourcesCommand,
  GetTagKeysCommand,
  GetTagValuesCommand,
  ResourceGroupsTaggingAPIClient,
} from '@aws-sdk/client-resource-groups-tagging-api';
import {
  DescribeSchemaCommand,
  ListRegistriesCommand,
  ListSchemasCommand,
  SchemasClient,
} from '@aws-sdk/client-schemas';
import { SignatureV4 } from '@smithy/signature-v4';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Logger } from '../../core/ports.ts';
import { Redactor } from '../../core/redact.ts';
import { createFunctionRuntime } from '../../functions/function-runtime.ts';
import type { FunctionRuntime } from '../../functions/function-runtime.ts';
import { systemClock } from '../embedded/system.ts';
import { startAwsEndpoint } from './aws-endpoint.ts';
import type { AwsEndpoint } from './aws-endpoint.ts';
import { LambdaService } from './lambda/service.ts';
import { SchemasService } from './schemas.ts';
import { StsService } from './sts.ts';
import { TaggingService } from './tagging.ts';

const SECRET = 'the development token';
const log: Logger = { log: () => undefined, with: () => log };
const HIDDEN = 'a secret that the instance knows';
const redactor = new Redactor();
redactor.set([HIDDEN]);
const ids = { uuid: () => crypto.randomUUID() };
const CODE = `export const handler = async (event, context) => {
  if (event.fail) throw new TypeError('bad colour');
  if (event.sleep) await new Promise((r) => setTimeout(r, event.sleep));
  if (event.size) return 'x'.repeat(event.size);
  console.log('seen', JSON.stringify(event), process.env.A);
  return { event, client: context.clientContext, version: context.functionVersion, memory: context.memoryLimitInMB };
};`;
const STREAM = `export const handler = awslambda.streamifyResponse(async (event, stream) => {
  stream.write('one ');
  await new Promise((r) => setTimeout(r, 20));
  stream.write('two');
  if (event.fail) throw new Error('in the middle');
  stream.end();
});`;

let folder: string;
let runtime: FunctionRuntime;
let endpoint: AwsEndpoint;
let client: lambda.LambdaClient;

const settings = (secretAccessKey = SECRET, accessKeyId = 'zeroplane') => ({
  endpoint: endpoint.url,
  region: 'eu-west-1',
  maxAttempts: 1,
  credentials: { accessKeyId, secretAccessKey },
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroplane-aws-'));
  await writeFile(join(folder, 'index.mjs'), CODE);
  await mkdir(join(folder, 'schemas/tools'), { recursive: true });
  await writeFile(join(folder, 'schemas/tools/hello.json'), '{"type":"object"}');
  await writeFile(join(folder, 'stream.mjs'), STREAM);
  const common = { handler: 'index.handler', runtime: 'nodejs22.x', code: folder };
  runtime = createFunctionRuntime({
    functions: [
      {
        ...common,
        name: 'hello',
        tags: { MCP_Support: 'true', owner: 'a' },
        environment: { A: HIDDEN },
        timeoutSeconds: 1,
      },
      { ...common, name: 'hidden', tags: { MCP_Support: 'true' } },
      { ...common, name: 'streams', handler: 'stream.handler' },
      ...Array.from({ length: 60 }, (_none, index) => ({ ...common, name: `many-${String(index).padStart(2, '0')}` })),
    ],
    baseDir: folder,
    clock: systemClock,
    log,
    ids,
  });
  endpoint = await startAwsEndpoint({
    services: [
      new LambdaService({
        invoker: runtime,
        control: runtime.control,
        deny: [{ action: 'lambda:InvokeFunction', function: 'hid*' }],
        redactor,
      }),
      new TaggingService(runtime.control),
      new SchemasService(join(folder, 'schemas')),
      new StsService(),
    ],
    accessKeyId: 'zeroplane',
    secretAccessKey: SECRET,
    principal: { id: 'you@dev', tenant: 'team-x', roles: [], scopes: [] },
    clock: systemClock,
    ids,
    log,
    redactor,
  });
  client = new lambda.LambdaClient(settings());
});

afterAll(async () => {
  client.destroy();
  await endpoint.close();
  await runtime.close();
  await rm(folder, { recursive: true, force: true });
});

const parse = (bytes: Uint8Array | undefined): unknown => JSON.parse(Buffer.from(bytes ?? []).toString());

async function nameOfError(sent: Promise<unknown>): Promise<string> {
  return sent.then(
    () => 'no error',
    (error: Error & { name: string }) => error.name,
  );
}

describe('3.10: the vendor’s client invokes', () => {
  test('a function, with its client context and the tail of its log', async () => {
    const answer = await client.send(
      new lambda.InvokeCommand({
        FunctionName: 'hello',
        Payload: Buffer.from('{"a":1}'),
        LogType: 'Tail',
        ClientContext: Buffer.from('{"custom":{"tool":"x"},"env":{"locale":"de"}}').toString('base64'),
      }),
    );
    expect(answer).toMatchObject({ StatusCode: 200, ExecutedVersion: '$LATEST' });
    expect(answer.FunctionError).toBeUndefined();
    expect(parse(answer.Payload)).toMatchObject({
      event: { a: 1 },
      client: { custom: { tool: 'x' }, env: { locale: 'de' } },
    });
    expect(Buffer.from(answer.LogResult ?? '', 'base64').toString()).toMatch(
      /seen \{"a":1\} \[redacted\]\n[\s\S]*REPORT RequestId/,
    );
  });

  test.each([
    'hello',
    'arn:aws:lambda:us-east-1:000000000000:function:hello',
    '000000000000:function:hello',
    'hello:$LATEST',
  ])('by %s', async (name) => {
    expect((await client.send(new lambda.InvokeCommand({ FunctionName: name }))).StatusCode).toBe(200);
  });

  test('what fails in the function is its own error', async () => {
    const failed = await client.send(
      new lambda.InvokeCommand({ FunctionName: 'hello', Payload: Buffer.from('{"fail":true}') }),
    );
    expect(failed).toMatchObject({ StatusCode: 200, FunctionError: 'Unhandled' });
    expect(parse(failed.Payload)).toMatchObject({ errorType: 'TypeError', errorMessage: 'bad colour' });
    const late = await client.send(
      new lambda.InvokeCommand({ FunctionName: 'hello', Payload: Buffer.from('{"sleep":5000}') }),
    );
    expect(late).toMatchObject({ FunctionError: 'Unhandled' });
    expect(parse(late.Payload)).toMatchObject({
      errorType: 'Sandbox.Timedout',
      errorMessage: expect.stringContaining('timed out after 1.00 seconds') as string,
    });
    const large = await client.send(
      new lambda.InvokeCommand({ FunctionName: 'hello', Payload: Buffer.from('{"size":7000000}') }),
    );
    expect(parse(large.Payload)).toMatchObject({ errorType: 'Function.ResponseSizeTooLarge' });
  });

  test('as an event, and as a dry run', async () => {
    const send = (InvocationType: lambda.InvocationType): Promise<lambda.InvokeCommandOutput> =>
      client.send(new lambda.InvokeCommand({ FunctionName: 'hello', InvocationType, Payload: Buffer.from('{}') }));
    expect((await send('Event')).StatusCode).toBe(202);
    expect((await send('DryRun')).StatusCode).toBe(204);
  });

  test('and reads an answer as it is written', async () => {
    const read = async (
      payload: string,
    ): Promise<{ text: string; complete: lambda.InvokeWithResponseStreamCompleteEvent | undefined }> => {
      const answer = await client.send(
        new lambda.InvokeWithResponseStreamCommand({
          FunctionName: 'streams',
          Payload: Buffer.from(payload),
          LogType: 'Tail',
        }),
      );
      let text = '';
      let complete: lambda.InvokeWithResponseStreamCompleteEvent | undefined;
      for await (const event of answer.EventStream ?? []) {
        if (event.PayloadChunk !== undefined) text += Buffer.from(event.PayloadChunk.Payload ?? []).toString();
        if (event.InvokeComplete !== undefined) complete = event.InvokeComplete;
      }
      return { text, complete };
    };
    const good = await read('{}');
    expect(good.text).toBe('one two');
    expect(good.complete?.ErrorCode).toBeUndefined();
    expect(Buffer.from(good.complete?.LogResult ?? '', 'base64').toString()).toContain('REPORT');
    const failed = await read('{"fail":true}');
    expect(failed.text).toBe('one two');
    expect(failed.complete?.ErrorCode).toBeTruthy();
    expect(failed.complete?.ErrorDetails).toContain('in the middle');
  });

  test.each<[string, lambda.InvokeCommandInput, string]>([
    ['a function that is not there', { FunctionName: 'nobody' }, 'ResourceNotFoundException'],
    ['a qualifier that is not there', { FunctionName: 'hello', Qualifier: 'PROD' }, 'ResourceNotFoundException'],
    [
      'an event that is no JSON',
      { FunctionName: 'hello', Payload: Buffer.from('{"a"') },
      'InvalidRequestContentException',
    ],
    [
      'an event that is too large',
      { FunctionName: 'hello', Payload: Buffer.from(`"${'x'.repeat(6.1 * 1024 * 1024)}"`) },
      'RequestTooLargeException',
    ],
    ['2.3: a right that is missing', { FunctionName: 'hidden', InvocationType: 'DryRun' }, 'AccessDeniedException'],
  ])('%s is refused in the service’s words', async (_title, input, name) => {
    expect(await nameOfError(client.send(new lambda.InvokeCommand(input)))).toBe(name);
  });
});

describe('who may ask', () => {
  test.each<[string, () => [string, string?], string]>([
    ['another secret', () => ['wrong'], 'InvalidSignatureException'],
    ['another access key', () => [SECRET, 'AKIDSOMEBODY'], 'UnrecognizedClientException'],
  ])('%s is refused', async (_title, keys, name) => {
    const other = new lambda.LambdaClient(settings(...keys()));
    expect(await nameOfError(other.send(new lambda.ListFunctionsCommand()))).toBe(name);
    other.destroy();
  });

  test('a request without a signature, and one for another host', async () => {
    const unsigned = await fetch(`${endpoint.url}/2015-03-31/functions`);
    expect(unsigned.status).toBe(403);
    expect(unsigned.headers.get('x-amzn-errortype')).toBe('MissingAuthenticationTokenException');
    const signer = new SignatureV4({ ...settings(), service: 'lambda', sha256: Sha256 });
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
    const signer = new SignatureV4({ ...settings(), service: 'lambda', sha256: Sha256 });
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

  test('a service that is not simulated says so', async () => {
    const signer = new SignatureV4({ ...settings(), service: 'braket', sha256: Sha256 });
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
    const options = { services: [], accessKeyId: 'a', secretAccessKey: 'b', clock: systemClock, ids, log, redactor };
    const principal = { id: 'a', tenant: 'a', roles: [], scopes: [] };
    const started = startAwsEndpoint({ ...options, principal, port });
    await expect(started).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('clouds.aws.port') as string,
    });
  });
});

describe('the control plane', () => {
  test('lists every function, page by page', async () => {
    const names: string[] = [];
    for await (const page of lambda.paginateListFunctions({ client, pageSize: 25 }, {}))
      names.push(...(page.Functions ?? []).map((each) => each.FunctionName ?? ''));
    expect(names).toHaveLength(63);
    expect(new Set(names).size).toBe(63);
  });

  test('3.19: memory is changed, and the next invocation has it', async () => {
    const changed = await client.send(
      new lambda.UpdateFunctionConfigurationCommand({ FunctionName: 'hello', MemorySize: 2048, Timeout: 2 }),
    );
    expect(changed).toMatchObject({
      MemorySize: 2048,
      Timeout: 2,
      Runtime: 'nodejs22.x',
      Handler: 'index.handler',
      LastUpdateStatus: 'Successful',
    });
    const answer = await client.send(new lambda.InvokeCommand({ FunctionName: 'hello' }));
    expect(parse(answer.Payload)).toMatchObject({ memory: '2048' });
    expect(
      await nameOfError(
        client.send(new lambda.UpdateFunctionConfigurationCommand({ FunctionName: 'hello', MemorySize: 1 })),
      ),
    ).toBe('InvalidParameterValueException');
    expect(
      await nameOfError(
        client.send(
          new lambda.UpdateFunctionConfigurationCommand({ FunctionName: 'hello', RevisionId: 'old', Timeout: 3 }),
        ),
      ),
    ).toBe('PreconditionFailedException');
  });

  test('2.5: versions and aliases', async () => {
    const { Version } = await client.send(new lambda.PublishVersionCommand({ FunctionName: 'hello' }));
    expect(Version).toBe('1');
    const alias = await client.send(
      new lambda.CreateAliasCommand({ FunctionName: 'hello', Name: 'PROD', FunctionVersion: '1' }),
    );
    expect(alias).toMatchObject({ Name: 'PROD', FunctionVersion: '1' });
    expect(
      await nameOfError(
        client.send(new lambda.CreateAliasCommand({ FunctionName: 'hello', Name: 'PROD', FunctionVersion: '1' })),
      ),
    ).toBe('ResourceConflictException');
    const answer = await client.send(new lambda.InvokeCommand({ FunctionName: 'hello', Qualifier: 'PROD' }));
    expect(answer.ExecutedVersion).toBe('1');
    await client.send(
      new lambda.UpdateAliasCommand({ FunctionName: 'hello', Name: 'PROD', FunctionVersion: '1', Description: 'live' }),
    );
    expect((await client.send(new lambda.GetAliasCommand({ FunctionName: 'hello', Name: 'PROD' }))).Description).toBe(
      'live',
    );
    expect((await client.send(new lambda.ListAliasesCommand({ FunctionName: 'hello' }))).Aliases).toHaveLength(1);
    const versions = await client.send(new lambda.ListVersionsByFunctionCommand({ FunctionName: 'hello' }));
    expect(versions.Versions?.map((each) => each.Version)).toEqual(['$LATEST', '1']);
    await client.send(new lambda.DeleteAliasCommand({ FunctionName: 'hello', Name: 'PROD' }));
    expect(await nameOfError(client.send(new lambda.GetAliasCommand({ FunctionName: 'hello', Name: 'PROD' })))).toBe(
      'ResourceNotFoundException',
    );
  });

  test('a function that is created has a record and runs nowhere', async () => {
    const ZipFile = Buffer.from('PK');
    const created = await client.send(
      new lambda.CreateFunctionCommand({
        FunctionName: 'made',
        Role: 'arn:aws:iam::000000000000:role/r',
        Runtime: 'nodejs22.x',
        Handler: 'index.handler',
        Code: { ZipFile },
        Tags: { a: 'b' },
      }),
    );
    expect(created.CodeSha256).toBe(createHash('sha256').update(ZipFile).digest('base64'));
    const read = await client.send(new lambda.GetFunctionCommand({ FunctionName: 'made' }));
    expect(read).toMatchObject({ Configuration: { FunctionName: 'made', State: 'Active' }, Tags: { a: 'b' } });
    expect(await nameOfError(client.send(new lambda.InvokeCommand({ FunctionName: 'made' })))).not.toBe('no error');
    await client.send(new lambda.DeleteFunctionCommand({ FunctionName: 'made' }));
    expect(await nameOfError(client.send(new lambda.GetFunctionConfigurationCommand({ FunctionName: 'made' })))).toBe(
      'ResourceNotFoundException',
    );
    expect(await nameOfError(client.send(new lambda.DeleteFunctionCommand({ FunctionName: 'hello' })))).toBe(
      'InvalidParameterValueException',
    );
    expect(
      await nameOfError(client.send(new lambda.UpdateFunctionCodeCommand({ FunctionName: 'hello', ZipFile }))),
    ).toBe('InvalidParameterValueException');
  });

  test('tags are read, set and removed', async () => {
    const Resource = 'arn:aws:lambda:us-east-1:000000000000:function:hello';
    await client.send(new lambda.TagResourceCommand({ Resource, Tags: { team: 'x' } }));
    expect((await client.send(new lambda.ListTagsCommand({ Resource }))).Tags).toEqual({
      MCP_Support: 'true',
      owner: 'a',
      team: 'x',
    });
    await client.send(new lambda.UntagResourceCommand({ Resource, TagKeys: ['team'] }));
    expect((await client.send(new lambda.ListTagsCommand({ Resource }))).Tags).toEqual({
      MCP_Support: 'true',
      owner: 'a',
    });
  });

  test('what the instance keeps secret is masked', async () => {
    const { Environment } = await client.send(new lambda.GetFunctionConfigurationCommand({ FunctionName: 'hello' }));
    expect(Environment?.Variables).toEqual({ A: '[redacted]' });
  });

  test('what only the configuration decides is refused with the place to change it', async () => {
    const put = new lambda.PutFunctionConcurrencyCommand({ FunctionName: 'hello', ReservedConcurrentExecutions: 1 });
    await expect(client.send(put)).rejects.toMatchObject({
      name: 'InvalidParameterValueException',
      message: expect.stringContaining('functions.hello.concurrency') as string,
    });
    const policy = new lambda.GetPolicyCommand({ FunctionName: 'hello' });
    expect(await nameOfError(client.send(policy))).toBe('ResourceNotFoundException');
  });

  test('concurrency and account are told', async () => {
    expect(
      (await client.send(new lambda.GetFunctionConcurrencyCommand({ FunctionName: 'hello' })))
        .ReservedConcurrentExecutions,
    ).toBe(10);
    expect((await client.send(new lambda.GetAccountSettingsCommand({}))).AccountUsage?.FunctionCount).toBe(63);
  });
});

describe('2.7: functions are found by tag', () => {
  test('through the tagging API', async () => {
    const tagging = new ResourceGroupsTaggingAPIClient(settings());
    const found = await tagging.send(
      new GetResourcesCommand({
        TagFilters: [{ Key: 'MCP_Support', Values: ['true'] }],
        ResourceTypeFilters: ['lambda:function'],
      }),
    );
    expect(found.ResourceTagMappingList?.map((each) => each.ResourceARN?.split(':').at(-1))).toEqual([
      'hello',
      'hidden',
    ]);
    const first = await tagging.send(new GetResourcesCommand({ ResourcesPerPage: 1 }));
    expect(first.ResourceTagMappingList).toHaveLength(1);
    const second = await tagging.send(
      new GetResourcesCommand({ ResourcesPerPage: 1, PaginationToken: first.PaginationToken }),
    );
    expect(second.PaginationToken).toBe('');
    expect((await tagging.send(new GetTagKeysCommand({}))).TagKeys).toEqual(['MCP_Support', 'owner']);
    expect((await tagging.send(new GetTagValuesCommand({ Key: 'owner' }))).TagValues).toEqual(['a']);
    tagging.destroy();
  });

  test('2.12: and their schemas are described', async () => {
    const schemas = new SchemasClient(settings());
    const described = await schemas.send(new DescribeSchemaCommand({ RegistryName: 'tools', SchemaName: 'hello' }));
    expect(described).toMatchObject({ Content: '{"type":"object"}', SchemaVersion: '1' });
    expect((await schemas.send(new ListRegistriesCommand({}))).Registries).toMatchObject([{ RegistryName: 'tools' }]);
    expect((await schemas.send(new ListSchemasCommand({ RegistryName: 'tools' }))).Schemas).toMatchObject([
      { SchemaName: 'hello' },
    ]);
    for (const SchemaName of ['absent', '..%2F..%2Findex'])
      expect(await nameOfError(schemas.send(new DescribeSchemaCommand({ RegistryName: 'tools', SchemaName })))).toBe(
        'NotFoundException',
      );
    schemas.destroy();
  });
});
