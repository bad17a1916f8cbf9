/** For tests and benches of targets: a whole gateway in this process, on a loopback port, with nothing left behind. */

import { loadConfig } from './config/load.ts';
import type { ConfigInput } from './config/schema.ts';
import type { Target } from './core/target.ts';
import { startLocal } from './entry/local.ts';
import type { LocalInstance, StartOptions } from './entry/local.ts';
import { version } from './entry/version.ts';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type {
  Target,
  TargetCall,
  TargetListing,
  TargetResult,
  TargetStatus,
  Definition,
  Exchange,
} from './core/target.ts';
export type { LocalInstance } from './entry/local.ts';

export interface StartGatewayOptions {
  readonly targets?: readonly Target[];
  /** As in `zeroplane.json`. */
  readonly config?: ConfigInput;
  readonly auth?: 'token' | 'none';
  readonly port?: number;
  /** A data folder that stays; absent: in memory. */
  readonly dataDir?: string;
  /** Who is asking, in place of the one development token: for tests with several principals. */
  readonly authenticator?: StartOptions['authenticator'];
  /** Who may do what, in place of the built-in rule. */
  readonly policy?: StartOptions['policy'];
  /** Whether the control plane's tools are there too, as target `cloud`. @default false */
  readonly cloudTools?: boolean;
  /** How long clients may take to send. */
  readonly timeouts?: StartOptions['timeouts'];
}

/** Starts a gateway on port 0 of the loopback interface. `close()` ends it with everything it started. */
export async function startGateway(options: StartGatewayOptions = {}): Promise<LocalInstance> {
  const folder = await mkdtemp(join(tmpdir(), 'zeroplane-testing-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const file = join(folder, 'zeroplane.json');
    await writeFile(file, JSON.stringify(options.config ?? {}));
    const loaded = await loadConfig({ cwd: folder, configPath: file, env: process.env });
    const instance = await startLocal({
      loaded,
      port: options.port ?? 0,
      auth: options.auth ?? 'token',
      version: version(),
      env: process.env,
      hasCloudTools: options.cloudTools === true,
      ...(options.dataDir === undefined ? {} : { dataDir: options.dataDir }),
      ...(options.targets === undefined ? {} : { targets: options.targets }),
      ...(options.authenticator === undefined ? {} : { authenticator: options.authenticator }),
      ...(options.policy === undefined ? {} : { policy: options.policy }),
      ...(options.timeouts === undefined ? {} : { timeouts: options.timeouts }),
    });
    // Stdio servers run in the folder of their configuration, for as long as the gateway lives.
    return {
      ...instance,
      close: async (how) => {
        await instance.close(how);
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
