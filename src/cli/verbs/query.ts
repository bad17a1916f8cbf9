/** Flags of a list as the query of its route. */

import { PlatformError } from '../../core/errors.ts';
import type { Invocation } from '../command.ts';

/** @throws PlatformError `USAGE` for a limit that no list takes. */
export function queryOf(invocation: Invocation, names: readonly string[]): string {
  const query = new URLSearchParams();
  for (const name of names) {
    const value = invocation.text(name);
    if (value !== undefined) query.set(name, value);
  }
  const limit = query.get('limit');
  if (limit !== null && (!/^[1-9]\d{0,2}$/.test(limit) || Number(limit) > 500))
    throw new PlatformError('USAGE', '--limit takes a whole number from 1 to 500.');
  return query.toString();
}

/** Of a page that is not the last: how the next one is asked for. */
export function moreText(value: unknown): string {
  const { next } = value as { readonly next?: unknown };
  return typeof next === 'string' ? `\nThere are more: the same with --cursor '${next}'` : '';
}

/** Whether an empty list says only that nothing is like that. */
export function isFiltered(invocation: Invocation, names: readonly string[]): boolean {
  return names.some((name) => invocation.text(name) !== undefined);
}
