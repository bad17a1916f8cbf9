/** `wrap`: a stdio MCP server becomes a Lambda function. */

import { fileURLToPath } from 'node:url';
import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { createLogger } from '../../adapters/embedded/logger.ts';
import { systemClock } from '../../adapters/embedded/system.ts';
import { PlatformError } from '../../core/errors.ts';
import { Redactor } from '../../core/redact.ts';
import { splitCommandLine } from '../../packaging/command-line.ts';
import { tryOut } from '../../packaging/try-out.ts';
import type { Trial } from '../../packaging/try-out.ts';
import { wrap } from '../../packaging/wrap.ts';
import type { Wrapped, WrapRequest } from '../../packaging/wrap.ts';
import { childEnvironment } from '../../wrapper/environment.ts';
import type { CliContext, CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { EventQueue } from '../event-queue.ts';
import { EXIT } from '../exit-codes.ts';
import type { Style } from '../style.ts';
import { oneLine, plural } from '../style.ts';

/** Installers ask registries, through proxies, with certificates; the server hears of none of it. */
const FOR_INSTALLERS =
  /^(?:npm_config_|PIP_|UV_|SSL_CERT_|NODE_EXTRA_CA_CERTS$|REQUESTS_CA_BUNDLE$|(?:https?|no|all)_proxy$)/i;

export async function* wrapVerb(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, number> {
  const log = createLogger({
    level: 'error',
    clock: systemClock,
    redactor: new Redactor(),
    write: (line) => context.terminal.write('stderr', line),
  });
  const steps = new EventQueue<string>();
  const made = wrap({ ...requestOf(invocation, context), clock: systemClock, log, say: (step) => steps.push(step) });
  made.then(
    () => steps.end(),
    () => steps.end(),
  );
  for await (const message of steps) yield { type: 'step', message };
  const wrapped = await made;
  let trial: Trial | undefined;
  if (invocation.isSet('test')) {
    yield { type: 'step', message: 'Running it in the local runtime' };
    trial = await tryOut(wrapped, { clock: systemClock, log });
  }
  const value = {
    name: wrapped.name,
    artifact: wrapped.artifact,
    era: wrapped.era,
    tools: wrapped.tools.map((tool) => String(tool['name'])),
    packages: wrapped.packages,
    memoryMb: wrapped.sizing.memoryMb,
    timeoutSeconds: wrapped.sizing.timeoutSeconds,
    ...(trial === undefined ? {} : { test: trial }),
  };
  yield result(value, (style) => resultText(wrapped, trial, { cwd: context.cwd, style }));
  return EXIT.ok;
}

type Request = Omit<WrapRequest, 'clock' | 'log' | 'say'>;

function requestOf(invocation: Invocation, context: CliContext): Request {
  const { words } = invocation;
  const given = invocation.text('out');
  const installers = Object.entries(context.env).filter(([name]) => FOR_INSTALLERS.test(name));
  return {
    words: words.length === 1 ? splitCommandLine(invocation.word) : words,
    name: invocation.text('name'),
    out: (name) => resolve(context.cwd, given ?? join('.zeroplane', 'wrap', name)),
    cwd: context.cwd,
    installEnv: childEnvironment(context.env, Object.fromEntries(installers) as Record<string, string>),
    serverEnv: childEnvironment(context.env),
    settings: {
      env: pairs(invocation.texts('env'), '--env'),
      secrets: pairs(invocation.texts('secret'), '--secret'),
      credentials: invocation.text('credentials') as Request['settings']['credentials'],
      questions: invocation.text('questions') as Request['settings']['questions'],
      isolation: invocation.text('isolation') as Request['settings']['isolation'],
    },
    layers: invocation.texts('layer'),
    memoryMb: wholeNumber(invocation, 'memory', [128, 10_240]),
    timeoutSeconds: wholeNumber(invocation, 'timeout', [1, 900]),
    image: invocation.isSet('image'),
    cleanSchemas: invocation.isSet('cleanSchemas'),
    bundle: bundleFile(),
    signal: context.interrupted,
  };
}

function pairs(values: readonly string[], flag: string): Record<string, string> {
  return Object.fromEntries(
    values.map((value) => {
      const match = /^([A-Za-z_][A-Za-z0-9_]*)=([\s\S]*)$/.exec(value);
      if (match !== null) return [match[1] ?? '', match[2] ?? ''];
      throw new PlatformError(
        'USAGE',
        `${flag} takes NAME=VALUE; "${value.split('=')[0]?.slice(0, 60)}" is no such pair.`,
      );
    }),
  );
}

function wholeNumber(
  invocation: Invocation,
  name: string,
  [least, most]: readonly [number, number],
): number | undefined {
  const text = invocation.text(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new PlatformError(
    'USAGE',
    `--${name} takes a whole number from ${least} to ${most}, not "${text.slice(0, 40)}".`,
  );
}

/** Made by the build, beside this program. */
function bundleFile(): string {
  const file = fileURLToPath(new URL('../../packaging/zeroplane-wrapper.mjs', import.meta.url));
  if (existsSync(file)) return file;
  throw new PlatformError('NOT_FOUND', `The wrapper's bundle ${file} is missing. Build first: npm run build.`);
}

function resultText(wrapped: Wrapped, trial: Trial | undefined, at: { cwd: string; style: Style }): string {
  const { style, cwd } = at;
  const { name, artifact, code, era, tools, sizing, startMs, peakMib, archive } = wrapped;
  const place = (path: string): string => relative(cwd, path) || '.';
  const size = archive === undefined ? 'image' : `${(archive.bytes / 1_048_576).toFixed(1)} MiB`;
  const memory = peakMib === undefined ? '' : `, ${peakMib} MiB at most`;
  const lines = [
    `${style.good('wrapped')} ${name}: ${plural(tools.length, 'tool')}, ${era} era, ${size}`,
    `  artifact  ${place(artifact)}`,
    `  started in ${startMs} ms${memory}; asks for ${sizing.memoryMb} MB and ${sizing.timeoutSeconds} s`,
    `  tools     ${oneLine(tools.map((tool) => String(tool['name'])).join(', '), 300)}`,
    ...wrapped.cleaned.map((change) => `  schema    ${oneLine(change, 300)}`),
    ...(trial === undefined ? [] : [`  tested    ${trialText(trial)}`]),
    '',
    'To use it here, in zeroplane.yaml:',
    '  functions:',
    `    ${name}:`,
    '      handler: index.handler',
    '      runtime: nodejs24.x',
    `      code: ./${place(code)}`,
    `      timeoutSeconds: ${sizing.timeoutSeconds}`,
    `      memoryMb: ${sizing.memoryMb}`,
    '  mcpServers:',
    `    ${name}:`,
    `      function: ${name}`,
  ];
  return lines.join('\n');
}

function trialText({ tools, coldMs, warmMs, called }: Trial): string {
  const call = called === undefined ? '' : `; ${called.tool} answered ${called.isError ? 'with an error' : 'well'}`;
  return `${plural(tools.length, 'tool')} listed in ${coldMs} ms cold, ${warmMs} ms warm${call}`;
}
