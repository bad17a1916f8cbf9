/** HTTP to Google through the egress: whole answers as text, and the form of it that Google's library takes. */

import type { CloudPlace } from '../../provisioning/provisioner.ts';

/** Answers about resources are small; a list page has a few hundred KB at most. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 30_000;

export interface HttpRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** @throws PlatformError of the egress; a RangeError for an answer over 4 MiB. */
export async function askOver(place: CloudPlace, request: HttpRequest): Promise<HttpAnswer> {
  const { status, headers, body } = await place.egress.request({
    ...request,
    ca: place.ca,
    origin: 'operator',
    timeoutMs: TIMEOUT_MS,
  });
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body) {
    size += piece.length;
    if (size > MAX_ANSWER_BYTES) throw new RangeError(`The answer has more than ${MAX_ANSWER_BYTES} bytes.`);
    pieces.push(piece);
  }
  return { status, headers, text: Buffer.concat(pieces).toString('utf8') };
}

/**
 * The library's HTTP. With an endpoint of our own every address of Google's is asked there instead, so that no
 * credential leaves for the world by way of a simulated cloud.
 */
export function libraryTransport(place: CloudPlace): typeof globalThis.fetch {
  return async (input, init) => {
    const asked = new URL(input instanceof Request ? input.url : input);
    const url = place.endpoint === undefined ? asked : new URL(asked.pathname + asked.search, place.endpoint);
    const { status, headers, text } = await askOver(place, {
      url: url.href,
      method: init?.method ?? 'GET',
      headers: Object.fromEntries(new Headers(init?.headers).entries()),
      body: textOf(init?.body),
    });
    return new Response(text === '' ? null : text, { status, headers: { ...headers } });
  };
}

function textOf(body: unknown): string | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string') return body;
  if (body instanceof URLSearchParams) return body.toString();
  throw new TypeError('The library of Google sent a body that is no text.');
}
