/**
 * The one way out, on node:http and node:https. It decides where a connection may go and how long it may take;
 * what is said on it, and what an answer means, is left to its callers.
 *
 * A URL of the operator may lead anywhere. A URL that came from a caller may lead to public addresses and to
 * what `egress.allow` names: the name is resolved once, every address is checked, and the connection is made to
 * a checked address, so that a second answer of the name server cannot move it. Redirects are returned, never
 * followed, and no proxy is read from the environment.
 */

import { isUtf8 } from 'node:buffer';
import { lookup as dnsLookup } from 'node:dns/promises';
import * as http from 'node:http';
import * as https from 'node:https';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';

import { PlatformError } from '../../core/errors.ts';
import type {
  Clock,
  Egress,
  EgressRequest,
  EgressResponse,
  EgressTextOptions,
  EgressTextResponse,
} from '../../core/ports.ts';
import { bareHost, isAllowedAddress, parseAllowList } from './egress-address.ts';
import type { AllowList } from './egress-address.ts';
import { requestFailure } from './egress-failure.ts';

interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

export interface EgressOptions {
  /** Host names and networks that callers' URLs may reach although they are not public. @default none */
  readonly allow?: readonly string[];
  readonly clock: Clock;
  /** All addresses of a name. @default the operating system's resolver */
  readonly lookup?: (host: string) => Promise<readonly ResolvedAddress[]>;
}

export interface EmbeddedEgress extends Egress {
  /** Every implementation here has the short way. */
  requestText(request: EgressRequest, options: EgressTextOptions): Promise<EgressTextResponse>;
  /** Ends kept connections. Requests still open fail. */
  close(): void;
}

const MAX_HEADER_BYTES = 16 * 1024;
/** Shorter than the five seconds after which many servers drop an idle connection. */
const IDLE_MS = 4_000;
const REMEMBERED_URLS = 512;

/** @throws RangeError when an entry of `allow` is neither a host name nor a network. */
export function createEgress(options: EgressOptions): EmbeddedEgress {
  return new NodeEgress(options);
}

/** A URL taken apart once: configured URLs are few and asked often. */
interface Place {
  readonly secure: boolean;
  /** Without brackets, as sockets want it. */
  readonly hostname: string;
  /** With port unless default, as the Host header wants it. */
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Safe to show: a path or query may hold a secret. */
  readonly origin: string;
}

class NodeEgress implements EmbeddedEgress {
  readonly #allow: AllowList;
  readonly #clock: Clock;
  readonly #resolve: (host: string) => Promise<readonly ResolvedAddress[]>;
  readonly #agents: Readonly<
    Record<EgressRequest['origin'], { readonly plain: http.Agent; readonly secure: https.Agent }>
  >;
  readonly #places = new Map<string, Place>();

  constructor(options: EgressOptions) {
    this.#allow = parseAllowList(options.allow ?? []);
    this.#clock = options.clock;
    this.#resolve = options.lookup ?? ((host) => dnsLookup(host, { all: true }));
    // Kept connections of the operator's URLs may lead to private hosts, so callers get agents of their own.
    this.#agents = { operator: this.#makeAgents('operator'), caller: this.#makeAgents('caller') };
  }

  async request(request: EgressRequest): Promise<EgressResponse> {
    const place = this.#place(request);
    const response = await this.#send(request, place);
    const headers = flatHeaders(response);
    return { status: response.statusCode ?? 0, headers, body: bodyOf(response, place.origin, request.signal) };
  }

  requestText(request: EgressRequest, options: EgressTextOptions): Promise<EgressTextResponse> {
    return new Promise((resolve, reject) => {
      const place = this.#place(request);
      const outgoing = this.#open(request, place, (response) => {
        const headers = flatHeaders(response);
        const status = response.statusCode ?? 0;
        if (headers['content-type']?.startsWith('text/event-stream') === true) {
          stopTimer();
          const body = bodyOf(response, place.origin, request.signal);
          resolve({ status, headers, body, close: () => void outgoing.destroy() });
          return;
        }
        collect(response, { maxBytes: options.maxBytes, origin: place.origin }, (error, text) => {
          if (error !== undefined) return fail(error);
          stopTimer();
          resolve({ status, headers, text });
        });
      });
      const fail = (error: unknown): void => {
        stopTimer();
        reject(requestFailure(error, place.origin, request.signal));
        outgoing.destroy();
      };
      const stopTimer = this.#timer(request, place, fail);
      options.onStart?.(() => void outgoing.destroy());
      start(outgoing, request, fail);
    });
  }

  close(): void {
    for (const { plain, secure } of Object.values(this.#agents)) {
      plain.destroy();
      secure.destroy();
    }
  }

  #send(request: EgressRequest, place: Place): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      const outgoing = this.#open(request, place, (response) => {
        stopTimer();
        resolve(response);
      });
      const fail = (error: unknown): void => {
        stopTimer();
        reject(requestFailure(error, place.origin, request.signal));
        outgoing.destroy();
      };
      const stopTimer = this.#timer(request, place, fail);
      start(outgoing, request, fail);
    });
  }

  #timer(request: EgressRequest, place: Place, fail: (error: PlatformError) => void): () => void {
    if (request.timeoutMs === Number.POSITIVE_INFINITY) return noTimer;
    return this.#clock.after(request.timeoutMs, () => {
      const message = `${place.origin} did not answer within ${request.timeoutMs} ms. Check the server, or raise its timeoutMs.`;
      fail(new PlatformError('TARGET_TIMEOUT', message, { origin: place.origin, timeoutMs: request.timeoutMs }));
    });
  }

  #open(
    request: EgressRequest,
    place: Place,
    onResponse: (response: http.IncomingMessage) => void,
  ): http.ClientRequest {
    const agents = this.#agents[request.origin];
    const options: https.RequestOptions = {
      agent: place.secure ? agents.secure : agents.plain,
      hostname: place.hostname,
      port: place.port,
      path: place.path,
      method: request.method,
      headers: headerList(request, place.host),
      maxHeaderSize: MAX_HEADER_BYTES,
    };
    try {
      return place.secure ? https.request(options, onResponse) : http.request(options, onResponse);
    } catch (error) {
      const message = `A header for ${place.origin} has a character that HTTP does not allow. Correct or encode the value.`;
      throw new PlatformError('EGRESS_REFUSED', message, { origin: place.origin }, { cause: error });
    }
  }

  #makeAgents(origin: EgressRequest['origin']): { plain: http.Agent; secure: https.Agent } {
    const lookup = this.#lookup(origin);
    const common = { keepAlive: true, maxSockets: 1024, maxFreeSockets: 256, timeout: IDLE_MS, lookup };
    return { plain: new http.Agent(common), secure: new https.Agent(common) };
  }

  /** Resolves once and hands the socket only addresses that were checked. */
  #lookup(origin: EgressRequest['origin']): LookupFunction {
    return (hostname, options, callback) => {
      this.#resolve(hostname)
        .then(
          (addresses) => {
            if (origin === 'caller') this.#checkAddresses(hostname, addresses);
            const wanted = pickFamily(addresses, options.family);
            const [first] = wanted;
            if (first === undefined) throw Object.assign(new Error('no address'), { code: 'ENOTFOUND' });
            if (options.all === true) callback(null, [...wanted]);
            else callback(null, first.address, first.family);
          },
          (error: unknown) => callback(error as NodeJS.ErrnoException, ''),
        )
        .catch((error: unknown) => callback(error as NodeJS.ErrnoException, ''));
    };
  }

  /** One closed address among several is enough to refuse: which of them answers is not ours to choose. */
  #checkAddresses(host: string, addresses: readonly ResolvedAddress[]): void {
    if (this.#allow.hosts.has(bareHost(host))) return;
    for (const { address } of addresses) {
      if (!isAllowedAddress(address, this.#allow)) throw refusedAddress(host);
    }
  }

  /** @throws PlatformError `EGRESS_REFUSED`. */
  #place(request: EgressRequest): Place {
    let place = this.#places.get(request.url);
    if (place === undefined) {
      place = readPlace(request.url);
      if (this.#places.size >= REMEMBERED_URLS) this.#places.clear();
      this.#places.set(request.url, place);
    }
    // Literal addresses never reach the resolver, so they are checked here.
    if (request.origin === 'caller' && isIP(place.hostname) > 0) {
      this.#checkAddresses(place.hostname, [{ address: place.hostname, family: isIP(place.hostname) }]);
    }
    return place;
  }
}

function noTimer(): void {
  // Nothing to stop.
}

function readPlace(text: string): Place {
  if (!URL.canParse(text))
    throw new PlatformError('EGRESS_REFUSED', 'The URL cannot be read. Give an absolute http or https URL.');
  const url = new URL(text);
  const secure = url.protocol === 'https:';
  if (!secure && url.protocol !== 'http:') {
    throw new PlatformError('EGRESS_REFUSED', `URLs of scheme "${url.protocol}" are not fetched. Use http or https.`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new PlatformError('EGRESS_REFUSED', `The URL of ${url.host} holds credentials. Send them in a header.`, {
      host: url.host,
    });
  }
  return {
    secure,
    hostname: bareHost(url.hostname),
    host: url.host,
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    path: url.pathname + url.search,
    origin: url.origin,
  };
}

function refusedAddress(host: string): PlatformError {
  const message = `"${host}" leads to an address that is not public, so a URL from a caller may not reach it. The operator can add the host or its network to egress.allow.`;
  return new PlatformError('EGRESS_REFUSED', message, { host });
}

function pickFamily(addresses: readonly ResolvedAddress[], family: unknown): readonly ResolvedAddress[] {
  if (family === 4 || family === 'IPv4') return addresses.filter((entry) => entry.family === 4);
  if (family === 6 || family === 'IPv6') return addresses.filter((entry) => entry.family === 6);
  return addresses;
}

/** The flat form is rendered straight away by Node, without a map of names in between. */
function headerList(request: EgressRequest, host: string): string[] {
  const list = ['Host', host];
  for (const name of Object.keys(request.headers)) list.push(name, request.headers[name] ?? '');
  if (request.body !== undefined) list.push('Content-Length', String(Buffer.byteLength(request.body)));
  return list;
}

function flatHeaders(response: http.IncomingMessage): Record<string, string> {
  // No prototype, because the names come from outside.
  const out = Object.create(null) as Record<string, string>;
  const raw = response.rawHeaders;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase();
    const value = raw[index + 1] ?? '';
    const before = out[name];
    out[name] = before === undefined ? value : `${before}, ${value}`;
  }
  return out;
}

/** Sends the body, and ends the connection when the caller gives up, be it before the answer or in its middle. */
function start(outgoing: http.ClientRequest, request: EgressRequest, fail: (error: unknown) => void): void {
  const { signal } = request;
  outgoing.on('error', fail);
  if (signal !== undefined) {
    const abort = (): void => fail(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    outgoing.on('close', () => signal.removeEventListener('abort', abort));
  }
  outgoing.end(request.body);
}

interface CollectOptions {
  readonly maxBytes: number;
  readonly origin: string;
}

type Collected = (error: Error | undefined, text: string) => void;

function collect(response: http.IncomingMessage, options: CollectOptions, done: Collected): void {
  const chunks: Buffer[] = [];
  let size = 0;
  response.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > options.maxBytes) {
      response.destroy(tooLarge(options));
      return;
    }
    chunks.push(chunk);
  });
  response.on('error', (error) => done(error, ''));
  response.on('end', () => {
    const [first] = chunks;
    const bytes = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, size);
    if (isUtf8(bytes)) done(undefined, bytes.toString('utf8'));
    else done(notUtf8(options.origin), '');
  });
}

function tooLarge(options: CollectOptions): PlatformError {
  const message = `${options.origin} answered with more than ${options.maxBytes} bytes. Ask it for less, for example by page.`;
  return new PlatformError('TARGET_RESPONSE_TOO_LARGE', message, {
    origin: options.origin,
    maxBytes: options.maxBytes,
  });
}

function notUtf8(origin: string): PlatformError {
  return new PlatformError(
    'TARGET_PROTOCOL_ERROR',
    `${origin} answered with text that is not UTF-8. Check that server.`,
    { origin },
  );
}

/** Reads as fast as it is read from; leaving early closes the connection. */
async function* bodyOf(
  response: http.IncomingMessage,
  origin: string,
  signal: AbortSignal | undefined,
): AsyncIterable<Uint8Array> {
  try {
    yield* response as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw requestFailure(error, origin, signal);
  } finally {
    if (!response.complete) response.destroy();
  }
}
