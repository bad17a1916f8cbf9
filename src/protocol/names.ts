/**
 * Public names. On `/mcp` a tool or prompt of a target is `target___name`; on `/mcp/{target}` it has its own name.
 *
 * Model interfaces cut names at 64 characters, so longer ones are shortened the same way every time: head, `_`,
 * eight hexadecimal digits of a hash. The catalogue resolves them; nobody else needs to.
 */

import { createHash } from 'node:crypto';

export const SEPARATOR = '___';
const MAX_PREFIXED = 64;
const MAX_BARE = 128;
export const MAX_TARGET_ID = 40;
export const RESERVED_TARGET_IDS: ReadonlySet<string> = new Set(['registry', 'cloud', 'agent', 'workflows', 'admin']);

const TARGET_ID = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;

export function isTargetId(id: string): boolean {
  return TARGET_ID.test(id);
}

function hash8(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/** Cuts a name to `limit` characters, keeping it unique and stable. */
function shorten(name: string, limit: number): string {
  if (name.length <= limit) return name;
  const end = limit - 9;
  // Half a character could not be sent back in a header.
  const head = name.slice(0, isLeadingHalf(name.charCodeAt(end - 1)) ? end - 1 : end);
  return `${head}_${hash8(name)}`;
}

function isLeadingHalf(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** A name for `/mcp`. Characters outside `A-Za-z0-9_.-` become `_`, told apart by a hash. */
export function prefixedName(target: string, name: string): string {
  const full = `${target}${SEPARATOR}${name}`;
  const legal = full.replaceAll(/[^A-Za-z0-9_.-]/g, '_');
  return legal === full ? shorten(full, MAX_PREFIXED) : `${legal.slice(0, MAX_PREFIXED - 9)}_${hash8(full)}`;
}

export function bareName(name: string): string {
  return shorten(name, MAX_BARE);
}
