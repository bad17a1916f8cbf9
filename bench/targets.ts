/**
 * What the product promises, as ratios between rows of one run: the median of the ratios round by round, because
 * two rows of one round meet about the same machine.
 */

import type { Run, Summary } from './measure.ts';
import { median } from './measure.ts';

export interface Verdict {
  readonly title: string;
  readonly value: number;
  /** The bound as words, such as `>= 0.6`. */
  readonly bound: string;
  readonly pass: boolean;
}

type Rows = ReadonlyMap<string, Summary>;
type Measure = (own: Run, other: Run) => number;

interface Bound {
  readonly title: string;
  readonly row: string;
  readonly over: string;
  readonly measure: Measure;
  readonly least?: number;
  readonly most?: number;
}

const rate: Measure = (own, other) => own.requestsPerSecond / other.requestsPerSecond;
const tail: Measure = (own, other) => own.p99Us / other.p99Us;
/** Time per byte of the row, in times of the other's. */
const costPerByte: Measure = (own, other) => other.bytesPerSecond / own.bytesPerSecond;

const PROMISES: readonly Bound[] = [
  { title: '100 B in process, of the bare echo', row: 'product/small', over: 'echo/small', measure: rate, least: 0.6 },
  {
    title: '100 B over stdio, of the bare echo',
    row: 'product-stdio/small',
    over: 'echo/small',
    measure: rate,
    least: 0.35,
  },
  {
    title: '100 B over HTTP, of the bare echo',
    row: 'product-http/small',
    over: 'echo/small',
    measure: rate,
    least: 0.3,
  },
  {
    title: '100 kB over stdio, of the bare hop',
    row: 'product-stdio/large',
    over: 'hop-stdio/large',
    measure: rate,
    least: 0.6,
  },
  {
    title: '100 kB over HTTP, of the bare hop',
    row: 'product-http/large',
    over: 'hop-http/large',
    measure: rate,
    least: 0.6,
  },
  {
    title: 'tools/list of 1,000, of sending the same bytes',
    row: 'product-list/1000',
    over: 'bytes/1000',
    measure: rate,
    least: 0.5,
  },
  {
    title: 'tools/list of 10,000 over 1,000 targets, cost per byte of 1,000',
    row: 'product-list/10000',
    over: 'product-list/1000',
    measure: costPerByte,
    most: 1.5,
  },
  {
    title: 'p99 of 100 B in process, of the bare echo',
    row: 'product/small',
    over: 'echo/small',
    measure: tail,
    most: 3,
  },
  {
    title: 'p99 of 100 B over stdio, of the bare hop',
    row: 'product-stdio/small',
    over: 'hop-stdio/small',
    measure: tail,
    most: 3,
  },
  {
    title: 'p99 of 100 B over HTTP, of the bare hop',
    row: 'product-http/small',
    over: 'hop-http/small',
    measure: tail,
    most: 3,
  },
  {
    title: 'local Lambda invoke of a warm echo, of the bare hop over HTTP',
    row: 'lambda/small',
    over: 'hop-http/small',
    measure: rate,
    least: 0.13,
  },
];

export function atLeast(title: string, value: number, least: number, unit: string): Verdict {
  return { title, value, bound: `>= ${least} ${unit}`, pass: value >= least };
}

export function atMost(title: string, value: number, most: number, unit: string): Verdict {
  return { title, value, bound: `<= ${most} ${unit}`, pass: value <= most };
}

function compare(own: Summary, other: Summary, measure: Measure): number {
  const ratios = own.runs.flatMap((run, index) => {
    const against = other.runs[index];
    return against === undefined ? [] : [measure(run, against)];
  });
  return Math.round(median(ratios) * 1000) / 1000;
}

/** Judges every promise whose two rows were measured. */
export function judge(rows: Rows): Verdict[] {
  const verdicts: Verdict[] = [];
  for (const { title, row, over, measure, least, most } of PROMISES) {
    const [own, floor] = [rows.get(row), rows.get(over)];
    if (own === undefined || floor === undefined) continue;
    const value = compare(own, floor, measure);
    const bound = least === undefined ? `<= ${most}` : `>= ${least}`;
    verdicts.push({ title, value, bound, pass: least === undefined ? value <= (most ?? 0) : value >= least });
  }
  return verdicts;
}
