/**
 * One function answers who may do what: every list, read, call and admin route asks it. What a list shows is
 * what a call allows, because both ask with the same action.
 *
 * The built-in rules look at the scopes of the token, then at the tenant that owns the thing, then at the roles of the
 * caller. A richer policy replaces {@link builtInPolicy} and no call site.
 */

import type { Principal } from '../core/context.ts';
import { needOf, type Action, type Need } from './roles.ts';

export { SCOPE_ADMIN, SCOPE_USE, scopeOf, type Action } from './roles.ts';

export interface Resource {
  /** `tool`, `prompt`, `resource`, `target`, `registration`, `job`, `workflow`, `instance`. */
  readonly type: string;
  readonly id: string;
  /** Owner; `*` is shared by all tenants. */
  readonly tenant: string;
  readonly tags?: Readonly<Record<string, string>>;
}

/** What else a rule may look at. Lists ask without `arguments`. */
export interface DecisionContext {
  readonly requestId: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

export interface DecisionRequest {
  readonly principal: Principal;
  readonly action: Action;
  readonly resource: Resource;
  readonly context: DecisionContext;
}

export interface Decision {
  readonly allowed: boolean;
  /** Whether the caller may know that the resource exists. */
  readonly visible: boolean;
  /** The rule that decided: `scope`, `own-tenant`, `role`, or one of a richer policy. */
  readonly rule?: string;
  readonly reason?: string;
}

export interface Policy {
  /** At once where it can: a call waits for nothing else before it goes to its target. */
  decide(request: DecisionRequest): Promise<Decision> | Decision;
  /** One decision per resource, in order. */
  decideMany(
    principal: Principal,
    action: Action,
    resources: readonly Resource[],
    context: DecisionContext,
  ): Promise<readonly Decision[]>;
}

const ALLOWED: Decision = Object.freeze({ allowed: true, visible: true, rule: 'own-tenant' });
const FOREIGN: Decision = Object.freeze({
  allowed: false,
  visible: false,
  rule: 'own-tenant',
  reason: 'another tenant',
});
const NO_SCOPE: Decision = Object.freeze({ allowed: false, visible: false, rule: 'scope', reason: 'scope missing' });

/** Scope, then tenant, then role. */
export const builtInPolicy: Policy = {
  decide: ({ principal, action, resource }) => ofTenant(verdictOn(principal, action), principal, resource),
  decideMany: (principal, action, resources) => {
    const verdict = verdictOn(principal, action);
    const { tenant } = principal;
    const last = lists.get(resources);
    if (last?.verdict === verdict && last.tenant === tenant) return Promise.resolve(last.decisions);
    const decisions = resources.map((resource) => ofTenant(verdict, principal, resource));
    if (resources.length >= LONG_LIST) lists.set(resources, { verdict, tenant, decisions });
    return Promise.resolve(decisions);
  },
};

/** From so many resources on, looking at each costs more than remembering. */
const LONG_LIST = 100;

/** The last decisions about a long list: they hang on nothing but what is compared here, and nobody changes the list. */
const lists = new WeakMap<
  readonly Resource[],
  { readonly verdict: Decision; readonly tenant: string; readonly decisions: readonly Decision[] }
>();

/** What of a decision does not hang on the resource, remembered for as long as the principal lives. */
const verdicts = new WeakMap<Principal, Map<Action, Decision>>();

function verdictOn(principal: Principal, action: Action): Decision {
  let known = verdicts.get(principal);
  if (known === undefined) verdicts.set(principal, (known = new Map()));
  let verdict = known.get(action);
  if (verdict === undefined) {
    verdict = judge(principal, action);
    if (known.size < MAX_ACTIONS) known.set(action, verdict);
  }
  return verdict;
}

/** `admin:*` has no end, and a name in it may come from outside. */
const MAX_ACTIONS = 64;

function judge(principal: Principal, action: Action): Decision {
  const need = needOf(action);
  if (!principal.scopes.includes(need.scope)) return NO_SCOPE;
  if (hasRole(principal, need)) return ALLOWED;
  const visible = need.read !== undefined && judge(principal, need.read).allowed;
  const reason = `needs the role ${need.roles.join(' or ')}`;
  return Object.freeze({ allowed: false, visible, rule: 'role', reason });
}

function hasRole({ roles }: Principal, need: Need): boolean {
  return need.roles.some((role) => roles.includes(role));
}

/** A thing of another tenant is hidden whatever the roles say. */
function ofTenant(verdict: Decision, principal: Principal, resource: Resource): Decision {
  if (verdict === NO_SCOPE || resource.tenant === principal.tenant || resource.tenant === '*') return verdict;
  return FOREIGN;
}
