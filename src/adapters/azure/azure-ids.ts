/** Ids of what lies in a resource group: `GROUP/NAME`, in lower case because Azure compares names without it. */

import { parseResourceId } from '../../provisioning/provisioner.ts';
import { DEFAULT_REGION } from './azure-regions.ts';

export interface GroupedName {
  readonly group: string;
  readonly name: string;
}

export function groupedName(group: string, name: string): string {
  return `${group}/${name}`.toLowerCase();
}

/** @param id - Of the resource here. */
export function readGroupedName(id: string): GroupedName & { readonly region: string } {
  const { name: whole = id, region = DEFAULT_REGION } = parseResourceId(id) ?? {};
  const slash = whole.indexOf('/');
  return { group: whole.slice(0, Math.max(slash, 0)), name: whole.slice(slash + 1), region };
}

/** A name as the caller wrote it, where that is the one that an id means; made resources keep their case. */
export function asWritten(name: string, written: string | undefined): string {
  return written?.toLowerCase() === name ? written : name;
}
