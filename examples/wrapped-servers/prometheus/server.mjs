/** An ordinary stdio MCP server over one made-up workspace of metrics. It knows nothing of Lambda. */

import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';

const samples = { up: [1, 1, 0, 1], http_requests_total: [10, 25, 40, 90] };
const asText = (value) => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });
const workspace = { workspace_id: z.string() };
const asked = { ...workspace, query: z.string() };

const server = new McpServer({ name: 'prometheus', version: '1.0.0' });

server.registerTool(
  'ExecuteQuery',
  { description: 'The newest value of a metric.', inputSchema: asked },
  ({ workspace_id: id, query }) => {
    const values = samples[query] ?? [];
    const result = values.length === 0 ? [] : [{ metric: { __name__: query, workspace: id }, value: values.at(-1) }];
    return asText({ resultType: 'vector', result });
  },
);
server.registerTool(
  'ExecuteRangeQuery',
  { description: 'All values of a metric.', inputSchema: { ...asked, step: z.number().optional() } },
  ({ query }) => asText({ resultType: 'matrix', result: [{ metric: query, values: samples[query] ?? [] }] }),
);
server.registerTool('ListMetrics', { description: 'Names of all metrics.', inputSchema: workspace }, () =>
  asText(Object.keys(samples)),
);
server.registerTool('GetServerInfo', { description: 'What the server is.', inputSchema: workspace }, () =>
  asText({ prometheus_url: 'https://prometheus.example', region: 'us-east-1' }),
);
server.registerTool('GetAvailableWorkspaces', { description: 'Which workspaces there are.', inputSchema: {} }, () =>
  asText([{ workspace_id: 'ws-123', status: 'ACTIVE' }]),
);

await server.connect(new StdioServerTransport());
