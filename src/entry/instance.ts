/**
 * Puts an instance together: store, targets, gateway, pipeline. Hosts listen, this decides what they serve; reloading a
 * configuration changes the targets and nothing else.
 */

import type { LoadedConfig } from '../config/load.ts';
import { diffConfig } from '../config/watch.ts';
import type { FunctionControl } from '../core/function-control.ts';
import type { Clock, EventPort, IdSource, Logger, StoreRoot } from '../core/ports.ts';
import type { Redactor } from '../core/redact.ts';
import type { Target } from '../core/target.ts';
import { createEgress } from '../adapters/embedded/egress.ts';
import { createEventPort } from '../adapters/embedded/system.ts';
import { createFunctionRuntime } from '../functions/function-runtime.ts';
import type { FunctionRuntime } from '../functions/function-runtime.ts';
import { Gateway } from '../gateway/gateway.ts';
import { TargetSet } from '../gateway/target-set.ts';
import type { Authenticator } from '../http/authenticate.ts';
import { DEVELOPER, TokenAuthenticator, openAuthenticator } from '../http/authenticate.ts';
import { Guard } from '../http/guard.ts';
import { Pipeline } from '../http/pipeline.ts';
import { instanceRoute } from '../http/routes/instance.ts';
import type { InstanceStatus } from '../http/routes/instance.ts';
import { registerRoute } from '../http/routes/register-route.ts';
import { builtInPolicy } from '../policy/decide.ts';
import type { Policy } from '../policy/decide.ts';
import { withVisibility } from '../policy/visibility.ts';
import { FunctionTarget } from '../registry/function-target.ts';
import { RegistrationStore } from '../registry/registration-store.ts';
import { DefinitionRecorder } from '../registry/definition-recorder.ts';
import { functionSettings, functionSpecs } from './make-functions.ts';
import { TargetFactory } from './make-targets.ts';
import { reportTargets } from './report-targets.ts';

/** How long the first lists of all targets may take before an instance calls itself ready. */
const READY_BUDGET_MS = 5_000;
const RELOAD_DRAIN_MS = 10_000;

export interface InstanceOptions {
  readonly loaded: LoadedConfig;
  readonly store: StoreRoot;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly redactor: Redactor;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** Absent: everybody who reaches the port is let in. */
  readonly token: string | undefined;
  readonly sealingKey: Uint8Array;
  /** Where published code is kept. Absent: in a temporary folder, removed by {@link Instance.close}. */
  readonly dataDir?: string | undefined;
  /** Targets made by the caller, for tests and benches. */
  readonly targets?: readonly Target[];
  /** @default the token, or everybody where there is none */
  readonly authenticator?: Authenticator;
  /** @default everything within the own tenant and scope */
  readonly policy?: Policy;
}

export class Instance {
  readonly pipeline: Pipeline;
  readonly gateway: Gateway;
  readonly events: EventPort;
  readonly #options: InstanceOptions;
  readonly #targets = new TargetSet();
  readonly #factory: TargetFactory;
  readonly #functions: FunctionRuntime;
  readonly #registrations: RegistrationStore;
  readonly #registry: FunctionTarget;
  readonly #policy: Policy;
  readonly #recorder: DefinitionRecorder;
  readonly #tenants = new Map<string, Promise<void>>();
  readonly #closers: (() => void)[] = [];
  readonly #startedAt: string;
  #loaded: LoadedConfig;
  #problems: InstanceStatus['config']['problems'] | undefined;
  #url = '';

  constructor(options: InstanceOptions) {
    const { store, clock, ids, log, version } = options;
    this.#options = options;
    this.#loaded = options.loaded;
    this.#startedAt = new Date(clock.nowMs()).toISOString();
    const { config, baseDir } = this.#loaded;
    const identity = { name: config.server.name, version: config.server.version ?? version };
    const egress = createEgress({ allow: config.egress.allow, clock });
    this.#closers.push(() => egress.close());
    this.events = createEventPort(log);
    this.#functions = createFunctionRuntime({
      functions: functionSpecs(config),
      baseDir,
      clock,
      log,
      ids,
      store: store.store(DEVELOPER.tenant),
      dataDir: options.dataDir,
      searchPath: options.env['PATH'],
      configFile: this.#loaded.path,
    });
    this.#registrations = new RegistrationStore({ store, clock, ids });
    this.#factory = new TargetFactory({
      clock,
      log,
      egress,
      identity,
      env: options.env,
      invoker: this.#functions,
      onFunctionChange: (listener) => this.#functions.control.onChange(listener),
    });
    this.#registry = this.#makeRegistry();
    this.#policy = withVisibility(options.policy ?? builtInPolicy, () => this.#loaded.config.audience);
    this.#fill(options.targets ?? []);
    this.#recorder = new DefinitionRecorder({ store, clock, log });
    this.gateway = new Gateway({
      targets: this.#targets,
      policy: this.#policy,
      store,
      events: this.events,
      clock,
      ids,
      log,
      sealingKey: options.sealingKey,
      identity,
      sessionsOn: config.sessions === 'on',
      isPublic: options.token === undefined,
      search: config.endpoints.mcp.search,
      maxTtlMs: config.endpoints.mcp.ttlMs,
      results: config.results,
      onDefinitions: (tenant, target, marks) => this.#recorder.record(tenant, target.id, marks),
      prepareTenant: (tenant) => this.#prepareTenant(tenant),
    });
    // A writer waits for this, so that its acknowledgement means that the next list has the change.
    const changed = async (tenant: string): Promise<void> => {
      await this.#syncRegistered(tenant);
      await this.gateway.catalogue.relist(this.#registry, tenant);
    };
    this.#closers.push(this.#registrations.onChange(changed));
    this.pipeline = this.#makePipeline();
  }

  #fill(given: readonly Target[]): void {
    for (const [id, server] of Object.entries(this.#loaded.config.mcpServers))
      this.#targets.add(this.#factory.configured(id, server));
    for (const target of given) this.#targets.add(target);
    this.#targets.add(this.#registry);
  }

  #makeRegistry(): FunctionTarget {
    const { clock, log, store } = this.#options;
    return new FunctionTarget({
      invoker: this.#functions,
      registrations: this.#registrations,
      functions: functionSettings(this.#loaded),
      discovery: this.#loaded.config.discover,
      clock,
      log,
      store,
      events: this.events,
      versions: this.#functions.control,
    });
  }

  #makePipeline(): Pipeline {
    const { clock, ids, log, store, token, version } = this.#options;
    const { config } = this.#loaded;
    const authenticator =
      this.#options.authenticator ?? (token === undefined ? openAuthenticator : new TokenAuthenticator(token));
    const policy = this.#policy;
    return new Pipeline({
      gateway: this.gateway,
      guard: new Guard({ hosts: [...config.hosts, config.host], origins: config.cors.origins }),
      authenticator,
      routes: [
        registerRoute({ registrations: this.#registrations, policy }),
        instanceRoute({ policy, status: () => this.status() }),
      ],
      clock,
      ids,
      log,
      limits: config.limits,
      health: { version, logStreamName: `zeroplane/${process.pid}`, ready: () => store.check() },
    });
  }

  /** Reads the servers that a tenant registered, once; later changes come by themselves. */
  #prepareTenant(tenant: string): Promise<void> {
    const known = this.#tenants.get(tenant);
    if (known !== undefined) return known;
    const preparing = this.#syncRegistered(tenant);
    this.#tenants.set(tenant, preparing);
    preparing.catch(() => this.#tenants.delete(tenant));
    return preparing;
  }

  /** Makes the tenant's registered servers and its targets agree. */
  async #syncRegistered(tenant: string): Promise<void> {
    const registrations = await this.#registrations.list(tenant);
    const wanted = new Map(
      registrations.flatMap((registration) =>
        registration.type === 'mcp' ? [[registration.name.toLowerCase(), registration] as const] : [],
      ),
    );
    for (const target of this.#targets.owned(tenant)) {
      const registration = wanted.get(target.id);
      if (registration !== undefined && this.#revisions.get(target) === registration.revision) continue;
      this.#targets.remove(target.id, tenant);
      void target.close();
    }
    for (const [id, registration] of wanted) {
      if (this.#targets.owned(tenant).some((target) => target.id === id)) continue;
      const target = this.#factory.registered(id, registration);
      this.#revisions.set(target, registration.revision);
      this.#targets.add(target, tenant);
    }
  }

  readonly #revisions = new WeakMap<Target, string>();

  /** Lists every target once, as far as five seconds allow. */
  async ready(url: string): Promise<void> {
    this.#url = url;
    const { tenant } = DEVELOPER;
    await this.#functions.ready();
    await this.#prepareTenant(tenant);
    const listed = Promise.all(
      this.#targets.of(tenant).map((target) => this.gateway.catalogue.refresh(target, tenant)),
    );
    let cancel = (): void => {};
    const timeout = new Promise<void>((resolve) => {
      // Held: an instance that is starting must not end because nothing else keeps it alive.
      const timer = setTimeout(resolve, READY_BUDGET_MS);
      cancel = () => clearTimeout(timer);
    });
    await Promise.race([listed, timeout]);
    cancel();
  }

  /** Takes a new configuration: what did not change keeps its children and its open calls. */
  async reload(loaded: LoadedConfig): Promise<void> {
    const diff = diffConfig(this.#loaded.config, loaded.config);
    this.#loaded = loaded;
    this.#problems = undefined;
    const { servers, functions } = diff;
    const leaving = [...servers.removed, ...servers.changed].flatMap((id) => this.#targets.remove(id) ?? []);
    for (const id of [...servers.added, ...servers.changed]) {
      const server = loaded.config.mcpServers[id];
      if (server !== undefined) this.#targets.add(this.#factory.configured(id, server));
    }
    if (functions.added.length + functions.removed.length + functions.changed.length > 0) {
      this.#functions.reconfigure(functionSpecs(loaded.config));
      this.#registry.setFunctions(functionSettings(loaded), loaded.config.discover);
    }
    this.#options.redactor.set([
      ...loaded.secretValues,
      ...(this.#options.token === undefined ? [] : [this.#options.token]),
    ]);
    // Calls under way on a removed or changed target have the usual time to end.
    await Promise.all(leaving.map((target) => target.close({ drainMs: RELOAD_DRAIN_MS })));
  }

  /** Lambda's control plane over the functions that run here. */
  get functionControl(): FunctionControl {
    return this.#functions.control;
  }

  /** Reads the lists of every target again, now. */
  async relist(): Promise<void> {
    const { tenant } = DEVELOPER;
    await Promise.all(this.#targets.of(tenant).map((target) => this.gateway.catalogue.relist(target, tenant)));
  }

  /** A new configuration was refused: the old one stays, and the status says why. */
  refuse(problems: NonNullable<InstanceStatus['config']['problems']>): void {
    this.#problems = problems;
  }

  status(): InstanceStatus {
    const { version, token, store } = this.#options;
    const { config, path, notes, warnings } = this.#loaded;
    const sources = { catalogue: this.gateway.catalogue, recorder: this.#recorder };
    return {
      name: config.name ?? config.server.name,
      version,
      pid: process.pid,
      url: this.#url,
      mcp: `${this.#url}/mcp`,
      startedAt: this.#startedAt,
      catalogueVersion: this.gateway.catalogue.version,
      auth: token === undefined ? 'none' : 'token',
      backends: [
        { name: 'store', label: store.label },
        { name: 'functions', label: this.#functions.label, detail: `${this.#functions.processCount()} processes` },
      ],
      targets: reportTargets(this.#targets.of(DEVELOPER.tenant), sources, DEVELOPER.tenant),
      canaries: this.#registry.canaries(DEVELOPER.tenant),
      notes: notes.map((note) => note.text),
      warnings: [...warnings],
      config: {
        ...(path === undefined ? {} : { path }),
        state: this.#problems === undefined ? 'ok' : 'invalid',
        ...(this.#problems === undefined ? {} : { problems: this.#problems }),
      },
    };
  }

  /** Ends targets and functions; the store stays its owner's to close. */
  async close(): Promise<void> {
    this.gateway.close();
    await Promise.all([...this.#targets.all().map((target) => target.close()), this.#functions.close()]);
    for (const close of this.#closers) close();
    // What is still being written must not meet a closed store.
    await this.#recorder.settled();
  }
}
