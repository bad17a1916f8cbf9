/**
 * What each action needs: a scope of the token, and one of the roles of the caller. Two plain tables, so that the
 * rules can be read in one look.
 *
 * A scope says what a token is for, a role what its holder may do; both must allow. The policy asks here and nobody
 * else, so richer rules replace these and no call site.
 */

import type { Role } from '../core/context.ts';

export type Action =
  | 'tool:list'
  | 'tool:call'
  | 'resource:read'
  | 'prompt:get'
  | 'completion:complete'
  | 'registration:read'
  | 'registration:write'
  | 'job:provision'
  | 'job:read'
  | 'job:approve'
  | 'job:manage'
  | 'workflow:write'
  | 'workflow:start'
  | 'workflow:read'
  | 'workflow:manage'
  | 'audit:read'
  | `admin:${string}`;

export const SCOPE_USE = 'zeroplane:use';
export const SCOPE_ADMIN = 'zeroplane:admin';

export interface Need {
  readonly scope: string;
  /** One of them is enough. */
  readonly roles: readonly Role[];
  /** What lets somebody know of the thing although this action is refused; absent where nothing does. */
  readonly read?: Action;
}

const READERS: readonly Role[] = ['viewer', 'requester', 'approver', 'admin'];
const REQUESTERS: readonly Role[] = ['requester', 'admin'];
const APPROVERS: readonly Role[] = ['approver', 'admin'];
const ADMINS: readonly Role[] = ['admin'];

const use = (roles: readonly Role[], read?: Action): Need => ({
  scope: SCOPE_USE,
  roles,
  ...(read === undefined ? {} : { read }),
});

const administer = (read?: Action): Need => ({
  scope: SCOPE_ADMIN,
  roles: ADMINS,
  ...(read === undefined ? {} : { read }),
});

const NEEDS: ReadonlyMap<string, Need> = new Map<Action, Need>([
  ['tool:list', use(READERS)],
  ['tool:call', use(REQUESTERS, 'tool:list')],
  ['resource:read', use(READERS)],
  ['prompt:get', use(REQUESTERS, 'tool:list')],
  ['completion:complete', use(REQUESTERS, 'tool:list')],
  ['registration:read', use(READERS)],
  ['registration:write', administer('registration:read')],
  ['job:provision', use(REQUESTERS, 'job:read')],
  ['job:read', use(READERS)],
  ['job:approve', use(APPROVERS, 'job:read')],
  ['job:manage', use(REQUESTERS, 'job:read')],
  ['workflow:write', administer('workflow:read')],
  ['workflow:start', use(REQUESTERS, 'workflow:read')],
  ['workflow:read', use(READERS)],
  ['workflow:manage', use(REQUESTERS, 'workflow:read')],
  ['audit:read', administer()],
]);

/** Everything else, `admin:*` above all, is for administrators. */
const ADMINISTRATION = administer();

export function needOf(action: Action): Need {
  return NEEDS.get(action) ?? ADMINISTRATION;
}

/** The scope that opens an action. */
export function scopeOf(action: Action): string {
  return needOf(action).scope;
}
