/** What seed 002 promises of functions that are found and become tools, in an account of AWS and on this machine. */

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { LambdaClient, TagResourceCommand, UntagResourceCommand } from '@aws-sdk/client-lambda';
import { afterEach, beforeEach, describe, expect } from 'vitest';
import { parse } from 'yaml';
import type { ConfigInput } from '../../src/config/schema.ts';
import type { LocalInstance } from '../../src/testing.ts';
import { startGateway } from '../../src/testing.ts';
import { startFakeAws, type FakeAws, type FakeFunction } from '../fixtures/aws-api.ts';
import { WireClient, type Json } from '../fixtures/wire-client.ts';
import { verifies } from './verifies.ts';

const KEYS = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret' };
const greet = fileURLToPath(new URL('../e2e/greet', import.meta.url));
const PERMITTED = { MCP_Support: 'true' };

let aws: FakeAws;
const gateways: LocalInstance[] = [];
const before = { ...process.env };

beforeEach(async () => {
  Object.assign(process.env, KEYS);
  aws = await startFakeAws();
});

afterEach(async () => {
  await Promise.all(gateways.splice(0).map((each) => each.close({ drainMs: 100 })));
  await aws.close();
  for (const name of Object.keys(KEYS)) {
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
  }
});

/** A gateway whose AWS is the one of the test. */
async function start(config: ConfigInput, functions: readonly FakeFunction[] = []): Promise<WireClient> {
  aws.functions.push(...functions);
  const gateway = await startGateway({ config: { ...config, clouds: { aws: { endpoint: aws.url } } } });
  gateways.push(gateway);
  return new WireClient({ url: gateway.mcp, era: 'modern', token: gateway.token });
}

interface Tool extends Json {
  readonly name: string;
  readonly description: string;
}

async function tools(client: WireClient): Promise<Tool[]> {
  const { result, text } = await client.request('tools/list');
  if (result === undefined) throw new Error(text);
  return result['tools'] as Tool[];
}

const names = async (client: WireClient): Promise<string[]> => (await tools(client)).map((each) => each.name);

async function call(client: WireClient, name: string, args: Json = {}): Promise<{ text: string; isError: boolean }> {
  const { result, text } = await client.request('tools/call', { name, arguments: args });
  const content = result?.['content'] as { text: string }[] | undefined;
  return { text: content?.[0]?.text ?? text, isError: result?.['isError'] === true };
}

/** Waits for what a rescan brings. */
async function until<Value>(read: () => Promise<Value>, isThere: (value: Value) => boolean): Promise<Value> {
  for (const deadline = performance.now() + 8_000; ;) {
    const value = await read();
    if (isThere(value) || performance.now() > deadline) return value;
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}

const ACCOUNT: readonly FakeFunction[] = [
  { name: 'mcp-customer-id', description: 'Finds a customer.', tags: { ...PERMITTED, owner: 'sales' } },
  { name: 'mcp-customer-info', tags: { ...PERMITTED, owner: 'support', experimental: 'true' } },
  { name: 'payroll', tags: { owner: 'sales' } },
  { name: 'mcp-other', tags: { MCP_Support: 'false' } },
];

describe('functions of an account', () => {
  verifies('2.1 2.7', 'the tag MCP_Support=true lists exactly the allowed functions, and they run in AWS', async () => {
    const client = await start({ discover: { lambdaTags: PERMITTED, prefix: 'mcp-' } }, [
      ...ACCOUNT,
      { name: 'mcp-echo', tags: PERMITTED, answer: (event) => ({ event }) },
      { name: 'mcp-secret', tags: PERMITTED, denied: true },
    ]);
    expect(await names(client)).toEqual(['customer_id', 'customer_info', 'echo']);
    const { text } = await call(client, 'echo', { n: 1 });
    expect(JSON.parse(text)).toEqual({ event: { n: 1 } });
    expect(aws.asked.filter((each) => each === 'Invoke')).toHaveLength(1);
  });

  verifies('2.7', 'owner, experimental and visibility select by their tags', async () => {
    const discover = { lambdaTags: PERMITTED, excludeTags: { experimental: 'true' } };
    expect(await names(await start({ discover }, ACCOUNT))).toEqual(['mcp_customer_id']);
    expect(await names(await start({ discover: { owner: 'sales' } }))).toEqual(['mcp_customer_id', 'payroll']);
    expect(await names(await start({ discover: { visibility: 'external' } }))).toEqual([]);
  });

  verifies('2.7', 'a search finds a function by its tags', async () => {
    const search = { endpoints: { mcp: { search: { above: 1 } } } };
    const client = await start({ ...search, discover: { prefix: 'mcp-' } }, ACCOUNT);
    expect(await names(client)).toEqual(['search_tools', 'call_tool']);
    const { result } = await client.request('tools/call', {
      name: 'search_tools',
      arguments: { query: 'sales' },
    });
    expect(result?.['structuredContent']).toMatchObject({ tools: [{ name: 'customer_id' }] });
    // The same for programs, whether or not the list is short.
    const [gateway] = gateways;
    const headers = { authorization: `Bearer ${gateway?.token}` };
    const answer = await fetch(`${gateway?.url}/v1/tools?query=sales`, { headers });
    expect((await answer.json()) as { tools: Tool[] }).toMatchObject({ tools: [{ name: 'customer_id' }] });
    expect((await fetch(`${gateway?.url}/v1/tools`, { headers })).status).toBe(400);
  });

  verifies('2.3', 'a right that is lost after the list is an error that names it', async () => {
    const client = await start({ discover: { lambdaTags: PERMITTED } }, [{ name: 'one', tags: PERMITTED }]);
    const [one] = aws.functions;
    if (one !== undefined) one.denied = true;
    const { text, isError } = await call(client, 'one');
    expect(isError).toBe(true);
    expect(text).toMatch(/FUNCTION_DENIED.*lambda:InvokeFunction.*function:one/s);
  });

  verifies('2.6 2.22', 'functions of many teams and languages stand behind one server', async () => {
    const client = await start(
      {
        discover: { lambdaTags: PERMITTED },
        functions: { greet: { code: greet, handler: 'index.handler', tags: PERMITTED } },
      },
      [
        { name: 'one', tags: { ...PERMITTED, owner: 'a' } },
        { name: 'two', tags: { ...PERMITTED, owner: 'b' } },
      ],
    );
    expect(await names(client)).toEqual(['greet', 'one', 'two']);
    expect((await call(client, 'greet', { name: 'Ada' })).text).toContain('Ada');
    expect((await call(client, 'two')).text).toContain('two');
  });

  verifies('2.10', 'a name that is taken gets a number, and each name leads to its own function', async () => {
    const echo = (name: string): FakeFunction => ({ name, answer: () => ({ name }) });
    const client = await start({ discover: { prefix: 'mcp-' } }, [echo('mcp-a.b'), echo('mcp-a-b'), echo('mcp-9')]);
    expect(await names(client)).toEqual(['_9', 'a_b', 'a_b_2']);
    expect((await call(client, 'a_b')).text).toContain('mcp-a-b');
    expect((await call(client, 'a_b_2')).text).toContain('mcp-a.b');
  });

  verifies('2.11', 'what a function says of itself is what a model reads', async () => {
    const client = await start({ discover: { list: ['plain', 'format'] } }, [
      { name: 'plain' },
      { name: 'format', description: 'Adds. Expected format: {"a": 1}' },
    ]);
    expect((await tools(client)).map((each) => each.description)).toEqual([
      'Adds. Expected format: {"a": 1}\n\nParameters: {"a": 1}',
      'AWS Lambda function: plain',
    ]);
  });

  verifies('2.16', 'new functions are found by a rescan, and open clients are told', async () => {
    const client = await start({ discover: { lambdaTags: PERMITTED, rescanSeconds: 1 } }, ACCOUNT);
    expect(await names(client)).toHaveLength(2);
    aws.functions.push({ name: 'later', tags: PERMITTED });
    expect(
      await until(
        () => names(client),
        (listed) => listed.includes('later'),
      ),
    ).toContain('later');
    // A scan that fails changes nothing.
    aws.refusals.set('ListFunctions', { error: 'AccessDeniedException', times: Infinity });
    const count = aws.asked.length;
    await until(
      () => Promise.resolve(aws.asked.length),
      (now) => now > count,
    );
    expect(await names(client)).toContain('later');
  });

  verifies('2.16', 'more functions than fit on a page or in a batch are all there', async () => {
    const many = Array.from({ length: 140 }, (_, index) => ({ name: `f${index}`, tags: PERMITTED }));
    expect(await names(await start({ discover: { lambdaTags: PERMITTED } }, many))).toHaveLength(140);
  });

  verifies('2.1', 'without a rule nothing is asked of the account, and nothing of it is published', async () => {
    expect(await names(await start({}, ACCOUNT))).toEqual([]);
    expect(aws.asked).toEqual([]);
  });

  verifies('2.9', 'half a tag publishes nothing', async () => {
    process.env['FUNCTION_TAG_KEY'] = 'MCP_Support';
    try {
      expect(await names(await start({}, ACCOUNT))).toEqual([]);
    } finally {
      delete process.env['FUNCTION_TAG_KEY'];
    }
  });
});

describe('the generic pair', () => {
  const PAIR = ['invoke_lambda_function', 'list_lambda_functions'];
  const discover = { lambdaTags: PERMITTED, generic: true };

  verifies('2.15', 'it stands for all functions that are selected, and for no other', async () => {
    const client = await start({ discover }, [
      ...ACCOUNT,
      { name: 'echo', tags: PERMITTED, answer: (event) => ({ event }) },
    ]);
    expect((await names(client)).toSorted()).toEqual(PAIR);
    const listed = JSON.parse((await call(client, 'list_lambda_functions')).text) as { FunctionName: string }[];
    expect(listed.map((each) => each.FunctionName)).toEqual(['echo', 'mcp-customer-id', 'mcp-customer-info']);
    expect(listed[1]).toEqual({ FunctionName: 'mcp-customer-id', Description: 'Finds a customer.' });
    const parameters = { deep: [1] };
    const invoked = await call(client, 'invoke_lambda_function', { function_name: 'echo', parameters });
    expect(JSON.parse(invoked.text)).toEqual({ event: parameters });
  });

  verifies('2.15', 'a function that is not selected is not valid', async () => {
    const client = await start({ discover }, ACCOUNT);
    for (const function_name of ['payroll', 'no-such', 'arn:aws:lambda:us-east-1:123456789012:function:payroll']) {
      const { text, isError } = await call(client, 'invoke_lambda_function', { function_name, parameters: {} });
      expect([isError, text]).toEqual([true, expect.stringContaining(`Function ${function_name} is not valid`)]);
    }
    expect(aws.asked).not.toContain('Invoke');
  });

  verifies('2.15', 'it is there when functions cannot be listed, and tries names that the rule admits', async () => {
    aws.refusals.set('ListFunctions', { error: 'AccessDeniedException', times: Infinity });
    const client = await start({ discover: { prefix: 'mcp-' } }, [{ name: 'mcp-a', answer: () => 'here' }]);
    expect((await names(client)).toSorted()).toEqual(PAIR);
    const listed = await call(client, 'list_lambda_functions');
    expect([listed.isError, listed.text]).toEqual([true, expect.stringContaining('lambda:ListFunctions')]);
    expect((await call(client, 'invoke_lambda_function', { function_name: 'mcp-a' })).text).toBe('here');
    const other = await call(client, 'invoke_lambda_function', { function_name: 'payroll' });
    expect(other.text).toContain('Function payroll is not valid');
    // What only a tag would select cannot be judged without the list.
    const tagged = await start({ discover: { lambdaTags: PERMITTED } });
    const refused = await call(tagged, 'invoke_lambda_function', { function_name: 'mcp-a' });
    expect(refused.text).toContain('Function mcp-a is not valid');
  });

  verifies('2.15', 'tools come back by themselves once functions can be listed', async () => {
    aws.refusals.set('ListFunctions', { error: 'AccessDeniedException', times: 1 });
    const client = await start({ discover: { prefix: 'mcp-', rescanSeconds: 1 } }, ACCOUNT);
    expect((await names(client)).toSorted()).toEqual(PAIR);
    const listed = await until(
      () => names(client),
      (found) => found.includes('customer_id'),
    );
    expect(listed).toEqual(['customer_id', 'customer_info', 'other']);
  });
});

describe('functions of this machine', () => {
  verifies('2.7 2.16', 'the rule selects among the functions of the configuration too', async () => {
    const functions = {
      'mcp-greet': { code: greet, handler: 'index.handler', tags: PERMITTED },
      hidden: { code: greet, handler: 'index.handler' },
    };
    const gateway = await startGateway({ config: { functions, discover: { lambdaTags: PERMITTED, prefix: 'mcp-' } } });
    gateways.push(gateway);
    const client = new WireClient({ url: gateway.mcp, era: 'modern', token: gateway.token });
    expect(await names(client)).toEqual(['greet']);
    expect(aws.asked).toEqual([]);
  });
});

describe('the local AWS endpoint', () => {
  /** A gateway with functions, and the client settings of its endpoint. */
  async function owner(deny: { action: string; function: string }[] = []) {
    const functions = Object.fromEntries(
      ['mcp-greet', 'mcp-denied', 'hidden'].map((name) => [
        name,
        { code: greet, handler: 'index.handler', ...(name === 'hidden' ? {} : { tags: PERMITTED }) },
      ]),
    );
    const config: ConfigInput = { functions, discover: { lambdaTags: PERMITTED }, clouds: { aws: { deny } } };
    const gateway = await startGateway({ config });
    gateways.push(gateway);
    const credentials = { accessKeyId: 'zeroplane', secretAccessKey: gateway.token };
    const client = new WireClient({ url: gateway.mcp, era: 'modern', token: gateway.token });
    return { client, endpoint: gateway.clouds.aws, token: gateway.token, credentials };
  }

  verifies('2.1 2.3 2.7', 'another gateway finds there exactly what its tag and its rights allow', async () => {
    const { endpoint, token } = await owner([{ action: 'lambda:InvokeFunction', function: 'mcp-denied' }]);
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'zeroplane', AWS_SECRET_ACCESS_KEY: token });
    const gateway = await startGateway({
      config: { discover: { lambdaTags: PERMITTED, prefix: 'mcp-' }, clouds: { aws: { endpoint } } },
    });
    gateways.push(gateway);
    const client = new WireClient({ url: gateway.mcp, era: 'modern', token: gateway.token });
    expect(await names(client)).toEqual(['greet']);
    expect((await call(client, 'greet', { name: 'Ada' })).text).toContain('Ada');
    const backends = gateway.status().backends.find((each) => each.name === 'aws');
    expect(backends).toEqual({ name: 'aws', label: 'simulated', detail: '1 functions, ready' });
  });

  verifies('2.7 2.16', 'a tag that is set or taken while running is in the next list', async () => {
    const { client, endpoint, credentials } = await owner();
    expect(await names(client)).toEqual(['mcp_greet', 'mcp_denied']);
    const lambda = new LambdaClient({ endpoint, credentials, region: 'us-east-1' });
    const arn = 'arn:aws:lambda:us-east-1:000000000000:function';
    await lambda.send(new UntagResourceCommand({ Resource: `${arn}:mcp-denied`, TagKeys: ['MCP_Support'] }));
    await lambda.send(new TagResourceCommand({ Resource: `${arn}:hidden`, Tags: PERMITTED }));
    const listed = await until(
      () => names(client),
      (found) => found.includes('hidden'),
    );
    expect(listed).toEqual(['mcp_greet', 'hidden']);
    lambda.destroy();
  });
});

describe('what is written down', () => {
  verifies('2.19', 'the page names every right that is asked for', async () => {
    const page = await readFile(new URL('../../docs/how-to/discover-functions.md', import.meta.url), 'utf8');
    const rights = [
      'lambda:ListFunctions',
      'lambda:ListTags',
      'lambda:InvokeFunction',
      'schemas:DescribeSchema',
      'tag:GetResources',
    ];
    for (const right of rights) expect(page).toContain(right);
  });

  verifies('2.18', 'the sample template deploys the sample functions, each with its code and the tag', async () => {
    const folder = new URL('../../examples/lambda-tools/', import.meta.url);
    const template = parse(await readFile(new URL('template.yaml', folder), 'utf8')) as Template;
    const deployed = Object.values(template.Resources).map(({ Properties }) => Properties);
    expect(deployed.map((each) => each.FunctionName)).toEqual([
      'customer-id-from-email',
      'customer-info',
      'customer-info-python',
      'run-python',
    ]);
    for (const { CodeUri, Handler, Runtime, Tags } of deployed) {
      const file = `${Handler.split('.')[0]}${Runtime.startsWith('python') ? '.py' : '.mjs'}`;
      expect(await readFile(new URL(`${CodeUri}/${file}`, folder), 'utf8')).toContain('handler');
      expect(Tags).toMatchObject(PERMITTED);
    }
  });
});

interface Template {
  readonly Resources: Readonly<
    Record<
      string,
      {
        readonly Properties: Readonly<Record<'FunctionName' | 'CodeUri' | 'Handler' | 'Runtime', string>> & {
          readonly Tags: object;
        };
      }
    >
  >;
}
