/** A gateway of this process alone, spoken to over stdin and stdout: in memory, without a port, without a data folder. */

import { randomBytes } from 'node:crypto';
import { createLogger } from '../adapters/embedded/logger.ts';
import { openMemoryStore } from '../adapters/embedded/store/store.ts';
import { systemClock, systemIds } from '../adapters/embedded/system.ts';
import type { LoadedConfig } from '../config/load.ts';
import { Redactor } from '../core/redact.ts';
import { Instance } from './instance.ts';
import type { AwsPlace } from './make-discovery.ts';
import { withSamples } from './samples.ts';
import type { Handle } from './stdio-host.ts';

export interface StdioGatewayOptions {
  readonly loaded: LoadedConfig;
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where functions of AWS are found and invoked. Absent: nowhere. */
  readonly aws?: AwsPlace | undefined;
  /** Takes the log, a line at a time. */
  readonly writeLog: (line: string) => void;
}

export interface StdioGateway {
  readonly handle: Handle;
  readonly redact: (text: string) => string;
  reload(loaded: LoadedConfig): Promise<void>;
  close(): Promise<void>;
}

/** How long the functions of an account are waited for; clients give a server about a minute to introduce itself. */
const DISCOVERY_BUDGET_MS = 30_000;

/** Resolves once every target has listed, failed, or used five seconds: the first list of a client is then whole. */
export async function startStdioGateway(options: StdioGatewayOptions): Promise<StdioGateway> {
  const { env, version, aws, writeLog } = options;
  const loaded = await withSamples(options.loaded, env);
  const redactor = new Redactor();
  redactor.set([...loaded.secretValues]);
  const log = createLogger({ level: loaded.config.logLevel, clock: systemClock, redactor, write: writeLog });
  const store = await openMemoryStore({ clock: systemClock });
  const instance = new Instance({
    loaded,
    store,
    clock: systemClock,
    ids: systemIds,
    log,
    redactor,
    env,
    version,
    aws,
    // Whoever holds the two ends of the pipe is let in.
    token: undefined,
    sealingKey: randomBytes(32),
  });
  await instance.ready('stdio:');
  // A client that asks once and never again must not find a large account half listed.
  if (aws !== undefined) await within(DISCOVERY_BUDGET_MS, instance.discovered);
  return {
    handle: (request) => instance.pipeline.handle(request),
    redact: (text) => redactor.text(text),
    reload: async (next) => instance.reload(await withSamples(next, env)),
    async close() {
      instance.pipeline.drain();
      instance.gateway.drain();
      await instance.close();
      await store.close();
    },
  };
}

async function within(budgetMs: number, work: Promise<void>): Promise<void> {
  let cancel = (): void => {};
  const late = new Promise<void>((resolve) => {
    cancel = systemClock.after(budgetMs, resolve);
  });
  await Promise.race([work, late]);
  cancel();
}
