/** Ids of what lies in a resource group: `GROUP/NAME`, in lower case because Azure compares names without it. */

import { parseResourceId } from '../../provisioning/provisioner.ts';

export interface GroupedName {
  readonly group: string;
  readonly name: string;
}

export function groupedName(group: string, name: string): string {
  return `${group}/${name}`.toLowerCase();
}

/** @param id - Of the resource here. */
export function readGroupedName(id: string): GroupedName {
  const whole = parseResourceId(id)?.name ?? id;
  const slash = whole.indexOf('/');
  return { group: whole.slice(0, Math.max(slash, 0)), name: whole.slice(slash + 1) };
}
