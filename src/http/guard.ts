/**
 * Host and Origin: what keeps a web page from driving a gateway on the same machine. Also refuses requests whose
 * headers could mean two things.
 */

import { PlatformError } from '../core/errors.ts';
import type { HeaderMap } from '../protocol/era-2026.ts';
import { headerValue } from '../protocol/era-2026.ts';

export interface GuardOptions {
  /** Host names that reach this instance, beside loopback ones. */
  readonly hosts: readonly string[];
  /** Origins of web pages that may call it; `*` in compatibility mode only. */
  readonly origins: readonly string[];
}

const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]', '::1']);

/** The name in a Host header or authority, without port, in lower case. */
function hostName(authority: string): string {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]/@\s]+)(?::\d{1,5})?$/.exec(authority);
  return (match?.[1] ?? '').toLowerCase();
}

export class Guard {
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #known = new Set<string>();

  constructor(options: GuardOptions) {
    this.#hosts = new Set(options.hosts.map((host) => host.toLowerCase()));
    this.#origins = new Set(options.origins);
  }

  /** @throws PlatformError `FORBIDDEN_HOST`, `FORBIDDEN_ORIGIN`, `INVALID_REQUEST`. */
  check(headers: HeaderMap, duplicates: readonly string[]): void {
    const repeated = duplicates.find((name) => name === 'host' || name === 'authorization' || name.startsWith('mcp-'));
    if (repeated !== undefined)
      throw new PlatformError('INVALID_REQUEST', `The header ${repeated} appears twice. Send it once.`);
    this.#checkHost(headerValue(headers, 'host') ?? '');
    const origin = headerValue(headers, 'origin');
    if (origin !== undefined && !this.allowsOrigin(origin)) {
      throw new PlatformError(
        'FORBIDDEN_ORIGIN',
        `The origin ${origin.slice(0, 100)} may not call this endpoint. Add it to cors.origins if it should.`,
      );
    }
  }

  #checkHost(host: string): void {
    if (this.#known.has(host)) return;
    const name = hostName(host);
    if (!LOOPBACK.has(name) && !this.#hosts.has(name)) {
      throw new PlatformError(
        'FORBIDDEN_HOST',
        `The host ${host.slice(0, 100) || '(absent)'} is not one of this instance. Add it to hosts if it should be.`,
      );
    }
    if (this.#known.size < 64) this.#known.add(host);
  }

  /** Pages of this machine, and those that the operator named. */
  allowsOrigin(origin: string): boolean {
    if (this.#origins.has(origin) || this.#origins.has('*')) return true;
    const match = /^https?:\/\/(.+)$/.exec(origin);
    return match?.[1] !== undefined && LOOPBACK.has(hostName(match[1]));
  }

  /** Whether a page of this origin may read answers: only those that the operator named. */
  corsHeaders(origin: string | undefined): Readonly<Record<string, string>> | undefined {
    if (origin === undefined) return undefined;
    if (this.#origins.has('*')) return { 'access-control-allow-origin': '*', 'access-control-expose-headers': EXPOSED };
    return this.#origins.has(origin)
      ? { 'access-control-allow-origin': origin, vary: 'Origin', 'access-control-expose-headers': EXPOSED }
      : undefined;
  }
}

const EXPOSED = 'Mcp-Session-Id, WWW-Authenticate, Retry-After, Location, ETag, Preference-Applied';
