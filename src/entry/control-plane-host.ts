/**
 * The control plane of an instance. It is loaded by the first request that means it, or at the start when something was
 * under way when the process before ended: an instance that only relays tools carries nothing of it.
 */

import { availableParallelism } from 'node:os';
import type { AuditTrail } from '../audit/audit-trail.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Clock, Egress, FunctionInvoker, IdSource, Logger, SecretSource, StoreRoot } from '../core/ports.ts';
import type { Redactor } from '../core/redact.ts';
import type { Policy } from '../policy/decide.ts';
import { DUE_JOBS, JOBS } from '../provisioning/job.ts';
import type { ControlPlane } from '../provisioning/control-plane.ts';
import type { Provisioning } from '../provisioning/provisioning.ts';
import { DUE_RESOURCES, RESOURCES } from '../provisioning/resource-store.ts';
import type { ServiceDefinition } from '../provisioning/service.ts';
import type { InterpreterThreads } from '../workflows/threads/interpreter-threads.ts';
import type { EmbeddedEngine } from '../workflows/engine/embedded-engine.ts';
import { TIMERS } from '../workflows/durable/tables.ts';
import type { ToolCaller } from '../workflows/task-runner.ts';
import { CloudPlaces, isCloud, type SimulatedCloud } from './cloud-places.ts';
import { interpreterFile } from './interpreter-file.ts';

export interface ControlPlaneHostParts {
  readonly loaded: () => LoadedConfig;
  readonly store: StoreRoot;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly policy: Policy;
  readonly egress: Egress;
  readonly secrets: SecretSource;
  readonly redactor: Redactor;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly audit: AuditTrail;
  readonly sealingKey: Uint8Array;
  readonly isLive: boolean;
  /** Functions that state machines call. */
  readonly invoker: FunctionInvoker;
  readonly callTool: ToolCaller;
  /** Starts the local endpoint of a cloud, where it is not yet. */
  readonly simulated: (cloud: 'aws' | 'gcp' | 'azure') => Promise<SimulatedCloud | undefined>;
  /** In place of the services of the clouds, for tests and benches. */
  readonly services?: readonly ServiceDefinition[] | undefined;
}

const DRAIN_MS = 2_000;
/** Threads that interpret state machines with JSONata; each takes some 25 MB while it works. */
const MOST_THREADS = 4;

/** What is there once it is loaded. */
export interface RunningControlPlane {
  readonly plane: ControlPlane;
  readonly provisioning: Provisioning;
  readonly engine: EmbeddedEngine;
  readonly threads: InterpreterThreads;
}

export class ControlPlaneHost {
  readonly #parts: ControlPlaneHostParts;
  #running: Promise<RunningControlPlane> | undefined;
  #isClosed = false;

  constructor(parts: ControlPlaneHostParts) {
    this.#parts = parts;
  }

  /** Loads it, once. */
  running(): Promise<RunningControlPlane> {
    if (this.#isClosed) return Promise.reject(new Error('the instance is closed'));
    this.#running ??= this.#load().catch((error: unknown) => {
      this.#running = undefined;
      throw error;
    });
    return this.#running;
  }

  get isLoaded(): boolean {
    return this.#running !== undefined;
  }

  /** Goes on with what the process before left behind. @throws PlatformError `JOURNAL_CORRUPT`. */
  async resume(): Promise<void> {
    if (await this.#hasWork()) await this.running();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const running = await this.#running?.catch(() => undefined);
    if (running === undefined) return;
    await running.provisioning.stop();
    await running.engine.close();
    await running.threads.close();
  }

  async #hasWork(): Promise<boolean> {
    const system = this.#parts.store.systemStore();
    const jobs = { table: JOBS, partition: DUE_JOBS };
    const resources = { table: RESOURCES, partition: DUE_RESOURCES };
    const executions = ['running', 'waiting'].map((partition) => ({ table: TIMERS, partition }));
    for (const { table, partition } of [jobs, resources, ...executions]) {
      const { items } = await system.table(table).query({ index: 'due', partition, limit: 1 });
      if (items.length > 0) return true;
    }
    return false;
  }

  async #load(): Promise<RunningControlPlane> {
    const { Provisioning } = await import('../provisioning/provisioning.ts');
    const { createEmbeddedEngine } = await import('../workflows/engine/embedded-engine.ts');
    const { aslKind } = await import('../workflows/asl/asl-kind.ts');
    const { InterpreterThreads } = await import('../workflows/threads/interpreter-threads.ts');
    const { createTaskRunner } = await import('../workflows/task-runner.ts');
    const { cloudServices, shippedComposites } = await import('./cloud-services.ts');
    const { store, clock, ids, log, policy, egress, audit, sealingKey, loaded, invoker, callTool } = this.#parts;
    const { isLive, env, simulated, redactor } = this.#parts;
    const secrets = knownTo(redactor, this.#parts.secrets);
    redactor.learn(credentialsIn(env));
    const places = new CloudPlaces({ config: loaded().config, egress, secrets, env, isLive, simulated });
    const provisioning = new Provisioning({
      store,
      clock,
      ids,
      log,
      policy,
      egress,
      secrets,
      audit,
      sealingKey,
      services: this.#parts.services ?? cloudServices,
      composites: this.#parts.services === undefined ? shippedComposites : [],
      placeOf: (cloud) => places.of(isCloud(cloud) ? cloud : 'aws'),
      labelOf: (cloud) => places.labelOf(cloud),
      approvals: () => loaded().config.approvals.rules,
      selfApproval: () => loaded().config.approvals.selfApproval,
      redact: (text) => redactor.text(text),
      maySignWith: (name, tenant) => maySignWith(loaded().config, name, tenant),
      concurrency: loaded().config.provisioning.concurrency,
    });
    const runTask = createTaskRunner({ handlers: provisioning.handlers, invoker, callTool });
    const max = Math.min(MOST_THREADS, availableParallelism());
    const threads = new InterpreterThreads({ file: interpreterFile(), clock, max });
    const engine = createEmbeddedEngine({
      store,
      clock,
      ids,
      log,
      audit,
      tokenKey: sealingKey,
      // A step that waits for something long never ends in time; whatever is cut off is repeated under the same key.
      drainMs: DRAIN_MS,
      kinds: [aslKind({ runTask, threads })],
      workflows: [
        ...provisioning.workflows,
        ...provisioning.composites.map((composite) => ({ ...composite, kind: 'asl' })),
      ],
    });
    await engine.boot();
    await provisioning.start(engine);
    return { plane: provisioning.plane, provisioning, engine, threads };
  }
}

/** With the development token alone there is one tenant, whose the machine is. */
function maySignWith({ auth, provisioning }: LoadedConfig['config'], name: string, tenant: string): boolean {
  const { webhookSecrets } = provisioning;
  const tenants = Object.hasOwn(webhookSecrets, name) ? webhookSecrets[name] : undefined;
  return tenants === undefined ? auth.issuers.length === 0 : tenants.includes(tenant);
}

/** Secrets that jobs look up are masked from then on wherever text leaves the instance. */
function knownTo(redactor: Redactor, secrets: SecretSource): SecretSource {
  return {
    get: async (name) => {
      const value = await secrets.get(name);
      if (value !== undefined) redactor.learn([value, ...membersOf(value)]);
      return value;
    },
  };
}

/** What opens something in a key file that is a secret as a whole. */
function membersOf(value: string): readonly string[] {
  const members = [...value.matchAll(/"(?:private_key|client_secret|refresh_token)"\s*:\s*("(?:[^"\\]|\\.)*")/g)];
  return members.map(([, text = '""']) => JSON.parse(text) as string);
}

/** Variables in which the vendors' own credential chains look for what must never be told. */
const CREDENTIALS = [
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'CLOUDSDK_AUTH_ACCESS_TOKEN',
  'AZURE_ACCESS_TOKEN',
  'AZURE_CLIENT_SECRET',
];
/** No vendor's is shorter, and what stands in for one may be an ordinary word. */
const SHORTEST_CREDENTIAL = 16;

function credentialsIn(env: ControlPlaneHostParts['env']): readonly string[] {
  return CREDENTIALS.flatMap((name) => env[name] ?? []).filter((value) => value.length >= SHORTEST_CREDENTIAL);
}
