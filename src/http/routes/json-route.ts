/** A table of routes that take and give JSON: method, pattern, handler; everything around them is here. */

import type { Context } from '../../core/context.ts';
import { PlatformError, toPlatformError } from '../../core/errors.ts';
import { scan } from '../../core/json.ts';
import { jsonReply, retryHeaders, type GatewayRequest, type Reply } from '../../gateway/reply.ts';
import { headerValue } from '../../protocol/era-2026.ts';
import { checkJson } from '../../protocol/media.ts';
import { decodeUtf8 } from '../../protocol/utf8.ts';
import { problemReply } from '../problem.ts';

export interface Asked {
  readonly request: GatewayRequest;
  readonly context: Context;
  readonly query: URLSearchParams;
  /** Decoded groups of the pattern. */
  readonly parts: readonly string[];
  header(name: string): string | undefined;
  /** The parsed body. @throws PlatformError of `/mcp`'s limits: duplicate keys, depth, encoding. */
  body(): Promise<unknown>;
}

export interface JsonRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Of the whole path. */
  readonly pattern: RegExp;
  handle(asked: Asked): Promise<Reply>;
}

const MAX_DEPTH = 64;

/** @returns `undefined` for a path that no route has. */
export function jsonRoutes(routes: readonly JsonRoute[]) {
  return (request: GatewayRequest, context: Context): Promise<Reply> | undefined => {
    const here = routes.filter(({ pattern }) => pattern.test(request.path));
    if (here.length === 0) return undefined;
    return answer(here, request, context);
  };
}

async function answer(here: readonly JsonRoute[], request: GatewayRequest, context: Context): Promise<Reply> {
  try {
    const isHead = request.method === 'HEAD';
    const route = here.find(({ method }) => method === (isHead ? 'GET' : request.method));
    if (route === undefined) return notAllowed(here, request, context);
    const answered = await route.handle(askedOf(route, request, context));
    return isHead && typeof answered.body === 'string' ? { ...answered, body: '' } : answered;
  } catch (thrown) {
    return refusal(thrown, context);
  }
}

function refusal(thrown: unknown, context: Context): Reply {
  const error = toPlatformError(thrown);
  if (error.code === 'INTERNAL') {
    const cause = error.cause instanceof Error ? error.cause.stack : String(error.cause);
    context.log.log('error', 'request-failed', { requestId: context.requestId, cause });
  }
  const problem = problemReply(error, context.requestId);
  if (error.code !== 'INSUFFICIENT_SCOPE')
    return { ...problem, headers: { ...problem.headers, ...retryHeaders(error) } };
  const scope = String(error.details['scope']);
  const challenge = `Bearer realm="zeroplane", error="insufficient_scope", scope="${scope}"`;
  return { ...problem, headers: { ...problem.headers, 'www-authenticate': challenge } };
}

function notAllowed(here: readonly JsonRoute[], { method }: GatewayRequest, context: Context): Reply {
  const allow = [...new Set(here.flatMap((each) => (each.method === 'GET' ? ['GET', 'HEAD'] : [each.method])))].join(
    ', ',
  );
  const error = new PlatformError('METHOD_NOT_ALLOWED', `${method.slice(0, 20)} is not allowed here. Use ${allow}.`);
  const problem = problemReply(error, context.requestId);
  return { ...problem, headers: { ...problem.headers, allow } };
}

function askedOf(route: JsonRoute, request: GatewayRequest, context: Context): Asked {
  const [, ...groups] = route.pattern.exec(request.path) ?? [];
  return {
    request,
    context,
    query: new URLSearchParams(request.query),
    parts: groups.map((group) => decoded(group ?? '')),
    header: (name) => headerValue(request.headers, name),
    body: () => bodyOf(request),
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new PlatformError('NOT_FOUND', 'The path is not percent-encoded as paths are.');
  }
}

async function bodyOf(request: GatewayRequest): Promise<unknown> {
  checkJson(request.headers);
  const text = decodeUtf8(await request.readBody());
  scan(text, 0);
  const value = JSON.parse(text) as unknown;
  return withoutPrototype(value);
}

/** `__proto__` is an ordinary key of the document, and must stay one when members are copied. */
function withoutPrototype(value: unknown, depth = 0): unknown {
  if (depth > MAX_DEPTH || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => withoutPrototype(item, depth + 1));
  const copy = Object.create(null) as Record<string, unknown>;
  for (const [key, member] of Object.entries(value)) copy[key] = withoutPrototype(member, depth + 1);
  return copy;
}

export function reply(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return jsonReply(status, JSON.stringify(body), headers);
}

/** A whole number in a query. @throws PlatformError `INVALID_ARGUMENTS`. */
export function numberIn(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new PlatformError('INVALID_ARGUMENTS', `The query member "${name}" must be a whole number.`);
}

export const textIn = (query: URLSearchParams, name: string): string | undefined => query.get(name) ?? undefined;
