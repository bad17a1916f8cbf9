/** Lists of callers, as a configuration or a registration writes them: `ada@dev`, `team=beta`, `*`. */

import type { Principal } from './context.ts';

/** A list that is longer belongs into a claim. */
export const MAX_CALLERS = 1000;
export const MAX_CALLER_LENGTH = 256;

/**
 * Whether an entry means this caller: `*` is everybody, `tenant=NAME` everybody of a tenant, `CLAIM=VALUE` whoever
 * has the claim with this value or a list that holds it, and any other text the one with this id. An id may hold `=`.
 */
export function meansCaller(entry: string, principal: Principal): boolean {
  if (entry === '*' || entry === principal.id) return true;
  const at = entry.indexOf('=');
  if (at <= 0) return false;
  const name = entry.slice(0, at);
  const value = entry.slice(at + 1);
  if (name === 'tenant') return principal.tenant === value;
  return hasClaim(principal.claims, name, value);
}

function hasClaim(claims: Principal['claims'], name: string, value: string): boolean {
  const claim = claims !== undefined && Object.hasOwn(claims, name) ? claims[name] : undefined;
  return Array.isArray(claim) ? claim.some((each) => isSame(each, value)) : isSame(claim, value);
}

/** A claim may be a number or a boolean where the list can only write text. */
function isSame(claim: unknown, value: string): boolean {
  return typeof claim === 'string' ? claim === value : isPlain(claim) && String(claim) === value;
}

function isPlain(claim: unknown): claim is number | boolean {
  return typeof claim === 'number' || typeof claim === 'boolean';
}
