/** What is wrong with a request, all at once, each with the place in the body that a client can point to. */

import type { z } from 'zod';
import { PlatformError } from '../core/errors.ts';
import { nearestOf } from '../core/nearest.ts';

export interface RequestProblem {
  /** JSON pointer into the body; empty for the whole. */
  readonly pointer: string;
  readonly message: string;
  /** Values that would do, where they can be listed. */
  readonly allowed?: readonly string[];
  /** The allowed value or key that was probably meant. */
  readonly nearest?: string;
}

const MAX_PROBLEMS = 50;

/** @throws PlatformError `PROVISION_INVALID` with all of them, when there are any. */
export function refuseProblems(problems: readonly RequestProblem[]): void {
  if (problems.length === 0) return;
  throw new PlatformError('PROVISION_INVALID', `${inWords(problems)} Nothing was stored.`, {
    problems: problems.slice(0, MAX_PROBLEMS),
  });
}

/** The same of what a part of a job asks for: the job is stored, and its reader wants to know which part it is. */
export function ofPart(part: string, thrown: unknown): unknown {
  if (!(thrown instanceof PlatformError) || thrown.code !== 'PROVISION_INVALID') return thrown;
  const problems = (thrown.details['problems'] ?? []) as readonly RequestProblem[];
  return new PlatformError('PROVISION_INVALID', `${part}: ${inWords(problems)}`, { part, problems });
}

/** The first of them, and how many there are beside it. */
function inWords(problems: readonly RequestProblem[]): string {
  const { pointer = '', message = 'is not valid', nearest } = problems[0] ?? {};
  const hint = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return `${pointer === '' ? 'The request' : pointer} ${message}.${hint}${more}`;
}

export const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** A value that is not one of those that are allowed. */
export function notAmong(pointer: string, given: unknown, allowed: readonly string[]): RequestProblem {
  const nearest = typeof given === 'string' ? nearestOf(given, allowed) : undefined;
  const message = `must be one of ${allowed.slice(0, 40).join(', ')}`;
  return { pointer, message, allowed, ...(nearest === undefined ? {} : { nearest }) };
}

/**
 * @param root - Where the checked value stands in the body.
 * @param keysOf - Known keys of the object at a path, for keys that nobody knows.
 */
export function problemsOf(
  error: z.ZodError,
  root: readonly string[],
  keysOf: (path: readonly PropertyKey[]) => readonly string[],
  input: unknown,
): RequestProblem[] {
  return error.issues.flatMap((issue): RequestProblem[] => {
    const path = [...root, ...issue.path];
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => unknownKey([...path, key], keysOf(issue.path)));
    if (issue.code === 'invalid_value') {
      return [notAmong(pointerOf(path), valueAt(input, issue.path), issue.values.map(String))];
    }
    if (issue.code === 'invalid_key')
      return [{ pointer: pointerOf(path), message: wordsOf(issue.issues[0]?.message ?? issue.message) }];
    const isAbsent = valueAt(input, issue.path) === undefined;
    return [{ pointer: pointerOf(path), message: isAbsent ? 'is required' : wordsOf(issue.message) }];
  });
}

/** A member that nobody knows, at its path, with those that there are. */
export function unknownKey(path: readonly PropertyKey[], known: readonly string[]): RequestProblem {
  const nearest = nearestOf(String(path.at(-1)), known);
  const pointer = pointerOf(path);
  return { pointer, message: 'is not known here', allowed: known, ...(nearest === undefined ? {} : { nearest }) };
}

/** Zod's own sentences begin with a capital and some with "Invalid input:", and a "record" is an object there. */
function wordsOf(message: string): string {
  const words = message
    .replace(/^Invalid input: /, '')
    .replace(/^expected record,/, 'expected object,')
    .replace(/[.\s]+$/, '');
  return words === '' ? 'is not valid' : `is not valid: ${words.charAt(0).toLowerCase()}${words.slice(1)}`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[part];
  }
  return at;
}
