/**
 * `dev`: starts the gateway in this process, says where it is, follows its configuration and ends it in
 * order. What the gateway is made of is `entry/local.ts`.
 */

import { join, resolve } from 'node:path';
import type { LoadedConfig } from '../../config/load.ts';
import { isLoopback } from '../../config/loopback.ts';
import { PlatformError } from '../../core/errors.ts';
import type { LocalInstance, StartOptions } from '../../entry/local.ts';
import { bannerText } from '../banner.ts';
import type { CliContext, CliEvent, Handler, Invocation } from '../command.ts';
import { DevSession } from '../dev-session.ts';
import { withDiscoveryFlags } from '../discovery-flags.ts';
import { EXIT } from '../exit-codes.ts';
import { loadWithoutOurselves } from '../own-entry.ts';

const DRAIN_MS = 10_000;

export const devVerb: Handler = devWith(async (options) => {
  const { startLocal } = await import('../../entry/local.ts');
  return startLocal(options);
});

export type StartInstance = (options: StartOptions) => Promise<LocalInstance>;

/** The verb over any gateway. */
export function devWith(start: StartInstance): Handler {
  return async function* dev(invocation, context) {
    const given = invocation.text('dataDir');
    const folder = given === undefined ? undefined : resolve(context.cwd, given);
    return yield* serve(start, { flags: readFlags(invocation), invocation, context, folder });
  };
}

interface Setting {
  readonly flags: Flags;
  readonly invocation: Invocation;
  readonly context: CliContext;
  /** Data folder, where a flag names it. */
  readonly folder: string | undefined;
}

async function* serve(start: StartInstance, setting: Setting): AsyncGenerator<CliEvent, number> {
  const { flags, context } = setting;
  const load = loader(setting);
  const loaded = await load();
  const isEphemeral = setting.invocation.isSet('ephemeral');
  const dataDir = isEphemeral ? undefined : (setting.folder ?? join(loaded.baseDir, '.zeroplane'));
  const session = new DevSession(context, setting.invocation.output, load);
  session.watch(loaded);
  const { port, host, auth } = flags;
  const instance = await start({
    loaded,
    ...(dataDir === undefined ? {} : { dataDir }),
    ...(port === undefined ? {} : { port }),
    ...(host === undefined ? {} : { host }),
    ...(auth === undefined ? {} : { auth }),
    version: context.version,
    env: context.env,
    isLive: setting.invocation.isSet('live'),
    hasCloudTools: loaded.config.provisioning.tools,
    onEvent: (event) => session.tell(event),
  }).catch(async (error: unknown) => {
    session.end();
    throw await withWholeCommand(error, dataDir, context);
  });
  session.begin(instance);
  yield ready(instance, loaded, { setting, dataDir });
  yield* session.events();
  yield { type: 'step', message: `Stopping: calls in progress have ${DRAIN_MS / 1000} s. Ctrl-C again ends at once.` };
  await instance.close({ drainMs: DRAIN_MS });
  return context.interrupted.reason === 'SIGINT' ? EXIT.interrupted : EXIT.ok;
}

/** A damaged journal names the command that repairs it; only here is known where the folder is. */
async function withWholeCommand(error: unknown, dataDir: string | undefined, { cwd }: CliContext): Promise<unknown> {
  if (!(error instanceof PlatformError) || error.code !== 'JOURNAL_CORRUPT' || dataDir === undefined) return error;
  const { corrupt } = await import('../../workflows/durable/record.ts');
  const { execution, damage, tenant } = error.details;
  const place = dataDir === join(cwd, '.zeroplane') ? {} : { dataDir };
  return corrupt(String(execution), String(damage), { tenant: String(tenant), ...place });
}

function ready(
  instance: LocalInstance,
  loaded: LoadedConfig,
  at: { setting: Setting; dataDir: string | undefined },
): CliEvent {
  const { url, mcp, admin, token, clouds, pid } = instance;
  const { context } = at.setting;
  return {
    type: 'ready',
    value: { url, mcp, admin, token, clouds, pid },
    text: (style) =>
      bannerText(
        {
          status: instance.status(),
          cwd: context.cwd,
          dataDir: at.dataDir,
          token,
          servesSamples: loaded.samples,
          portMoved: instance.portMoved,
          hasKeys: context.terminal.canAsk,
        },
        style,
      ),
  };
}

/** Loads with what the flags say on top; also used for each reload. */
function loader({ flags, invocation, context, folder }: Setting): () => Promise<LoadedConfig> {
  const configPath = invocation.text('config');
  return async () => {
    const loaded = await loadWithoutOurselves({
      cwd: context.cwd,
      env: context.env,
      ...(configPath === undefined ? {} : { configPath }),
      ...(folder === undefined ? {} : { dataDir: folder }),
    });
    return withDiscoveryFlags(withFlags(loaded, flags), invocation, context.env);
  };
}

/** @throws PlatformError `USAGE` for an open gateway that other machines can reach. */
function withFlags(loaded: LoadedConfig, flags: Flags): LoadedConfig {
  const { config } = loaded;
  const host = flags.host ?? config.host;
  const mode = flags.auth ?? config.auth.mode;
  if (mode === 'none' && !isLoopback(host)) {
    throw new PlatformError(
      'USAGE',
      `--auth none is for loopback only, and ${host} can be reached from other machines. Leave one of them out.`,
    );
  }
  const warnings = [...loaded.warnings];
  if (mode === 'none' && config.auth.mode !== 'none')
    warnings.push('--auth none: every program on this machine may call every tool.');
  if (!isLoopback(host) && isLoopback(config.host))
    warnings.push(`--host ${host}: other machines can reach this gateway. Every call still needs the token.`);
  return {
    ...loaded,
    warnings,
    samples: loaded.samples && flags.samples,
    config: { ...config, host, auth: { ...config.auth, mode }, logLevel: flags.logLevel ?? config.logLevel },
  };
}

interface Flags {
  readonly port: number | undefined;
  readonly host: string | undefined;
  readonly auth: 'token' | 'none' | undefined;
  readonly logLevel: LoadedConfig['config']['logLevel'] | undefined;
  readonly samples: boolean;
}

/** Choices are checked by the parser already; the port is not. */
function readFlags(invocation: Invocation): Flags {
  const port = invocation.text('port');
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) <= 65_535)) {
    throw new PlatformError('USAGE', `--port takes a number from 0 to 65535, not "${port}".`, {
      next: 'zeroplane dev --help',
    });
  }
  return {
    port: port === undefined ? undefined : Number(port),
    host: invocation.text('host'),
    auth: invocation.text('auth') as Flags['auth'],
    logLevel: invocation.text('logLevel') as Flags['logLevel'],
    samples: invocation.isSet('samples'),
  };
}
