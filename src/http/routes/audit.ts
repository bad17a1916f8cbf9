/** A tenant's audit trail over HTTP: its records, newest first, its head to keep elsewhere, and whether it is whole. */

import { auditHead, parseHead } from '../../audit/head.ts';
import { listAudit, verifyAudit } from '../../audit/verify.ts';
import type { StoreRoot } from '../../core/ports.ts';
import type { Policy } from '../../policy/decide.ts';
import { limitIn, onlyIn, reply, textIn, type JsonRoute } from './json-route.ts';
import { mustAllow } from './workflows.ts';

export interface AuditRoutesParts {
  readonly store: StoreRoot;
  readonly policy: Policy;
  /** Records are sealed with it. */
  readonly sealingKey: Uint8Array;
}

export function auditRoutes({ store, policy, sealingKey }: AuditRoutesParts): readonly JsonRoute[] {
  const reading = { action: 'audit:read', id: '*', type: 'audit trail' } as const;
  return [
    {
      method: 'GET',
      pattern: /^\/v1\/audit$/,
      handle: async ({ query, context }) => {
        await mustAllow(policy, reading, context);
        onlyIn(query, ['limit', 'cursor']);
        const limit = limitIn(query) ?? 100;
        return reply(200, await listAudit(store, context.tenant, { limit, cursor: textIn(query, 'cursor') }));
      },
    },
    {
      method: 'GET',
      pattern: /^\/v1\/audit\/head$/,
      handle: async ({ context }) => {
        await mustAllow(policy, reading, context);
        return reply(200, await auditHead(store, context.tenant));
      },
    },
    {
      method: 'GET',
      pattern: /^\/v1\/audit\/verify$/,
      handle: async ({ query, context }) => {
        await mustAllow(policy, reading, context);
        onlyIn(query, ['head']);
        const head = textIn(query, 'head');
        const kept = head === undefined ? [] : parseHead(head);
        return reply(200, await verifyAudit(store, context.tenant, sealingKey, kept));
      },
    },
  ];
}
