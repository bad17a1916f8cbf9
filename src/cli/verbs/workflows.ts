/** `workflows ls|register|start|show|history|watch|stop|redrive|send`: executions of the running instance. */

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { PlatformError } from '../../core/errors.ts';
import type { InstanceClient } from '../client.ts';
import type { CliContext, CliEvent, Handler, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { connectToInstance } from '../instance.ts';
import type { Style } from '../style.ts';
import { oneLine, plural, table } from '../style.ts';
import { isFiltered, moreText, queryOf } from './query.ts';

interface Workflow {
  readonly name: string;
  readonly version: number;
  readonly builtIn: boolean;
  readonly kind: string;
  readonly description?: string;
}

interface Execution {
  readonly id: string;
  readonly status: string;
  readonly workflow: string;
  readonly version: number;
  readonly startedAt: string;
  readonly stoppedAt?: string;
  readonly output?: unknown;
  readonly error?: string;
  readonly cause?: string;
}

interface HistoryEvent {
  readonly id: number;
  readonly type: string;
  readonly timestamp: string;
  readonly stateEnteredEventDetails?: { readonly name?: string };
  readonly stateExitedEventDetails?: { readonly name?: string };
}

const BASE = '/v1/workflows';
const executionPath = (id: string): string => `${BASE}/executions/${encodeURIComponent(id)}`;
const POLL_MS = 500;

export async function* workflowsLs(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  if (invocation.isSet('executions')) {
    const query = queryOf(invocation, ['workflow', 'status', 'limit', 'cursor']);
    const { value } = await client.rest('GET', `${BASE}/executions?${query}`);
    const { executions } = value as { executions: readonly Execution[] };
    const isNone = executions.length === 0 && isFiltered(invocation, ['workflow', 'status', 'cursor']);
    yield result(
      value,
      (style) => (isNone ? 'No executions like that.' : executionsText(executions, style)) + moreText(value),
    );
    return undefined;
  }
  if (isFiltered(invocation, ['workflow', 'status', 'cursor']))
    throw new PlatformError('USAGE', '--workflow, --status and --cursor are of executions: add --executions.', {
      next: 'zeroplane workflows ls --executions',
    });
  const { value } = await client.rest('GET', BASE);
  const { workflows } = value as { workflows: readonly Workflow[] };
  yield result(value, (style) =>
    table(
      workflows.map(({ name, version, builtIn, kind, description = '' }) => [
        { text: name, paint: style.bold },
        `version ${version}`,
        builtIn ? `${kind}, built in` : kind,
        oneLine(description, 80),
      ]),
      '',
    ),
  );
  return undefined;
}

function executionsText(executions: readonly Execution[], style: Style): string {
  if (executions.length === 0) return 'No executions. Start one with  zeroplane workflows start';
  const rows = executions.map(({ id, status, startedAt }) => [
    { text: oneLine(id, 120), paint: style.bold },
    status,
    startedAt,
  ]);
  return `${table(rows, '')}\n${style.dim(plural(executions.length, 'execution'))}`;
}

export async function* workflowsRegister(
  invocation: Invocation,
  context: CliContext,
): AsyncGenerator<CliEvent, undefined> {
  const [name = '', file = ''] = invocation.words;
  const definition = parsed(await fileText(file, context), file);
  const client = await connectToInstance(invocation, context);
  const { value } = await client.rest('POST', BASE, { name, definition });
  const { version } = value as Workflow;
  yield result(value, (style) => `${style.good('registered')} ${name} version ${version}`);
  return undefined;
}

export async function* workflowsStart(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, number> {
  const input = invocation.text('input');
  const name = invocation.text('name');
  const client = await connectToInstance(invocation, context);
  const { value } = await client.rest('POST', `${BASE}/${encodeURIComponent(invocation.word)}/executions`, {
    ...(name === undefined ? {} : { name }),
    ...(input === undefined ? {} : { input: parsed(input, '--input') }),
  });
  const execution = value as Execution;
  if (invocation.isSet('detach')) return yield* executionResult(execution);
  yield { type: 'step', message: `Execution ${execution.id}` };
  return yield* followExecution(client, execution.id);
}

export async function* workflowsShow(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const { value } = await client.rest('GET', executionPath(invocation.word));
  yield result(value, (style) => executionText(value as Execution, style));
  return undefined;
}

export async function* workflowsHistory(
  invocation: Invocation,
  context: CliContext,
): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const events = await eventsAfter(client, invocation.word, 0);
  yield result({ events }, () => events.map(eventLine).join('\n'));
  return undefined;
}

export async function* workflowsWatch(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, number> {
  return yield* followExecution(await connectToInstance(invocation, context), invocation.word);
}

export const workflowsStop = change('stop');
export const workflowsRedrive = change('redrive');

function change(verb: string): Handler {
  return async function* changed(invocation, context): AsyncGenerator<CliEvent, undefined> {
    const client = await connectToInstance(invocation, context);
    const { value } = await client.rest('POST', `${executionPath(invocation.word)}/${verb}`);
    yield result(value, (style) => executionText(value as Execution, style));
    return undefined;
  };
}

export async function* workflowsSend(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const [verb = '', taskToken = ''] = invocation.words;
  if (!['success', 'failure', 'heartbeat'].includes(verb))
    throw new PlatformError('USAGE', 'Say what to send: success, failure or heartbeat.', {
      next: 'zeroplane workflows send --help',
    });
  const output = invocation.text('result');
  const [error, cause] = [invocation.text('error'), invocation.text('cause')];
  const client = await connectToInstance(invocation, context);
  await client.rest('POST', `${BASE}/tasks/${verb}`, {
    taskToken,
    ...(output === undefined ? {} : { output: parsed(output, '--result') }),
    ...(error === undefined ? {} : { error }),
    ...(cause === undefined ? {} : { cause }),
  });
  yield result({ sent: verb }, (style) => `${style.good('sent')} ${verb}`);
  return undefined;
}

/** Prints the history while it grows, to the end of the execution. */
async function* followExecution(client: InstanceClient, id: string): AsyncGenerator<CliEvent, number> {
  let seen = 0;
  for (;;) {
    const { value } = await client.rest('GET', executionPath(id));
    const events = await eventsAfter(client, id, seen);
    seen = events.at(-1)?.id ?? seen;
    for (const event of events) yield { type: 'event', event: { ...event }, text: `  ${eventLine(event)}` };
    const execution = value as Execution;
    if (execution.status !== 'RUNNING') return yield* executionResult(execution);
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

/** @param after id of the last event that was seen, 0 for none. */
async function eventsAfter(client: InstanceClient, id: string, after: number): Promise<readonly HistoryEvent[]> {
  const events: HistoryEvent[] = [];
  let cursor: string | null = null;
  do {
    const more: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const { value } = await client.rest('GET', `${executionPath(id)}/history?limit=1000&after=${after}${more}`);
    const page = value as { events: readonly HistoryEvent[]; next: string | null };
    events.push(...page.events);
    cursor = page.next;
  } while (cursor !== null);
  return events;
}

function eventLine({ timestamp, type, stateEnteredEventDetails, stateExitedEventDetails }: HistoryEvent): string {
  const state = (stateEnteredEventDetails ?? stateExitedEventDetails)?.name ?? '';
  return `${timestamp}  ${type}  ${oneLine(state, 80)}`.trimEnd();
}

function* executionResult(execution: Execution): Generator<CliEvent, number> {
  yield result(execution, (style) => executionText(execution, style));
  return ['RUNNING', 'SUCCEEDED'].includes(execution.status) ? EXIT.ok : EXIT.failed;
}

function executionText({ id, status, output, error, cause }: Execution, style: Style): string {
  const paint = status === 'SUCCEEDED' ? style.good : status === 'RUNNING' ? style.warn : style.bad;
  const lines = [`${paint(status)} ${oneLine(id, 200)}`];
  if (error !== undefined) lines.push(`  ${style.bad(error)}  ${oneLine(cause ?? '', 600)}`);
  if (output !== undefined) lines.push(`  ${oneLine(JSON.stringify(output), 2_000)}`);
  if (['FAILED', 'TIMED_OUT', 'ABORTED'].includes(status)) lines.push(`  next: zeroplane workflows redrive ${id}`);
  return lines.join('\n');
}

async function fileText(file: string, context: CliContext): Promise<string> {
  if (file === '-') return context.terminal.readStdin();
  try {
    return await readFile(resolve(context.cwd, file), 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new PlatformError('NOT_FOUND', `The file ${file} cannot be read (${reason}).`, {}, { cause: error });
  }
}

function parsed(text: string, source: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new PlatformError('USAGE', `${source} is not valid JSON: ${(error as Error).message}`);
  }
}
