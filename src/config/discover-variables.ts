/**
 * The environment variables that select functions, as the original servers read them; they win over `discover` in the
 * file. `docs/how-to/discover-functions.md` lists them.
 */

import type { CheckedConfig } from './validate.ts';

type Base = CheckedConfig['base'];
type Discover = NonNullable<Base['discover']>;
type Environment = Readonly<Record<string, string | undefined>>;

export interface Applied {
  readonly base: Base;
  readonly warnings: readonly string[];
}

/** The older of the two servers looked for this prefix when nothing else was asked for. */
const COMPAT_PREFIX = 'mcp2lambda-';

/** Whether a variable asks for functions by name or tag. */
export function selectsFunctions(env: Environment): boolean {
  return [env['FUNCTION_PREFIX'], env['FUNCTION_LIST'], env['FUNCTION_TAG_KEY']].some((text) => Boolean(text));
}

export function applyDiscoverVariables(base: Base, env: Environment): Applied {
  const tagKey = env['FUNCTION_TAG_KEY'];
  const tagValue = env['FUNCTION_TAG_VALUE'];
  const discover = { ...base.discover, ...named(env), ...generic(env), ...schemaTag(env), ...compatPrefix(base, env) };
  // Half a condition is a mistake, and publishing everything because of it would be a worse one.
  if (Boolean(tagKey) !== Boolean(tagValue))
    return { base: { ...base, discover: nothing(discover) }, warnings: [half(tagKey)] };
  const tagged = tagKey && tagValue ? { ...discover, lambdaTags: { [tagKey]: tagValue } } : discover;
  const isAsked = base.discover !== undefined || Object.keys(tagged).length > 0;
  return { base: isAsked ? { ...base, discover: { ...DEFAULTS, ...tagged } } : base, warnings: [] };
}

const DEFAULTS = { rescanSeconds: 60, generic: false } as const;

function named(env: Environment): Partial<Discover> {
  const prefix = env['FUNCTION_PREFIX'];
  const list = namesOf(env['FUNCTION_LIST'] ?? '');
  return { ...(prefix ? { prefix } : {}), ...(list.length > 0 ? { list } : {}) };
}

/** `PRE_DISCOVERY=false` publishes the pair that lists and invokes instead of one tool for each function. */
function generic(env: Environment): Partial<Discover> {
  const text = env['PRE_DISCOVERY'];
  return text ? { generic: text.trim().toLowerCase() !== 'true' } : {};
}

function schemaTag(env: Environment): Partial<Discover> {
  const key = env['FUNCTION_INPUT_SCHEMA_ARN_TAG_KEY'];
  return key ? { schemaTag: key } : {};
}

function compatPrefix(base: Base, env: Environment): Partial<Discover> {
  const isOlderServer = base.compat.includes('002') && Boolean(env['PRE_DISCOVERY']);
  if (!isOlderServer || base.discover !== undefined || selectsFunctions(env)) return {};
  return { prefix: COMPAT_PREFIX };
}

/** A list without a name selects nothing. */
function nothing(discover: Partial<Discover>): Discover {
  const { prefix: _, ...rest } = discover;
  return { ...DEFAULTS, ...rest, list: [] };
}

function half(tagKey: string | undefined): string {
  const [has, lacks] = tagKey ? ['KEY', 'VALUE'] : ['VALUE', 'KEY'];
  return `FUNCTION_TAG_${has} is set without FUNCTION_TAG_${lacks}, so no function is published. Set both, or neither.`;
}

/** Names between commas, or a JSON array of names. */
function namesOf(text: string): string[] {
  const trimmed = text.trim();
  const parsed = trimmed.startsWith('[') ? parseList(trimmed) : undefined;
  return (parsed ?? trimmed.replaceAll(/^\[|\]$/g, '').split(','))
    .map((name) => name.trim().replaceAll(/^["']|["']$/g, ''))
    .filter((name) => name !== '');
}

function parseList(text: string): string[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : undefined;
  } catch {
    return undefined;
  }
}
