/** The requests that are measured, as bytes: 2026-07-28, keep-alive, a static token. */

import type { Ready } from './processes.ts';

/** Ten digits that the load generator counts up. */
const ID = 1_000_000_000;

export interface Prepared {
  readonly head: string;
  readonly body: string;
}

export type Era = { readonly kind: 'modern' } | { readonly kind: 'session'; readonly id: string };

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' },
};

export const MODERN: Era = { kind: 'modern' };

function lines(ready: Ready, method: string, name: string | undefined, era: Era): string[] {
  const { host, pathname } = new URL(ready.url);
  const common = [
    `POST ${pathname} HTTP/1.1`,
    `Host: ${host}`,
    'Accept: application/json, text/event-stream',
    'Content-Type: application/json',
  ];
  if (ready.token !== undefined) common.push(`Authorization: Bearer ${ready.token}`);
  if (era.kind === 'session') return [...common, `Mcp-Session-Id: ${era.id}`, 'MCP-Protocol-Version: 2025-11-25'];
  return [
    ...common,
    'MCP-Protocol-Version: 2026-07-28',
    `Mcp-Method: ${method}`,
    ...(name === undefined ? [] : [`Mcp-Name: ${name}`]),
  ];
}

function prepare(ready: Ready, method: string, params: Record<string, unknown>, era: Era): Prepared {
  const name = typeof params['name'] === 'string' ? params['name'] : undefined;
  const all = era.kind === 'modern' ? { ...params, _meta: META } : params;
  const body = JSON.stringify({ jsonrpc: '2.0', id: ID, method, params: all });
  return { head: `${lines(ready, method, name, era).join('\r\n')}\r\n`, body };
}

/** A call of `name` whose argument, and so whose answer, has `size` bytes of text. */
export function callOf(ready: Ready, name: string, size: number, era: Era = MODERN): Prepared {
  return prepare(ready, 'tools/call', { name, arguments: { text: 'x'.repeat(size) } }, era);
}

export function listOf(ready: Ready, cursor?: string): Prepared {
  return prepare(ready, 'tools/list', cursor === undefined ? {} : { cursor }, MODERN);
}

/** Sends a prepared request once and gives the parsed answer. */
export async function sendOnce(
  ready: Ready,
  { head, body }: Prepared,
): Promise<{ result: Record<string, unknown>; headers: Headers }> {
  const headers: Record<string, string> = {};
  for (const line of head.trimEnd().split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (!/^host$/i.test(line.slice(0, colon))) headers[line.slice(0, colon)] = line.slice(colon + 1).trim();
  }
  const response = await fetch(ready.url, { method: 'POST', headers, body });
  const text = await response.text();
  const json = text.startsWith('{') ? text : (/^data: (\{.*)$/m.exec(text)?.[1] ?? '{}');
  const message = JSON.parse(json) as { result?: Record<string, unknown> };
  if (response.status !== 200 || message.result === undefined)
    throw new Error(`${ready.url} answered ${response.status}: ${text.slice(0, 500)}`);
  return { result: message.result, headers: response.headers };
}

/** Opens a session of 2025-11-25 and gives its id. */
export async function openSession(ready: Ready): Promise<Era> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bench', version: '1.0.0' } };
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const post = (body: object, more: Record<string, string> = {}): Promise<Response> =>
    fetch(ready.url, { method: 'POST', headers: { ...headers, ...more }, body: JSON.stringify(body) });
  const opened = await post({ jsonrpc: '2.0', id: 1, method: 'initialize', params });
  await opened.text();
  const id = opened.headers.get('mcp-session-id') ?? '';
  await (await post({ jsonrpc: '2.0', method: 'notifications/initialized' }, { 'mcp-session-id': id })).text();
  return { kind: 'session', id };
}
