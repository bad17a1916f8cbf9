/** Starts the packaged server once, as the function will, and writes down what it is: era, tools, memory, start. */

import { readFile, readdir } from 'node:fs/promises';
import { Context } from '../core/context.ts';
import type { Clock, Logger } from '../core/ports.ts';
import type { TargetListing } from '../core/target.ts';
import { McpTarget } from '../upstream/mcp-target.ts';
import { StdioConnector } from '../wrapper/stdio-connector.ts';

export interface CaptureOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment of the server. */
  readonly environment: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds until it must have introduced itself. */
  readonly startTimeoutMs: number;
}

export interface Capture {
  readonly listing: TargetListing;
  /** `2026-07-28` is `modern`, everything before `legacy`. */
  readonly era: 'modern' | 'legacy';
  /** Milliseconds from nothing to the complete list. */
  readonly startMs: number;
  /** Peak of the resident memory of the server and all that it started; absent without `/proc`. */
  readonly peakMib: number | undefined;
}

const SAMPLE_MS = 25;

/** @throws PlatformError `TARGET_UNAVAILABLE`, `TARGET_TIMEOUT`: the server does not start, with its last words. */
export async function capture(options: CaptureOptions): Promise<Capture> {
  const { name, clock, log, startTimeoutMs } = options;
  const clientInfo = { name: 'zeroplane-wrap', version: '1.0.0' };
  const connector = new StdioConnector({ ...options, target: name, clientInfo });
  const target = new McpTarget({
    id: name,
    connector,
    clock,
    log,
    openTimeoutMs: startTimeoutMs,
    listTimeoutMs: startTimeoutMs,
  });
  const principal = { id: 'wrap', tenant: 'wrap', roles: [], scopes: [] };
  const context = new Context({ principal, requestId: 'wrap', clock, timeoutMs: startTimeoutMs * 2, log });
  const startedMs = clock.monotonicMs();
  const memory = new PeakMemory(clock, () => connector.pids());
  try {
    const listing = await target.list(context);
    const startMs = clock.monotonicMs() - startedMs;
    await memory.sample();
    const era = listing.protocolVersion !== undefined && listing.protocolVersion >= '2026' ? 'modern' : 'legacy';
    return { listing, era, startMs: Math.round(startMs), peakMib: memory.peakMib };
  } finally {
    memory.stop();
    await target.close();
  }
}

/** Looks at a tree of processes again and again. A server that asks may have two processes here and one in a function. */
class PeakMemory {
  #peakKib = 0;
  #stopped = false;
  readonly #clock: Clock;
  readonly #roots: () => readonly number[];

  constructor(clock: Clock, roots: () => readonly number[]) {
    this.#clock = clock;
    this.#roots = roots;
    this.#next();
  }

  get peakMib(): number | undefined {
    return this.#peakKib === 0 ? undefined : Math.ceil(this.#peakKib / 1024);
  }

  stop(): void {
    this.#stopped = true;
  }

  async sample(): Promise<void> {
    const sizes = await Promise.all(this.#roots().map(treeKib));
    this.#peakKib = Math.max(this.#peakKib, ...sizes);
  }

  #next(): void {
    this.#clock.after(SAMPLE_MS, () => {
      if (this.#stopped) return;
      void this.sample().finally(() => this.#next());
    });
  }
}

/** Peak of a process with those it has started, in KiB; 0 where that cannot be read. */
async function treeKib(pid: number): Promise<number> {
  const own = await readFile(`/proc/${pid}/status`, 'utf8').then(
    (text) => Number(/VmHWM:\s+(\d+)/.exec(text)?.[1] ?? 0),
    () => 0,
  );
  const below = await Promise.all((await childrenOf(pid)).map(treeKib));
  return below.reduce((sum, size) => sum + size, own);
}

async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const texts = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  );
  return texts.join(' ').split(' ').filter(Boolean).map(Number);
}
