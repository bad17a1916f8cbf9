/** `GET /v1/instance` as this program reads it, and how it is shown. */

import type { TargetState } from '../core/target.ts';
import type { InstanceStatus, TargetReport } from '../http/routes/instance.ts';
import type { InstanceClient } from './client.ts';
import type { Style, TableCell } from './style.ts';
import { oneLine, plural, table } from './style.ts';

export async function readStatus(client: InstanceClient): Promise<InstanceStatus> {
  const { value } = await client.rest('GET', '/v1/instance');
  return value as InstanceStatus;
}

/** Targets worth a line: all but the registry while nothing is registered. */
export function shownTargets(status: Pick<InstanceStatus, 'targets'>): readonly TargetReport[] {
  const isIdle = (target: TargetReport): boolean =>
    target.id === 'registry' && target.state === 'ready' && target.tools + target.prompts + target.resources === 0;
  return status.targets.filter((target) => !isIdle(target));
}

/** `4 tools from 2 targets`. */
export function toolCount(status: Pick<InstanceStatus, 'targets'>): string {
  const targets = shownTargets(status);
  const tools = targets.reduce((sum, target) => sum + target.tools, 0);
  return `${plural(tools, 'tool')} from ${plural(targets.length, 'target')}`;
}

const STATE_PAINT: Readonly<Record<TargetState, 'good' | 'warn' | 'bad' | 'dim'>> = {
  ready: 'good',
  degraded: 'warn',
  down: 'bad',
  starting: 'dim',
};

/** One line per target, the reason of a sick one at its end. */
export function targetTable(targets: readonly TargetReport[], style: Style): string {
  const head = ['Target', 'Kind', 'State', 'Tools', ''].map((text): TableCell => ({ text, paint: style.dim }));
  const rows = targets.map((target): (TableCell | string)[] => [
    oneLine(target.id, 40),
    `${target.kind} [${target.label}]`,
    { text: target.state, paint: style[STATE_PAINT[target.state] ?? 'dim'] },
    String(target.tools),
    oneLine(remarks(target), 200),
  ]);
  return table([head, ...rows]);
}

function remarks(target: TargetReport): string {
  const parts: string[] = [];
  if (target.prompts > 0) parts.push(plural(target.prompts, 'prompt'));
  if (target.resources > 0) parts.push(plural(target.resources, 'resource'));
  if ((target.restarts ?? 0) > 0) parts.push(plural(target.restarts ?? 0, 'restart'));
  if (target.skipped.length > 0) parts.push(`${target.skipped.length} skipped`);
  if (target.reason !== undefined) parts.push(target.reason);
  return parts.join(', ');
}

/** `Store [embedded]   Functions [embedded]`. */
export function backendLine(backends: InstanceStatus['backends']): string {
  return backends.map(({ name, label }) => `${name.charAt(0).toUpperCase()}${name.slice(1)} [${label}]`).join('   ');
}
