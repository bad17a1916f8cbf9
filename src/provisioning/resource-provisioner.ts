/**
 * What the services of all clouds have in common: create or adopt, tag, wait, read back, and remove until reading finds
 * nothing. A cloud says how its tags tell whose a resource is; a service says how its resource is found, made, changed and
 * removed, and which of that are steps.
 */

import { isDeepStrictEqual } from 'node:util';
import { PlatformError } from '../core/errors.ts';
import type { JsonValue } from '../core/ports.ts';
import { cloudError, notOwned, passing } from './cloud-errors.ts';
import type {
  CloudProvisioner,
  DeprovisionResponse,
  PlannedChange,
  ProvisionContext,
  ProvisionRequest,
  ProvisionResponse,
  ResourceState,
  StepAttempt,
} from './provisioner.ts';

export type Tags = Readonly<Record<string, string>>;
export type Outputs = Readonly<Record<string, JsonValue>>;

/** Whose a resource is, in the form in which one cloud keeps tags. */
export interface TagForm {
  /** What a new resource is tagged with; the mandatory tags win over the user's. */
  newTags(context: ProvisionContext): Tags;
  /**
   * What a resource of this tenant is tagged with once it is adopted or changed: who made it stays on it, and the end of
   * its life moves only with a change.
   */
  tagsOver(existing: Tags, context: ProvisionContext, options: { readonly isUpdate: boolean }): Tags;
  isTenants(tags: Tags, context: ProvisionContext): boolean;
  /** Whether this very request made it, in an attempt that did not live to say so. */
  isMadeByRequest(tags: Tags, context: ProvisionContext): boolean;
  /** Whether the cloud itself puts a tag of this name on what anybody makes. */
  isClouds(key: string): boolean;
}

/** A resource as the cloud has it. */
export interface Found {
  readonly tags: Tags;
  readonly outputs: Outputs;
  /** Parameters as they are in force, by name: those that can be read back. */
  readonly settings: Outputs;
  /** Whether it can be used; a resource that is still being made or removed cannot. @default true */
  readonly isReady?: boolean;
  /** In the cloud's words, why it will never be ready as it is. */
  readonly problem?: string | undefined;
  /** Why nothing of it is to be seen here, where that is so: what completes "it is not this tenant's: …". */
  readonly hidden?: string | undefined;
  /** It is being removed already; its tags need not be there any more. @default false */
  readonly isEnding?: boolean;
}

/** An operation that the cloud goes on with: what is recorded of it, and how long to leave it alone. */
export interface Begun {
  readonly handle: JsonValue;
  readonly everyMs: number;
}

/** What a service adds. Its methods that are no steps themselves are called within one, and may be called again. */
export interface ResourceKind {
  /** In step names: `bucket` gives `create-bucket`. */
  readonly noun: string;
  /** Parameters that no update can change. */
  readonly fixed: readonly string[];
  /** The cloud's codes for a name that is taken. */
  readonly taken: readonly string[];
  /** The cloud's codes for what cannot be made just now and can in a minute or two. @default none */
  readonly notNow?: readonly string[];
  /** Whether creating what exists is an error, so that whoever succeeds made it. */
  readonly isCreateExclusive: boolean;
  find(): Promise<Found | undefined>;
  /**
   * Whether it may be seen and holds nothing. Of a kind that has this, one without any tags is this job's when the job
   * has on record that there was none before it asked for it: it did not live to tag it, or its cloud takes no tags with
   * the creation. @default it is never taken for this job's
   */
  isEmpty?(): Promise<boolean>;
  /** What there is of it while {@link find} finds nothing: parts that are made before it, or removed after it. */
  remains?(): Promise<Found | undefined>;
  /** What it cannot be made without, in steps of its own. */
  prepare?(tags: Tags): Promise<void>;
  /** Makes it with these tags, or as much of it as one call can make. */
  create(tags: Tags, attempt: StepAttempt): Promise<Begun | undefined>;
  /** Asks how an operation is that {@link create} began. `undefined` while it goes on. */
  progress?(handle: JsonValue, attempt: StepAttempt): Promise<true | undefined>;
  /** The rest of making it, in steps of its own. */
  complete?(tags: Tags): Promise<void>;
  /** In a step. */
  tag(tags: Tags, attempt: StepAttempt): Promise<void>;
  /** Makes it agree with the parameters, in steps. @param different - Names of parameters. */
  change(different: ReadonlySet<string>): Promise<void>;
  /** Asks the cloud to remove it, in steps. Parts may be gone already. */
  remove(): Promise<void>;
}

/** How long a cloud may take to make something ready, or to be rid of it. */
const READY = { everyMs: 2_000, timeoutMs: 900_000 };
const NOT_NOW = { everyMs: 5_000, timeoutMs: 180_000 };
const GONE = { everyMs: 2_000, timeoutMs: 900_000 };
/** Clouds give up on most of their operations within an hour. */
const OPERATION_MS = 3_600_000;

export interface ResourceParts {
  readonly tagForm: TagForm;
  readonly make: (at: { readonly id: string; readonly params: ProvisionRequest['params'] }) => ResourceKind;
  /** See `ServiceDefinition`. */
  readonly stepsOf: (params: ProvisionRequest['params']) => readonly string[];
}

export function resourceProvisioner(context: ProvisionContext, parts: ResourceParts): CloudProvisioner {
  return new ResourceProvisioner(context, parts);
}

type StepsOf = ResourceParts['stepsOf'];
type KindClass = new (context: ProvisionContext, id: string, params: ProvisionRequest['params']) => ResourceKind;

/** What a service's provisioner file gives to its definition. */
export type CreateProvisioner = (context: ProvisionContext, stepsOf: StepsOf) => CloudProvisioner;

/** Makes the provisioners of a cloud, each of the kind that its service adds. @param tagForm - The cloud's. */
export const provisionersOf =
  (tagForm: TagForm) =>
  (Kind: KindClass, context: ProvisionContext, stepsOf: StepsOf): CloudProvisioner =>
    resourceProvisioner(context, { tagForm, make: ({ id, params }) => new Kind(context, id, params), stepsOf });

class ResourceProvisioner implements CloudProvisioner {
  readonly #context: ProvisionContext;
  readonly #parts: ResourceParts;
  readonly #tagForm: TagForm;

  constructor(context: ProvisionContext, parts: ResourceParts) {
    this.#context = context;
    this.#parts = parts;
    this.#tagForm = parts.tagForm;
  }

  async provision(input: ProvisionRequest): Promise<ProvisionResponse> {
    const { id } = this.#context;
    const kind = this.#parts.make({ id, params: input.params });
    const tags = this.#tagForm.newTags(this.#context);
    await kind.prepare?.(tags);
    const isAdopted = await this.#create(kind, tags);
    if (isAdopted) await this.#retag(kind, { isUpdate: false });
    else await kind.complete?.(tags);
    return { status: 'provisioned', id, outputs: await this.#awaitReady(kind), isAdopted };
  }

  /** @returns whether it was there before, made by another request of this tenant. */
  async #create(kind: ResourceKind, tags: Tags): Promise<boolean> {
    const { steps } = this.#context;
    const { isAdopted, begun } = await this.#claimed(kind, tags);
    if (isAdopted || kind.progress === undefined) return isAdopted;
    await steps.until(
      `finish-${kind.noun}`,
      async (attempt) => (begun === null ? true : kind.progress?.(begun.handle, attempt)),
      { everyMs: begun?.everyMs ?? 0, timeoutMs: OPERATION_MS },
    );
    return false;
  }

  #claimed(kind: ResourceKind, tags: Tags): Promise<Claim> {
    const { steps } = this.#context;
    const { notNow, noun } = kind;
    if (notNow === undefined) return steps.run(`create-${noun}`, (attempt) => this.#claim(kind, tags, attempt));
    const claim = async (attempt: StepAttempt): Promise<Claim> => {
      try {
        return await this.#claim(kind, tags, attempt);
      } catch (error) {
        throw notNow.includes(cloudCodeOf(error)) ? passing(error) : error;
      }
    };
    return steps.until(`create-${noun}`, claim, NOT_NOW);
  }

  async #claim(kind: ResourceKind, tags: Tags, attempt: StepAttempt): Promise<Claim> {
    const before = await kind.find();
    if (before?.isEnding === true) throw this.#notYet(kind.noun, `create-${kind.noun}`, 'one of this name is going');
    if (before !== undefined) {
      const claim = await this.#known(kind, before, { tags, attempt });
      // What this request has made in vain is made again.
      if (claim.isAdopted || before.problem === undefined) return claim;
    } else if (kind.isEmpty !== undefined) await this.#context.names?.noteFree();
    const created = await this.#tryCreate(kind, tags, attempt);
    const begun = created === 'taken' ? null : created;
    if (created !== 'taken' && kind.isCreateExclusive && kind.isEmpty === undefined) return { isAdopted: false, begun };
    const after = await kind.find();
    if (after !== undefined) return { ...(await this.#known(kind, after, { tags, attempt })), begun };
    if (created !== 'taken') throw this.#notYet(kind.noun, `create-${kind.noun}`);
    throw notOwned(this.#context.id, 'its name is taken by what is not to be seen here');
  }

  async #tryCreate(kind: ResourceKind, tags: Tags, attempt: StepAttempt): Promise<Claim['begun'] | 'taken'> {
    try {
      const begun = await kind.create(tags, attempt);
      return begun === undefined ? null : { handle: begun.handle, everyMs: begun.everyMs };
    } catch (error) {
      if (kind.taken.includes(cloudCodeOf(error))) return 'taken';
      throw error;
    }
  }

  /** Whose it is that is there. What this job made and could not tag is tagged. */
  async #known(
    kind: ResourceKind,
    found: Found,
    { tags, attempt }: { readonly tags: Tags; readonly attempt: StepAttempt },
  ): Promise<Claim> {
    const isLeftBare = await this.#isLeftBare(kind, found);
    if (isLeftBare) await kind.tag(tags, attempt);
    return { isAdopted: !isLeftBare && this.#judge(found), begun: null };
  }

  /** Made by this job, which has not tagged it yet. What carries anybody's tag, or holds anything, never is. */
  async #isLeftBare(kind: ResourceKind, { tags, isEnding }: Found): Promise<boolean> {
    if (isEnding === true || Object.keys(tags).some((key) => !this.#tagForm.isClouds(key))) return false;
    return (await this.#context.names?.wasFree()) === true && (await kind.isEmpty?.()) === true;
  }

  #judge(found: Found): boolean {
    this.#check(found);
    return !this.#tagForm.isMadeByRequest(found.tags, this.#context);
  }

  /** @throws PlatformError `RESOURCE_NOT_OWNED`. */
  #check({ tags, hidden = 'its tags do not name this tenant' }: Found): void {
    if (this.#tagForm.isTenants(tags, this.#context)) return;
    throw notOwned(this.#context.id, hidden);
  }

  async destroy(id: string): Promise<DeprovisionResponse> {
    const { steps, request } = this.#context;
    const kind = this.#parts.make({ id, params: request.params });
    const state = await steps.run(`find-${kind.noun}`, () => this.#stateOf(kind));
    if (state === 'ours') await kind.remove();
    if (state !== 'nothing') {
      const ask = async (): Promise<true | undefined> => ((await findAny(kind)) === undefined ? true : undefined);
      await steps.until(`await-no-${kind.noun}`, ask, GONE);
    }
    return { status: 'deprovisioned', id };
  }

  /** What there is to do for a removal. @throws PlatformError `RESOURCE_NOT_OWNED`. */
  async #stateOf(kind: ResourceKind): Promise<'nothing' | 'ending' | 'ours'> {
    const context = this.#context;
    const found = await findAny(kind);
    if (found === undefined) return 'nothing';
    if (found.isEnding === true) return 'ending';
    if (context.isRollback === true) {
      const isOurs = this.#tagForm.isMadeByRequest(found.tags, context) || (await this.#isLeftBare(kind, found));
      return isOurs ? 'ours' : 'nothing';
    }
    this.#check(found);
    return 'ours';
  }

  async plan(input: ProvisionRequest): Promise<PlannedChange> {
    const { id } = this.#context;
    const kind = this.#parts.make({ id, params: input.params });
    const found = await kind.find();
    if (found === undefined) return { id, change: 'create', steps: this.#parts.stepsOf(input.params) };
    this.#check(found);
    const differences = differencesOf(found, input.params);
    const change = this.#judge(found) ? 'adopt' : 'none';
    const steps = change === 'adopt' ? [`create-${kind.noun}`, `tag-${kind.noun}`, `await-${kind.noun}`] : [];
    return { id, change, steps, ...(Object.keys(differences).length === 0 ? {} : { differences }) };
  }

  async read(id: string): Promise<ResourceState | undefined> {
    const kind = this.#parts.make({ id, params: this.#context.request.params });
    const found = await kind.find();
    if (found === undefined) return undefined;
    const { outputs, tags } = found;
    const isOurs = this.#context.isRollback === true ? 'isMadeByRequest' : 'isTenants';
    const isOwned = this.#tagForm[isOurs](tags, this.#context) || (await this.#isLeftBare(kind, found));
    return { id, outputs, tags, isOwned };
  }

  async update(id: string, input: ProvisionRequest): Promise<ProvisionResponse> {
    const kind = this.#parts.make({ id, params: input.params });
    const { steps } = this.#context;
    const different = await steps.run(`compare-${kind.noun}`, () => this.#compare(kind, id, input.params));
    await kind.change(new Set(different));
    await this.#retag(kind, { isUpdate: true });
    return { status: 'provisioned', id, outputs: await this.#awaitReady(kind), isAdopted: false };
  }

  async #compare(kind: ResourceKind, id: string, params: ProvisionRequest['params']): Promise<string[]> {
    const found = await kind.find();
    if (found === undefined)
      throw new PlatformError('NOT_FOUND', `There is no ${kind.noun} "${id}" to update. Provision it first.`, { id });
    this.#check(found);
    const different = Object.keys(differencesOf(found, params));
    const fixed = different.filter((name) => kind.fixed.includes(name));
    if (fixed.length === 0) return different;
    const message = `${fixed.join(', ')} of an existing ${kind.noun} cannot be changed. Destroy "${id}" and provision it anew, or leave it as it is.`;
    throw new PlatformError('INVALID_ARGUMENTS', message, { id, parameters: fixed });
  }

  async adopt(input: ProvisionRequest): Promise<ProvisionResponse | undefined> {
    const { id, steps } = this.#context;
    const kind = this.#parts.make({ id, params: input.params });
    const isThere = await steps.run(`find-${kind.noun}`, async () => {
      const found = await kind.find();
      if (found !== undefined) this.#check(found);
      return found !== undefined;
    });
    if (!isThere) return undefined;
    await this.#retag(kind, { isUpdate: false });
    return { status: 'provisioned', id, outputs: await this.#awaitReady(kind), isAdopted: true };
  }

  async #retag(kind: ResourceKind, options: { readonly isUpdate: boolean }): Promise<void> {
    const name = `tag-${kind.noun}`;
    await this.#context.steps.run(name, async (attempt) => {
      const found = await kind.find();
      if (found === undefined) throw this.#notYet(kind.noun, name);
      this.#check(found);
      const tags = this.#tagForm.tagsOver(found.tags, this.#context, options);
      if (!isDeepStrictEqual(sorted(tags), sorted(found.tags))) await kind.tag(tags, attempt);
      return null;
    });
  }

  /** Looks once more whose it is: where creating is not exclusive, two may have thought that they made it. */
  #awaitReady(kind: ResourceKind): Promise<Outputs> {
    const ask = async (): Promise<Outputs | undefined> => {
      const found = await kind.find();
      if (found === undefined || found.isEnding === true) return undefined;
      this.#check(found);
      if (found.problem !== undefined) throw this.#hopeless(kind.noun, found.problem);
      return found.isReady === false ? undefined : found.outputs;
    };
    return this.#context.steps.until(`await-${kind.noun}`, ask, READY);
  }

  #hopeless(noun: string, problem: string): PlatformError {
    const { cloud } = this.#context.request;
    const operation = `await-${noun}`;
    return cloudError({ cloud, fault: 'refused', operation, cloudCode: 'ProvisioningFailed', message: problem });
  }

  /** What was just made does not show yet, or is gone already; worth another look. */
  #notYet(noun: string, operation: string, message = `the ${noun} does not show yet`): PlatformError {
    const { cloud } = this.#context.request;
    return cloudError({ cloud, fault: 'unavailable', operation, cloudCode: 'NotVisibleYet', message });
  }
}

interface Claim {
  readonly [key: string]: JsonValue;
  readonly isAdopted: boolean;
  readonly begun: { readonly handle: JsonValue; readonly everyMs: number } | null;
}

async function findAny(kind: ResourceKind): Promise<Found | undefined> {
  return (await kind.find()) ?? kind.remains?.();
}

/** The cloud's own code of an error; empty for any other. */
export function cloudCodeOf(error: unknown): string {
  const code = error instanceof PlatformError ? error.details['cloudCode'] : undefined;
  return typeof code === 'string' ? code : '';
}

function differencesOf(
  { settings }: Found,
  params: ProvisionRequest['params'],
): Record<string, { readonly from: JsonValue; readonly to: JsonValue }> {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, from]) => {
      const to = params[name];
      return to === undefined || isDeepStrictEqual(from, to) ? [] : [[name, { from, to }]];
    }),
  );
}

const sorted = (tags: Tags): [string, string][] => Object.entries(tags).sort(([a], [b]) => (a < b ? -1 : 1));
