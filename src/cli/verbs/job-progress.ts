/** A job as a terminal shows it: its steps while they happen, and what became of it. */

import type { InstanceClient } from '../client.ts';
import type { CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { EventQueue } from '../event-queue.ts';
import { EXIT } from '../exit-codes.ts';
import type { Style } from '../style.ts';
import { oneLine, table } from '../style.ts';

export interface JobView {
  readonly requestId: string;
  readonly status: string;
  readonly action: string;
  readonly cloud: string;
  readonly service: string;
  readonly env: string;
  readonly resourceId: string;
  readonly label: string;
  readonly createdAt: string;
  readonly reason?: string;
  readonly error?: { readonly code: string; readonly message: string; readonly step?: string };
  readonly result?: Readonly<Record<string, unknown>>;
  readonly estimate?: { readonly monthlyUsd: number; readonly usage: readonly string[] };
  readonly steps?: readonly {
    readonly step: string;
    readonly resourceId: string;
    readonly status: string;
    readonly attempts: number;
  }[];
}

const ENDED = ['succeeded', 'rolled_back', 'rollback_failed', 'failed', 'cancelled', 'expired'];
const DEFAULT_SECONDS = 3_600;

/** Follows a job's events to its end. Ends with 1 unless it succeeded, or was undone because somebody asked. */
export async function* followJob(
  client: InstanceClient,
  requestId: string,
  invocation: Invocation,
): AsyncGenerator<CliEvent, number> {
  const timeoutMs = Number(invocation.text('timeout') ?? DEFAULT_SECONDS) * 1_000;
  const events = new EventQueue<CliEvent>();
  const path = `/v2/jobs/${encodeURIComponent(requestId)}/events`;
  const following = client
    .follow(path, timeoutMs, (data) => {
      const text = lineOf(data);
      if (text !== undefined) events.push({ type: 'event', event: data, text });
      return false;
    })
    .finally(() => events.end());
  yield* events;
  await following;
  const { value } = await client.rest('GET', `/v2/status/${encodeURIComponent(requestId)}`);
  return yield* jobResult(value as JobView);
}

export function* jobResult(job: JobView): Generator<CliEvent, number> {
  yield result(job, (style) => jobText(job, style));
  const isWell = !ENDED.includes(job.status) || job.status === 'succeeded' || isAskedFor(job);
  return isWell ? EXIT.ok : EXIT.failed;
}

/** Undone or ended because somebody wanted it so. */
function isAskedFor({ status, error }: JobView): boolean {
  return (status === 'rolled_back' || status === 'cancelled') && error === undefined;
}

/** One line per event; a change of state that only leads to the next is not worth one. */
function lineOf(data: Readonly<Record<string, unknown>>): string | undefined {
  const { step, outcome, resourceId, attempt, status, error } = data as {
    readonly step?: string;
    readonly outcome?: string;
    readonly resourceId?: string;
    readonly attempt?: number;
    readonly status?: string;
    readonly error?: { readonly message?: string };
  };
  if (step !== undefined) {
    if (outcome === undefined) return undefined;
    const tries = (attempt ?? 1) > 1 ? ` (attempt ${attempt})` : '';
    const why = error?.message === undefined ? '' : `: ${oneLine(error.message, 300)}`;
    return `  ${outcome === 'ok' ? 'done' : outcome}  ${step}  ${resourceId ?? ''}${tries}${why}`;
  }
  return status === 'running' || status === 'compensating'
    ? `  ${status === 'running' ? 'running' : 'undoing'}`
    : undefined;
}

export function jobText(job: JobView, style: Style): string {
  const { status, requestId, error, reason, result: outcome } = job;
  const paint = status === 'succeeded' ? style.good : ENDED.includes(status) ? style.bad : style.warn;
  const lines = [`${paint(status)} ${job.action} ${job.resourceId}  ${style.dim(`job ${requestId} [${job.label}]`)}`];
  if (reason !== undefined) lines.push(`  reason  ${oneLine(reason, 200)}`);
  if (error !== undefined) lines.push(`  ${style.bad(error.code)}${at(error.step)}  ${oneLine(error.message, 600)}`);
  const outputs = outcome?.['outputs'];
  if (typeof outputs === 'object' && outputs !== null) lines.push(outputsText(outputs));
  if (outcome?.['status'] === 'planned') lines.push(planText(job));
  if (status === 'awaiting_approval') lines.push(`  next: zeroplane jobs approve ${requestId}`);
  if (status === 'failed' || status === 'rollback_failed') lines.push(`  next: zeroplane jobs retry ${requestId}`);
  return lines.join('\n');
}

const at = (step: string | undefined): string => (step === undefined ? '' : ` at ${step}`);

function outputsText(outputs: object): string {
  const rows = Object.entries(outputs).map(([key, value]) => [key, oneLine(shown(value), 300)]);
  return rows.length === 0 ? '' : table(rows, '  ');
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function planText({ result: outcome, estimate }: JobView): string {
  const steps = (outcome?.['steps'] as readonly string[] | undefined) ?? [];
  const usage = (estimate?.usage ?? []).map((each) => `          ${oneLine(each, 200)}`);
  return [
    `  steps   ${steps.join(', ')}`,
    `  price   ${estimate?.monthlyUsd ?? 0} USD a month, and by use:`,
    ...usage,
  ].join('\n');
}
