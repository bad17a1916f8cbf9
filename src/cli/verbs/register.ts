/** `register` and `unregister`: the `/register` routes of the instance. */

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { PlatformError } from '../../core/errors.ts';
import type { CliContext, CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { connectToInstance } from '../instance.ts';
import { oneLine } from '../style.ts';

export async function* register(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const body = await registrationBody(invocation, context);
  const client = await connectToInstance(invocation, context);
  const { value } = await client.rest('POST', `/register${invocation.isSet('upsert') ? '?upsert=true' : ''}`, body);
  const { id } = value as { id: string };
  yield result(
    value,
    (style) =>
      `${style.good('registered')} ${oneLine(id, 200)}   remove it with  zeroplane unregister ${oneLine(id, 200)}`,
  );
  return undefined;
}

export async function* unregister(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const id = invocation.word;
  await client.rest('DELETE', `/register/${encodeURIComponent(id)}`);
  yield result({ id, removed: true }, (style) => `${style.good('removed')} ${oneLine(id, 200)}`);
  return undefined;
}

/** The JSON of the word, or one made of flags. */
async function registrationBody(invocation: Invocation, context: CliContext): Promise<unknown> {
  const [source] = invocation.words;
  const fromFlags = bodyOfFlags(invocation);
  if (source === undefined && fromFlags.size === 0) {
    throw usage('Name what to register: a JSON file, a JSON object, - for stdin, or --name and its companions.');
  }
  const base = source === undefined ? {} : parseObject(await sourceText(source, context), source);
  const body: Record<string, unknown> = { ...base, ...Object.fromEntries(fromFlags) };
  return source === undefined ? withDefaults(body) : body;
}

/** What a person at a terminal means by leaving it out. */
function withDefaults(body: Record<string, unknown>): Record<string, unknown> {
  const type = body['type'] ?? (body['url'] === undefined ? 'tool' : 'mcp');
  return { type, ...(type === 'mcp' ? {} : { parameters: {} }), ...body };
}

async function sourceText(source: string, context: CliContext): Promise<string> {
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
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw usage(`${source === '-' ? 'stdin' : oneLine(source, 100)} is not valid JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw usage('A registration is a JSON object.');
  return value as Record<string, unknown>;
}

function bodyOfFlags(invocation: Invocation): Map<string, unknown> {
  const body = new Map<string, unknown>();
  for (const [flag, key] of [
    ['type', 'type'],
    ['name', 'name'],
    ['description', 'description'],
    ['arn', 'lambdaArn'],
    ['url', 'url'],
  ] as const) {
    const value = invocation.text(flag);
    if (value !== undefined) body.set(key, value);
  }
  const parameters = invocation.text('parameters');
  if (parameters !== undefined) body.set('parameters', parseObject(parameters, '--parameters'));
  return body;
}

function usage(message: string): PlatformError {
  return new PlatformError('USAGE', message, { next: 'zeroplane register --help' });
}
