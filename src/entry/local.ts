/** An instance on this machine: embedded store in a data folder, node:http on a loopback port. */

import { randomBytes } from 'node:crypto';
import { createLogger } from '../adapters/embedded/logger.ts';
import { openEmbeddedStore, openMemoryStore } from '../adapters/embedded/store/store.ts';
import { systemClock, systemIds } from '../adapters/embedded/system.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { ConfigProblem } from '../config/problems.ts';
import type { LogLevel, StoreRoot } from '../core/ports.ts';
import type { Policy } from '../policy/decide.ts';
import { Redactor } from '../core/redact.ts';
import type { Target } from '../core/target.ts';
import type { Authenticator } from '../http/authenticate.ts';
import { createNodeHost } from '../http/node-host.ts';
import type { HostTimeouts, NodeHost } from '../http/node-host.ts';
import type { InstanceStatus } from '../http/routes/instance.ts';
import { developmentToken, removeInstanceNote, sealingKey, writeInstanceNote } from './data-folder.ts';
import { Instance } from './instance.ts';
import { listen } from './listen.ts';
import { startClouds, type Clouds } from './make-clouds.ts';
import { awsPlace } from './make-discovery.ts';
import { withSamples } from './samples.ts';
import { secretChain } from '../config/secrets.ts';

export interface StartOptions {
  readonly loaded: LoadedConfig;
  /** Where the store and the token live. Absent: in memory, and nothing is left behind. */
  readonly dataDir?: string;
  readonly port?: number;
  readonly host?: string;
  readonly auth?: 'token' | 'none';
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logLevel?: LogLevel;
  readonly onEvent?: (event: { readonly type: string; readonly message?: string }) => void;
  /** Clouds that are not on this machine may be asked. */
  readonly isLive?: boolean;
  /** Whether the control plane is a target of the gateway, `cloud`. @default false */
  readonly hasCloudTools?: boolean;
  /** Targets made by the caller, for tests and benches. */
  readonly targets?: readonly Target[];
  /** In place of the development token, for tests with several principals. */
  readonly authenticator?: Authenticator;
  /** In place of the built-in rule. */
  readonly policy?: Policy;
  /** How long clients may take to send. */
  readonly timeouts?: HostTimeouts;
}

export interface LocalInstance {
  /** Origin without a trailing slash. */
  readonly url: string;
  readonly mcp: string;
  readonly admin: string;
  /** Empty when everybody is let in. */
  readonly token: string;
  readonly pid: number;
  /** Addresses of the local stand-ins for clouds. */
  readonly clouds: Readonly<Record<'aws' | 'gcp' | 'azure', string>>;
  readonly portMoved?: { readonly wanted: number; readonly got: number };
  status(): InstanceStatus;
  reload(loaded: LoadedConfig): Promise<void>;
  refuse(problems: readonly ConfigProblem[]): void;
  /** Reads the lists of every target again. */
  relist(): Promise<void>;
  close(options?: { readonly drainMs?: number }): Promise<void>;
}

const DEFAULT_DRAIN_MS = 10_000;

/** @throws PlatformError of the store (`STORE_LOCKED`, …), or the reason why no port could be opened. */
export async function startLocal(options: StartOptions): Promise<LocalInstance> {
  const { dataDir, env, version } = options;
  const loaded = await withSamples(options.loaded, env);
  const redactor = new Redactor();
  const level = options.logLevel ?? loaded.config.logLevel;
  const log = createLogger({ level, clock: systemClock, redactor, write: (line) => void process.stderr.write(line) });
  const store = await openStore(dataDir, options);
  try {
    const isOpen = (options.auth ?? loaded.config.auth.mode) === 'none';
    const token = isOpen
      ? undefined
      : dataDir === undefined
        ? `zp_${randomBytes(24).toString('base64url')}`
        : developmentToken(dataDir);
    redactor.set([...loaded.secretValues, ...(token === undefined ? [] : [token])]);
    const key = dataDir === undefined ? randomBytes(32) : sealingKey(dataDir);
    const shared = {
      loaded,
      store,
      dataDir,
      clock: systemClock,
      ids: systemIds,
      log,
      redactor,
      env,
      version,
      token,
      sealingKey: key,
      secrets: secretChain({ env, dataDir: dataDir ?? loaded.baseDir }),
      isLive: options.isLive === true,
      aws: awsPlace(loaded.config, env, { isWanted: false, isLive: options.isLive === true }),
    };
    const instance = new Instance({
      ...shared,
      hasCloudTools: options.hasCloudTools === true,
      ...(options.targets === undefined ? {} : { targets: options.targets }),
      ...(options.authenticator === undefined ? {} : { authenticator: options.authenticator }),
      ...(options.policy === undefined ? {} : { policy: options.policy }),
    });
    const host = createNodeHost({
      pipeline: instance.pipeline,
      redactor,
      maxBodyBytes: loaded.config.limits.bodyBytes,
      ...(options.timeouts === undefined ? {} : { timeouts: options.timeouts }),
    });
    const functions = instance.functions;
    const clouds = await startClouds({ ...shared, functions, token: token ?? '' });
    instance.useSimulated((cloud) => clouds.simulated(cloud));
    return await serve(options, { instance, host, clouds, store, loaded, token: token ?? '' }).catch(async (error) => {
      await clouds.close();
      throw error;
    });
  } catch (error) {
    await store.close();
    throw error;
  }
}

function openStore(dataDir: string | undefined, options: StartOptions): Promise<StoreRoot> {
  if (dataDir === undefined) return openMemoryStore({ clock: systemClock });
  return openEmbeddedStore({
    folder: dataDir,
    clock: systemClock,
    // Writes that cannot be made durable must not be acknowledged: the process ends, and a supervisor starts it anew.
    onFatal: (error) => {
      options.onEvent?.({ type: 'store-failed', message: error.message });
      process.stderr.write(
        `${JSON.stringify({ level: 'error', message: 'store-failed', code: error.code, reason: error.message })}\n`,
      );
      process.exit(1);
    },
  });
}

interface Serving {
  readonly instance: Instance;
  readonly host: NodeHost;
  readonly clouds: Clouds;
  readonly store: StoreRoot;
  readonly loaded: LoadedConfig;
  readonly token: string;
}

async function serve(options: StartOptions, parts: Serving): Promise<LocalInstance> {
  const { instance, host, loaded, token } = parts;
  const address = options.host ?? loaded.config.host;
  const wanted = options.port ?? loaded.config.port;
  const { port } = await listen(host, wanted, address);
  const url = `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
  const clouds = parts.clouds.urls;
  await instance.ready(url, clouds);
  if (options.dataDir !== undefined) writeInstanceNote(options.dataDir, { pid: process.pid, url, token, clouds });
  let closing: Promise<void> | undefined;
  return {
    url,
    mcp: `${url}/mcp`,
    admin: `${url}/register`,
    token,
    pid: process.pid,
    clouds,
    ...(wanted !== 0 && port !== wanted ? { portMoved: { wanted, got: port } } : {}),
    status: () => instance.status(),
    reload: async (next) => instance.reload(await withSamples(next, options.env)),
    relist: () => instance.relist(),
    refuse: (problems) => instance.refuse(problems),
    close: (how = {}) =>
      (closing ??= shutDown({ ...parts, dataDir: options.dataDir }, how.drainMs ?? DEFAULT_DRAIN_MS)),
  };
}

/** Refuses new requests, lets calls end, says goodbye on streams, ends children, closes the store. */
async function shutDown(parts: Serving & { readonly dataDir: string | undefined }, drainMs: number): Promise<void> {
  const { instance, host, clouds, store, dataDir } = parts;
  instance.pipeline.drain();
  if (dataDir !== undefined) removeInstanceNote(dataDir);
  instance.gateway.drain();
  await host.close(drainMs);
  await instance.close();
  await clouds.close();
  await store.close();
}
