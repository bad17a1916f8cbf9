/** The HTTP request inside an event of a Function URL, API Gateway (REST and HTTP APIs) or a load balancer. */

import { isObject, textOf } from '../../core/json.ts';

export interface HttpRequest {
  readonly method: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Bytes of the body; empty when there is none. */
  readonly body: Uint8Array;
}

export interface HttpAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** REST APIs and load balancers: `httpMethod`, headers as they were sent, possibly in lists. */
function isVersion1(event: Readonly<Record<string, unknown>>): boolean {
  return typeof event['httpMethod'] === 'string';
}

/** Function URLs and HTTP APIs: format 2.0. */
function isVersion2(event: Readonly<Record<string, unknown>>): boolean {
  const { requestContext } = event;
  return isObject(requestContext) && isObject(requestContext['http']);
}

export function isHttpEvent(event: unknown): event is Readonly<Record<string, unknown>> {
  return isObject(event) && (isVersion1(event) || isVersion2(event));
}

/** Reads either format. A member of the wrong type counts as absent. */
export function readHttpEvent(event: Readonly<Record<string, unknown>>): HttpRequest {
  const { requestContext, body, isBase64Encoded } = event;
  const http = isObject(requestContext) && isObject(requestContext['http']) ? requestContext['http'] : {};
  const method = textOf(event['httpMethod']) || textOf(http['method']);
  return {
    method: method.toUpperCase(),
    headers: readHeaders(event['headers'], event['multiValueHeaders']),
    body: Buffer.from(textOf(body), isBase64Encoded === true ? 'base64' : 'utf8'),
  };
}

function readHeaders(single: unknown, lists: unknown): Record<string, string | undefined> {
  const headers = Object.create(null) as Record<string, string | undefined>;
  if (isObject(lists)) {
    for (const [name, values] of Object.entries(lists))
      if (Array.isArray(values)) headers[name.toLowerCase()] = values.filter(isText).join(', ');
  }
  if (isObject(single)) {
    for (const [name, value] of Object.entries(single)) if (isText(value)) headers[name.toLowerCase()] ??= value;
  }
  return headers;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
