/** Which functions become tools: by name, by tag, or both. One rule for functions here and in a cloud account. */

/** Everything that is given must hold. Absent altogether: every function of the configuration is published. */
export interface Discovery {
  /** All of these tags. */
  readonly lambdaTags?: Readonly<Record<string, string>> | undefined;
  /** None of these tags. */
  readonly excludeTags?: Readonly<Record<string, string>> | undefined;
  /** Selects, and is stripped from the published name. */
  readonly prefix?: string | undefined;
  /** A name that is in the list need not have the prefix. */
  readonly list?: readonly string[] | undefined;
  /** Value of the tag `owner`. */
  readonly owner?: string | undefined;
  /** Value of the tag `visibility`. */
  readonly visibility?: string | undefined;
}

/** What a function is judged by. */
export interface Candidate {
  readonly name: string;
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** Whether the name alone passes: by prefix or list, or because neither is asked for. */
export function isNamed(name: string, { prefix, list }: Discovery): boolean {
  if (prefix === undefined && list === undefined) return true;
  return (prefix !== undefined && name.startsWith(prefix)) || list?.includes(name) === true;
}

export function isSelected(candidate: Candidate, rule: Discovery): boolean {
  const { lambdaTags, excludeTags, owner, visibility } = rule;
  const tags = new Map(Object.entries(candidate.tags ?? {}));
  const has = ([key, value]: readonly [string, string]): boolean => tags.get(key) === value;
  return (
    isNamed(candidate.name, rule) &&
    Object.entries(lambdaTags ?? {}).every(has) &&
    !Object.entries(excludeTags ?? {}).some(has) &&
    (owner === undefined || tags.get('owner') === owner) &&
    (visibility === undefined || tags.get('visibility') === visibility)
  );
}

/** Whether a rule asks for more than names, so that nothing can be said of a function whose tags are unknown. */
export function asksForTags({ lambdaTags, excludeTags, owner, visibility }: Discovery): boolean {
  const count = Object.keys(lambdaTags ?? {}).length + Object.keys(excludeTags ?? {}).length;
  return count > 0 || owner !== undefined || visibility !== undefined;
}
