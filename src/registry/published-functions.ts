/** Which functions of the configuration are tools, and under what name. */

import type { VersionChoice } from './canary.ts';
import type { EventMode } from './registration.ts';

/** A function of the configuration, as far as publishing it is concerned. */
export interface ConfiguredFunction extends VersionChoice {
  /** Lambda's name of it. */
  readonly name: string;
  readonly description?: string | undefined;
  /** JSON Schema or shorthand of its arguments; absent takes any object. */
  readonly schema?: unknown;
  readonly event?: EventMode | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** Tenants that may see and call it; absent means all. */
  readonly tenants?: readonly string[] | undefined;
}

/** Absent: every function is published. */
export interface Discovery {
  readonly lambdaTags?: Readonly<Record<string, string>> | undefined;
  readonly excludeTags?: Readonly<Record<string, string>> | undefined;
  /** Selects, and is stripped from the published name. */
  readonly prefix?: string | undefined;
  readonly list?: readonly string[] | undefined;
  readonly owner?: string | undefined;
  readonly visibility?: string | undefined;
}

export interface PublishedFunction extends ConfiguredFunction {
  readonly toolName: string;
}

/** The prefix goes, other characters than letters, digits and `_` become `_`, a leading digit gets a `_`. */
function publishedName(name: string, prefix = ''): string {
  const rest = name.startsWith(prefix) && name.length > prefix.length ? name.slice(prefix.length) : name;
  // Three underscores would read as target and tool.
  const legal = rest.replaceAll(/[^A-Za-z0-9_]/g, '_').replaceAll(/_{3,}/g, '__');
  return /^\d/.test(legal) ? `_${legal}` : legal;
}

/**
 * Selects and names. A name that is taken gets `_2`, `_3`, …: in the order of the configuration, so that it is the
 * same after a restart.
 */
export function publishedFunctions(
  functions: readonly ConfiguredFunction[],
  discovery: Discovery | undefined,
): readonly PublishedFunction[] {
  const taken = new Set<string>();
  return functions
    .filter((each) => discovery === undefined || isSelected(each, discovery))
    .map((each) => ({ ...each, toolName: freeName(publishedName(each.name, discovery?.prefix), taken) }));
}

/** The name, or the first `name_2`, `name_3`, … that is free; taken afterwards, whatever its case. */
export function freeName(name: string, taken: Set<string>): string {
  let free = name;
  for (let count = 2; taken.has(free.toLowerCase()); count++) free = `${name}_${count}`;
  taken.add(free.toLowerCase());
  return free;
}

function isSelected(candidate: ConfiguredFunction, discovery: Discovery): boolean {
  const { prefix, list, lambdaTags, excludeTags, owner, visibility } = discovery;
  const tags = new Map(Object.entries(candidate.tags ?? {}));
  const has = ([key, value]: readonly [string, string]): boolean => tags.get(key) === value;
  const isNamed = prefix === undefined && list === undefined;
  const matches =
    (prefix !== undefined && candidate.name.startsWith(prefix)) || (list?.includes(candidate.name) ?? false);
  return (
    (isNamed || matches) &&
    Object.entries(lambdaTags ?? {}).every(has) &&
    !Object.entries(excludeTags ?? {}).some(has) &&
    (owner === undefined || tags.get('owner') === owner) &&
    (visibility === undefined || tags.get('visibility') === visibility)
  );
}
