/**
 * Functions become tools by a tag: those that carry `MCP_Support: true` and are not experimental, and no other.
 *
 * `template.yaml` deploys the functions with AWS SAM; here the same functions, with the same tags, run on this machine.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { parse } from 'yaml';
import { startGateway } from 'zeroplane/testing';

interface Template {
  readonly Resources: Readonly<Record<string, { readonly Properties: FunctionProperties }>>;
}

interface FunctionProperties {
  readonly FunctionName: string;
  readonly Description: string;
  readonly Runtime: string;
  readonly Handler: string;
  readonly CodeUri: string;
  readonly Tags: Record<string, string>;
}

const folder = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const hasPython = spawnSync('python3', ['--version']).status === 0;
const template = parse(await readFile(folder('./template.yaml'), 'utf8')) as Template;
const deployed = Object.values(template.Resources).map((each) => each.Properties);

const gateway = await startGateway({
  config: {
    functions: Object.fromEntries(
      deployed
        .filter((each) => hasPython || !each.Runtime.startsWith('python'))
        .map((each) => [
          each.FunctionName,
          {
            handler: each.Handler,
            runtime: each.Runtime,
            code: folder(`./${each.CodeUri}`),
            description: each.Description,
            tags: each.Tags,
            ...(each.FunctionName === 'run-python' ? {} : { schema: folder(`./${each.CodeUri}/schema.json`) }),
          },
        ]),
    ),
    discover: { lambdaTags: { MCP_Support: 'true' }, excludeTags: { experimental: 'true' } },
  },
});
const authorization = `Bearer ${gateway.token}`;
const client = new Client({ name: 'example', version: '1.0.0' });

async function call(name: string, args: Record<string, unknown>): Promise<unknown> {
  const result = await client.callTool({ name, arguments: args });
  console.log(name, '→', JSON.stringify(result.structuredContent));
  return result.structuredContent;
}

try {
  await client.connect(
    new StreamableHTTPClientTransport(new URL(gateway.mcp), { requestInit: { headers: { authorization } } }),
  );
  const { tools } = await client.listTools();
  console.log(
    'tools:',
    tools.map((tool) => tool.name),
  );
  const info = hasPython ? ['customer_info', 'customer_info_python'] : ['customer_info'];
  assert.deepEqual(
    tools.map((tool) => tool.name),
    ['customer_id_from_email', ...info],
  );

  const ada = { found: true, customerId: '1001', name: 'Ada Lovelace', plan: 'gold', since: '2019-03-01' };
  const { customerId } = (await call('customer_id_from_email', { email: 'Ada@example.com' })) as { customerId: string };
  for (const name of info) assert.deepEqual(await call(name, { customerId }), ada);
  assert.deepEqual(await call('customer_id_from_email', { email: 'nobody@example.com' }), { found: false });
} finally {
  await client.close();
  await gateway.close();
}
