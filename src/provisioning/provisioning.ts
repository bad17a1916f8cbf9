/**
 * Puts the control plane together: stores, acceptance, workflows, worker, reaper, webhooks. The engine comes last, since
 * what it runs is made of the rest.
 */

import type { AuditTrail } from '../audit/audit-trail.ts';
import type { Clock, Egress, IdSource, JsonValue, Logger, SecretSource, StoreRoot } from '../core/ports.ts';
import type { Policy } from '../policy/decide.ts';
import { defineWorkflow, type CodeWorkflow } from '../workflows/engine/code-workflow.ts';
import type { WorkflowEngine } from '../workflows/engine/workflow-engine.ts';
import type { InProcessHandler } from '../workflows/task-runner.ts';
import { Acceptance, type ApprovalRule } from './accept.ts';
import { ServiceCatalogue, serviceOf, type CatalogService } from './catalogue.ts';
import type { CatalogEntry, ControlPlane } from './control-plane.ts';
import { provisioningHandlers } from './handlers.ts';
import { JOB_WORKFLOWS, jobWorkflows } from './job-workflows.ts';
import { JobNames } from './job-names.ts';
import { JobStore } from './job-store.ts';
import type { Job } from './job.ts';
import { withParts, type PartsOf } from './composite-parts.ts';
import { OfferStore, compositeService, type CompositeDescription } from './offers.ts';
import { Plane } from './plane.ts';
import type { CloudPlace } from './provisioner.ts';
import { Reaper } from './reaper.ts';
import { ResourceStore } from './resource-store.ts';
import { Effects, type StepRetries } from './run-parts.ts';
import type { ServiceDefinition } from './service.ts';
import { Webhooks } from './webhooks.ts';
import { JobWorker } from './worker.ts';

/** A composite that ships with the product. */
export interface ShippedComposite {
  readonly description: CompositeDescription;
  /** Amazon States Language. */
  readonly definition: JsonValue;
  readonly partsOf: PartsOf;
}

export interface ProvisioningParts {
  readonly store: StoreRoot;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly policy: Policy;
  readonly egress: Egress;
  readonly secrets: SecretSource;
  readonly audit: AuditTrail;
  /** 32 bytes; names of what is made are derived from it. */
  readonly sealingKey: Uint8Array;
  readonly services: readonly ServiceDefinition[];
  readonly composites?: readonly ShippedComposite[];
  /** @throws PlatformError `CLOUD_DENIED` for a cloud that is not configured. */
  readonly placeOf: (cloud: string, tenant: string) => Promise<CloudPlace>;
  readonly labelOf: (cloud: string) => CatalogEntry['label'];
  readonly approvals?: () => readonly ApprovalRule[];
  readonly selfApproval?: () => boolean;
  /** Whether webhooks of a tenant may be signed with a secret. @default each of them */
  readonly maySignWith?: (secretRef: string, tenant: string) => boolean;
  /** Masks the secrets that the instance knows, in what is kept of failures. @default nothing is masked */
  readonly redact?: (text: string) => string;
  readonly concurrency?: number | undefined;
  readonly leaseMs?: number | undefined;
  readonly retries?: StepRetries | undefined;
  /** How often the reaper and the webhooks look. @default 1000 */
  readonly everyMs?: number | undefined;
}

/** The workflow of a shipped composite is named so. */
const workflowName = (service: string): string => `zeroplane-${service}`;
const COMPOSITE_VERSION = 1;

export class Provisioning {
  readonly plane: ControlPlane;
  readonly jobs: JobStore;
  /** For the engine: what jobs run as. */
  readonly workflows: readonly CodeWorkflow[];
  /** For the engine: what state machines call. */
  readonly handlers: ReadonlyMap<string, InProcessHandler>;
  readonly #parts: ProvisioningParts;
  readonly #resources: ResourceStore;
  readonly #names: JobNames;
  readonly #acceptance: Acceptance;
  readonly #webhooks: Webhooks;
  readonly #announcing = new Set<Promise<void>>();
  #engine: WorkflowEngine | undefined;
  #worker: JobWorker | undefined;
  #reaper: Reaper | undefined;

  constructor(parts: ProvisioningParts) {
    const { store, clock, ids, log, policy, audit, sealingKey, services, composites = [], placeOf } = parts;
    this.#parts = parts;
    this.jobs = new JobStore({ store, clock, audit });
    this.#resources = new ResourceStore(store, clock);
    this.#names = new JobNames(sealingKey);
    const single = services.map(serviceOf);
    const shipped = [...single, ...composites.map((each) => shippedService(each, single))];
    const taken = new Set(shipped.map(nameOf));
    const offers = new OfferStore({ store, audit, engine: () => this.#running, taken });
    const catalogue = new ServiceCatalogue(shipped, offers);
    const base = { jobs: this.jobs, resources: this.#resources, catalogue, names: this.#names };
    const { approvals = () => [], maySignWith = () => true, labelOf } = parts;
    this.#acceptance = new Acceptance({
      ...base,
      store,
      clock,
      ids,
      approvals,
      labelOf,
      maySignWith,
      engine: () => this.#running,
    });
    const { retries, redact = (text) => text } = parts;
    const bodies = jobWorkflows({ ...base, placeOf, clock, effects: new Effects(), redact, retries });
    this.workflows = (Object.keys(JOB_WORKFLOWS) as (keyof typeof JOB_WORKFLOWS)[]).map((action) =>
      defineWorkflow({ name: JOB_WORKFLOWS[action], version: 1 }, bodies[action]),
    );
    const doors = { queue: this.#queue, wake: () => this.#worker?.wake(), engine: () => this.#running };
    const submit: ControlPlane['submit'] = (...all) => this.plane.submit(...all);
    this.handlers = provisioningHandlers({ ...base, engine: doors.engine, submit });
    this.#webhooks = new Webhooks({
      store,
      egress: parts.egress,
      secrets: parts.secrets,
      maySignWith,
      clock,
      log,
      everyMs: parts.everyMs,
    });
    this.plane = new Plane({
      ...base,
      ...doors,
      policy,
      offers,
      acceptance: this.#acceptance,
      clock,
      selfApproval: parts.selfApproval ?? (() => true),
      labelOf,
      webhookOf: (job) => this.#webhooks.stateOf(job),
      onEnd: (job) => this.#ended(job),
    });
  }

  /** State machines that ship with the product, for the engine to keep as its own. */
  get composites(): readonly { readonly name: string; readonly version: number; readonly definition: JsonValue }[] {
    return (this.#parts.composites ?? []).map(({ description, definition }) => ({
      name: workflowName(description.service),
      version: COMPOSITE_VERSION,
      definition,
    }));
  }

  /** Goes on with whatever the process before left, then takes what comes. */
  async start(engine: WorkflowEngine): Promise<void> {
    const { store, clock, ids, log, concurrency, leaseMs, everyMs } = this.#parts;
    this.#engine = engine;
    const base = { jobs: this.jobs, resources: this.#resources, queue: this.#queue };
    const common = { ...base, names: this.#names, clock, log };
    const onEnd = (job: Job): void => this.#ended(job);
    const worker = new JobWorker({ ...common, engine, owner: ids.uuid(), concurrency, leaseMs, onEnd });
    this.#worker = worker;
    this.#reaper = new Reaper({
      ...common,
      store,
      acceptance: this.#acceptance,
      wake: () => worker.wake(),
      isWorkingOn: (tenant, requestId) => worker.isWorkingOn(tenant, requestId),
      onEnd,
      everyMs,
    });
    await this.#reaper.start();
    worker.start();
    this.#webhooks.start();
  }

  /** One round of what otherwise happens by itself. */
  async sweep(): Promise<void> {
    await this.#reaper?.run();
    await this.#webhooks.run();
  }

  /** Jobs stop at a step's boundary and go on in the next process. Close the engine after it. */
  async stop(): Promise<void> {
    await this.#reaper?.stop();
    await this.#worker?.stop();
    await this.#webhooks.stop();
    await Promise.allSettled(this.#announcing);
    await this.jobs.flush();
  }

  get #running(): WorkflowEngine {
    if (this.#engine === undefined) throw new Error('the control plane is not started');
    return this.#engine;
  }

  /** Of all tenants: a message names the tenant and the job, and a worker serves everybody. */
  get #queue() {
    return this.#parts.store.systemStore().queue('provisioning');
  }

  #ended(job: Job): void {
    const told = this.#webhooks.announce(job).finally(() => this.#announcing.delete(told));
    this.#announcing.add(told);
  }
}

const nameOf = ({ cloud, service }: CatalogService): string => `${cloud}:${service}`;

function shippedService(
  { description, definition, partsOf }: ShippedComposite,
  single: readonly CatalogService[],
): CatalogService {
  const workflow = { name: workflowName(description.service), version: COMPOSITE_VERSION, owner: '*' };
  return withParts(compositeService(description, { definition, workflow }), partsOf, single);
}
