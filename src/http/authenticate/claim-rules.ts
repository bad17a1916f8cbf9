/** From the claims of a verified token to a principal: which claim names the tenant, the roles and the scopes. */

import type { Principal, Role } from '../../core/context.ts';
import { isObject } from '../../core/json.ts';
import type { VerifiedToken } from './token-verifier.ts';

/** How the tokens of one issuer are read. Paths are the name of a claim, or names with dots between them. */
export interface ClaimRules {
  readonly issuer: string;
  /** Stands before the subject in the id of a principal, so that issuers cannot speak for each other's people. */
  readonly name?: string | undefined;
  readonly paths: { readonly tenant: string; readonly roles: string; readonly scopes: string };
  /** Which value of the claim means which role. Absent: a value that is the name of a role means it. */
  readonly roles?: ReadonlyMap<string, Role> | undefined;
  /** The same for scopes. */
  readonly scopes?: ReadonlyMap<string, string> | undefined;
  /** For tokens that name no role. */
  readonly defaultRoles: readonly Role[];
  /** Tenants that this issuer may name. Absent: any. */
  readonly tenants?: readonly string[] | undefined;
}

/** Names that mean themselves where no table is given. */
const ROLE_NAMES: ReadonlyMap<string, Role> = new Map(
  (['viewer', 'requester', 'approver', 'admin'] as const).map((role) => [role, role]),
);

/** As everywhere a tenant is named: safe in keys, in tags and in file names. */
const TENANT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** @returns what is wrong, in words for the operator's log, when the token has no principal here. */
export function principalOf(token: VerifiedToken, rules: readonly ClaimRules[]): Principal | string {
  const own = rules.find(({ issuer }) => issuer === token.issuer);
  if (own === undefined) return 'the issuer is not configured';
  const { claims, subject } = token;
  const tenant = claimAt(claims, own.paths.tenant);
  if (typeof tenant !== 'string' || !TENANT.test(tenant)) return `the claim "${own.paths.tenant}" is no tenant`;
  if (own.tenants?.includes(tenant) === false) return 'the issuer may not name this tenant';
  const roles = valuesAt(claims, own.paths.roles, 'one');
  if (roles === undefined) return `the claim "${own.paths.roles}" is no text and no list of texts`;
  const scopes = valuesAt(claims, own.paths.scopes, 'words');
  if (scopes === undefined) return `the claim "${own.paths.scopes}" is no text and no list of texts`;
  if (own.name === undefined && isOfAnother(subject, rules)) return 'the subject begins like those of another issuer';
  const named = meant(roles, own.roles ?? ROLE_NAMES);
  return Object.freeze({
    id: own.name === undefined ? subject : `${own.name}:${subject}`,
    tenant,
    roles: Object.freeze(named.length === 0 ? [...own.defaultRoles] : named),
    scopes: Object.freeze(own.scopes === undefined ? scopes : meant(scopes, own.scopes)),
    claims,
  });
}

function isOfAnother(subject: string, rules: readonly ClaimRules[]): boolean {
  return rules.some(({ name }) => name !== undefined && subject.startsWith(`${name}:`));
}

function meant<Meaning>(values: readonly string[], table: ReadonlyMap<string, Meaning>): Meaning[] {
  const found = values.flatMap((value) => table.get(value) ?? []);
  return [...new Set(found)];
}

/** A whole name wins over a path, because names of claims have dots in them: `https://example.com/roles`. */
function claimAt(claims: Readonly<Record<string, unknown>>, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', dot + 1)) {
    const head = path.slice(0, dot);
    const below = Object.hasOwn(claims, head) ? claims[head] : undefined;
    if (isObject(below)) return claimAt(below, path.slice(dot + 1));
  }
  return undefined;
}

/**
 * A claim as a list; an absent one is an empty list, and one of another type is `undefined`.
 *
 * @param text - Whether a text is one value, as names of groups have spaces, or words, as OAuth writes scopes.
 */
function valuesAt(
  claims: Readonly<Record<string, unknown>>,
  path: string,
  text: 'one' | 'words',
): string[] | undefined {
  const found = claimAt(claims, path);
  if (found === undefined || found === null) return [];
  if (typeof found === 'string') return text === 'one' ? [found] : found.split(' ').filter((word) => word !== '');
  if (!Array.isArray(found) || !found.every((each) => typeof each === 'string')) return undefined;
  return [...found];
}
