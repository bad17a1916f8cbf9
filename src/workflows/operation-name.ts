/** Names of states' runs: they key a task's idempotency and begin the names of its durable operations. */

import { createHash } from 'node:crypto';

/** Longest name that Lambda's durable functions take. */
const LONGEST = 256;

/** A state's name within a path; the characters that paths are made of are escaped, as is all that is not ASCII. */
export function pathPart(name: string): string {
  return name.replaceAll(/[%#/[\]]|[^\x20-\x7e]/gu, (character) => `%${Buffer.from(character).toString('hex')}`);
}

/**
 * `Net[3]/Create#1`, with what the operation is for behind a slash. Everything of one visit begins with the same
 * `path#visit`; a long path keeps its beginning and its visit, with a hash for its middle.
 */
export function operationName(prefix: string, purpose?: string): string {
  const suffix = purpose === undefined ? '' : `/${purpose}`;
  if (prefix.length + suffix.length <= LONGEST) return prefix + suffix;
  return shorten(prefix) + suffix;
}

/** The beginning that a redrive looks for, of a length that leaves room for a purpose. */
function shorten(prefix: string): string {
  const visit = prefix.slice(prefix.lastIndexOf('#'));
  const digest = createHash('sha256').update(prefix).digest('hex').slice(0, 16);
  return `${prefix.slice(0, 160)}~${digest}${visit}`;
}

/**
 * Whether the name of an operation, or the key of an event, belongs to the visit that {@link WorkflowFailure.failedPath}
 * names: `Create#10` does not to `Create#1`. Operations that contain it are found by their parent ids.
 */
export function belongsToVisit(name: string, failedPath: string): boolean {
  const prefixes = [failedPath, shorten(failedPath)];
  return prefixes.some((prefix) => name === prefix || name.startsWith(`${prefix}/`));
}
