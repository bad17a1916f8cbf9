/**
 * The administrator's record: a function published as a tool, resource or prompt, or a remote MCP server. Here is
 * what a body may say and what is kept of it; storing is `registration-store.ts`.
 */

import { isObject } from '../core/json.ts';
import { parseFunctionArn } from '../core/lambda-arn.ts';
import { isTargetId, RESERVED_TARGET_IDS, SEPARATOR } from '../protocol/names.ts';
import { checkVersionChoice, type VersionChoice } from './canary.ts';
import { definitionDigest, described } from './digest.ts';
import { toInputSchema } from './parameters.ts';
import { ProblemList } from './problem-list.ts';
import { checkResourceParameters } from './resource-parameters.ts';
import type { SchemaObject } from './schema-bounds.ts';
import { schemaProblem } from './validate-arguments.ts';

export type FunctionKind = 'tool' | 'resource' | 'prompt';
export type RegistrationType = FunctionKind | 'mcp';

/** Shape of the event that a tool's function receives. */
export type EventMode = 'arguments' | 'args-extra' | 'parameters' | 'mcp';
const EVENT_MODES: readonly EventMode[] = ['arguments', 'args-extra', 'parameters', 'mcp'];

export interface FunctionDefinition extends VersionChoice {
  readonly type: FunctionKind;
  readonly name: string;
  readonly description: string;
  readonly lambdaArn: string;
  /** As it was sent: the shorthand, a JSON Schema, or `{uriTemplate, completions?}` of a resource. */
  readonly parameters: SchemaObject;
  readonly event?: EventMode;
  /** Of a tool: JSON Schema or shorthand of its answer, which is then held against it. */
  readonly outputSchema?: SchemaObject;
  /** Of a tool: its function streams its answer. */
  readonly streaming?: boolean;
  readonly tags?: Readonly<Record<string, string>>;
}

export interface ServerDefinition {
  readonly type: 'mcp';
  /** Also the id of the target. */
  readonly name: string;
  readonly url: string;
  readonly description?: string;
  readonly tags?: Readonly<Record<string, string>>;
}

export type RegistrationDefinition = FunctionDefinition | ServerDefinition;

/** What the server adds. */
export interface RegistrationRecord {
  /** `<type>-<name>`. */
  readonly id: string;
  readonly tenant: string;
  /** Changes with every write; the entity tag of HTTP. */
  readonly revision: string;
  /** Hex SHA-256 of name, description and schema. */
  readonly digest: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly updatedAt: string;
}

export type FunctionRegistration = FunctionDefinition & RegistrationRecord;
export type ServerRegistration = ServerDefinition & RegistrationRecord;
export type Registration = FunctionRegistration | ServerRegistration;

/** Fields that the server sets. A body may carry them, as one that was read and edited does; they are not taken. */
const SERVER_FIELDS = ['id', 'tenant', 'revision', 'digest', 'createdAt', 'updatedAt'];
const FUNCTION_FIELDS = [
  'type',
  'name',
  'description',
  'lambdaArn',
  'parameters',
  'event',
  'outputSchema',
  'streaming',
  'tags',
  'version',
  'alias',
  'canary',
];
const SERVER_DEFINITION_FIELDS = ['type', 'name', 'url', 'description', 'tags'];
const TYPES: readonly RegistrationType[] = ['tool', 'resource', 'prompt', 'mcp'];
const NAME = /^[A-Za-z0-9_.-]{1,128}$/;
const MAX_DESCRIPTION = 8192;
const MAX_TAGS = 50;
const MAX_URL = 2048;

/** Controls, direction marks and characters of no width, which show a person other text than a model reads. */
const DECEIVING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
/** A description may have lines and emoji, whose parts a zero-width joiner holds together. */
const DECEIVING_IN_TEXT = /[^\P{Cc}\t\n\r]|[^\P{Cf}\u200D]|[\p{Zl}\p{Zp}]/u;

export function registrationId(definition: { readonly type: RegistrationType; readonly name: string }): string {
  return `${definition.type}-${definition.name}`;
}

/** Whether a text can be an id at all; anything else is simply not found. */
export function isRegistrationId(id: string): boolean {
  const dash = id.indexOf('-');
  return TYPES.some((type) => type === id.slice(0, dash)) && NAME.test(id.slice(dash + 1));
}

/** Equal for names that people would take for the same. */
export function nameSkeleton(definition: { readonly type: RegistrationType; readonly name: string }): string {
  return `${definition.type}-${definition.name.normalize('NFKC').toUpperCase().toLowerCase()}`;
}

/**
 * Checks a body against everything a registration must be.
 *
 * @throws PlatformError `REGISTRATION_INVALID` with every problem in `details.problems`.
 */
export async function parseRegistration(body: unknown): Promise<RegistrationDefinition> {
  const problems = new ProblemList();
  if (!isObject(body)) {
    problems.add('', 'must be a JSON object');
    problems.throwIfAny();
    return undefined as never;
  }
  const type = TYPES.find((known) => known === body['type']);
  if (type === undefined) problems.add('type', `must be one of ${TYPES.join(', ')}`);
  const isServer = type === 'mcp';
  checkFields(body, isServer ? SERVER_DEFINITION_FIELDS : FUNCTION_FIELDS, problems);
  const name = checkName(body['name'], isServer, problems);
  const description = checkDescription(body['description'], isServer, problems);
  const tags = checkTags(body['tags'], problems);
  const common = { name, ...(tags === undefined ? {} : { tags }) };
  if (isServer) {
    const url = checkUrl(body['url'], problems);
    problems.throwIfAny();
    return { type, ...common, url, ...(description === undefined ? {} : { description }) };
  }
  const lambdaArn = checkArn(body['lambdaArn'], problems);
  const parameters = await checkParameters(type ?? 'tool', body['parameters'], problems);
  const event = checkEvent(body['event'], problems);
  const answer = await checkAnswer(type, body, problems);
  const choice = checkVersionChoice(body, problems);
  problems.throwIfAny();
  const definition = {
    type: type ?? 'tool',
    ...common,
    description: description ?? '',
    lambdaArn,
    parameters,
    ...answer,
    ...choice,
  };
  return event === undefined ? definition : { ...definition, event };
}

function checkFields(body: SchemaObject, known: readonly string[], problems: ProblemList): void {
  for (const key of Object.keys(body)) {
    if (!known.includes(key) && !SERVER_FIELDS.includes(key))
      problems.add(key, `is not a field of a registration; known: ${known.join(', ')}`);
  }
}

function checkName(value: unknown, isServer: boolean, problems: ProblemList): string {
  const fail = (message: string): string => {
    problems.add('name', message);
    return '';
  };
  if (typeof value !== 'string' || value === '') return fail('is required and must be a string');
  if (DECEIVING.test(value)) return fail('holds invisible or control characters');
  if (!NAME.test(value)) return fail('must be 1 to 128 characters of A-Z, a-z, 0-9, "_", "." and "-"');
  if (value.includes(SEPARATOR)) return fail(`must not contain "${SEPARATOR}", which separates target and tool`);
  if (isServer && !isTargetId(value))
    return fail('must be 1 to 40 characters of a-z, 0-9 and inner "-", as it is the id of the target');
  if (isServer && RESERVED_TARGET_IDS.has(value)) return fail('is reserved; choose another one');
  return value;
}

function checkDescription(value: unknown, isOptional: boolean, problems: ProblemList): string | undefined {
  if (value === undefined && isOptional) return undefined;
  if (typeof value !== 'string') problems.add('description', 'is required and must be a string');
  else if (value.length > MAX_DESCRIPTION) problems.add('description', `is longer than ${MAX_DESCRIPTION} characters`);
  else if (DECEIVING_IN_TEXT.test(value)) problems.add('description', 'holds invisible or control characters');
  else return value;
  return undefined;
}

function checkArn(value: unknown, problems: ProblemList): string {
  if (typeof value === 'string' && parseFunctionArn(value) !== undefined) return value;
  problems.add(
    'lambdaArn',
    'is required and must be the ARN of a Lambda function: arn:<partition>:lambda:<region>:<account>:function:<name>',
  );
  return '';
}

async function checkParameters(type: FunctionKind, value: unknown, problems: ProblemList): Promise<SchemaObject> {
  if (value === undefined) problems.add('parameters', 'is required');
  else if (type === 'resource') checkResourceParameters(value, problems);
  else await checkSchema(value, 'parameters', problems);
  return isObject(value) ? value : {};
}

/** How a tool answers; prompts and resources have answers of one shape. */
async function checkAnswer(
  type: RegistrationType | undefined,
  { outputSchema, streaming }: SchemaObject,
  problems: ProblemList,
): Promise<Pick<FunctionDefinition, 'outputSchema' | 'streaming'>> {
  if (type !== 'tool') {
    for (const [key, value] of Object.entries({ outputSchema, streaming }))
      if (value !== undefined) problems.add(key, 'is for tools alone');
    return {};
  }
  if (outputSchema !== undefined) await checkSchema(outputSchema, 'outputSchema', problems);
  if (streaming !== undefined && typeof streaming !== 'boolean') problems.add('streaming', 'must be true or false');
  return {
    ...(isObject(outputSchema) ? { outputSchema } : {}),
    ...(typeof streaming === 'boolean' ? { streaming } : {}),
  };
}

async function checkSchema(value: unknown, at: string, problems: ProblemList): Promise<void> {
  const own = new ProblemList();
  const schema = toInputSchema(value, at, own);
  if (own.isEmpty) {
    const broken = await schemaProblem(schema);
    if (broken !== undefined) own.add(at, broken);
  }
  for (const { path, message } of own.problems) problems.add(path, message);
}

function checkEvent(value: unknown, problems: ProblemList): EventMode | undefined {
  if (value === undefined) return undefined;
  const mode = EVENT_MODES.find((known) => known === value);
  if (mode === undefined) problems.add('event', `must be one of ${EVENT_MODES.join(', ')}`);
  return mode;
}

function checkTags(value: unknown, problems: ProblemList): Readonly<Record<string, string>> | undefined {
  if (value === undefined) return undefined;
  if (!isObject(value)) {
    problems.add('tags', 'must be a map of key to text');
    return undefined;
  }
  const entries = Object.entries(value);
  if (entries.length > MAX_TAGS) problems.add('tags', `has more than ${MAX_TAGS} entries`);
  for (const [key, text] of entries.slice(0, MAX_TAGS)) {
    const isGood = typeof text === 'string' && text.length <= 256 && key.length >= 1 && key.length <= 128;
    if (!isGood || DECEIVING.test(key) || DECEIVING.test(text))
      problems.add(`tags.${key}`, 'must be a key of 1 to 128 and a text of up to 256 visible characters');
  }
  return value as Record<string, string>;
}

function checkUrl(value: unknown, problems: ProblemList): string {
  const fail = (message: string): string => {
    problems.add('url', message);
    return '';
  };
  if (typeof value !== 'string' || !URL.canParse(value) || value.length > MAX_URL)
    return fail('is required and must be an absolute URL');
  const url = new URL(value);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return fail('must begin with https:// or http://');
  if (url.username !== '' || url.password !== '') return fail('must not carry a user name or password');
  return value;
}

/** The fingerprint kept with a registration. */
export function digestOf(definition: RegistrationDefinition): string {
  if (definition.type === 'mcp')
    return definitionDigest(definition.name, definition.description ?? '', { url: definition.url });
  const schema = described(inputSchemaOf(definition), outputSchemaOf(definition));
  return definitionDigest(definition.name, definition.description, schema);
}

/** The JSON Schema of a checked tool or prompt; of a resource its parameters. */
export function inputSchemaOf(definition: FunctionDefinition): SchemaObject {
  if (definition.type === 'resource') return definition.parameters;
  return toInputSchema(definition.parameters, 'parameters', new ProblemList());
}

/** The JSON Schema of a checked tool's answer. */
export function outputSchemaOf({ outputSchema }: FunctionDefinition): SchemaObject | undefined {
  return outputSchema === undefined ? undefined : toInputSchema(outputSchema, 'outputSchema', new ProblemList());
}
