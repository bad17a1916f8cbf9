/** What `dev` needs of the gateway in this process; `entry/local.ts` provides it. */

import type { LoadedConfig } from '../config/load.ts';
import type { InstanceStatus } from './instance-status.ts';

export interface StartOptions {
  readonly loaded: LoadedConfig;
  readonly dataDir: string;
  readonly port?: number;
  readonly host?: string;
  readonly auth?: 'token' | 'none';
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly onEvent?: (event: InstanceEvent) => void;
}

/** Something the instance tells while it runs; `message` is for people. */
export interface InstanceEvent {
  readonly type: string;
  readonly message?: string;
}

export interface RunningInstance {
  /** Origin without a trailing slash. */
  readonly url: string;
  readonly mcp: string;
  readonly admin: string;
  /** Empty when everybody is let in. */
  readonly token: string;
  readonly pid: number;
  readonly portMoved?: { readonly wanted: number; readonly got: number };
  status(): InstanceStatus;
  reload(loaded: LoadedConfig): Promise<void>;
  close(options?: { readonly drainMs?: number }): Promise<void>;
}

/** Resolves once every target has listed, failed, or used its 5 s. */
export type StartInstance = (options: StartOptions) => Promise<RunningInstance>;
