/**
 * What all services of AWS have in common: create or adopt, tag, wait, read back, and remove until reading finds nothing.
 * A service says how its resource is found, made, changed and removed, and which of that are steps.
 */

import { isDeepStrictEqual } from 'node:util';
import { PlatformError } from '../../core/errors.ts';
import type { JsonValue } from '../../core/ports.ts';
import { cloudError, notOwned } from '../../provisioning/cloud-errors.ts';
import type {
  CloudProvisioner,
  DeprovisionResponse,
  PlannedChange,
  ProvisionContext,
  ProvisionRequest,
  ProvisionResponse,
  ResourceState,
  StepAttempt,
} from '../../provisioning/provisioner.ts';
import { cloudCodeOf } from './cloud-call.ts';
import { checkTenant, isMadeByRequest, isTenants, newTags, tagsOver } from './ownership.ts';
import type { Tags } from './ownership.ts';

export type Outputs = Readonly<Record<string, JsonValue>>;

/** A resource as AWS has it. */
export interface Found {
  readonly tags: Tags;
  readonly outputs: Outputs;
  /** Parameters as they are in force, by name: those that can be read back. */
  readonly settings: Outputs;
  /** Whether it can be used; a resource that is still being made or removed cannot. @default true */
  readonly isReady?: boolean;
  /** It is being removed; its tags need not be there any more. @default false */
  readonly isEnding?: boolean;
}

/** What a service adds. Its methods that are no steps themselves are called within one, and may be called again. */
export interface ResourceKind {
  /** In step names: `bucket` gives `create-bucket`. */
  readonly noun: string;
  /** Parameters that no update can change. */
  readonly fixed: readonly string[];
  /** AWS's codes for a name that is taken. */
  readonly taken: readonly string[];
  /** AWS's codes for what cannot be made just now and can in a minute or two. @default none */
  readonly notNow?: readonly string[];
  /** Whether creating what exists is an error, so that whoever succeeds made it. */
  readonly isCreateExclusive: boolean;
  find(): Promise<Found | undefined>;
  /** Makes it with these tags, or as much of it as one call can make. */
  create(tags: Tags, attempt: StepAttempt): Promise<void>;
  /** The rest of making it, in steps of its own. */
  complete?(tags: Tags): Promise<void>;
  tag(tags: Tags, found: Found): Promise<void>;
  /** Makes it agree with the parameters, in steps. @param different - Names of parameters. */
  change(different: ReadonlySet<string>): Promise<void>;
  /** Asks AWS to remove it, in steps, and does not wait for it. Parts may be gone already. */
  remove(): Promise<void>;
}

/** How long AWS may take to make something ready, or to be rid of it. */
const READY = { everyMs: 2_000, timeoutMs: 900_000 };
const NOT_NOW = { everyMs: 5_000, timeoutMs: 180_000 };
const GONE = { everyMs: 2_000, timeoutMs: 900_000 };

export type MakeKind = (at: { readonly id: string; readonly params: ProvisionRequest['params'] }) => ResourceKind;

/** @param stepsOf - See `ServiceDefinition`. */
export function resourceProvisioner(
  context: ProvisionContext,
  make: MakeKind,
  stepsOf: (params: ProvisionRequest['params']) => readonly string[],
): CloudProvisioner {
  return new ResourceProvisioner(context, make, stepsOf);
}

class ResourceProvisioner implements CloudProvisioner {
  readonly #context: ProvisionContext;
  readonly #make: MakeKind;
  readonly #stepsOf: (params: ProvisionRequest['params']) => readonly string[];

  constructor(
    context: ProvisionContext,
    make: MakeKind,
    stepsOf: (params: ProvisionRequest['params']) => readonly string[],
  ) {
    this.#context = context;
    this.#make = make;
    this.#stepsOf = stepsOf;
  }

  async provision(input: ProvisionRequest): Promise<ProvisionResponse> {
    const context = this.#context;
    const kind = this.#make({ id: context.id, params: input.params });
    const isAdopted = await this.#claimed(kind);
    if (isAdopted) await this.#retag(kind, { isUpdate: false });
    else await kind.complete?.(newTags(context));
    return { status: 'provisioned', id: context.id, outputs: await this.#awaitReady(kind), isAdopted };
  }

  #claimed(kind: ResourceKind): Promise<boolean> {
    const { steps } = this.#context;
    const { notNow, noun } = kind;
    if (notNow === undefined) return steps.run(`create-${noun}`, (attempt) => this.#claim(kind, attempt));
    const claim = async (attempt: StepAttempt): Promise<boolean | undefined> => {
      try {
        return await this.#claim(kind, attempt);
      } catch (error) {
        if (notNow.includes(cloudCodeOf(error))) return undefined;
        throw error;
      }
    };
    return steps.until(`create-${noun}`, claim, NOT_NOW);
  }

  /** @returns whether it was there before, made by another request of this tenant. */
  async #claim(kind: ResourceKind, attempt: StepAttempt): Promise<boolean> {
    const context = this.#context;
    const before = await kind.find();
    if (before?.isEnding === true) throw notYet(kind.noun, `create-${kind.noun}`, 'one of this name is being removed');
    if (before !== undefined) return this.#judge(before);
    const isTaken = await this.#tryCreate(kind, attempt);
    if (!isTaken && kind.isCreateExclusive) return false;
    const after = await kind.find();
    if (after !== undefined) return this.#judge(after);
    if (isTaken) throw notOwned(context.id, 'the name is taken by what this account cannot see');
    throw notYet(kind.noun, `create-${kind.noun}`);
  }

  async #tryCreate(kind: ResourceKind, attempt: StepAttempt): Promise<boolean> {
    try {
      await kind.create(newTags(this.#context), attempt);
      return false;
    } catch (error) {
      if (kind.taken.includes(cloudCodeOf(error))) return true;
      throw error;
    }
  }

  #judge({ tags }: Found): boolean {
    checkTenant(tags, this.#context);
    return !isMadeByRequest(tags, this.#context);
  }

  async destroy(id: string): Promise<DeprovisionResponse> {
    const context = this.#context;
    const kind = this.#make({ id, params: context.request.params });
    const state = await context.steps.run(`find-${kind.noun}`, () => this.#stateOf(kind));
    if (state === 'ours') await kind.remove();
    if (state !== 'nothing') {
      const ask = async (): Promise<true | undefined> => ((await kind.find()) === undefined ? true : undefined);
      await context.steps.until(`await-no-${kind.noun}`, ask, GONE);
    }
    return { status: 'deprovisioned', id };
  }

  /** What there is to do for a removal. @throws PlatformError `RESOURCE_NOT_OWNED`. */
  async #stateOf(kind: ResourceKind): Promise<'nothing' | 'ending' | 'ours'> {
    const context = this.#context;
    const found = await kind.find();
    if (found === undefined) return 'nothing';
    if (found.isEnding === true) return 'ending';
    if (context.isRollback === true) return isMadeByRequest(found.tags, context) ? 'ours' : 'nothing';
    checkTenant(found.tags, context);
    return 'ours';
  }

  async plan(input: ProvisionRequest): Promise<PlannedChange> {
    const context = this.#context;
    const kind = this.#make({ id: context.id, params: input.params });
    const found = await kind.find();
    if (found === undefined) return { id: context.id, change: 'create', steps: this.#stepsOf(input.params) };
    checkTenant(found.tags, context);
    const differences = differencesOf(found, input.params);
    const change = isMadeByRequest(found.tags, context) ? 'none' : 'adopt';
    const steps = change === 'adopt' ? [`create-${kind.noun}`, `tag-${kind.noun}`, `await-${kind.noun}`] : [];
    return { id: context.id, change, steps, ...(Object.keys(differences).length === 0 ? {} : { differences }) };
  }

  async read(id: string): Promise<ResourceState | undefined> {
    const found = await this.#make({ id, params: this.#context.request.params }).find();
    if (found === undefined) return undefined;
    const { outputs, tags } = found;
    return { id, outputs, tags, isOwned: isTenants(tags, this.#context) };
  }

  async update(id: string, input: ProvisionRequest): Promise<ProvisionResponse> {
    const kind = this.#make({ id, params: input.params });
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
    checkTenant(found.tags, this.#context);
    const different = Object.keys(differencesOf(found, params));
    const fixed = different.filter((name) => kind.fixed.includes(name));
    if (fixed.length === 0) return different;
    const message = `${fixed.join(', ')} of an existing ${kind.noun} cannot be changed. Destroy "${id}" and provision it anew, or leave it as it is.`;
    throw new PlatformError('INVALID_ARGUMENTS', message, { id, parameters: fixed });
  }

  async adopt(input: ProvisionRequest): Promise<ProvisionResponse | undefined> {
    const context = this.#context;
    const kind = this.#make({ id: context.id, params: input.params });
    const isThere = await context.steps.run(`find-${kind.noun}`, async () => {
      const found = await kind.find();
      if (found !== undefined) checkTenant(found.tags, context);
      return found !== undefined;
    });
    if (!isThere) return undefined;
    await this.#retag(kind, { isUpdate: false });
    return { status: 'provisioned', id: context.id, outputs: await this.#awaitReady(kind), isAdopted: true };
  }

  async #retag(kind: ResourceKind, options: { readonly isUpdate: boolean }): Promise<void> {
    const name = `tag-${kind.noun}`;
    await this.#context.steps.run(name, async () => {
      const found = await kind.find();
      if (found === undefined) throw notYet(kind.noun, name);
      checkTenant(found.tags, this.#context);
      const tags = tagsOver(found.tags, this.#context, options);
      if (!isDeepStrictEqual(sorted(tags), sorted(found.tags))) await kind.tag(tags, found);
      return null;
    });
  }

  #awaitReady(kind: ResourceKind): Promise<Outputs> {
    const ask = async (): Promise<Outputs | undefined> => {
      const found = await kind.find();
      return found === undefined || found.isReady === false ? undefined : found.outputs;
    };
    return this.#context.steps.until(`await-${kind.noun}`, ask, READY);
  }
}

/** What was just made does not show yet, or is gone already; worth another look. */
function notYet(noun: string, step: string, message = `the ${noun} does not show yet`): PlatformError {
  return cloudError({ cloud: 'aws', fault: 'unavailable', operation: step, cloudCode: 'NotVisibleYet', message });
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
