/**
 * Two views of one catalogue: what carries the tag `visibility: internal` does not exist for external callers. They
 * neither list nor find nor call it, and the answer to its name is the one to a name that nobody has.
 *
 * The rule is about endpoints. What the product itself does for a caller, such as a step of a workflow, calls the
 * target with the caller's own context and is not asked here.
 */

import { meansCaller } from '../core/callers.ts';
import type { Principal } from '../core/context.ts';
import { isInternal, type Tags } from '../core/visibility.ts';
import type { Decision, Policy } from './decide.ts';

export interface Audience {
  /** Callers that are external, as `core/callers.ts` reads them. */
  readonly external: readonly string[];
  /** Callers that are internal although the other list means them too. */
  readonly internal: readonly string[];
}

const HIDDEN: Decision = Object.freeze({
  allowed: false,
  visible: false,
  rule: 'visibility',
  reason: 'internal, and the caller is external',
});

/** Adds the rule to a policy; it can only take away. */
export function withVisibility(policy: Policy, audience: () => Audience): Policy {
  return {
    decide(request) {
      const { principal, resource } = request;
      return hides(audience(), principal, resource.tags) ? HIDDEN : policy.decide(request);
    },
    async decideMany(principal, action, resources, context) {
      const decisions = await policy.decideMany(principal, action, resources, context);
      if (!resources.some(({ tags }) => isInternal(tags)) || !isExternal(principal, audience())) return decisions;
      return decisions.map((decision, index) => (isInternal(resources[index]?.tags) ? HIDDEN : decision));
    },
  };
}

/** Whether a thing with these tags is not there for the caller. */
export function hides(audience: Audience, principal: Principal, tags: Tags | undefined): boolean {
  return isInternal(tags) && isExternal(principal, audience);
}

function isExternal(principal: Principal, { external, internal }: Audience): boolean {
  const means = (entry: string): boolean => meansCaller(entry, principal);
  return external.some(means) && !internal.some(means);
}
