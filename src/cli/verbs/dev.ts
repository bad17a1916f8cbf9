/**
 * `dev`: starts the gateway in this process, says where it is, follows its configuration and ends it in
 * order. What the gateway is made of is `entry/local.ts`.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { LoadedConfig } from '../../config/load.ts';
import { PlatformError } from '../../core/errors.ts';
import { bannerText } from '../banner.ts';
import type { CliContext, CliEvent, Handler, Invocation } from '../command.ts';
import { DevSession } from '../dev-session.ts';
import { EXIT } from '../exit-codes.ts';
import type { RunningInstance, StartInstance } from '../local-instance.ts';
import { loadWithoutOurselves } from '../own-entry.ts';

const DRAIN_MS = 10_000;

export const devVerb: Handler = devWith(async (options) => {
  const { startLocal } = await import('../../entry/local.ts');
  return startLocal(options);
});

/** The verb over any gateway. */
export function devWith(start: StartInstance): Handler {
  return async function* dev(invocation, context) {
    const flags = readFlags(invocation);
    const ephemeralDir = invocation.isSet('ephemeral') ? await mkdtemp(join(tmpdir(), 'zeroplane-')) : undefined;
    try {
      const given = invocation.text('dataDir');
      const folder = ephemeralDir ?? (given === undefined ? undefined : resolve(context.cwd, given));
      return yield* serve(start, { flags, invocation, context, folder });
    } finally {
      if (ephemeralDir !== undefined) await rm(ephemeralDir, { recursive: true, force: true });
    }
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
  const dataDir = setting.folder ?? join(loaded.baseDir, '.zeroplane');
  const session = new DevSession(context, setting.invocation.output, load);
  const { port, host, auth } = flags;
  const instance = await start({
    loaded,
    dataDir,
    ...(port === undefined ? {} : { port }),
    ...(host === undefined ? {} : { host }),
    ...(auth === undefined ? {} : { auth }),
    version: context.version,
    env: context.env,
    onEvent: (event) => session.tell(event),
  });
  yield ready(instance, loaded, { setting, dataDir });
  session.begin(instance, loaded);
  yield* session.events();
  yield { type: 'step', message: `Stopping: calls in progress have ${DRAIN_MS / 1000} s. Ctrl-C again ends at once.` };
  await instance.close({ drainMs: DRAIN_MS });
  return context.interrupted.reason === 'SIGINT' ? EXIT.interrupted : EXIT.ok;
}

function ready(instance: RunningInstance, loaded: LoadedConfig, at: { setting: Setting; dataDir: string }): CliEvent {
  const { url, mcp, admin, token, pid } = instance;
  const { context, invocation } = at.setting;
  return {
    type: 'ready',
    value: { url, mcp, admin, token, clouds: {}, pid },
    text: (style) =>
      bannerText(
        {
          status: instance.status(),
          cwd: context.cwd,
          dataDir: at.dataDir,
          isEphemeral: invocation.isSet('ephemeral'),
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
    const { logLevel } = flags;
    const samples = loaded.samples && flags.samples;
    return { ...loaded, samples, config: logLevel === undefined ? loaded.config : { ...loaded.config, logLevel } };
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
