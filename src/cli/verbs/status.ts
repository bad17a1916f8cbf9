/** `status`: what the running instance is and how its targets are. */

import type { CliContext, CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { connectToInstance } from '../instance.ts';
import { backendLine, readStatus, shownTargets, targetTable, toolCount } from '../instance-status.ts';
import type { InstanceStatus } from '../../http/routes/instance.ts';
import type { Style } from '../style.ts';
import { oneLine, table } from '../style.ts';

export async function* statusVerb(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const value = await readStatus(client);
  yield result(value, (style) => statusText(value, style));
  return undefined;
}

export function statusText(status: InstanceStatus, style: Style): string {
  const facts = table([
    ['MCP endpoint', `${status.mcp}   ${toolCount(status)}`],
    ['Process', `${status.pid}, since ${status.startedAt}, version ${status.version}`],
    ['Backends', backendLine(status.backends)],
    ['Configuration', configLine(status)],
  ]);
  const parts = [facts];
  const targets = shownTargets(status);
  if (targets.length > 0) parts.push('', targetTable(targets, style));
  parts.push(...skippedLines(status, style), ...problemLines(status, style));
  for (const warning of status.warnings) parts.push(`  ${style.warn('warning')} ${oneLine(warning, 400)}`);
  for (const note of status.notes) parts.push(`  ${style.dim('note')} ${oneLine(note, 400)}`);
  return parts.join('\n');
}

function configLine(status: InstanceStatus): string {
  const path = status.config.path ?? 'none';
  return status.config.state === 'ok' ? path : `${path} is invalid; the last good one is in use`;
}

function skippedLines(status: InstanceStatus, style: Style): string[] {
  return status.targets.flatMap((target) =>
    target.skipped.map(
      ({ key, reason }) =>
        `  ${style.warn('skipped')} ${oneLine(`${target.id}: ${key}`, 120)}: ${oneLine(reason, 200)}`,
    ),
  );
}

function problemLines(status: InstanceStatus, style: Style): string[] {
  return (status.config.problems ?? []).map(
    (problem) =>
      `  ${style.bad(problem.code)} ${oneLine(`${problem.file}:${problem.line}:${problem.column}`, 200)} ${oneLine(problem.message, 300)}`,
  );
}
