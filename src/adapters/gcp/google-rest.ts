/**
 * Google's services as they are on the wire: REST with JSON. One request is one attempt; repeating it is for the step
 * that asks.
 */

import { PlatformError } from '../../core/errors.ts';
import type { JsonValue } from '../../core/ports.ts';
import { cloudError } from '../../provisioning/cloud-errors.ts';
import type { CloudFault } from '../../provisioning/cloud-errors.ts';
import type { CloudPlace } from '../../provisioning/provisioner.ts';
import { googleToken } from './google-credentials.ts';
import { askOver } from './google-transport.ts';
import type { HttpAnswer } from './google-transport.ts';

export type JsonObject = { readonly [key: string]: JsonValue };

export interface GoogleRequest {
  /** In the reference's words, for errors: `storage.buckets.insert`. */
  readonly operation: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below the service's address, encoded, with its query: `/v1/projects/p/topics/t`. */
  readonly path: string;
  readonly body?: JsonObject;
  /** Statuses that are an answer here, beside those below 300. */
  readonly accept?: readonly number[];
  readonly signal: AbortSignal;
}

export interface GoogleAnswer {
  readonly status: number;
  readonly body: JsonObject;
}

export type GoogleApi = 'storage' | 'pubsub' | 'run';

/** Reasons with which a quota that recovers is refused, some of them under 403. */
const THROTTLED = new Set(['RESOURCE_EXHAUSTED', 'rateLimitExceeded', 'userRateLimitExceeded']);

/** @throws PlatformError `CLOUD_*`, `EGRESS_REFUSED`. */
export async function askGoogle(place: CloudPlace, api: GoogleApi, request: GoogleRequest): Promise<GoogleAnswer> {
  const token = await googleToken(place);
  const answer = await send(place, api, { request, token });
  const body = objectOf(answer.text);
  if (answer.status < 300 || request.accept?.includes(answer.status) === true) return { status: answer.status, body };
  throw failureOf(request.operation, answer, body);
}

async function send(
  place: CloudPlace,
  api: GoogleApi,
  { request, token }: { readonly request: GoogleRequest; readonly token: string },
): Promise<HttpAnswer> {
  const base = place.endpoint ?? `https://${api}.googleapis.com`;
  const headers: Record<string, string> = { authorization: `Bearer ${token}`, accept: 'application/json' };
  if (request.body !== undefined) headers['content-type'] = 'application/json';
  const body = request.body === undefined ? undefined : JSON.stringify(request.body);
  const { method, signal, operation } = request;
  try {
    return await askOver(place, { url: base + request.path, method, headers, body, signal });
  } catch (thrown) {
    if (thrown instanceof PlatformError && thrown.code === 'EGRESS_REFUSED') throw thrown;
    const message = thrown instanceof Error ? thrown.message : 'no answer';
    throw cloudError({
      cloud: 'gcp',
      fault: 'unavailable',
      operation,
      cloudCode: 'NO_ANSWER',
      message,
      cause: thrown,
    });
  }
}

function objectOf(text: string): JsonObject {
  try {
    const value = JSON.parse(text) as JsonValue;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch {
    // An empty body, or a proxy's page; the status says what it was.
  }
  return {};
}

function failureOf(operation: string, answer: HttpAnswer, body: JsonObject): PlatformError {
  const { code, message } = errorOf(body);
  return cloudError({
    cloud: 'gcp',
    fault: faultOf(answer.status, code),
    operation,
    cloudCode: code ?? `HTTP ${answer.status}`,
    message: message ?? 'no reason was given',
    cloudRequestId: answer.headers['x-guploader-uploadid'],
  });
}

/** Storage gives a `reason` in a list, the newer services a `status`. */
export function errorOf(body: JsonObject): { readonly code?: string; readonly message?: string } {
  const error = body['error'];
  if (typeof error === 'string') return { code: error, message: textAt(body, 'error_description') ?? error };
  if (typeof error !== 'object' || error === null || Array.isArray(error)) return {};
  const { status, message, errors } = error as Record<string, JsonValue | undefined>;
  const first = Array.isArray(errors) ? (errors[0] as JsonObject | undefined) : undefined;
  const reason = first === undefined ? undefined : textAt(first, 'reason');
  const code = typeof status === 'string' ? status : reason;
  return { ...(code === undefined ? {} : { code }), ...(typeof message === 'string' ? { message } : {}) };
}

function faultOf(status: number, code: string | undefined): CloudFault {
  if (status === 429 || (code !== undefined && THROTTLED.has(code))) return 'throttled';
  if (status >= 500 || status === 408) return 'unavailable';
  return status === 401 || status === 403 ? 'denied' : 'refused';
}

export function textAt(object: JsonObject, key: string): string | undefined {
  const value = object[key];
  return typeof value === 'string' ? value : undefined;
}

export function numberAt(object: JsonObject, key: string): number | undefined {
  const value = object[key];
  return typeof value === 'number' ? value : undefined;
}

/** An empty object where there is none. */
export function objectAt(object: JsonObject, key: string): JsonObject {
  const value = object[key];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

export function listAt(object: JsonObject, key: string): readonly JsonValue[] {
  const value = object[key];
  return Array.isArray(value) ? value : [];
}
