/**
 * One function answers who may do what: every list, read, call and admin route asks it. What a list shows is
 * what a call allows, because both ask with the same action.
 *
 * The built-in rule lets a principal with the right scope do everything in its own tenant. A richer policy
 * replaces {@link builtInPolicy} and no call site.
 */

import type { Principal } from '../core/context.ts';

export type Action =
  | 'tool:list'
  | 'tool:call'
  | 'resource:read'
  | 'prompt:get'
  | 'completion:complete'
  | 'registration:read'
  | 'registration:write'
  | 'audit:read'
  | `admin:${string}`;

export interface Resource {
  /** `tool`, `prompt`, `resource`, `target`, `registration`, `instance`. */
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
  /** The rule that decided. */
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

export const SCOPE_USE = 'zeroplane:use';
export const SCOPE_ADMIN = 'zeroplane:admin';

const ALLOWED: Decision = Object.freeze({ allowed: true, visible: true, rule: 'own-tenant' });
const FOREIGN: Decision = Object.freeze({
  allowed: false,
  visible: false,
  rule: 'own-tenant',
  reason: 'another tenant',
});
const NO_SCOPE: Decision = Object.freeze({ allowed: false, visible: false, rule: 'scope', reason: 'scope missing' });

/** The scope that opens an action. */
export function scopeOf(action: Action): string {
  if (action === 'registration:write' || action === 'audit:read' || action.startsWith('admin:')) return SCOPE_ADMIN;
  return SCOPE_USE;
}

function judge(principal: Principal, action: Action, resource: Resource): Decision {
  if (!principal.scopes.includes(scopeOf(action))) return NO_SCOPE;
  return resource.tenant === principal.tenant || resource.tenant === '*' ? ALLOWED : FOREIGN;
}

/** Scope, then tenant. */
export const builtInPolicy: Policy = {
  decide: (request) => judge(request.principal, request.action, request.resource),
  decideMany: (principal, action, resources) =>
    Promise.resolve(resources.map((resource) => judge(principal, action, resource))),
};
