/** What every service of the local AWS endpoint is given and gives: requests whose signature is verified. */

import type { RequestContext } from '../../core/context.ts';

export interface AwsRequest {
  readonly method: string;
  /** Still encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Of the signature. */
  readonly region: string;
  readonly context: RequestContext;
  /** Milliseconds that what this request begins shall take longer than usual; a fault that was asked for. */
  readonly extraMs?: number;
}

export interface AwsReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | AsyncIterable<Uint8Array>;
}

export interface AwsService {
  /** As signatures name it. */
  readonly name: string;
  /** How errors are written. @default 'rest-json' */
  readonly protocol?: 'rest-json' | 'json' | 'query' | 'rest-xml' | 'ec2';
  /** What is asked, in the vendor's word; empty when it is nothing known. Faults are set by it. */
  operationOf?(request: AwsRequest): string;
  /** @throws AwsError, PlatformError. */
  handle(request: AwsRequest): Promise<AwsReply>;
}

/** An error in AWS's own words. */
export class AwsError extends Error {
  readonly code: string;
  readonly status: number;
  /** Further members of the body. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, status = 400, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.details = details;
  }
}

export function json(value: unknown, status = 200): AwsReply {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

/** The account that everything here belongs to. */
export const ACCOUNT = '000000000000';

/** Reads a JSON body. @throws AwsError in the service's own name for it. */
export function bodyOf(request: AwsRequest, code = 'InvalidRequestContentException'): Record<string, unknown> {
  if (request.body.length === 0) return {};
  try {
    const value: unknown = JSON.parse(request.body.toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Told below, like everything else that is no object.
  }
  throw new AwsError(code, 'Could not parse request body into json: an object was expected.');
}

/** One page of a sorted list. Markers are opaque to clients: here the position in Base64. */
export function pageOf<Item>(
  items: readonly Item[],
  marker: string | undefined,
  size: number,
): { readonly items: readonly Item[]; readonly next: string | undefined } {
  const start = marker === undefined || marker === '' ? 0 : Number(Buffer.from(marker, 'base64url').toString());
  if (!Number.isInteger(start) || start < 0)
    throw new AwsError('InvalidParameterValueException', 'The marker is not one that a list has given.');
  const end = start + size;
  return {
    items: items.slice(start, end),
    next: end < items.length ? Buffer.from(String(end)).toString('base64url') : undefined,
  };
}
