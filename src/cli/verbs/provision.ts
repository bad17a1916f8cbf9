/** `provision`, `plan`, `update`, `destroy`: a request to the control plane, followed to its end. */

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { PlatformError } from '../../core/errors.ts';
import { DEVELOPER } from '../../http/authenticate.ts';
import type { CliContext, CliEvent, Handler, Invocation } from '../command.ts';
import { connectToInstance } from '../instance.ts';
import { resourceOf } from './resources.ts';
import { followJob, jobResult, type JobView } from './job-progress.ts';

type Action = 'provision' | 'plan' | 'update' | 'destroy';

export const provision = verbOf('provision');
export const plan = verbOf('plan');
export const update = verbOf('update');
export const destroy = verbOf('destroy');

function verbOf(action: Action): Handler {
  return async function* submit(invocation, context): AsyncGenerator<CliEvent, number> {
    const body = await bodyOf(action, invocation, context);
    const client = await connectToInstance(invocation, context);
    // What is named by its id is in an environment already.
    if (typeof body['id'] === 'string' && invocation.text('env') === undefined && isIdOf(invocation))
      body['env'] = (await resourceOf(client, body['id'])).env;
    const key = invocation.text('idempotencyKey');
    const headers = key === undefined ? {} : { 'Idempotency-Key': key };
    const { value } = await client.rest('POST', '/v1/provision', body, headers);
    const job = value as JobView;
    yield { type: 'step', message: `Job ${job.requestId}: ${action} of ${job.resourceId} [${job.label}]` };
    if (invocation.isSet('detach') || job.status === 'awaiting_approval') return yield* jobResult(job);
    return yield* followJob({ client, requestId: job.requestId }, invocation);
  };
}

/** The JSON of the word with the flags on top; a destroy may name a resource's id instead. */
async function bodyOf(action: Action, invocation: Invocation, context: CliContext): Promise<Record<string, unknown>> {
  const [source] = invocation.words;
  const isId = isIdOf(invocation);
  const base = source === undefined ? {} : isId ? byId(source) : parseObject(await textOf(source, context), source);
  const flags = flagsOf(invocation);
  const params = { ...(base['params'] as object | undefined), ...(flags['params'] as object | undefined) };
  // A request that makes something is also the one that is planned, changed and removed by; no other changes its meaning.
  const { action: said = action } = base;
  if (said !== action && said !== 'provision')
    throw usage(
      action,
      `The request says action "${String(said)}", and this is zeroplane ${action}. Nothing was sent.`,
    );
  const body = { tenant: DEVELOPER.tenant, env: 'dev', ...base, ...flags, params, action };
  if (!('cloud' in body) || !('service' in body))
    throw usage(action, 'Name a request file, or --cloud and --service with --param NAME=VALUE.');
  return body;
}

const isIdOf = ({ words: [source = ''] }: Invocation): boolean => /^(?:aws|gcp|azure|multi):[^{]+$/.test(source);

function byId(id: string): Record<string, unknown> {
  const [cloud, , service] = id.split(':').map(decodeURIComponent);
  return { id, cloud, service };
}

function flagsOf(invocation: Invocation): Record<string, unknown> {
  const flags: Record<string, unknown> = {};
  for (const name of ['cloud', 'service', 'env', 'region', 'tenant'])
    if (invocation.text(name) !== undefined) flags[name] = invocation.text(name);
  const params = pairs(invocation.texts('param'), '--param');
  if (params.size > 0) flags['params'] = Object.fromEntries(params);
  const tags = pairs(invocation.texts('tag'), '--tag');
  if (tags.size > 0) flags['tags'] = Object.fromEntries([...tags].map(([key, value]) => [key, textValue(value)]));
  const ttl = invocation.text('ttl');
  if (ttl !== undefined) flags['ttlSeconds'] = secondsOf(ttl);
  if (invocation.isSet('approval')) flags['approval'] = { required: true };
  return flags;
}

const textValue = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** `NAME=VALUE`; a value that is JSON is taken as such, anything else as text: `name='"12"'` is text too. */
function pairs(given: readonly string[], flag: string): Map<string, unknown> {
  return new Map(
    given.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw usage('provision', `${flag} takes NAME=VALUE.`);
      return [pair.slice(0, at), jsonOrText(pair.slice(at + 1))] as const;
    }),
  );
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** `90m`, `2h`, `7d`, or seconds. */
function secondsOf(text: string): number {
  const [, count = '', unit = 's'] = /^(\d+)([smhd]?)$/.exec(text) ?? [];
  const seconds = Number(count) * (UNIT_SECONDS[unit === '' ? 's' : unit] ?? 1);
  if (count === '' || seconds < 1) throw usage('provision', '--ttl takes a time such as 90m, 2h or 7d.');
  return seconds;
}

async function textOf(source: string, context: CliContext): Promise<string> {
  if (source === '-') return context.terminal.readStdin();
  if (source.trimStart().startsWith('{')) return source;
  try {
    return await readFile(resolve(context.cwd, source), 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new PlatformError('NOT_FOUND', `The file ${source} cannot be read (${reason}).`, {}, { cause: error });
  }
}

function parseObject(text: string, source: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw usage(
      'provision',
      `${source === '-' ? 'stdin' : source.slice(0, 100)} is not valid JSON: ${(error as Error).message}`,
    );
  }
  throw usage('provision', 'A request is a JSON object.');
}

function usage(action: string, message: string): PlatformError {
  return new PlatformError('USAGE', message, { next: `zeroplane ${action} --help` });
}
