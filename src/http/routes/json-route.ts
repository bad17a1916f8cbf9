/** A table of routes that take and give JSON: method, pattern, handler; everything around them is here. */

import type { Context } from '../../core/context.ts';
import { PlatformError, toPlatformError } from '../../core/errors.ts';
import { scan } from '../../core/json.ts';
import { nearestOf } from '../../core/nearest.ts';
import { isStream, jsonReply, retryHeaders, type GatewayRequest, type Reply, type Sink } from '../../gateway/reply.ts';
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
  /** The same for a body that may be absent: then `undefined`, whatever type the request names. */
  optionalBody(): Promise<unknown>;
}

export interface JsonRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Of the whole path. */
  readonly pattern: RegExp;
  handle(asked: Asked): Promise<Reply>;
}

const MAX_DEPTH = 64;

/** Answers every path; one that no route has with 404. */
export function jsonRoutes(routes: readonly JsonRoute[]) {
  return (request: GatewayRequest, context: Context): Promise<Reply> => {
    const here = routes.filter(({ pattern }) => pattern.test(request.path));
    return answer(here, request, context);
  };
}

async function answer(here: readonly JsonRoute[], request: GatewayRequest, context: Context): Promise<Reply> {
  try {
    if (here.length === 0)
      throw new PlatformError('NOT_FOUND', `There is nothing at ${request.path.slice(0, 100)}. See /v1/openapi.json.`);
    const isHead = request.method === 'HEAD';
    const route = here.find(({ method }) => method === (isHead ? 'GET' : request.method));
    if (route === undefined) return notAllowed(here, request, context);
    const answered = await route.handle(askedOf(route, request, context));
    return isHead ? withoutBody(answered) : answered;
  } catch (thrown) {
    return refusal(thrown, context);
  }
}

/** Its reader has gone before it came. */
const NOBODY: Sink = {
  write: () => undefined,
  end: () => undefined,
  abort: () => undefined,
  buffered: 0,
  onClose: (run) => run(),
};

function withoutBody(answered: Reply): Reply {
  const { body } = answered;
  if (isStream(body)) body.open(NOBODY);
  return { ...answered, body: '' };
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
    body: async () => parsed(request, await request.readBody()),
    optionalBody: async () => {
      const bytes = await request.readBody();
      return bytes.length === 0 ? undefined : parsed(request, bytes);
    },
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new PlatformError('NOT_FOUND', 'The path is not percent-encoded as paths are.');
  }
}

function parsed(request: GatewayRequest, bytes: Uint8Array): unknown {
  checkJson(request.headers);
  const { value } = scan(decodeUtf8(bytes), 0);
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

/** How many items a page may have. @throws PlatformError `INVALID_ARGUMENTS` for less than 1 or more than `most`. */
export function limitIn(query: URLSearchParams, most = 500): number | undefined {
  const limit = numberIn(query, 'limit');
  if (limit === undefined || (limit >= 1 && limit <= most)) return limit;
  throw new PlatformError('INVALID_ARGUMENTS', `The query member "limit" must be from 1 to ${most}.`);
}

/** One of the values that a query member may have. @throws PlatformError `INVALID_ARGUMENTS` that lists them. */
export function oneOf<Value extends string>(
  query: URLSearchParams,
  name: string,
  allowed: readonly Value[],
): Value | undefined {
  const text = textIn(query, name);
  const found = allowed.find((each) => each === text);
  if (text === undefined || found !== undefined) return found;
  const nearest = nearestOf(text, allowed);
  const hint = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
  throw new PlatformError(
    'INVALID_ARGUMENTS',
    `The query member "${name}" must be one of ${allowed.join(', ')}.${hint}`,
  );
}

/** A whole number in a query. @throws PlatformError `INVALID_ARGUMENTS`. */
export function numberIn(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new PlatformError('INVALID_ARGUMENTS', `The query member "${name}" must be a whole number.`);
}

/** A filter without a value is a mistake, such as a variable that is not set, and not a wish for everything. */
export function textIn(query: URLSearchParams, name: string): string | undefined {
  const text = query.get(name) ?? undefined;
  if (text === undefined || (text !== '' && !text.includes('\0'))) return text;
  const what = text === '' ? 'is empty. Give it a value, or leave it out' : 'is no text that anything is called';
  throw new PlatformError('INVALID_ARGUMENTS', `The query member "${name}" ${what}.`);
}

/** A filter that nobody knows would give more than was asked for. @throws PlatformError `INVALID_ARGUMENTS`. */
export function onlyIn(query: URLSearchParams, names: readonly string[]): void {
  const unknown = [...query.keys()].find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const nearest = nearestOf(unknown, names);
  const hint = nearest === undefined ? `There are ${names.join(', ')}.` : `Did you mean "${nearest}"?`;
  throw new PlatformError(
    'INVALID_ARGUMENTS',
    `The query member "${unknown.slice(0, 100)}" is not known here. ${hint}`,
  );
}
