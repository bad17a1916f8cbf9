/** What the services of a simulated cloud that speaks REST with JSON are given and give, and how a request finds its own. */

import type { JsonValue } from '../../core/ports.ts';
import type { Asked, FaultName } from './faults.ts';

export interface RestRequest {
  readonly method: string;
  /** Encoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Of the endpoint as this client knows it: `https://127.0.0.1:PORT`. */
  readonly origin: string;
  readonly requestId: string;
  /** How much longer than usual what is begun shall take; see the fault `slow-operation`. */
  readonly extraMs: number;
}

export interface RestReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Absent for an empty body. */
  readonly body?: JsonValue;
}

/** An error in a vendor's own words; which form it has in a body is for the vendor's API. */
export class RestError extends Error {
  readonly status: number;
  /** `NOT_FOUND`, `ResourceGroupNotFound`. */
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export interface FoundRoute {
  /** As fault rules name it. */
  readonly asked: Asked;
  /** @param request - The one that was routed, perhaps with a fate in it. */
  handle(request: RestRequest): Promise<RestReply> | RestReply;
}

/** One vendor's API. */
export interface RestApi {
  /** `Google`, for messages. */
  readonly vendor: string;
  /** Answered without a bearer: where tokens are handed out. */
  isOpen(request: RestRequest): boolean;
  /** @throws RestError when no service has such a path. */
  route(request: RestRequest): FoundRoute;
  /** What one without the right bearer is told. */
  unauthenticated(): RestError;
  /** The error that a fault is for this request; `undefined` for faults that are no errors. */
  fault(fault: FaultName, asked: Asked): RestError | undefined;
  errorReply(error: RestError, request: Pick<RestRequest, 'path'>): RestReply;
  /** On every answer. */
  headers(requestId: string): Readonly<Record<string, string>>;
}

export type Names = Readonly<Record<string, string>>;

/** One operation of a service. */
export interface Route extends Asked {
  readonly method: string;
  /** Of the whole encoded path; its named groups arrive decoded. */
  readonly pattern: RegExp;
  handle(request: RestRequest, names: Names): Promise<RestReply> | RestReply;
}

/** The first that fits. */
export function findRoute(routes: readonly Route[], request: RestRequest): FoundRoute | undefined {
  for (const route of routes) {
    if (route.method !== request.method) continue;
    const match = route.pattern.exec(request.path);
    if (match === null) continue;
    const names = namesOf(match.groups ?? {});
    return { asked: route, handle: (given) => route.handle(given, names) };
  }
  return undefined;
}

/** @throws RestError for a path that cannot be decoded. */
function namesOf(groups: Readonly<Record<string, string | undefined>>): Names {
  const names = Object.create(null) as Record<string, string>;
  for (const [name, text] of Object.entries(groups)) {
    try {
      if (text !== undefined) names[name] = decodeURIComponent(text);
    } catch {
      throw new RestError(400, 'INVALID_ARGUMENT', 'The path is not percent-encoded UTF-8.');
    }
  }
  return names;
}

export type JsonObject = { readonly [key: string]: JsonValue };

/** Reads a JSON body. @throws RestError for what is no object. */
export function bodyOf(request: RestRequest, code = 'INVALID_ARGUMENT'): JsonObject {
  if (request.body.length === 0) return {};
  try {
    const value = JSON.parse(request.body.toString('utf8')) as JsonValue;
    if (isJsonObject(value)) return value;
  } catch {
    // Told below, like everything else that is no object.
  }
  throw new RestError(400, code, 'The body is no JSON object.');
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An empty object where there is none. */
export function objectAt(object: JsonObject, key: string): JsonObject {
  const value = object[key];
  return isJsonObject(value) ? value : {};
}

export function textAt(object: JsonObject, key: string): string | undefined {
  const value = object[key];
  return typeof value === 'string' ? value : undefined;
}

export function numberAt(object: JsonObject, key: string): number | undefined {
  const value = object[key];
  return typeof value === 'number' ? value : undefined;
}

/** `patch` over `target` as RFC 7396 has it: members that are null are taken away. */
export function merged(target: JsonObject, patch: JsonObject): JsonObject {
  const result: Record<string, JsonValue> = { ...target };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = isJsonObject(value) ? merged(objectAt(target, key), value) : value;
  }
  return result;
}
