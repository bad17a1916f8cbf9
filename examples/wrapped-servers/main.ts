/**
 * Two stdio MCP servers become two Lambda functions, and one gateway makes eight tools of them.
 *
 * Each function is a server wrapped by three lines. Agents reach both through one endpoint; programs that know only
 * Lambda invoke either of them with `{method, params}`, as in the printed commands.
 */

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { startGateway } from 'zeroplane/testing';
import { bundle } from './bundle.ts';

const folder = await mkdtemp(join(tmpdir(), 'zeroplane-wrapped-servers-'));
const wrapped = { handler: 'index.handler', runtime: 'nodejs22.x' };

const gateway = await startGateway({
  config: {
    functions: {
      'mcp-server-aws-documentation': { ...wrapped, code: await bundle('documentation', folder), memoryMb: 2048 },
      'mcp-server-prometheus-new': { ...wrapped, code: await bundle('prometheus', folder), memoryMb: 1024 },
    },
    mcpServers: {
      'aws-documentation-target': { function: 'mcp-server-aws-documentation' },
      'prometheus-target': { function: 'mcp-server-prometheus-new' },
    },
  },
});
const authorization = `Bearer ${gateway.token}`;
const client = new Client({ name: 'example', version: '1.0.0' });

try {
  await client.connect(
    new StreamableHTTPClientTransport(new URL(gateway.mcp), { requestInit: { headers: { authorization } } }),
  );
  const { tools } = await client.listTools();
  const names = tools.map((tool) => tool.name).sort();
  console.log(`${names.length} tools:`);
  for (const name of names) console.log(`  ${name}`);

  const found = await client.callTool({
    name: 'aws-documentation-target___search_documentation',
    arguments: { search_phrase: 'lambda' },
  });
  console.log('search_documentation:', JSON.stringify(found.content));

  const value = await client.callTool({
    name: 'prometheus-target___ExecuteQuery',
    arguments: { query: 'up', workspace_id: 'ws-123' },
  });
  console.log('ExecuteQuery:', JSON.stringify(value.content));

  const lambda = new LambdaClient({
    endpoint: gateway.clouds.aws,
    region: 'us-east-1',
    credentials: { accessKeyId: 'zeroplane', secretAccessKey: gateway.token },
  });
  const payload = { method: 'tools/call', params: { name: 'ListMetrics', arguments: { workspace_id: 'ws-123' } } };
  const invoked = await lambda.send(
    new InvokeCommand({ FunctionName: 'mcp-server-prometheus-new', Payload: Buffer.from(JSON.stringify(payload)) }),
  );
  const reply = invoked.Payload?.transformToString() ?? '';
  console.log('invoked:', reply);
  lambda.destroy();

  assert.equal(names.length, 8);
  assert.match(JSON.stringify(found.content), /Lambda quotas/);
  assert.match(JSON.stringify(value.content), /ws-123/);
  assert.match(reply, /^\{"statusCode":200,.*http_requests_total/);
} finally {
  await client.close();
  await gateway.close();
  await rm(folder, { recursive: true });
}
