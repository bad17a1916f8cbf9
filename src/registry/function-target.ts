/**
 * The target `registry`: functions as tools, prompts and resources. It lists what the operator configured and what
 * the tenant's administrators registered, holds arguments against their schema, and translates between MCP and the
 * event and reply of a Lambda function. Where and how a function runs is the invoker's business.
 */

import type { RequestContext } from '../core/context.ts';
import { PlatformError, type ErrorCode } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { Clock, FunctionInvoker, InvocationResult } from '../core/ports.ts';
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
import { templateVariables } from '../protocol/uri-template.ts';
import type { Route } from './canary.ts';
import { argsExtraEvent, clientContext, completeEvent, readEvent, REGISTRY_ID, toolEvent } from './function-event.ts';
import {
  errorResult,
  failureWords,
  promptResult,
  readReply,
  readResult,
  replyWords,
  toolResult,
  unwrapRpc,
  type Reply,
} from './function-reply.ts';
import type { Discovery } from './discovery/selection.ts';
import { publishedFunctions, type ConfiguredFunction } from './published-functions.ts';
import type { Registration } from './registration.ts';
import type { RegistrationChange, RegistrationStore } from './registration-store.ts';
import { ResourceLister } from './resource-lister.ts';
import {
  buildCatalogue,
  type PromptEntry,
  type ResourceEntry,
  type TenantCatalogue,
  type ToolEntry,
} from './tenant-catalogue.ts';
import type { CanaryReport } from './canary-switch.ts';
import { argumentProblem } from './validate-arguments.ts';
import { functionNameOf, VersionedCalls, type VersionedCallsParts } from './versioned-calls.ts';

export interface FunctionTargetParts extends VersionedCallsParts {
  readonly invoker: FunctionInvoker;
  readonly registrations: RegistrationStore;
  readonly clock: Clock;
  readonly functions: readonly ConfiguredFunction[];
  readonly discovery?: Discovery | undefined;
}

type Invocable = Pick<ToolEntry, 'name' | 'functionName' | 'canary'>;

interface Built {
  readonly from: readonly Registration[];
  readonly catalogue: TenantCatalogue;
}

/** Failures that are the function's or the call's, and told to the model as a tool's own failure. */
const TOLD_AS_RESULT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'FUNCTION_NOT_FOUND',
  'FUNCTION_FAILED',
  'FUNCTION_TIMEOUT',
  'FUNCTION_THROTTLED',
  'FUNCTION_DENIED',
  'PAYLOAD_TOO_LARGE',
]);

const MAX_COMPLETIONS = 100;
const MAX_TENANTS = 1000;

export class FunctionTarget implements Target {
  readonly id = REGISTRY_ID;
  readonly kind = 'function';
  readonly label: FunctionInvoker['label'];
  readonly perTenant = true;
  readonly #parts: FunctionTargetParts;
  readonly #lister: ResourceLister;
  readonly #versions: VersionedCalls;
  readonly #built = new Map<string, Built>();
  readonly #listeners = new Set<(change: TargetChange) => void>();
  readonly #stop: () => void;
  #functions: readonly ConfiguredFunction[];
  #discovery: Discovery | undefined;

  constructor(parts: FunctionTargetParts) {
    this.#parts = parts;
    this.label = parts.invoker.label;
    this.#functions = parts.functions;
    this.#discovery = parts.discovery;
    this.#lister = new ResourceLister(parts.clock, (entry, payload, context) => this.#invoke(entry, payload, context));
    this.#versions = new VersionedCalls(parts, {
      onChanged: () => this.#refresh(),
      onLearned: () => this.#emit({ kind: 'tools' }),
    });
    this.#stop = parts.registrations.onChange((tenant, change) => this.#changed(tenant, change));
  }

  /** Takes the functions of a reloaded configuration. */
  setFunctions(functions: readonly ConfiguredFunction[], discovery?: Discovery): void {
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
      skipped,
    };
  }

  async call(call: TargetCall, _exchange: Exchange, context: RequestContext): Promise<TargetResult> {
    const catalogue = await this.#catalogue(context.tenant);
    switch (call.method) {
      case 'tools/call':
        return { text: await this.#callTool(catalogue.tools.get(call.name), call, context) };
      case 'prompts/get':
        return { text: await this.#getPrompt(catalogue.prompts.get(call.name), call, context) };
      case 'resources/read':
        return { text: await this.#readResource(catalogue.resources, call, context) };
      case 'completion/complete':
        return { text: await this.#complete(catalogue.resources, call, context) };
      default:
        throw new PlatformError(
          'METHOD_NOT_FOUND',
          `Functions do not offer ${call.method}. Call a tool, a prompt or a resource.`,
        );
    }
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

  // -- calls -----------------------------------------------------------------------------------------------

  async #callTool(tool: ToolEntry | undefined, call: TargetCall, context: RequestContext): Promise<string> {
    if (tool === undefined) throw unknown('tool', call.name);
    const problem = await argumentProblem(tool.digest, tool.schema, call.parsed['arguments'] ?? {});
    if (problem !== undefined)
      return errorResult(`${problem} The parameters of "${tool.name}" are described in tools/list.`);
    try {
      const result = await this.#invoke(tool, toolEvent(tool.event, call, context), context, call.idempotencyKey);
      logFailure(tool, result, context);
      return toolResult(tool.name, tool.event === 'mcp' ? unwrapRpc(result) : result);
    } catch (error) {
      if (error instanceof PlatformError && TOLD_AS_RESULT.has(error.code)) return errorResult(error.message);
      throw error;
    }
  }

  async #getPrompt(prompt: PromptEntry | undefined, call: TargetCall, context: RequestContext): Promise<string> {
    if (prompt === undefined) throw unknown('prompt', call.name);
    const args = isObject(call.parsed['arguments']) ? call.parsed['arguments'] : {};
    const required = Array.isArray(prompt.schema['required']) ? (prompt.schema['required'] as string[]) : [];
    const missing = required.find((name) => !Object.hasOwn(args, name));
    if (missing !== undefined) {
      throw new PlatformError(
        'INVALID_ARGUMENTS',
        `Prompt "${prompt.name}" needs the argument "${missing}". Send it and ask again.`,
        { argument: missing },
      );
    }
    return promptResult(await this.#reply(prompt, argsExtraEvent(call, context), context));
  }

  async #readResource(resources: readonly ResourceEntry[], call: TargetCall, context: RequestContext): Promise<string> {
    const exact = resources.find((each) => each.definition.kind === 'resource' && each.definition.key === call.name);
    const candidates = exact === undefined ? resources : [exact];
    for (const entry of candidates) {
      const variables =
        entry === exact ? new Map<string, string>() : templateVariables(entry.resource.uriTemplate, call.name);
      if (variables === undefined) continue;
      const event = readEvent(call.name, variables, { call, context });
      return readResult(call.name, await this.#reply(entry, event, context));
    }
    throw unknown('resource', call.name);
  }

  async #complete(resources: readonly ResourceEntry[], call: TargetCall, context: RequestContext): Promise<string> {
    const { argument } = call.parsed;
    const name = isObject(argument) && typeof argument['name'] === 'string' ? argument['name'] : '';
    const value = isObject(argument) && typeof argument['value'] === 'string' ? argument['value'] : '';
    const entry = resources.find((each) => each.resource.uriTemplate === call.name);
    const source = entry?.resource.completions.get(name) ?? [];
    const all =
      typeof source === 'string' ? await this.#askCompletions(call.name, source, { name, value, context }) : source;
    const fitting = all.filter((text) => text.toLowerCase().startsWith(value.toLowerCase()));
    const values = fitting.slice(0, MAX_COMPLETIONS);
    return JSON.stringify({ completion: { values, total: fitting.length, hasMore: fitting.length > values.length } });
  }

  /** A function answers a list of texts, or `{values: […]}`. */
  async #askCompletions(
    name: string,
    functionName: string,
    of: { readonly name: string; readonly value: string; readonly context: RequestContext },
  ): Promise<readonly string[]> {
    const event = completeEvent({ name: of.name, value: of.value }, of.context);
    const { value } = await this.#reply({ name, functionName }, event, of.context);
    const list = isObject(value) ? value['values'] : value;
    return Array.isArray(list) ? list.filter((text): text is string => typeof text === 'string') : [];
  }

  /** The reply of a prompt's or resource's function, which has no other way to fail than an error. */
  async #reply(entry: Invocable, payload: string, context: RequestContext): Promise<Reply> {
    const result = await this.#invoke(entry, payload, context);
    logFailure(entry, result, context);
    if (result.functionError !== undefined)
      throw new PlatformError('FUNCTION_FAILED', `${failureWords(entry.name, result.payload)}. Its log says more.`);
    const reply = readReply(result.payload);
    if (reply.isFailure)
      throw new PlatformError(
        'FUNCTION_FAILED',
        `Function "${entry.name}" refused: ${replyWords(reply).slice(0, 2000)}`,
      );
    return reply;
  }

  async #invoke(
    entry: Invocable,
    payload: string,
    context: RequestContext,
    idempotencyKey?: string,
  ): Promise<InvocationResult> {
    if (!this.#serves(functionNameOf(entry), context.tenant)) throw this.#absent(entry, context.tenant);
    const custom = clientContext(entry.name, context, idempotencyKey);
    try {
      return await this.#versions.run(entry, context, (functionName) =>
        this.#parts.invoker.invoke({ functionName, payload, clientContext: custom }, context),
      );
    } catch (error) {
      const isAbsent =
        error instanceof PlatformError &&
        error.code === 'FUNCTION_NOT_FOUND' &&
        error.details['qualifier'] === undefined;
      throw isAbsent ? this.#absent(entry, context.tenant) : error;
    }
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
      .map((each) => each.name)
      .filter((name) => this.#serves(name, tenant));
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
    const tags = new Map(this.#parts.invoker.list().map((each) => [each.name, each.tags]));
    const tagged = own.map((each) => ({ ...each, tags: tags.get(each.name) ?? each.tags }));
    const functions = publishedFunctions(tagged, this.#discovery);
    const catalogue = buildCatalogue({ registrations: from, functions, tagsOf: (name) => tags.get(name) });
    this.#built.set(tenant, { from, catalogue });
    if (this.#built.size > MAX_TENANTS) this.#built.delete(this.#built.keys().next().value ?? '');
    return catalogue;
  }

  #withCode(entry: ToolEntry | PromptEntry | ResourceEntry): Definition {
    const code = this.#versions.code(entry);
    return code === undefined ? entry.definition : { ...entry.definition, code };
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

function unknown(kind: string, name: string): PlatformError {
  return new PlatformError('UNKNOWN_NAME', `There is no ${kind} "${name.slice(0, 200)}". Ask for the list again.`, {
    name: name.slice(0, 200),
  });
}

/** The stack trace goes to the log; the caller gets type and message. */
function logFailure(entry: Invocable, result: InvocationResult, context: RequestContext): void {
  if (result.functionError === undefined) return;
  context.log.log('warn', 'function-failed', {
    function: functionNameOf(entry),
    name: entry.name,
    payload: result.payload.slice(0, 4096),
  });
}
