/** A job as a terminal shows it: its steps while they happen, and what became of it. */

import { PlatformError } from '../../core/errors.ts';
import type { InstanceClient } from '../client.ts';
import type { CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { EventQueue } from '../event-queue.ts';
import { EXIT } from '../exit-codes.ts';
import type { Style } from '../style.ts';
import { oneLine, plural, table } from '../style.ts';

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
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly step?: string;
    readonly details?: Readonly<Record<string, unknown>>;
  };
  readonly result?: Readonly<Record<string, unknown>>;
  readonly webhook?: { readonly status: string; readonly attempts: number; readonly reason?: string };
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

/** An instance that starts again is waited for this often, each time for {@link RETRY_MS}. */
const MAX_RETRIES = 20;
const RETRY_MS = 500;

export interface Following {
  readonly client: InstanceClient;
  readonly requestId: string;
  /** The last event that is known already. @default 0 */
  readonly after?: number;
}

/**
 * Follows a job's events to its end, also across a restart of the instance. Ends with 1 unless it succeeded, or was
 * undone because somebody asked.
 *
 * @throws PlatformError `REQUEST_TIMEOUT` when `--timeout` has passed; the job goes on.
 */
export async function* followJob(following: Following, invocation: Invocation): AsyncGenerator<CliEvent, number> {
  const { client, requestId } = following;
  const seconds = Number(invocation.text('timeout') ?? DEFAULT_SECONDS);
  const events = new EventQueue<CliEvent>();
  const told = tellEvents(following, seconds * 1_000, (data) => {
    const text = lineOf(data);
    events.push({ type: 'event', event: data, ...(text === undefined ? {} : { text }) });
  }).finally(() => events.end());
  // What went wrong is thrown below, after the events that came before it.
  told.catch(() => undefined);
  yield* events;
  try {
    await told;
  } catch (error) {
    if (!(error instanceof PlatformError) || error.code !== 'REQUEST_TIMEOUT') throw error;
    const message = `Job ${requestId} has not ended within ${seconds} s. It goes on.`;
    throw new PlatformError(
      'REQUEST_TIMEOUT',
      message,
      { next: `zeroplane jobs watch ${requestId}` },
      { cause: error },
    );
  }
  return yield* jobResult(await jobOf(client, requestId));
}

export async function jobOf(client: InstanceClient, requestId: string): Promise<JobView> {
  const { value } = await client.rest('GET', `/v2/status/${encodeURIComponent(requestId)}`);
  return value as JobView;
}

/** Id of the last event of a job that has ended: what comes after it is of another round. */
export async function lastEventOf(client: InstanceClient, requestId: string): Promise<number> {
  let last = 0;
  if (!ENDED.includes((await jobOf(client, requestId)).status)) return last;
  await client.follow(eventsPath(requestId, 0), DEFAULT_SECONDS * 1_000, (data) => {
    last = Number(data['id']);
    return false;
  });
  return last;
}

const eventsPath = (requestId: string, after: number): string =>
  `/v2/jobs/${encodeURIComponent(requestId)}/events?after=${after}`;

/** Reads events until the job has ended; a stream that breaks off is taken up where it was. */
async function tellEvents(
  { client, requestId, after = 0 }: Following,
  timeoutMs: number,
  tell: (data: Readonly<Record<string, unknown>>) => void,
): Promise<void> {
  const until = performance.now() + timeoutMs;
  let last = after;
  let failures = 0;
  for (;;) {
    try {
      await client.follow(eventsPath(requestId, last), Math.max(1, Math.ceil(until - performance.now())), (data) => {
        failures = 0;
        last = Number(data['id']);
        tell(data);
        return false;
      });
      if (ENDED.includes((await jobOf(client, requestId)).status)) return;
    } catch (error) {
      if (!isAway(error) || ++failures > MAX_RETRIES) throw error;
    }
    if (performance.now() >= until) throw new PlatformError('REQUEST_TIMEOUT', 'The time to follow the job is over.');
    await new Promise((done) => setTimeout(done, RETRY_MS));
  }
}

const isAway = (error: unknown): boolean =>
  error instanceof PlatformError && ['INSTANCE_NOT_RUNNING', 'SHUTTING_DOWN'].includes(error.code);

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
  const { status, requestId, error, reason } = job;
  const paint = status === 'succeeded' ? style.good : ENDED.includes(status) ? style.bad : style.warn;
  const lines = [`${paint(status)} ${job.action} ${job.resourceId}  ${style.dim(`job ${requestId} [${job.label}]`)}`];
  if (reason !== undefined) lines.push(`  reason  ${oneLine(reason, 200)}`);
  if (error !== undefined) lines.push(`  ${style.bad(error.code)}${at(error.step)}  ${oneLine(error.message, 600)}`);
  lines.push(...leftText(error?.details), ...outcomeText(job));
  if (job.webhook !== undefined) lines.push(webhookText(job.webhook));
  if (status === 'awaiting_approval') lines.push(`  next: zeroplane jobs approve ${requestId}`);
  if (status === 'failed' || status === 'rollback_failed') lines.push(`  next: zeroplane jobs retry ${requestId}`);
  return lines.join('\n');
}

function outcomeText(job: JobView): readonly string[] {
  const { outputs, isAdopted, status } = job.result ?? {};
  const lines = typeof outputs === 'object' && outputs !== null ? [outputsText(outputs)] : [];
  if (isAdopted === true) lines.push('  adopted  it was there already, and was taken as it is');
  if (status === 'planned') lines.push(planText(job));
  return lines;
}

/** What an undo could not remove. */
function leftText(details: Readonly<Record<string, unknown>> = {}): readonly string[] {
  const { details: { left = [] } = {} } = (details['rollback'] ?? {}) as {
    readonly details?: { readonly left?: readonly { readonly id: string; readonly error: { message: string } }[] };
  };
  return left.map(({ id, error }) => `  left  ${oneLine(id, 120)}: ${oneLine(error.message, 300)}`);
}

function webhookText({ status, attempts, reason }: NonNullable<JobView['webhook']>): string {
  const why = reason === undefined ? '' : ` after ${plural(attempts, 'attempt')}: ${oneLine(reason, 200)}`;
  return `  webhook  ${status}${why}`;
}

const at = (step: string | undefined): string => (step === undefined ? '' : ` at ${step}`);

function outputsText(outputs: object): string {
  const rows = Object.entries(outputs).map(([key, value]) => [key, oneLine(shown(value), 300)]);
  return rows.length === 0 ? '' : table(rows, '  ');
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function planText({ result: outcome, estimate }: JobView): string {
  const { steps = [], resources = [] } = (outcome ?? {}) as Partial<Planned>;
  const usage = (estimate?.usage ?? []).map((each) => `          ${oneLine(each, 200)}`);
  return [
    ...resources.flatMap(thereText),
    `  steps   ${steps.join(', ')}`,
    `  price   ${estimate?.monthlyUsd ?? 0} USD a month, and by use:`,
    ...usage,
  ].join('\n');
}

interface Planned {
  readonly steps: readonly string[];
  readonly resources: readonly PlannedResource[];
}

interface PlannedResource {
  readonly change: string;
  readonly differences?: Readonly<Record<string, { readonly from: unknown; readonly to: unknown }>>;
}

/** What is there already: a provision takes it as it is, whatever the parameters say. */
function thereText({ change, differences = {} }: PlannedResource): readonly string[] {
  if (change === 'create') return [];
  const rows = Object.entries(differences).map(
    ([name, { from, to }]) =>
      `          ${name} is ${oneLine(shown(from), 80)}, asked for is ${oneLine(shown(to), 80)}`,
  );
  const next = rows.length === 0 ? [] : ['          zeroplane update makes it agree'];
  return ['  exists  it is there already, and is taken as it is', ...rows, ...next];
}
