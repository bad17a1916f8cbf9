import { createHash } from 'node:crypto';
import * as lambda from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EndpointForTest } from '../endpoint-for-test.ts';
import { FUNCTIONS, endpointForTest, nameOfError } from '../endpoint-for-test.ts';

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

const parse = (bytes: Uint8Array | undefined): unknown => JSON.parse(Buffer.from(bytes ?? []).toString());

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

describe('the control plane', () => {
  test('lists every function, page by page', async () => {
    const names: string[] = [];
    for await (const page of lambda.paginateListFunctions({ client, pageSize: 25 }, {}))
      names.push(...(page.Functions ?? []).map((each) => each.FunctionName ?? ''));
    expect(names).toHaveLength(FUNCTIONS);
    expect(new Set(names).size).toBe(FUNCTIONS);
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
    expect((await client.send(new lambda.GetAccountSettingsCommand({}))).AccountUsage?.FunctionCount).toBe(FUNCTIONS);
  });
});
