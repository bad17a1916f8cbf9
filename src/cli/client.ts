/**
 * A small client of a running instance: its REST routes, and MCP of revision 2026-07-28 as plain JSON-RPC.
 * Results come with their original text, so that printing them changes nothing.
 */

import { PlatformError, UpstreamRpcError } from '../core/errors.ts';
import type { ErrorCode } from '../core/errors.ts';
import { ERRORS } from '../core/errors.ts';
import { scan } from '../core/json.ts';
import { exchange } from './exchange.ts';
import type { ExchangeAnswer } from './exchange.ts';

const PROTOCOL_VERSION = '2026-07-28';
/** A list that never ends is a fault of its server, not a reason to wait for ever. */
const MAX_PAGES = 1000;

export interface ClientOptions {
  readonly url: string;
  readonly token: string;
  readonly version: string;
  readonly timeoutMs: number;
}

export interface RpcResult {
  readonly value: Readonly<Record<string, unknown>>;
  /** The result object exactly as it arrived. */
  readonly text: string;
}

export interface RpcCall {
  readonly method: string;
  /** Members of `params` but for `_meta`, as JSON text. */
  readonly params: ReadonlyMap<string, string>;
  /** `/mcp`, or `/mcp/{target}`. @default '/mcp' */
  readonly path?: string;
  /** Value of `Mcp-Name`, for calls by name. */
  readonly name?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** More members of `_meta`. */
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly capabilities?: Readonly<Record<string, unknown>>;
  readonly onNotification?: (method: string, params: Readonly<Record<string, unknown>>) => void;
}

export interface RestAnswer {
  readonly status: number;
  readonly value: unknown;
}

export class InstanceClient {
  readonly #options: ClientOptions;
  #id = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  get url(): string {
    return this.#options.url;
  }

  /** @throws PlatformError for every status of 400 and more, with the server's own code where it sent one. */
  async rest(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<RestAnswer> {
    const answer = await exchange({
      method,
      url: this.#options.url + path,
      headers: this.#headers({ ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers }),
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      timeoutMs: this.#options.timeoutMs,
    });
    const value = answer.text === '' ? undefined : parse(answer);
    if (answer.status >= 400) throw restError(answer.status, value);
    return { status: answer.status, value };
  }

  /**
   * Follows an event stream until `onEvent` returns true or it ends.
   *
   * @param timeoutMs - For all of it. @throws PlatformError as {@link rest}.
   */
  async follow(path: string, timeoutMs: number, onEvent: (data: Record<string, unknown>) => boolean): Promise<void> {
    const answer = await exchange(
      { method: 'GET', url: this.#options.url + path, headers: this.#headers({}), timeoutMs },
      (data) => onEvent(parseMessage(data)),
    );
    if (answer.status >= 400) throw restError(answer.status, parse(answer));
  }

  /** Every definition of a list, page by page. */
  async list(
    method: 'tools/list' | 'prompts/list' | 'resources/list',
    path = '/mcp',
  ): Promise<Record<string, unknown>[]> {
    const key = method.slice(0, method.indexOf('/'));
    const items: Record<string, unknown>[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < MAX_PAGES; page++) {
      const params = new Map(cursor === undefined ? [] : [['cursor', JSON.stringify(cursor)]]);
      const { value } = await this.call({ method, params, path });
      if (Array.isArray(value[key])) items.push(...(value[key] as Record<string, unknown>[]));
      cursor = typeof value['nextCursor'] === 'string' ? value['nextCursor'] : undefined;
      if (cursor === undefined) return items;
    }
    throw new PlatformError('TARGET_PROTOCOL_ERROR', `${method} does not end after ${MAX_PAGES} pages.`);
  }

  /** @throws UpstreamRpcError or PlatformError for a JSON-RPC error, see {@link rpcError}. */
  async call(call: RpcCall): Promise<RpcResult> {
    const id = ++this.#id;
    let last = '';
    const onEvent = (data: string): boolean => {
      const message = parseMessage(data);
      if (typeof message['method'] === 'string') {
        call.onNotification?.(message['method'], (message['params'] ?? {}) as Record<string, unknown>);
        return false;
      }
      if (message['id'] === id) last = data;
      return message['id'] === id;
    };
    const answer = await exchange(this.#request(call, id), onEvent);
    return unwrap(answer.text === '' && last !== '' ? { ...answer, text: last } : answer);
  }

  #request(call: RpcCall, id: number): Parameters<typeof exchange>[0] {
    const meta = {
      'io.modelcontextprotocol/protocolVersion': PROTOCOL_VERSION,
      'io.modelcontextprotocol/clientInfo': { name: 'zeroplane-cli', version: this.#options.version },
      'io.modelcontextprotocol/clientCapabilities': call.capabilities ?? {},
      ...call.meta,
    };
    const members = [...call.params, ['_meta', JSON.stringify(meta)] as const];
    const params = members.map(([key, text]) => `${JSON.stringify(key)}:${text}`).join(',');
    return {
      method: 'POST',
      url: this.#options.url + (call.path ?? '/mcp'),
      headers: this.#headers({
        'Content-Type': 'application/json',
        'MCP-Protocol-Version': PROTOCOL_VERSION,
        'Mcp-Method': call.method,
        ...(call.name === undefined ? {} : { 'Mcp-Name': headerValue(call.name) }),
        ...call.headers,
      }),
      body: `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(call.method)},"params":{${params}}}`,
      timeoutMs: this.#options.timeoutMs,
    };
  }

  #headers(more: Readonly<Record<string, string>>): Record<string, string> {
    const { token } = this.#options;
    return {
      Accept: 'application/json, text/event-stream',
      ...(token === '' ? {} : { Authorization: `Bearer ${token}` }),
      ...more,
    };
  }
}

/** A header value as the revision wants it: plain when it is visible ASCII, else Base64 between `=?base64?` and `?=`. */
export function headerValue(text: string): string {
  const isPlain = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith('=?base64?');
  return isPlain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}

function parse(answer: ExchangeAnswer): unknown {
  try {
    return JSON.parse(answer.text);
  } catch {
    return answer.text;
  }
}

function parseMessage(data: string): Record<string, unknown> {
  const value: unknown = JSON.parse(data);
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function unwrap(answer: ExchangeAnswer): RpcResult {
  const { value, object } = readAnswer(answer);
  const message = value as Record<string, unknown>;
  if (message['error'] !== undefined) throw rpcError(answer.status, message['error'] as RpcErrorObject);
  const member = object?.members.find((entry) => entry.key === 'result');
  if (member === undefined) throw restError(answer.status, value);
  return { value: message['result'] as Record<string, unknown>, text: answer.text.slice(member.start, member.end) };
}

function readAnswer(answer: ExchangeAnswer): ReturnType<typeof scan> {
  try {
    return scan(answer.text);
  } catch (error) {
    if (answer.status >= 400) throw restError(answer.status, answer.text);
    throw new PlatformError(
      'TARGET_PROTOCOL_ERROR',
      'The instance did not answer with JSON-RPC.',
      {},
      { cause: error },
    );
  }
}

interface RpcErrorObject {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

function knownCode(value: unknown): ErrorCode | undefined {
  return typeof value === 'string' && Object.hasOwn(ERRORS, value) ? (value as ErrorCode) : undefined;
}

/** Our own errors by the code in their data, an unknown name by its shape; anything else is a target's own error. */
function rpcError(status: number, error: RpcErrorObject): PlatformError | UpstreamRpcError {
  const data = (typeof error.data === 'object' && error.data !== null ? error.data : {}) as Record<string, unknown>;
  const code = knownCode(data['code']);
  if (code !== undefined) return new PlatformError(code, error.message, { next: nextOf(data) });
  if ('knownTargets' in data) return new PlatformError('UNKNOWN_NAME', error.message, { next: 'zeroplane tools ls' });
  const byStatus = codeOfStatus(status);
  if (byStatus !== undefined) return new PlatformError(byStatus, error.message, { next: nextOf(data) });
  return new UpstreamRpcError(error.code, error.message, error.data);
}

/** problem+json, the `{error, details}` of `/register`, or plain text. */
function restError(status: number, value: unknown): PlatformError {
  const body = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const code = knownCode(body['code']) ?? codeOfStatus(status) ?? (status >= 500 ? 'INTERNAL' : 'INVALID_REQUEST');
  const { detail } = body;
  // `detail` is a whole sentence; the seed's `error` is a heading for its `details`.
  const said =
    typeof detail === 'string' ? detail : [body['error'], body['title']].find((part) => typeof part === 'string');
  const details =
    typeof detail !== 'string' && Array.isArray(body['details'])
      ? `: ${body['details'].map(detailText).join('; ')}`
      : '';
  return new PlatformError(code, `${said ?? `The instance answered with status ${status}`}${details}`, {
    next: nextOf(body),
    problems: problemsOf(body),
  });
}

/** What is wrong with a request, each with its place: `problems` of the control plane, `details` of `/register`. */
function problemsOf({ problems, details }: Readonly<Record<string, unknown>>): unknown[] | undefined {
  if (Array.isArray(problems)) return problems as unknown[];
  if (!Array.isArray(details)) return undefined;
  return details.flatMap((detail: unknown) => {
    const { path, message } = (detail ?? {}) as { path?: unknown; message?: unknown };
    return typeof path === 'string' && typeof message === 'string' ? [{ pointer: path, message }] : [];
  });
}

function detailText(detail: unknown): string {
  if (typeof detail === 'string') return detail;
  const { message } = (detail ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message : JSON.stringify(detail);
}

function nextOf(body: Readonly<Record<string, unknown>>): string | undefined {
  const next = Array.isArray(body['next']) ? (body['next'] as unknown[])[0] : body['next'];
  return typeof next === 'string' ? next : undefined;
}

const STATUS_CODES: ReadonlyMap<number, ErrorCode> = new Map([
  [401, 'UNAUTHENTICATED'],
  [403, 'FORBIDDEN'],
  [404, 'NOT_FOUND'],
  [409, 'REGISTRATION_EXISTS'],
  [429, 'TOO_MANY_REQUESTS'],
  [503, 'OVERLOADED'],
  [504, 'TARGET_TIMEOUT'],
]);

function codeOfStatus(status: number): ErrorCode | undefined {
  return STATUS_CODES.get(status);
}
