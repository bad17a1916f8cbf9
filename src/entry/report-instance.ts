/** How an instance does, for the status page. */

import type { LoadedConfig } from '../config/load.ts';
import type { StoreRoot } from '../core/ports.ts';
import type { Target } from '../core/target.ts';
import type { FunctionRuntime } from '../functions/function-runtime.ts';
import { DEVELOPER } from '../http/authenticate.ts';
import type { InstanceStatus } from '../http/routes/instance.ts';
import type { FunctionSources } from '../registry/discovery/function-sources.ts';
import type { FunctionTarget } from '../registry/function-target.ts';
import type { ReportSources } from './report-targets.ts';
import { reportTargets } from './report-targets.ts';

export interface InstanceParts extends ReportSources {
  readonly loaded: LoadedConfig;
  /** Why a newer configuration was refused. */
  readonly problems: InstanceStatus['config']['problems'];
  readonly version: string;
  /** Everybody who reaches the port is let in. */
  readonly isOpen: boolean;
  readonly url: string;
  /** Addresses of the local stand-ins, by cloud. */
  readonly clouds: Readonly<Record<string, string>>;
  readonly startedAt: string;
  readonly store: StoreRoot;
  readonly functions: FunctionRuntime;
  readonly sources: FunctionSources;
  readonly registry: FunctionTarget;
  readonly targets: readonly Target[];
}

export function reportInstance(parts: InstanceParts): InstanceStatus {
  const { loaded, problems, version, isOpen, url, clouds, startedAt, store, functions, sources } = parts;
  const { config, path, notes, warnings } = loaded;
  return {
    name: config.name ?? config.server.name,
    version,
    pid: process.pid,
    url,
    mcp: `${url}/mcp`,
    startedAt,
    catalogueVersion: parts.catalogue.version,
    auth: isOpen ? 'none' : 'token',
    backends: [
      { name: 'store', label: store.label },
      { name: 'functions', label: functions.label, detail: `${functions.processCount()} processes` },
      ...awsBackend(sources),
    ],
    clouds: Object.entries(clouds).map(([name, address]) => ({ name, label: 'simulated', url: address })),
    targets: reportTargets(parts.targets, parts, DEVELOPER.tenant),
    canaries: parts.registry.canaries(DEVELOPER.tenant),
    notes: notes.map((note) => note.text),
    warnings: [...warnings],
    config: {
      ...(path === undefined ? {} : { path }),
      state: problems === undefined ? 'ok' : 'invalid',
      ...(problems === undefined ? {} : { problems }),
    },
  };
}

function awsBackend(sources: FunctionSources): InstanceStatus['backends'] {
  if (sources.aws === undefined) return [];
  const { label, status, functions } = sources.aws;
  const reason = status.reason === undefined ? '' : `; ${status.reason}`;
  return [{ name: 'aws', label, detail: `${functions} functions, ${status.state}${reason}` }];
}
