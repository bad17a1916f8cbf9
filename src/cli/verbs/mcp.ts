/**
 * `mcp`: an MCP server on stdin and stdout with the caller's tools. Behind it is the running instance, or, where none
 * runs, a gateway of this process. stdout is the protocol's alone; everything else is said on stderr.
 */

import { systemClock } from '../../adapters/embedded/system.ts';
import { createLogger } from '../../adapters/embedded/logger.ts';
import { selectsFunctions } from '../../config/discover-variables.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { watchConfig } from '../../config/watch.ts';
import { PlatformError } from '../../core/errors.ts';
import { Redactor } from '../../core/redact.ts';
import { awsPlace } from '../../entry/make-discovery.ts';
import { startStdioGateway } from '../../entry/stdio.ts';
import type { StdioGateway } from '../../entry/stdio.ts';
import { StdioHost } from '../../entry/stdio-host.ts';
import type { Handle } from '../../entry/stdio-host.ts';
import type { CliContext, CliEvent, Handler, Invocation } from '../command.ts';
import { withDiscoveryFlags } from '../discovery-flags.ts';
import { exchange } from '../exchange.ts';
import { EXIT } from '../exit-codes.ts';
import { dataDirOf, isAlive, readInstanceFile } from '../instance.ts';
import type { InstanceFile } from '../instance.ts';
import { loadWithoutOurselves } from '../own-entry.ts';
import { relayTo } from '../relay.ts';

/** How long an instance has to say that it is there. */
const PROBE_MS = 2_000;

interface Behind {
  readonly handle: Handle;
  readonly redact?: (text: string) => string;
  close(): Promise<void>;
}

export const mcpVerb: Handler = async function* mcp(invocation, context): AsyncGenerator<CliEvent, number> {
  const { terminal, interrupted } = context;
  const { input } = terminal;
  if (input === undefined) throw new PlatformError('USAGE', 'zeroplane mcp speaks over stdin, and there is none here.');
  const find = (): Promise<InstanceFile | undefined> => liveInstance(invocation, context);
  const noted = await find();
  const running = noted !== undefined && (await answers(noted)) ? noted : undefined;
  const behind =
    running === undefined
      ? await ownGateway(invocation, context)
      : { handle: relayTo(running, find, systemClock), close };
  const target = invocation.text('target');
  const host = new StdioHost({
    handle: behind.handle,
    path: target === undefined ? '/mcp' : `/mcp/${target}`,
    input,
    write: (line) => terminal.write('stdout', line),
    buffered: () => terminal.unwritten?.() ?? 0,
    ...(behind.redact === undefined ? {} : { redact: behind.redact }),
    clock: systemClock,
    log: createLogger({
      level: 'warn',
      clock: systemClock,
      redactor: new Redactor(),
      write: (line) => terminal.write('stderr', line),
    }),
  });
  yield { type: 'step', message: sayWhat(running) };
  const stopped = new Promise<void>((resolve) => {
    if (interrupted.aborted) resolve();
    else interrupted.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([host.run(), stopped]);
  host.close();
  await behind.close();
  return interrupted.reason === 'SIGINT' ? EXIT.interrupted : EXIT.ok;
};

function close(): Promise<void> {
  return Promise.resolve();
}

function sayWhat(running: InstanceFile | undefined): string {
  return running === undefined
    ? 'MCP on stdin and stdout, from a gateway of this process.'
    : `MCP on stdin and stdout, from the instance at ${running.url}.`;
}

async function liveInstance(invocation: Invocation, context: CliContext): Promise<InstanceFile | undefined> {
  const file = await readInstanceFile(dataDirOf(invocation, context));
  return file !== undefined && isAlive(file.pid) ? file : undefined;
}

/** A note may have outlived its instance, and its process id may be somebody else's by now. */
async function answers({ url }: InstanceFile): Promise<boolean> {
  try {
    return (await exchange({ method: 'GET', url: `${url}/healthz`, headers: {}, timeoutMs: PROBE_MS })).status === 200;
  } catch {
    return false;
  }
}

/** A gateway that ends with this process; follows its configuration as `dev` does. */
async function ownGateway(invocation: Invocation, context: CliContext): Promise<Behind> {
  const { env, version, terminal } = context;
  const load = (): Promise<LoadedConfig> => loadHere(invocation, context);
  const loaded = await load();
  for (const warning of loaded.warnings) terminal.write('stderr', `warning: ${warning}\n`);
  const aws = awsPlace(loaded.config, env, { isWanted: selectsFunctions(env), isLive: invocation.isSet('live') });
  const writeLog = (line: string): void => terminal.write('stderr', line);
  const gateway = await startStdioGateway({ loaded, version, env, aws, writeLog });
  const watch = watchConfig(loaded, {
    load,
    clock: systemClock,
    onChange: (next) => void gateway.reload(next).catch((error: unknown) => refuse(terminal, error)),
    onInvalid: (_, error) => refuse(terminal, error),
  });
  return { ...gateway, close: () => closeAll(gateway, watch) };
}

function refuse(terminal: CliContext['terminal'], error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  terminal.write('stderr', `The new configuration is not used: ${reason}\n`);
}

async function closeAll(gateway: StdioGateway, watch: { close(): void }): Promise<void> {
  watch.close();
  await gateway.close();
}

async function loadHere(invocation: Invocation, context: CliContext): Promise<LoadedConfig> {
  const configPath = invocation.text('config');
  const loaded = await loadWithoutOurselves({
    cwd: context.cwd,
    env: context.env,
    dataDir: dataDirOf(invocation, context),
    ...(configPath === undefined ? {} : { configPath }),
  });
  // Who asks for functions of an account wants those and no samples.
  const samples = loaded.samples && invocation.isSet('samples') && !selectsFunctions(context.env);
  const level = (invocation.text('logLevel') ?? 'warn') as LoadedConfig['config']['logLevel'];
  const config = { ...loaded.config, logLevel: level };
  return withDiscoveryFlags({ ...loaded, samples, config }, invocation, context.env);
}
