/**
 * How much memory a process and its descendants hold, from `/proc`, where there is one. Sampled while an invocation
 * runs, a few times a second: a peak between two samples goes unseen, as does everything on systems without `/proc`.
 */

import { readFileSync } from 'node:fs';

import type { Clock } from '../core/ports.ts';

const SAMPLE_MS = 250;
const KIB_PER_MIB = 1024;
/** A tree of processes larger than this is not a function any more. */
const MAX_PROCESSES = 500;

export interface MemoryGaugeParts {
  readonly clock: Clock;
  readonly pid: number;
  /** Called with the figure in MiB when a sample is above `limitMb`. */
  readonly onExceeded: (usedMb: number) => void;
  readonly limitMb: number;
  /** Whether the limit is for the process alone; the figure is always that of all its descendants too. */
  readonly limitsAlone: boolean;
}

export class MemoryGauge {
  readonly #parts: MemoryGaugeParts;
  #peakKib = 0;
  #sampledAt = -Infinity;
  #isBusy = false;
  #cancel: (() => void) | undefined;

  constructor(parts: MemoryGaugeParts) {
    this.#parts = parts;
  }

  /** The most that was seen so far, in MiB; 0 where it cannot be known. */
  get peakMb(): number {
    return Math.ceil(this.#peakKib / KIB_PER_MIB);
  }

  /** An invocation begins. */
  begin(): void {
    this.#isBusy = true;
    this.#cancel ??= this.#parts.clock.after(SAMPLE_MS, () => this.#tick());
  }

  /** An invocation ended: looks once more, unless it did so a moment ago. */
  end(): void {
    this.#isBusy = false;
    if (this.#parts.clock.monotonicMs() - this.#sampledAt >= SAMPLE_MS) this.sample();
  }

  sample(): void {
    this.#sampledAt = this.#parts.clock.monotonicMs();
    const usedKib = treeKib(this.#parts.pid);
    if (usedKib > this.#peakKib) this.#peakKib = usedKib;
    const usedMb = Math.ceil((this.#parts.limitsAlone ? residentKib(this.#parts.pid) : usedKib) / KIB_PER_MIB);
    if (usedMb > this.#parts.limitMb) this.#parts.onExceeded(usedMb);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** One timer lives through many short invocations and stops after a quiet while. */
  #tick(): void {
    this.#cancel = undefined;
    if (!this.#isBusy) return;
    this.sample();
    this.#cancel ??= this.#parts.clock.after(SAMPLE_MS, () => this.#tick());
  }
}

function treeKib(root: number): number {
  const pids = [root];
  let sum = 0;
  for (let at = 0; at < pids.length && at < MAX_PROCESSES; at++) {
    const pid = pids[at] ?? root;
    sum += residentKib(pid);
    pids.push(...childrenOf(pid));
  }
  return sum;
}

function residentKib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
}

function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(' ').map(Number).filter(Boolean);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    // Gone, or a system without such files.
    return '';
  }
}
