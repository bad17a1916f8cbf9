/** What the verbs on a job may be told beside the job: a decision its comment, every other verb nothing. */

import { isObject } from '../core/json.ts';
import { refuseProblems, unknownKey, type RequestProblem } from './problems.ts';

/** In Unicode characters. */
export const MAX_COMMENT = 1_000;

/** Members of the body of `approve` and `reject`. */
export const DECISION_MEMBERS = ['comment'] as const;

/**
 * @param body - `undefined` when there was none, which says nothing and is right.
 * @param members - Names that it may have.
 * @throws PlatformError `PROVISION_INVALID` with all that is wrong: members that nobody knows, a comment that is none.
 */
export function readVerbBody(body: unknown, members: readonly string[]): { readonly comment: string | undefined } {
  if (body === undefined) return { comment: undefined };
  if (!isObject(body)) {
    const known = members.length === 0 ? 'no members' : members.join(', ');
    refuseProblems([{ pointer: '', message: `must be a JSON object with ${known}, or absent` }]);
    return { comment: undefined };
  }
  const problems: RequestProblem[] = Object.keys(body)
    .filter((key) => !members.includes(key))
    .map((key) => unknownKey([key], members));
  const comment = members.includes('comment') ? body['comment'] : undefined;
  problems.push(...commentProblems(comment));
  refuseProblems(problems);
  return { comment: typeof comment === 'string' ? comment : undefined };
}

/** What is wrong with a comment; nothing of a missing one. Nothing is cut off: it is kept as it was given, or refused. */
function commentProblems(comment: unknown): readonly RequestProblem[] {
  if (comment === undefined) return [];
  if (typeof comment !== 'string') return [{ pointer: '/comment', message: 'must be a text' }];
  const length = comment.length > MAX_COMMENT ? Array.from(comment).length : comment.length;
  if (length <= MAX_COMMENT) return [];
  const message = `has ${length} characters, and may have ${MAX_COMMENT}`;
  return [{ pointer: '/comment', message }];
}
