/** What one tenant finds behind the target `registry`: its registrations and the functions that serve it. */

import { parseFunctionReference } from '../core/lambda-arn.ts';
import type { Definition } from '../core/target.ts';
import { inheritTags, type Tags } from '../core/visibility.ts';
import { wrapperOf } from './accepted-arguments.ts';
import { routeOf, type Route } from './canary.ts';
import { canonicalJson, definitionDigest, described } from './digest.ts';
import { freeName, toolDescription } from './discovery/naming.ts';
import type { PublishedFunction } from './published-functions.ts';
import {
  inputSchemaOf,
  outputSchemaOf,
  type EventMode,
  type FunctionRegistration,
  type Registration,
} from './registration.ts';
import { resourceParameters, type ResourceParameters } from './resource-parameters.ts';
import type { SchemaObject } from './schema-bounds.ts';
import { chooseSchemas } from './schema-sources.ts';

interface Entry extends Route {
  readonly name: string;
  readonly definition: Definition;
}

export interface ToolEntry extends Entry {
  readonly event: EventMode;
  readonly schema: SchemaObject;
  /** The answer is held against it. */
  readonly outputSchema?: SchemaObject;
  readonly digest: string;
  readonly isStreaming: boolean;
}

export interface PromptEntry extends Entry {
  readonly schema: SchemaObject;
  readonly digest: string;
}

export interface ResourceEntry extends Entry {
  readonly resource: ResourceParameters;
  readonly revision: string;
}

export interface TenantCatalogue {
  readonly tools: ReadonlyMap<string, ToolEntry>;
  readonly prompts: ReadonlyMap<string, PromptEntry>;
  readonly resources: readonly ResourceEntry[];
  readonly skipped: readonly { readonly key: string; readonly reason: string }[];
  /** Schemas of functions that were found and could not be used, for the log. */
  readonly notes: readonly string[];
}

export interface CatalogueSources {
  readonly registrations: readonly Registration[];
  /** Already those that serve this tenant. */
  readonly functions: readonly PublishedFunction[];
  /** What a function itself is tagged with, by the ARN of a registration. */
  readonly tagsOf?: (lambdaArn: string) => Tags | undefined;
  /** Of registrations that name none. @default arguments */
  readonly defaultEvent?: EventMode | undefined;
  /** Functions without a schema take `{parameters: {…}}` for what is in it. */
  readonly unwrapsOpen?: boolean | undefined;
}

/** Registrations come first: a configured function yields its name to them, and is not listed twice. */
export function buildCatalogue(sources: CatalogueSources): TenantCatalogue {
  const registered = sources.registrations
    .filter((each): each is FunctionRegistration => each.type !== 'mcp')
    .map((each) => withFunctionTags(each, sources));
  const tools = new Map<string, ToolEntry>();
  const taken = new Set<string>();
  for (const each of registered) {
    if (each.type !== 'tool') continue;
    taken.add(each.name.toLowerCase());
    tools.set(each.name, registeredTool(each, sources.defaultEvent));
  }
  const skipped: { key: string; reason: string }[] = [];
  const notes: string[] = [];
  for (const each of sources.functions) {
    const twin = tools.get(each.toolName);
    if (twin !== undefined && parseFunctionReference(twin.functionName)?.name === each.name) continue;
    const made = configuredTool(each, freeName(each.toolName, taken), { notes, unwrapsOpen: sources.unwrapsOpen });
    if ('reason' in made) skipped.push(made);
    else tools.set(made.name, made);
  }
  const prompts = new Map(registered.filter((each) => each.type === 'prompt').map((each) => [each.name, prompt(each)]));
  const resources = registered.filter((each) => each.type === 'resource').map(resource);
  return { tools, prompts, resources, skipped, notes };
}

/** A tool has the tags of its function too: for cost, and because an internal function has no external tool. */
function withFunctionTags(registration: FunctionRegistration, { tagsOf }: CatalogueSources): FunctionRegistration {
  const tags = inheritTags(registration.tags, tagsOf?.(registration.lambdaArn));
  return tags === registration.tags || tags === undefined ? registration : { ...registration, tags };
}

function registeredTool(registration: FunctionRegistration, defaultEvent: EventMode = 'arguments'): ToolEntry {
  const { name, description, digest, tags, event = defaultEvent, streaming: isStreaming = false } = registration;
  const output = outputSchemaOf(registration);
  const schemas = {
    inputSchema: inputSchemaOf(registration),
    ...(output === undefined ? {} : { outputSchema: output }),
  };
  const definition = define('tool', name, { name, description, ...schemas }, tags);
  const { inputSchema: schema, ...answer } = schemas;
  const route = registeredRoute(registration);
  return { name, ...route, definition, event, schema, ...answer, digest, isStreaming };
}

/** @param options.notes - Gets what of its schemas could not be used. */
export function configuredTool(
  candidate: PublishedFunction,
  name: string,
  { notes, unwrapsOpen = false }: { readonly notes: string[]; readonly unwrapsOpen?: boolean | undefined },
): ToolEntry | { readonly key: string; readonly reason: string } {
  const description = toolDescription(candidate.name, candidate.description);
  const { input: schema, output, refusal, notes: found } = chooseSchemas(candidate);
  notes.push(...found);
  if (refusal !== undefined) return { key: name, reason: refusal };
  const answer = output === undefined ? {} : { outputSchema: output };
  const shown = define('tool', name, { name, description, inputSchema: schema, ...answer }, candidate.tags);
  const argumentsIn = wrapperOf(schema, unwrapsOpen);
  const definition = {
    ...shown,
    ...(argumentsIn === undefined ? {} : { argumentsIn }),
    ...(candidate.code === undefined ? {} : { code: candidate.code }),
  };
  const digest = definitionDigest(name, description, described(schema, output));
  const { event = 'arguments', streaming: isStreaming = false } = candidate;
  const route = configuredRoute(candidate, name);
  return { name, ...route, definition, event, schema, ...answer, digest, isStreaming };
}

function registeredRoute(registration: FunctionRegistration): Route {
  const { tenant: owner, id, name: tool, revision: generation, lambdaArn } = registration;
  return routeOf(lambdaArn, registration, { owner, id, tool, generation });
}

function configuredRoute(candidate: PublishedFunction, tool: string): Route {
  const { name, version, alias, canary } = candidate;
  const generation = canonicalJson({ version, alias, canary });
  return routeOf(candidate.functionName ?? name, candidate, { owner: '*', id: `function-${name}`, tool, generation });
}

function prompt(registration: FunctionRegistration): PromptEntry {
  const { name, description, tags, digest } = registration;
  const schema = inputSchemaOf(registration);
  const properties = (schema['properties'] ?? {}) as SchemaObject;
  const required = new Set(Array.isArray(schema['required']) ? (schema['required'] as unknown[]) : []);
  const args = Object.keys(properties).map((key) => {
    const text = (properties[key] as SchemaObject | undefined)?.['description'];
    return { name: key, ...(typeof text === 'string' ? { description: text } : {}), required: required.has(key) };
  });
  const definition = define('prompt', name, { name, description, arguments: args }, tags);
  return { name, ...registeredRoute(registration), definition, schema, digest };
}

function resource(registration: FunctionRegistration): ResourceEntry {
  const { name, description, tags, revision } = registration;
  const parameters = resourceParameters(registration.parameters);
  const { uriTemplate, variables } = parameters;
  const definition =
    variables.length > 0
      ? define('template', uriTemplate, { uriTemplate, name, description }, tags)
      : define('resource', uriTemplate, { uri: uriTemplate, name, description }, tags);
  return { name, ...registeredRoute(registration), definition, resource: parameters, revision };
}

/** A definition whose text is made here. */
export function define(
  kind: Definition['kind'],
  key: string,
  value: Readonly<Record<string, unknown>>,
  tags?: Readonly<Record<string, string>>,
): Definition {
  return { kind, key, text: JSON.stringify(value), value, ...(tags === undefined ? {} : { tags }) };
}
