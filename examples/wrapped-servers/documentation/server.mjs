/** An ordinary stdio MCP server over a handful of pages. It knows nothing of Lambda. */

import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';

const pages = [
  { url: 'https://docs.example/lambda/welcome', title: 'What is Lambda?', text: 'Lambda runs code without servers.' },
  { url: 'https://docs.example/lambda/quotas', title: 'Lambda quotas', text: 'A payload has at most 6 MB.' },
  { url: 'https://docs.example/s3/welcome', title: 'What is S3?', text: 'S3 stores objects.' },
];
const asText = (value) => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });
const named = ({ url, title }) => ({ url, title });

const server = new McpServer({ name: 'aws-documentation', version: '1.0.0' });

server.registerTool(
  'search_documentation',
  { description: 'Finds pages that mention a phrase.', inputSchema: { search_phrase: z.string() } },
  ({ search_phrase: phrase }) => {
    const isAbout = ({ title, text }) => `${title} ${text}`.toLowerCase().includes(phrase.toLowerCase());
    return asText(pages.filter(isAbout).map(named));
  },
);
server.registerTool(
  'read_documentation',
  { description: 'Reads one page.', inputSchema: { url: z.string() } },
  ({ url }) => asText(pages.find((page) => page.url === url) ?? `There is no page ${url}.`),
);
server.registerTool(
  'recommend',
  { description: 'Names other pages about the same service.', inputSchema: { url: z.string() } },
  ({ url }) => {
    const folder = url.slice(0, url.lastIndexOf('/'));
    return asText(pages.filter((page) => page.url !== url && page.url.startsWith(folder)).map(named));
  },
);

await server.connect(new StdioServerTransport());
