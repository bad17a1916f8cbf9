/**
 * The one way out, on undici's connection pools. It decides where a connection may go and how long it may take;
 * what is said on it, and what an answer means, is left to its callers.
 *
 * A URL of the operator may lead anywhere. A URL that came from a caller may lead to public addresses and to
 * what `egress.allow` names: the name is resolved once, every address is checked, and the connection is made to
 * a checked address, so that a second answer of the name server cannot move it. Redirects are returned, never
 * followed, and no proxy is read from the environment.
 */

import { lookup as dnsLookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { LookupFunction, Socket } from 'node:net';
import type { Agent, Dispatcher, buildConnector } from 'undici';

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
import { Exchange } from './egress-exchange.ts';

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
  /**
   * Refuses a caller's URL that every request would be refused for, whatever a name server says: a literal address, a
   * scheme, credentials. Host names pass; they are looked up when they are asked.
   *
   * @throws PlatformError `EGRESS_REFUSED`.
   */
  checkCallerUrl(url: string): void;
  /** Ends kept connections. Requests still open fail. */
  close(): void;
}

const MAX_HEADER_BYTES = 16 * 1024;
/** Shorter than the five seconds after which many servers drop an idle connection. */
const IDLE_MS = 4_000;
/** Most connections to one scheme, host and port. */
const MAX_CONNECTIONS = 1_024;
/** Milliseconds in which a connection must be made, however long its requests may wait. */
const CONNECT_MS = 10_000;
const REMEMBERED_URLS = 512;

/** @throws RangeError when an entry of `allow` is neither a host name nor a network. */
export function createEgress(options: EgressOptions): EmbeddedEgress {
  return new NodeEgress(options);
}

/** A URL taken apart once: configured URLs are few and asked often. */
interface Place {
  /** Without brackets, as sockets want it. */
  readonly hostname: string;
  /** The name to prove by TLS, whatever a Host header says; absent for addresses and without TLS. */
  readonly servername: string | undefined;
  readonly path: string;
  /** Safe to show: a path or query may hold a secret. */
  readonly origin: string;
}

interface Agents extends Readonly<Record<EgressRequest['origin'], Agent>> {
  /** Trusts one authority alone; one agent each, because kept connections must not serve those who trust another. */
  trusting(ca: string): Agent;
  /** Every agent that was made. */
  all(): readonly Agent[];
}

class NodeEgress implements EmbeddedEgress {
  readonly #allow: AllowList;
  readonly #clock: Clock;
  readonly #resolve: (host: string) => Promise<readonly ResolvedAddress[]>;
  /** Made by the first request, so that an instance without remote targets does not load undici. */
  #agents: Agents | undefined;
  #loading: Promise<Agents> | undefined;
  /** Connections that are being made, which no agent would end. */
  readonly #connecting = new Set<Socket>();
  #closed = false;
  readonly #places = new Map<string, Place>();

  constructor(options: EgressOptions) {
    this.#allow = parseAllowList(options.allow ?? []);
    this.#clock = options.clock;
    this.#resolve = options.lookup ?? ((host) => dnsLookup(host, { all: true }));
  }

  async request(request: EgressRequest): Promise<EgressResponse> {
    const { status, headers, body } = await this.#start(request, undefined);
    return { status, headers, body: body ?? nothing() };
  }

  requestText(request: EgressRequest, options: EgressTextOptions): Promise<EgressTextResponse> {
    return this.#start(request, options);
  }

  checkCallerUrl(url: string): void {
    this.#place({ url, origin: 'caller' });
  }

  close(): void {
    this.#closed = true;
    for (const socket of this.#connecting) socket.destroy();
    for (const agent of this.#agents?.all() ?? []) void agent.destroy();
  }

  #start(request: EgressRequest, options: EgressTextOptions | undefined): Promise<EgressTextResponse> {
    return new Promise((resolve, reject) => {
      const place = this.#place(request);
      const { origin } = place;
      const clock = this.#clock;
      const exchange = new Exchange({ request, origin, clock, maxBytes: options?.maxBytes, resolve, reject });
      options?.onStart?.(() => exchange.close());
      if (exchange.isOver) return;
      if (this.#agents !== undefined) send(this.#agents, exchange, request, place);
      else
        this.#load().then(
          (agents) => exchange.isOver || send(agents, exchange, request, place),
          (error: unknown) => exchange.fail(error),
        );
    });
  }

  #load(): Promise<Agents> {
    this.#loading ??= this.#makeAgents();
    return this.#loading;
  }

  async #makeAgents(): Promise<Agents> {
    const [{ default: AgentClass }, { default: build }] = await Promise.all([
      import('undici/lib/dispatcher/agent.js'),
      import('undici/lib/core/connect.js'),
    ]);
    const make = (origin: EgressRequest['origin'], tls: { readonly ca?: string } = {}): Agent =>
      new AgentClass({
        connect: this.#connector(build({ ...tls, lookup: this.#lookup(origin), timeout: CONNECT_MS })),
        connections: MAX_CONNECTIONS,
        // One request per connection at a time: undici repeats nothing then, and no answer waits behind another.
        pipelining: 1,
        maxHeaderSize: MAX_HEADER_BYTES,
        keepAliveTimeout: IDLE_MS,
        keepAliveMaxTimeout: IDLE_MS,
        keepAliveTimeoutThreshold: 1_000,
        // Who waits, and how long, is told by the request.
        headersTimeout: 0,
        bodyTimeout: 0,
      });
    // Kept connections of the operator's URLs may lead to private hosts, so callers get an agent of their own.
    const operator = make('operator');
    const caller = make('caller');
    const trusting = new Map<string, Agent>();
    this.#agents = {
      operator,
      caller,
      trusting: (ca) => {
        const agent = trusting.get(ca) ?? make('operator', { ca });
        trusting.set(ca, agent);
        return agent;
      },
      all: () => [operator, caller, ...trusting.values()],
    };
    if (this.#closed) this.close();
    return this.#agents;
  }

  /** Undici's own, with a list of what is not connected yet. */
  #connector(connect: buildConnector.connector): buildConnector.connector {
    return (options, callback) => {
      const socket = connect(options, (...result) => {
        this.#connecting.delete(socket);
        callback(...result);
      }) as unknown as Socket;
      this.#connecting.add(socket);
    };
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
  #place(request: Pick<EgressRequest, 'url' | 'origin'>): Place {
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
  const hostname = bareHost(url.hostname);
  const servername = secure && isIP(hostname) === 0 ? hostname : undefined;
  return { hostname, servername, path: url.pathname + url.search, origin: url.origin };
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

/** Hands the request to undici, which calls the exchange back, also when it refuses the request. */
function send(agents: Agents, exchange: Exchange, request: EgressRequest, place: Place): void {
  const { origin, path, servername } = place;
  const { method, headers, body } = request;
  const options = { origin, path, method, headers, body, servername };
  const isTrusting = request.ca !== undefined && request.origin === 'operator';
  const agent = isTrusting ? agents.trusting(request.ca) : agents[request.origin];
  agent.dispatch(options as Dispatcher.DispatchOptions, exchange);
}

async function* nothing(): AsyncIterable<Uint8Array> {
  // Without a size to collect up to there always is a stream.
}
