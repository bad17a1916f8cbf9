/** Runs the load generator against a row and sums up its runs. */

import type { Prepared } from './requests.ts';
import { cpuMs, launch, node, onCore, part, residentMib } from './processes.ts';

/** One line of the table: a server and the requests sent to it. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly port: number;
  readonly pid: number;
  readonly requests: readonly Prepared[];
  /** Smallest size of a right answer in bytes. */
  readonly minBytes: number;
}

interface Sample {
  readonly requests: number;
  readonly errors: number;
  readonly seconds: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly bytes: number;
  readonly firstError: string;
}

export interface Timing {
  readonly connections: number;
  /** Of each load generator, for its connections. */
  readonly warmupMs: number;
  readonly durationMs: number;
  /** Load before each timed run, until what idled is compiled again. */
  readonly rewarmMs: number;
}

export interface Summary {
  readonly id: string;
  readonly title: string;
  readonly requestsPerSecond: number;
  /** Smallest and largest of the runs. */
  readonly spread: readonly [number, number];
  readonly p50Us: number;
  readonly p99Us: number;
  /** CPU time of the server's process per request. */
  readonly cpuUs: number | undefined;
  readonly bytesPerSecond: number;
  readonly bytesPerAnswer: number;
  readonly residentMib: number | undefined;
  readonly errors: number;
  readonly firstError: string;
  /** Each run's figures, in order, so that two rows can be compared run by run. */
  readonly runs: readonly Run[];
}

export interface Run {
  readonly requestsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly p99Us: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

async function load(row: Row, timing: Timing): Promise<Sample> {
  const job = JSON.stringify({ port: row.port, requests: row.requests, minBytes: row.minBytes, ...timing });
  const child = launch(onCore(1, ...node(part('load.mjs'), job)));
  let [text, errors] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString('utf8')));
  await new Promise((resolve) => child.once('close', resolve));
  if (text === '') throw new Error(`the load generator failed on ${row.id}: ${errors.slice(0, 1000)}`);
  return JSON.parse(text) as Sample;
}

/** Everything measured of one row, run after run. */
export class Series {
  readonly row: Row;
  readonly #samples: (Sample & { cpuUs: number | undefined })[] = [];
  calls = 0;

  constructor(row: Row) {
    this.row = row;
  }

  /** A run that counts for nothing: code is compiled, conversations are opened. */
  async warm(timing: Timing): Promise<void> {
    await load(this.row, timing);
  }

  /**
   * One timed run, after a run that counts for nothing. A server that has idled meanwhile has lost part of its compiled
   * code: when its connections close, the engine drops the shapes of their objects and with them what was compiled for
   * them, and takes about a second of load to compile it again. That second belongs to no figure.
   */
  async run(timing: Timing): Promise<void> {
    await load(this.row, { ...timing, warmupMs: 0, durationMs: timing.rewarmMs });
    const before = cpuMs(this.row.pid);
    const sample = await load(this.row, timing);
    const after = cpuMs(this.row.pid);
    // The warm-up costs CPU too, at about the same rate.
    const all = sample.requests * ((timing.warmupMs + timing.durationMs) / timing.durationMs);
    this.calls += all;
    const cpuUs =
      before === undefined || after === undefined || all === 0 ? undefined : ((after - before) * 1000) / all;
    this.#samples.push({ ...sample, cpuUs });
  }

  summary(): Summary {
    const rates = this.#samples.map((sample) => sample.requests / sample.seconds);
    const of = (pick: (sample: Sample & { cpuUs: number | undefined }) => number | undefined): number =>
      median(this.#samples.map(pick).filter((value) => value !== undefined));
    return {
      id: this.row.id,
      title: this.row.title,
      requestsPerSecond: Math.round(median(rates)),
      spread: [Math.round(Math.min(...rates)), Math.round(Math.max(...rates))],
      p50Us: Math.round(of((sample) => sample.p50Us)),
      p99Us: Math.round(of((sample) => sample.p99Us)),
      cpuUs: Math.round(of((sample) => sample.cpuUs) * 10) / 10,
      bytesPerSecond: Math.round(of((sample) => sample.bytes / sample.seconds)),
      bytesPerAnswer: Math.round(of((sample) => sample.bytes / Math.max(1, sample.requests))),
      residentMib: residentMib(this.row.pid),
      errors: this.#samples.reduce((sum, sample) => sum + sample.errors, 0),
      firstError: this.#samples.find((sample) => sample.firstError !== '')?.firstError ?? '',
      runs: this.#samples.map(({ requests, seconds, bytes, p99Us }) => ({
        requestsPerSecond: requests / seconds,
        bytesPerSecond: bytes / seconds,
        p99Us,
      })),
    };
  }
}
