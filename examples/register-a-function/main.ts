/**
 * A Lambda handler becomes a tool while the gateway runs.
 *
 * The operator's configuration says which code there is; registering says that it is a tool, what it takes and what
 * it is for. Nothing restarts, and clients that are connected hear of it.
 */

import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { startGateway } from 'zeroplane/testing';

const gateway = await startGateway({
  config: {
    functions: {
      'shipping-cost': {
        handler: 'index.handler',
        code: fileURLToPath(new URL('./shipping-cost', import.meta.url)),
      },
    },
    // Only what is registered is published.
    discover: { list: [] },
  },
});
const authorization = `Bearer ${gateway.token}`;
const client = new Client({ name: 'example', version: '1.0.0' });

try {
  await client.connect(
    new StreamableHTTPClientTransport(new URL(gateway.mcp), { requestInit: { headers: { authorization } } }),
  );
  const before = await client.listTools();
  console.log(
    'before:',
    before.tools.map((tool) => tool.name),
  );

  const response = await fetch(gateway.admin, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({
      type: 'tool',
      name: 'shipping_cost',
      description: 'Says what it costs to send a parcel.',
      lambdaArn: 'arn:aws:lambda:us-east-1:000000000000:function:shipping-cost',
      parameters: { country: 'string', grams: 'number' },
    }),
  });
  const registration = (await response.json()) as { id: string };
  console.log('registered:', response.status, registration.id);

  const after = await client.listTools();
  console.log(
    'after: ',
    after.tools.map((tool) => tool.name),
  );

  const result = await client.callTool({ name: 'shipping_cost', arguments: { country: 'NL', grams: 1200 } });
  console.log('called:', JSON.stringify(result.content));

  assert.deepEqual(before.tools, []);
  assert.equal(response.status, 201);
  assert.equal(registration.id, 'tool-shipping_cost');
  assert.deepEqual(
    after.tools.map((tool) => tool.name),
    ['shipping_cost'],
  );
  assert.match(JSON.stringify(result.content), /9\.5/);
} finally {
  await client.close();
  await gateway.close();
}
