/** The audit trail of an instance: one writer for all of it, loaded with the first change that is put on record. */

import type { AuditLogParts } from '../audit/audit-log.ts';
import type { AuditTrail } from '../audit/audit-trail.ts';
import { orderedId } from '../core/ordered-id.ts';
import type { IdSource } from '../core/ports.ts';

export function lazyAudit(parts: Omit<AuditLogParts, 'writer'> & { readonly ids: IdSource }): AuditTrail {
  // Sorted by the time of its start, so that the trail is read newest first over restarts too.
  const writer = orderedId(parts.ids, parts.clock);
  let log: AuditTrail | undefined;
  return {
    async commit(tenant, writes, entries) {
      if (log === undefined) {
        const { AuditLog } = await import('../audit/audit-log.ts');
        // Changes that came meanwhile share it: a writer has one chain.
        log ??= new AuditLog({ ...parts, writer });
      }
      await log.commit(tenant, writes, entries);
    },
  };
}
