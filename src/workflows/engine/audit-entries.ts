/** What is on record of changes of executions: names and counts, never an input, an output or a cause. */

import type { AuditEntry, Author } from '../../audit/audit-trail.ts';
import type { JsonValue } from '../../core/ports.ts';

export type ExecutionAction =
  | 'execution-stopped'
  | 'execution-redriven'
  | 'execution-repaired'
  | 'task-succeeded'
  | 'task-failed';

/** @returns nothing for a change without an author: it belongs to another one that is on record. */
export function executionEntries(
  by: Author | undefined,
  action: ExecutionAction,
  id: string,
  details: Readonly<Record<string, JsonValue | undefined>>,
): readonly AuditEntry[] {
  if (by === undefined) return [];
  const known = Object.entries(details).filter((each): each is [string, JsonValue] => each[1] !== undefined);
  return [{ ...by, action, resource: { type: 'execution', id }, details: Object.fromEntries(known) }];
}
