/**
 * Puts an instance together: store, targets, gateway, pipeline. Hosts listen, this decides what they serve; reloading a
 * configuration changes the targets and nothing else.
 */

import { isDeepStrictEqual } from 'node:util';
import type { AuditTrail } from '../audit/audit-trail.ts';
import type { LoadedConfig } from '../config/load.ts';
import { diffConfig } from '../config/watch.ts';
import type { FunctionControl } from '../core/function-control.ts';
import type { Clock, Egress, EventPort, IdSource, Logger, SecretSource, StoreRoot } from '../core/ports.ts';
import type { Redactor } from '../core/redact.ts';
import type { Target } from '../core/target.ts';
import { createEgress } from '../adapters/embedded/egress.ts';
import type { EmbeddedEgress } from '../adapters/embedded/egress.ts';
import { createEventPort } from '../adapters/embedded/system.ts';
import { createFunctionRuntime } from '../functions/function-runtime.ts';
import type { FunctionRuntime } from '../functions/function-runtime.ts';
import { Gateway } from '../gateway/gateway.ts';
import type { GatewayOptions } from '../gateway/gateway.ts';
import { TargetSet } from '../gateway/target-set.ts';
import type { Authenticator } from '../http/authenticate.ts';
import { DEVELOPER } from '../http/authenticate.ts';
import { Guard } from '../http/guard.ts';
import { Pipeline } from '../http/pipeline.ts';
import { instanceRoute } from '../http/routes/instance.ts';
import type { InstanceStatus } from '../http/routes/instance.ts';
import { registerRoute } from '../http/routes/register-route.ts';
import { toolsRoute } from '../http/routes/tools-route.ts';
import { builtInPolicy } from '../policy/decide.ts';
import type { Policy } from '../policy/decide.ts';
import { withVisibility } from '../policy/visibility.ts';
import { CloudTarget } from '../provisioning/cloud-target.ts';
import type { ControlPlane } from '../provisioning/control-plane.ts';
import type { CloudName } from '../provisioning/provisioner.ts';
import type { ServiceDefinition } from '../provisioning/service.ts';
import { RegistrationStore } from '../registry/registration-store.ts';
import { DefinitionRecorder } from '../registry/definition-recorder.ts';
import { makeAuthenticator } from './make-authenticator.ts';
import { toolCaller } from './call-tool.ts';
import type { SimulatedCloud } from './cloud-places.ts';
import { ControlPlaneHost } from './control-plane-host.ts';
import { controlPlaneRoute } from './control-plane-route.ts';
import { lazyAudit } from './lazy-audit.ts';
import type { AwsPlace } from './make-discovery.ts';
import { makeFunctionTools, sourcesOf } from './make-function-tools.ts';
import type { FunctionTools } from './make-function-tools.ts';
import { functionSettings, functionSpecs } from './make-functions.ts';
import { TargetFactory } from './make-targets.ts';
import { RegisteredServers } from './registered-servers.ts';
import { reportInstance } from './report-instance.ts';

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
  /** Where functions of AWS are found and invoked. Absent: nowhere. */
  readonly aws?: AwsPlace | undefined;
  /** Clouds that are not on this machine may be asked. */
  readonly isLive?: boolean;
  /** What references to secrets of jobs and webhooks lead to. @default nothing */
  readonly secrets?: SecretSource;
  /** Whether the control plane is a target of the gateway, `cloud`. */
  readonly hasCloudTools?: boolean;
  /** Services in place of those of the clouds, for tests and benches. */
  readonly services?: readonly ServiceDefinition[];
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
  readonly #tools: FunctionTools;
  readonly #registered: RegisteredServers;
  readonly #policy: Policy;
  readonly #recorder: DefinitionRecorder;
  readonly #audit: AuditTrail;
  readonly #controlPlane: ControlPlaneHost;
  #simulated: (cloud: CloudName) => Promise<SimulatedCloud | undefined> = () => Promise.resolve(undefined);
  readonly #closers: (() => void)[] = [];
  readonly #startedAt: string;
  #loaded: LoadedConfig;
  #problems: InstanceStatus['config']['problems'] | undefined;
  #url = '';
  #discovered: Promise<void> = Promise.resolve();
  /** Addresses of the local stand-ins, by cloud. */
  #clouds: Readonly<Record<string, string>> = {};

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
    this.#audit = lazyAudit({ store, clock, ids, key: options.sealingKey });
    this.#registrations = new RegistrationStore({ store, clock, ids, audit: this.#audit });
    this.#tools = this.#makeFunctionTools(egress);
    this.#factory = new TargetFactory({
      clock,
      log,
      egress,
      identity,
      env: options.env,
      invoker: this.#tools.sources.invoker,
      onFunctionChange: (listener) => this.#functions.control.onChange(listener),
    });
    this.#registered = new RegisteredServers({
      registrations: this.#registrations,
      targets: this.#targets,
      factory: this.#factory,
    });
    this.#policy = withVisibility(options.policy ?? builtInPolicy, () => this.#loaded.config.audience);
    this.#controlPlane = this.#makeControlPlane(egress);
    this.#fill(options.targets ?? []);
    this.#recorder = new DefinitionRecorder({ store, clock, log });
    this.gateway = this.#makeGateway(identity);
    // A writer waits for this, so that its acknowledgement means that the next list has the change.
    const changed = async (tenant: string): Promise<void> => {
      await this.#registered.sync(tenant);
      await this.gateway.catalogue.relist(this.#tools.published, tenant);
    };
    this.#closers.push(this.#registrations.onChange(changed));
    this.pipeline = this.#makePipeline(egress);
  }

  #makeFunctionTools(egress: Egress): FunctionTools {
    const { aws, env, store, clock, log } = this.#options;
    return makeFunctionTools({
      loaded: () => this.#loaded,
      functions: this.#functions,
      registrations: this.#registrations,
      aws,
      egress,
      env,
      store,
      events: this.events,
      clock,
      log,
    });
  }

  #makeControlPlane(egress: Egress): ControlPlaneHost {
    const { store, clock, ids, log, env, redactor, sealingKey, isLive = false, services } = this.#options;
    const secrets = this.#options.secrets ?? { get: () => Promise.resolve(undefined) };
    return new ControlPlaneHost({
      loaded: () => this.#loaded,
      store,
      clock,
      ids,
      log,
      policy: this.#policy,
      egress,
      secrets,
      redactor,
      env,
      audit: this.#audit,
      sealingKey,
      isLive,
      invoker: this.#tools.sources.invoker,
      callTool: toolCaller(() => this.gateway, clock),
      simulated: (cloud) => this.#simulated(cloud),
      services,
    });
  }

  #cloudTarget(): Target {
    const plane = async (): Promise<ControlPlane> => (await this.#controlPlane.running()).plane;
    return new CloudTarget({ plane, isLive: this.#options.isLive === true });
  }

  #makeGateway(identity: GatewayOptions['identity']): Gateway {
    const { store, clock, ids, log, sealingKey, token } = this.#options;
    const { config } = this.#loaded;
    return new Gateway({
      targets: this.#targets,
      policy: this.#policy,
      store,
      events: this.events,
      clock,
      ids,
      log,
      sealingKey,
      identity,
      sessionsOn: config.sessions === 'on',
      isPublic: token === undefined,
      search: config.endpoints.mcp.search,
      maxTtlMs: config.endpoints.mcp.ttlMs,
      results: config.results,
      onDefinitions: (tenant, target, marks) => this.#recorder.record(tenant, target.id, marks),
      prepareTenant: (tenant) => this.#registered.prepare(tenant),
    });
  }

  #fill(given: readonly Target[]): void {
    for (const [id, server] of Object.entries(this.#loaded.config.mcpServers))
      this.#targets.add(this.#factory.configured(id, server));
    if (this.#options.hasCloudTools === true) this.#targets.add(this.#cloudTarget());
    for (const target of given) this.#targets.add(target);
    this.#targets.add(this.#tools.published);
  }

  #makePipeline(egress: EmbeddedEgress): Pipeline {
    const { clock, ids, log, store, token, version } = this.#options;
    const { config } = this.#loaded;
    const authenticator =
      this.#options.authenticator ?? makeAuthenticator({ token, issuers: config.auth.issuers, egress, clock, log });
    const policy = this.#policy;
    return new Pipeline({
      gateway: this.gateway,
      guard: new Guard({ hosts: [...config.hosts, config.host], origins: config.cors.origins }),
      authenticator,
      routes: [
        registerRoute({
          registrations: this.#registrations,
          policy,
          isConfigured: (tenant, id) => this.#targets.isShared(tenant, id),
          checkUrl: (url) => egress.checkCallerUrl(url),
        }),
        instanceRoute({ policy, status: () => this.status() }),
        toolsRoute({ gateway: this.gateway, policy, prepareTenant: (tenant) => this.#registered.prepare(tenant) }),
        controlPlaneRoute({
          host: this.#controlPlane,
          policy,
          store,
          clock,
          sealingKey: this.#options.sealingKey,
          version,
        }),
      ],
      clock,
      ids,
      log,
      limits: config.limits,
      health: { version, logStreamName: `zeroplane/${process.pid}`, ready: () => store.check() },
    });
  }

  get controlPlane(): ControlPlaneHost {
    return this.#controlPlane;
  }

  get functions(): FunctionRuntime {
    return this.#functions;
  }

  /** Resolves when every source of functions has answered or failed, and what it has is listed. */
  get discovered(): Promise<void> {
    return this.#discovered;
  }

  /** How jobs reach the local stand-ins for clouds; each starts with the first job that goes there. */
  useSimulated(simulated: (cloud: CloudName) => Promise<SimulatedCloud | undefined>): void {
    this.#simulated = simulated;
  }

  /** Lists every target once, as far as five seconds allow, and goes on with jobs that were under way. */
  async ready(url: string, clouds: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#url = url;
    this.#clouds = clouds;
    await this.#controlPlane.resume();
    const { tenant } = DEVELOPER;
    await this.#functions.ready();
    await this.#registered.prepare(tenant);
    // What is found is announced, so the registry is read once more after it.
    this.#discovered = this.#tools.sources
      .start()
      .then(() => this.gateway.catalogue.relist(this.#tools.published, tenant));
    const listed = Promise.all([
      this.#discovered,
      ...this.#targets.of(tenant).map((target) => this.gateway.catalogue.refresh(target, tenant)),
    ]);
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
    const before = this.#loaded;
    const diff = diffConfig(before.config, loaded.config);
    this.#loaded = loaded;
    this.#problems = undefined;
    const { servers, functions } = diff;
    // First, so that servers that are functions find theirs.
    if (functions.added.length + functions.removed.length + functions.changed.length > 0)
      this.#functions.reconfigure(functionSpecs(loaded.config));
    const leaving = [...servers.removed, ...servers.changed].flatMap((id) => this.#targets.remove(id) ?? []);
    for (const id of [...servers.added, ...servers.changed]) {
      const server = loaded.config.mcpServers[id];
      if (server === undefined) continue;
      const target = this.#factory.configured(id, server);
      this.#targets.add(target);
      // Read at once, so that open clients are told of what it brings.
      void this.gateway.catalogue.refresh(target, DEVELOPER.tenant);
    }
    if (!isDeepStrictEqual(sourcesOf(before), sourcesOf(loaded)))
      await this.#tools.sources.configure(functionSettings(loaded), loaded.config.discover);
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
    return reportInstance({
      loaded: this.#loaded,
      problems: this.#problems,
      version: this.#options.version,
      isOpen: this.#options.token === undefined,
      url: this.#url,
      clouds: this.#clouds,
      startedAt: this.#startedAt,
      store: this.#options.store,
      functions: this.#functions,
      sources: this.#tools.sources,
      registry: this.#tools.registry,
      targets: this.#targets.of(DEVELOPER.tenant),
      catalogue: this.gateway.catalogue,
      recorder: this.#recorder,
    });
  }

  /** Ends targets and functions; the store stays its owner's to close. */
  async close(): Promise<void> {
    await this.#controlPlane.close();
    this.gateway.close();
    this.#tools.sources.close();
    await Promise.all([...this.#targets.all().map((target) => target.close()), this.#functions.close()]);
    for (const close of this.#closers) close();
    // What is still being written must not meet a closed store.
    await this.#recorder.settled();
  }
}
