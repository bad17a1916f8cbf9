/**
 * Clients that nobody here wrote, behind one small interface, so that the end-to-end tests and the peer suite
 * ask the same things of each.
 */

import { createMCPClient, ElicitationRequestSchema } from '@ai-sdk/mcp';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport as OldSse } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport as OldHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { MCPServerSSE, MCPServerStreamableHttp } from '@openai/agents';

type Json = Record<string, unknown>;

export interface Place {
  /** `…/mcp`, `…/mcp/{target}` or `…/sse`. */
  readonly url: string;
  readonly token?: string;
}

export interface Connection {
  /** Names of all tools, over all pages. */
  list(): Promise<string[]>;
  /** The text of the result; throws when the tool says it failed. */
  call(name: string, args: Json): Promise<string>;
  close(): Promise<void>;
}

export interface PeerClient {
  readonly name: string;
  readonly transport: 'http' | 'sse';
  /** Whether it answers questions of the server; it then says yes with `{name: "Ada", response: "Ada"}`. */
  readonly elicits: boolean;
  connect(place: Place): Promise<Connection>;
}

const INFO = { name: 'zeroplane-peer', version: '1.0.0' };
const ANSWER = { action: 'accept' as const, content: { name: 'Ada', response: 'Ada' } };
const headersOf = ({ token }: Place): Record<string, string> =>
  token === undefined ? {} : { Authorization: `Bearer ${token}` };

function textOf(result: unknown): string {
  const { content, isError } = result as { content?: { text?: string }[]; isError?: boolean };
  const text = (content ?? []).map((block) => block.text ?? '').join('\n');
  if (isError === true) throw new Error(`the tool failed: ${text}`);
  return text;
}

type Negotiation = NonNullable<NonNullable<ConstructorParameters<typeof Client>[1]>['versionNegotiation']>;

function sdk2(name: string, versionNegotiation: Negotiation): PeerClient {
  return {
    name: `@modelcontextprotocol/client ${name}`,
    transport: 'http',
    elicits: true,
    async connect(place) {
      const client = new Client(INFO, { capabilities: { elicitation: {} }, versionNegotiation });
      client.setRequestHandler('elicitation/create', () => ANSWER);
      await client.connect(
        new StreamableHTTPClientTransport(new URL(place.url), { requestInit: { headers: headersOf(place) } }),
      );
      return {
        list: async () => (await client.listTools()).tools.map((tool) => tool.name),
        call: async (tool, args) => textOf(await client.callTool({ name: tool, arguments: args })),
        close: () => client.close(),
      };
    },
  };
}

function sdk1(transport: 'http' | 'sse'): PeerClient {
  return {
    name: `@modelcontextprotocol/sdk 1.32.2 ${transport}`,
    transport,
    elicits: true,
    async connect(place) {
      const client = new OldClient(INFO, { capabilities: { elicitation: {} } });
      client.setRequestHandler(ElicitRequestSchema, () => ANSWER);
      const options = { requestInit: { headers: headersOf(place) } };
      const url = new URL(place.url);
      // Its own types disagree with exactOptionalPropertyTypes over `sessionId`.
      await client.connect((transport === 'sse' ? new OldSse(url, options) : new OldHttp(url, options)) as OldSse);
      return {
        list: async () => listAll(client),
        call: async (tool, args) => textOf(await client.callTool({ name: tool, arguments: args })),
        close: () => client.close(),
      };
    },
  };
}

async function listAll(client: OldClient): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.listTools(cursor === undefined ? {} : { cursor });
    names.push(...page.tools.map((tool) => tool.name));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return names;
}

function aiSdk(transport: 'http' | 'sse'): PeerClient {
  return {
    name: `@ai-sdk/mcp ${transport}`,
    transport,
    elicits: true,
    async connect(place) {
      const client = await createMCPClient({
        transport: { type: transport, url: place.url, headers: headersOf(place) },
        capabilities: { elicitation: {} },
      });
      client.onElicitationRequest(ElicitationRequestSchema, () => ANSWER);
      const tools = await client.tools();
      return {
        list: () => Promise.resolve(Object.keys(tools)),
        call: async (tool, args) =>
          textOf(await tools[tool]?.execute(args, { messages: [], toolCallId: 'call', context: {} } as never)),
        close: () => client.close(),
      };
    },
  };
}

function openAiAgents(transport: 'http' | 'sse'): PeerClient {
  return {
    name: `@openai/agents ${transport}`,
    transport,
    elicits: false,
    async connect(place) {
      const requestInit = { headers: headersOf(place) };
      const options = { url: place.url, name: 'zeroplane', requestInit };
      const server = transport === 'http' ? new MCPServerStreamableHttp(options) : new MCPServerSSE(options);
      await server.connect();
      return {
        list: async () => (await server.listTools()).map((tool) => tool.name),
        call: async (tool, args) => textOf(await server.callToolResult(tool, args)),
        close: () => server.close(),
      };
    },
  };
}

export const clients: readonly PeerClient[] = [
  sdk2('auto', { mode: 'auto' }),
  sdk2('pinned to 2026-07-28', { mode: { pin: '2026-07-28' } }),
  sdk2('legacy', { mode: 'legacy' }),
  sdk1('http'),
  sdk1('sse'),
  aiSdk('http'),
  aiSdk('sse'),
  openAiAgents('http'),
  openAiAgents('sse'),
];
