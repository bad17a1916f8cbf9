/** `import`: servers that other clients have, into the configuration of this folder. */

import { chmod, copyFile, rename, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CONFIG_NAMES } from '../../config/load.ts';
import { importServers } from '../../config/dialects.ts';
import type { ImportedServer } from '../../config/dialects.ts';
import { isSensitiveName, sensitivePart } from '../../config/sensitive.ts';
import { PlatformError } from '../../core/errors.ts';
import { homePath, readIfThere } from '../client-files.ts';
import type { CliContext, CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { addServers } from '../config-edit.ts';
import { EXIT } from '../exit-codes.ts';
import { gather, mcpJsonOf, sourceFiles } from '../import-sources.ts';
import type { Candidate, Gathered } from '../import-sources.ts';
import type { Style } from '../style.ts';
import { oneLine, plural, table } from '../style.ts';

interface Destination {
  readonly file: string;
  /** `undefined` when it does not exist yet. */
  readonly text: string | undefined;
}

export async function* importServersVerb(
  invocation: Invocation,
  context: CliContext,
): AsyncGenerator<CliEvent, number> {
  const destination = await destinationOf(invocation, context);
  const gathered = await collect(invocation.words[0], context.cwd, destination);
  const isPrint = invocation.isSet('print');
  if (invocation.output === 'text' && !isPrint) yield { type: 'step', message: preview(gathered) };
  else for (const remark of gathered.remarks) yield { type: 'log', level: 'warn', message: remark };
  const { candidates } = gathered;
  const facts = {
    file: destination.file,
    servers: candidates.map(({ id, source }) => ({ id, source })),
    remarks: gathered.remarks,
  };
  if (candidates.length === 0) {
    yield result({ ...facts, written: false }, 'Nothing to import.');
    return EXIT.ok;
  }
  const text = await addServers(destination.text, basename(destination.file), candidates);
  if (isPrint) {
    yield result({ ...facts, written: false, text }, text);
    return EXIT.ok;
  }
  if (!(await mayWrite(invocation, context, destination.file))) {
    yield result({ ...facts, written: false }, 'Nothing was written.');
    return EXIT.ok;
  }
  const backup = await write(destination, text, candidates);
  yield result({ ...facts, written: true, backup }, (style) =>
    writtenText(candidates, destination.file, backup, style),
  );
  return EXIT.ok;
}

/** The configuration of this folder, or a new `zeroplane.yaml`. A client's own file is never written to. */
async function destinationOf(invocation: Invocation, context: CliContext): Promise<Destination> {
  const given = invocation.text('config');
  if (given !== undefined) {
    const file = resolve(context.cwd, given);
    if (!/^zeroplane[^/\\]*\.(yaml|yml|jsonc|json)$/.test(basename(file))) {
      throw new PlatformError('USAGE', `import writes a zeroplane.yaml or zeroplane.json, not ${basename(file)}.`);
    }
    return { file, text: await readIfThere(file) };
  }
  for (const name of CONFIG_NAMES) {
    const file = join(context.cwd, name);
    const text = name === '.mcp.json' ? undefined : await readIfThere(file);
    if (text !== undefined) return { file, text };
  }
  return { file: join(context.cwd, 'zeroplane.yaml'), text: undefined };
}

/** A new zeroplane.yaml takes the place of `.mcp.json`, so the servers of that come along. */
async function collect(source: string | undefined, cwd: string, destination: Destination): Promise<Gathered> {
  const files = await sourceFiles(source, cwd);
  const replaced = mcpJsonOf(dirname(destination.file));
  const comesAlong =
    destination.text === undefined && !files.includes(replaced) && (await readIfThere(replaced)) !== undefined;
  const present = destination.text === undefined ? [] : presentServers(destination.text, basename(destination.file));
  return gather(comesAlong ? [replaced, ...files] : files, present, source !== undefined);
}

function presentServers(text: string, file: string): readonly ImportedServer[] {
  return importServers(text, file).servers;
}

async function mayWrite(invocation: Invocation, context: CliContext, file: string): Promise<boolean> {
  if (invocation.isSet('yes')) return true;
  if (!context.terminal.canAsk) {
    const next = 'zeroplane import --yes';
    throw new PlatformError('USAGE', `Without a terminal nobody can be asked whether to write ${file}.`, { next });
  }
  const answer = await context.terminal.ask(`Add to ${homePath(file)}? [y/N] `);
  return /^y(es)?$/i.test((answer ?? '').trim());
}

/** @returns where the old file is. */
async function write(
  destination: Destination,
  text: string,
  candidates: readonly Candidate[],
): Promise<string | undefined> {
  const { file } = destination;
  const backup = destination.text === undefined ? undefined : `${file}.bak`;
  if (backup !== undefined) await copyFile(file, backup);
  const mode = candidates.some((candidate) => literalSecrets(candidate).length > 0) ? 0o600 : await modeOf(file);
  const unfinished = `${file}.${process.pid}.tmp`;
  await writeFile(unfinished, text, { mode });
  await chmod(unfinished, mode);
  await rename(unfinished, file);
  return backup;
}

async function modeOf(file: string): Promise<number> {
  return stat(file).then(
    (info) => info.mode & 0o777,
    () => 0o644,
  );
}

/** Names of variables and headers whose value stands in the file itself. */
function literalSecrets({ config }: Candidate): string[] {
  const { env, headers } = config as { env?: Record<string, string>; headers?: Record<string, string> };
  return Object.entries({ ...env, ...headers })
    .filter(([name, value]) => isSensitiveName(name) && !value.includes('${') && sensitivePart(value) !== undefined)
    .map(([name]) => name);
}

function preview(gathered: Gathered): string {
  const { candidates, remarks, files } = gathered;
  const lines = [`${plural(candidates.length, 'server')} to add, from ${plural(files.length, 'file')}`];
  if (candidates.length > 0) lines.push(table(candidates.map(previewRow)));
  for (const remark of remarks) lines.push(`  note  ${remark}`);
  for (const candidate of candidates) {
    for (const name of literalSecrets(candidate)) {
      lines.push(
        `  note  ${candidate.id}: the value of ${name} is copied; put \${env:${name}} there before you commit the file.`,
      );
    }
  }
  return lines.join('\n');
}

/** Names of variables and headers, never their values. */
function previewRow({ id, config, source }: Candidate): string[] {
  const { command, args, url, env, headers } = config as {
    command?: string;
    args?: string[];
    url?: string;
    env?: object;
    headers?: object;
  };
  const what = command === undefined ? withoutQuery(url ?? '') : [command, ...(args ?? []).map(maskArgument)].join(' ');
  const names = Object.keys({ ...env, ...headers });
  return [
    id,
    command === undefined ? 'remote' : 'stdio',
    oneLine(what, 80),
    names.length === 0 ? '' : `with ${names.join(', ')}`,
    homePath(source),
  ];
}

function withoutQuery(url: string): string {
  if (!URL.canParse(url)) return url;
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

/** `--api-key=abc` as `--api-key=…`, and whatever follows a flag of that kind. */
function maskArgument(argument: string, index: number, all: readonly string[]): string {
  const [flag = '', value] = argument.split('=', 2);
  if (value !== undefined && isSensitiveName(flag)) return `${flag}=…`;
  const before = all[index - 1];
  return before !== undefined && before.startsWith('-') && isSensitiveName(before) ? '…' : argument;
}

function writtenText(candidates: readonly Candidate[], file: string, backup: string | undefined, style: Style): string {
  const aside = backup === undefined ? '' : `   the old file is ${homePath(backup)}`;
  const ids = candidates.map((candidate) => candidate.id).join(', ');
  return `${style.good('added')} ${oneLine(ids, 300)} to ${homePath(file)}${aside}\n  Next: zeroplane dev (a running one takes it over by itself)`;
}
