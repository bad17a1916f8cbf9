/** What features know of the audit trail: what a record says, and where it is written. */

import type { RequestContext } from '../core/context.ts';
import type { JsonValue, Write } from '../core/ports.ts';

/** Who makes a change, as its record says it. */
export interface Author {
  /** Id of the principal; `system` for what happens by itself, `operator` for who works on the data folder. */
  readonly principal: string;
  readonly requestId: string;
}

/** What was done, by whom, to what. Never a parameter's value that could be a secret, never a token. */
export interface AuditEntry extends Author {
  /** `job-accepted`, `registration-created`: noun and verb. */
  readonly action: string;
  readonly resource: { readonly type: string; readonly id: string };
  readonly details?: Readonly<Record<string, JsonValue>>;
}

/** Where features write what has to be on record. */
export interface AuditTrail {
  /**
   * Commits all writes and one record for each entry, or nothing.
   *
   * @param writes - At most 90.
   * @throws PlatformError as `TenantStore.transact`; `details.index` counts `writes`.
   */
  commit(tenant: string, writes: readonly Write[], entries: readonly AuditEntry[]): Promise<void>;
}

/** Whoever made the request. */
export function authorOf({ principal, requestId }: Pick<RequestContext, 'principal' | 'requestId'>): Author {
  return { principal: principal.id, requestId };
}
