/** Rights that the caller does not have, so that programs can be tried against a refusal. */

export interface DeniedAction {
  /** `lambda:InvokeFunction`, or `lambda:*`. */
  readonly action: string;
  /** Name of a function, with `*` at its end for a prefix. */
  readonly function: string;
}

/** @param name - Of the function; empty for what concerns none. */
export function denies(rules: readonly DeniedAction[], action: string, name: string): boolean {
  return rules.some(
    (rule) =>
      (rule.action === action || (rule.action === 'lambda:*' && action.startsWith('lambda:'))) &&
      (rule.function.endsWith('*') ? name.startsWith(rule.function.slice(0, -1)) : rule.function === name),
  );
}
