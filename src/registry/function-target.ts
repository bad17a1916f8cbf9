/**
 * The target `registry`: functions as tools, prompts and resources. It lists what the operator configured and what
 * the tenant's administrators registered, holds arguments against their schema, and translates between MCP and the
 * event and reply of a Lambda function. Where and how a function runs is the invoker's business.
 */

import type { RequestContext } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { parseFunctionReference, withoutQualifier } from '../core/lambda-arn.ts';
import type { Clock, FunctionInvoker } from '../core/ports.ts';
import type {
  Definition,
  Exchange,
  Target,
  TargetCall,
  TargetChange,
  TargetListing,
  TargetResult,
  TargetStatus,
} from '../core/target.ts';
import { isInternal, type Tags } from '../core/visibility.ts';
import type { Route } from './canary.ts';
import { FunctionCalls } from './function-calls.ts';
import { REGISTRY_ID } from './function-event.ts';
import type { Discovery } from './discovery/selection.ts';
import { publishedFunctions, type ConfiguredFunction, type PublishedFunction } from './published-functions.ts';
import type { EventMode, Registration } from './registration.ts';
import type { RegistrationChange, RegistrationStore } from './registration-store.ts';
import { RegistryCalls, type Asked, type Invocable } from './registry-calls.ts';
import { ResourceLister } from './resource-lister.ts';
import { TaggedSchemas, type SchemaSource } from './tagged-schemas.ts';
import {
  buildCatalogue,
  configuredTool,
  type PromptEntry,
  type ResourceEntry,
  type TenantCatalogue,
  type ToolEntry,
} from './tenant-catalogue.ts';
import type { CanaryReport } from './canary-switch.ts';
import { functionNameOf, VersionedCalls, type VersionedCallsParts } from './versioned-calls.ts';

/** Which functions are published, and the key of the tag that names the schema of one. */
export type Selection = Discovery & { readonly schemaTag?: string | undefined };

export interface FunctionTargetParts extends VersionedCallsParts {
  readonly invoker: FunctionInvoker;
  readonly registrations: RegistrationStore;
  readonly clock: Clock;
  readonly functions: readonly ConfiguredFunction[];
  readonly discovery?: Selection | undefined;
  /** Reads the schemas that tags name. Absent: tags name none. */
  readonly schemaSource?: SchemaSource | undefined;
  /** Of registrations that name no event. @default arguments */
  readonly defaultEvent?: EventMode | undefined;
  /** Answers in the words of the earlier Lambda tool servers. */
  readonly isCompat002?: boolean | undefined;
  /** At least 0 and below 1; spreads repeats. @default Math.random */
  readonly random?: (() => number) | undefined;
}

interface Built {
  readonly from: readonly Registration[];
  readonly catalogue: TenantCatalogue;
  /** When a schema in it is to be read again. */
  readonly dueAtMs: number;
}

const MAX_TENANTS = 1000;
const MAX_NOTED = 1000;
const REBUILT_AFTER_MS = 5 * 60_000;
const INSTRUCTIONS =
  'These tools are Lambda functions: call one where it can give data or do work that you cannot. Each runs with the rights of its owner and is told who asks.';

export class FunctionTarget implements Target {
  readonly id = REGISTRY_ID;
  readonly kind = 'function';
  readonly label: FunctionInvoker['label'];
  readonly perTenant = true;
  readonly #parts: FunctionTargetParts;
  readonly #lister: ResourceLister;
  readonly #calls: RegistryCalls;
  /** Schemas that cannot be used, said once. */
  readonly #noted = new Set<string>();
  readonly #schemas: TaggedSchemas | undefined;
  readonly #versions: VersionedCalls;
  readonly #built = new Map<string, Built>();
  readonly #listeners = new Set<(change: TargetChange) => void>();
  readonly #stop: () => void;
  #functions: readonly ConfiguredFunction[];
  #discovery: Selection | undefined;

  constructor(parts: FunctionTargetParts) {
    this.#parts = parts;
    this.label = parts.invoker.label;
    this.#functions = parts.functions;
    this.#discovery = parts.discovery;
    this.#versions = new VersionedCalls(parts, {
      onChanged: () => this.#refresh(),
      onLearned: () => this.#emit({ kind: 'tools' }),
    });
    const { schemaSource: source, clock, log } = parts;
    if (source !== undefined) this.#schemas = new TaggedSchemas({ source, clock, log });
    this.#calls = new RegistryCalls({
      calls: new FunctionCalls(parts),
      versions: this.#versions,
      serves: (name, tenant) => this.#serves(name, tenant),
      absent: (entry, tenant) => this.#absent(entry, tenant),
      isCompat002: parts.isCompat002,
    });
    this.#lister = new ResourceLister(parts.clock, (entry, payload, context) =>
      this.#calls.ask(entry, payload, context),
    );
    this.#stop = parts.registrations.onChange((tenant, change) => this.#changed(tenant, change));
  }

  /** Takes the functions of a reloaded configuration. */
  setFunctions(functions: readonly ConfiguredFunction[], discovery?: Selection): void {
    this.#functions = functions;
    this.#discovery = discovery;
    this.#refresh();
  }

  /** How the canaries of a tenant's tools do, as far as they were listed. */
  canaries(tenant: string): readonly CanaryReport[] {
    const catalogue = this.#built.get(tenant)?.catalogue;
    return catalogue === undefined ? [] : this.#versions.reports(routesOf(catalogue));
  }

  async list(context: RequestContext): Promise<TargetListing> {
    this.#forgetStale(context.tenant);
    const catalogue = await this.#catalogue(context.tenant);
    const { tools, prompts, resources, skipped } = catalogue;
    await this.#versions.prepare(routesOf(catalogue));
    const known = new Set(this.#parts.invoker.list().map((each) => each.name));
    const askable = resources.filter((each) => each.resource.variables.length > 0 && known.has(functionNameOf(each)));
    const entries = [...tools.values(), ...prompts.values(), ...resources];
    const own = new Set(resources.map((each) => each.definition.key));
    const found = (await this.#lister.list(askable, context)).filter((each) => !own.has(each.key));
    return {
      definitions: [...entries.map((each) => this.#withCode(each)), ...found],
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { listChanged: true },
        completions: {},
      },
      cacheScope: 'private',
      instructions: INSTRUCTIONS,
      skipped,
    };
  }

  async call(call: TargetCall, exchange: Exchange, context: RequestContext): Promise<TargetResult> {
    const { tools, prompts, resources } = await this.#catalogue(context.tenant);
    const asked = { call, exchange, context };
    switch (call.method) {
      case 'tools/call':
        return { text: await this.#calls.callTool(tools.get(call.name), asked) };
      case 'prompts/get':
        return { text: await this.#calls.getPrompt(prompts.get(call.name), asked) };
      case 'resources/read':
        return { text: await this.#calls.readResource(resources, asked) };
      case 'completion/complete':
        return { text: await this.#calls.complete(resources, asked) };
      default:
        throw new PlatformError(
          'METHOD_NOT_FOUND',
          `Functions do not offer ${call.method}. Call a tool, a prompt or a resource.`,
        );
    }
  }

  /** Calls a function under its own name as the tool that it could be, listed or not. */
  async callFunction(candidate: ConfiguredFunction, asked: Asked): Promise<string> {
    const { name } = candidate;
    const [found] = await this.#withSchemas([{ ...candidate, toolName: name }]);
    const tool = found === undefined ? undefined : configuredTool(found, name, { notes: [] });
    if (tool !== undefined && 'reason' in tool)
      throw new PlatformError('FUNCTION_FAILED', `Function "${name}" cannot be called: ${tool.reason}.`, {
        function: name,
      });
    return this.#calls.callTool(tool, asked);
  }

  onChange(listener: (change: TargetChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  status(): TargetStatus {
    return { state: 'ready' };
  }

  /** Ends listening; the invoker and the registrations belong to whoever made them. */
  close(): Promise<void> {
    this.#stop();
    this.#listeners.clear();
    return this.#versions.close();
  }

  // -- who sees what ---------------------------------------------------------------------------------------

  /** A function that names its tenants serves no other, whatever a registration says. */
  #serves(functionName: string, tenant: string): boolean {
    const tenants = this.#functions.find((each) => each.name === functionName)?.tenants;
    return tenants === undefined || tenants.includes(tenant);
  }

  /** Names only what the tenant may know. */
  #absent(entry: Invocable, tenant: string): PlatformError {
    const known = this.#parts.invoker
      .list()
      .filter(({ name, tags }) => this.#serves(name, tenant) && !isInternal(tags))
      .map((each) => each.name);
    const list =
      known.length === 0 ? 'No function is configured.' : `Known functions: ${known.slice(0, 20).join(', ')}.`;
    const name = functionNameOf(entry);
    const what = `"${entry.name}" is registered for the function "${name}", which does not exist here.`;
    const next = `Add functions.${name} to the configuration, or correct the ARN with PUT /register. ${list}`;
    return new PlatformError('FUNCTION_NOT_FOUND', `${what} ${next}`, { function: name });
  }

  async #catalogue(tenant: string): Promise<TenantCatalogue> {
    const from = await this.#parts.registrations.list(tenant);
    const built = this.#built.get(tenant);
    if (built?.from === from) return built.catalogue;
    const own = this.#functions.filter((each) => each.tenants === undefined || each.tenants.includes(tenant));
    const tags = this.#tags();
    const functions = await this.#withSchemas(publishedFunctions(own, this.#discovery));
    const { defaultEvent, isCompat002: unwrapsOpen } = this.#parts;
    const tagsOf = (arn: string) =>
      tags.get(withoutQualifier(arn)) ?? tags.get(parseFunctionReference(arn)?.name ?? '');
    const catalogue = buildCatalogue({ registrations: from, functions, tagsOf, defaultEvent, unwrapsOpen });
    this.#note(catalogue.notes);
    this.#built.set(tenant, { from, catalogue, dueAtMs: this.#schemasDueAtMs(functions) });
    if (this.#built.size > MAX_TENANTS) this.#built.delete(this.#built.keys().next().value ?? '');
    return catalogue;
  }

  /** What functions are tagged with: of AWS by ARN, of this machine by name. */
  #tags(): ReadonlyMap<string, Tags> {
    const running = this.#parts.invoker.list().map(({ name, tags }): [string, Tags] => [name, tags]);
    const published = this.#functions.flatMap(({ functionName, name, tags }): [string, Tags][] =>
      tags === undefined ? [] : [[functionName ?? name, tags]],
    );
    return new Map([...running, ...published]);
  }

  /** Schemas of tags and of files may be others by now. Calls do not wait for that; lists do. */
  #forgetStale(tenant: string): void {
    const built = this.#built.get(tenant);
    if (built !== undefined && built.dueAtMs <= this.#parts.clock.monotonicMs()) this.#built.delete(tenant);
  }

  #schemasDueAtMs(functions: readonly PublishedFunction[]): number {
    const tag = this.#discovery?.schemaTag;
    const tagged = tag === undefined ? undefined : this.#schemas?.dueAtMs(functions, tag);
    return Math.min(tagged ?? Infinity, this.#parts.clock.monotonicMs() + REBUILT_AFTER_MS);
  }

  async #withSchemas(functions: readonly PublishedFunction[]): Promise<readonly PublishedFunction[]> {
    const tag = this.#discovery?.schemaTag;
    return tag === undefined || this.#schemas === undefined ? functions : this.#schemas.of(functions, tag);
  }

  #note(notes: readonly string[]): void {
    for (const reason of notes) {
      if (this.#noted.has(reason) || this.#noted.size >= MAX_NOTED) continue;
      this.#noted.add(reason);
      this.#parts.log.log('warn', 'function-schema-not-used', { reason });
    }
  }

  #withCode(entry: ToolEntry | PromptEntry | ResourceEntry): Definition {
    const { definition } = entry;
    if (definition.code !== undefined) return definition;
    const code = this.#versions.code(entry);
    return code === undefined ? definition : { ...definition, code };
  }

  #refresh(): void {
    this.#built.clear();
    this.#emit({ kind: 'tools' });
  }

  #changed(tenant: string, change: RegistrationChange): void {
    if (change.type === 'mcp') return;
    const kind = change.type === 'tool' ? 'tools' : change.type === 'prompt' ? 'prompts' : 'resources';
    this.#emit({ kind, tenant });
  }

  #emit(change: TargetChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function routesOf({ tools, prompts }: TenantCatalogue): readonly Route[] {
  return [...tools.values(), ...prompts.values()].filter(({ canary }) => canary !== undefined);
}
