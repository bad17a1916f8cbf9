/** `status`: what the running instance is and how its targets are. */

import type { CliContext, CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { connectToInstance } from '../instance.ts';
import { backendLine, readStatus, shownTargets, targetTable, toolCount } from '../instance-status.ts';
import type { InstanceStatus } from '../../http/routes/instance.ts';
import type { Style } from '../style.ts';
import { oneLine, plural, table } from '../style.ts';

/** Of one target; `--output json` has all that are kept. */
const MAX_CHANGES = 5;
/** Lines of one target about what was left out. */
const MAX_SKIPPED = 20;

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
    ...status.clouds.map(({ name, label, url }) => [`${name.toUpperCase()} endpoint`, `${url} [${label}]`]),
    ['Configuration', configLine(status)],
  ]);
  const parts = [facts];
  const targets = shownTargets(status);
  if (targets.length > 0) parts.push('', targetTable(targets, style));
  parts.push(...skippedLines(status, style), ...changeLines(status, style), ...canaryLines(status, style));
  parts.push(...problemLines(status, style));
  for (const warning of status.warnings) parts.push(`  ${style.warn('warning')} ${oneLine(warning, 400)}`);
  for (const note of status.notes) parts.push(`  ${style.dim('note')} ${oneLine(note, 400)}`);
  return parts.join('\n');
}

function configLine(status: InstanceStatus): string {
  const path = status.config.path ?? 'none';
  return status.config.state === 'ok' ? path : `${path} is invalid; the last good one is in use`;
}

function skippedLines(status: InstanceStatus, style: Style): string[] {
  return status.targets.flatMap(({ id, skipped }) => {
    const lines = skipped
      .slice(0, MAX_SKIPPED)
      .map(({ key, reason }) => `  ${style.warn('skipped')} ${oneLine(`${id}: ${key}`, 120)}: ${oneLine(reason, 200)}`);
    const more = skipped.length - lines.length;
    if (more > 0) lines.push(`  ${style.warn('skipped')} ${id}: ${more} more; --output json has them all`);
    return lines;
  });
}

function changeLines(status: InstanceStatus, style: Style): string[] {
  return status.targets.flatMap((target) =>
    target.changes.slice(0, MAX_CHANGES).map((change) => {
      const { definition, changedAt, what, previousVersion, version } = change;
      const versions = previousVersion === undefined ? '' : `, version ${previousVersion} to ${version}`;
      const name = oneLine(`${target.id}: ${definition}`, 120);
      return `  ${style.warn('changed')} ${name}: ${what.join(' and ')}${oneLine(versions, 60)} at ${changedAt}`;
    }),
  );
}

function canaryLines(status: InstanceStatus, style: Style): string[] {
  return status.canaries.map((canary) => {
    const { tool, candidate, percent, cohort, calls, errors, state, since, reason } = canary;
    const who = [
      ...(percent > 0 ? [`${percent} %`] : []),
      ...(cohort.length > 0 ? [plural(cohort.length, 'named caller')] : []),
    ];
    const name = oneLine(`${tool} on ${candidate}`, 160);
    if (state === 'running')
      return `  ${style.dim('canary')} ${name}: ${who.join(' and ')}, ${errors} of ${plural(calls, 'call')} failed`;
    return `  ${style.bad('canary off')} ${name} since ${since}: ${oneLine(reason ?? '', 300)}`;
  });
}

function problemLines(status: InstanceStatus, style: Style): string[] {
  return (status.config.problems ?? []).map(
    (problem) =>
      `  ${style.bad(problem.code)} ${oneLine(`${problem.file}:${problem.line}:${problem.column}`, 200)} ${oneLine(problem.message, 300)}`,
  );
}
