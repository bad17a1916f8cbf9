/** Whose values a handle sees: one tenant's, with its prefix added and removed, or everybody's as stored. */

import { PlatformError } from '../../../core/errors.ts';

export interface Scope {
  /** `''` for the system. */
  readonly tenant: string;
  /** `<tenant>#`, `''` for the system. */
  readonly prefix: string;
}

export const SYSTEM_SCOPE: Scope = { tenant: '', prefix: '' };

/** Owner of what all tenants share. No tenant can have this name. */
const SHARED = '*';
const TENANT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/u;

/** The grammar excludes `#`, so no tenant's prefix begins another's. */
export function tenantScope(tenant: string): Scope {
  if (tenant === SHARED || TENANT.test(tenant)) return { tenant, prefix: `${tenant}#` };
  throw new PlatformError(
    'INVALID_ARGUMENTS',
    'A tenant has 1 to 63 letters, digits, dots, underscores or hyphens and begins with a letter or digit.',
  );
}

export function stripPrefix(scope: Scope, stored: string): string {
  return stored.startsWith(scope.prefix) ? stored.slice(scope.prefix.length) : stored;
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * A name or key as both SQLite and DynamoDB store it.
 *
 * @param what how the message calls it.
 * @throws PlatformError `INVALID_ARGUMENTS` for anything but a string of 1 to `maxBytes` bytes without NUL.
 */
export function checkedText(value: unknown, what: string, maxBytes: number): string {
  if (typeof value !== 'string' || value === '') throw badText(what, 'must be a string that is not empty');
  if (value.includes('\0') || LONE_SURROGATE.test(value)) throw badText(what, 'must be valid Unicode without NUL');
  if (Buffer.byteLength(value) > maxBytes) throw badText(what, `must have at most ${maxBytes} bytes`);
  return value;
}

function badText(what: string, problem: string): PlatformError {
  return new PlatformError('INVALID_ARGUMENTS', `${what} ${problem}.`);
}

/** @throws PlatformError `INVALID_ARGUMENTS` unless `value` is an integer from `min` to `max`. */
export function checkedInteger(value: unknown, what: string, [min, max]: readonly [number, number]): number {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
  throw new PlatformError('INVALID_ARGUMENTS', `${what} must be an integer from ${min} to ${max}.`);
}
