/** Remembers, per server and credential, which protocol a server spoke, and for how long to believe it. */

import { createHash } from 'node:crypto';

import type { Clock } from '../../core/ports.ts';

/** `modern` is 2026-07-28, `legacy` the streamable HTTP before it, `sse` the HTTP+SSE of 2024-11-05. */
export type RemoteProtocol = 'modern' | 'legacy' | 'sse';

export interface RemoteVerdict {
  readonly protocol: RemoteProtocol;
  /** Past its time: still usable, yet worth asking again. A stale legacy verdict would work silently for ever. */
  readonly stale: boolean;
}

export class RemoteVerdicts {
  readonly #clock: Clock;
  readonly #expiresAfterMs: number;
  readonly #known = new Map<string, { readonly protocol: RemoteProtocol; readonly untilMs: number }>();

  /** @param expiresAfterMs - @default 600000, ten minutes */
  constructor(clock: Clock, expiresAfterMs = 600_000) {
    this.#clock = clock;
    this.#expiresAfterMs = expiresAfterMs;
  }

  get(key: string): RemoteVerdict | undefined {
    const known = this.#known.get(key);
    return known && { protocol: known.protocol, stale: known.untilMs <= this.#clock.monotonicMs() };
  }

  set(key: string, protocol: RemoteProtocol): void {
    this.#known.set(key, { protocol, untilMs: this.#clock.monotonicMs() + this.#expiresAfterMs });
  }

  forget(key: string): void {
    this.#known.delete(key);
  }
}

/** Names a server and a credential without holding the credential. */
export function verdictKey(url: string, headers: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(headers)
    .map(([name, value]) => [name.toLowerCase(), value])
    .toSorted(([left = ''], [right = '']) => (left < right ? -1 : 1));
  return `${url} ${createHash('sha256').update(JSON.stringify(sorted)).digest('hex')}`;
}
