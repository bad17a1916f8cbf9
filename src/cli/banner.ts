/** What `dev` prints when it is ready. */

import { relative } from 'node:path';
import { backendLine, shownTargets, targetTable, toolCount } from './instance-status.ts';
import type { InstanceStatus } from '../http/routes/instance.ts';
import type { Style } from './style.ts';
import { oneLine, table } from './style.ts';

export interface BannerFacts {
  readonly status: InstanceStatus;
  readonly cwd: string;
  /** Absent when everything is in memory. */
  readonly dataDir: string | undefined;
  readonly token: string;
  /** Nothing is configured and the two samples are served. */
  readonly servesSamples: boolean;
  readonly portMoved?: { readonly wanted: number; readonly got: number } | undefined;
  readonly hasKeys: boolean;
}

export const KEY_LINE =
  'c connect a client   t list tools   s status   r read the configuration again   ? keys   q quit';

export function bannerText(facts: BannerFacts, style: Style): string {
  const { status } = facts;
  const lines = [
    '',
    `  ${style.bold(`Zeroplane ${status.version}`)}   local mode, no account   ${style.dim('MIT, no telemetry')}`,
  ];
  for (const warning of status.warnings) lines.push(`  ${style.warn(`warning  ${oneLine(warning, 400)}`)}`);
  if (facts.portMoved !== undefined) lines.push(`  ${style.warn(movedText(facts.portMoved))}`);
  lines.push(factTable(facts, style));
  const targets = shownTargets(status);
  if (targets.length > 0) lines.push('', targetTable(targets, style));
  for (const note of status.notes) lines.push(`  ${style.dim(`note  ${oneLine(note, 400)}`)}`);
  if (targets.length === 0) lines.push('', '  No targets yet: bring servers in with  zeroplane import');
  lines.push(
    '',
    `  ${facts.hasKeys ? style.dim(KEY_LINE) : style.dim('Stop with Ctrl-C. Next: zeroplane tools ls, zeroplane connect')}`,
    '',
  );
  return lines.join('\n');
}

const VENDORS: Readonly<Record<string, string>> = { aws: 'AWS', gcp: 'Google', azure: 'Azure' };

function movedText(moved: { wanted: number; got: number }): string {
  return `port ${moved.wanted} is taken, so this is port ${moved.got}; clients that were told ${moved.wanted} need  zeroplane connect`;
}

function factTable(facts: BannerFacts, style: Style): string {
  const { status } = facts;
  const rows = [
    ['MCP endpoint', status.mcp, `${toolCount(status)}   (legacy: /sse)`],
    ['Control API', `${status.url}/v1`, 'jobs: /v1/provision, registrations: /register'],
    ['Signed in', 'you@dev, tenant team-x', tokenText(facts)],
    ...status.clouds.map((cloud) => [
      `${VENDORS[cloud.name] ?? cloud.name} endpoint`,
      cloud.url,
      cloudText(facts, cloud),
    ]),
  ];
  const named = rows.map(([name = '', value = '', remark = '']) => [
    { text: name, paint: style.dim },
    { text: value, paint: name === 'MCP endpoint' ? style.bold : (text: string) => text },
    remark,
  ]);
  const more = [
    [{ text: 'Backends    ', paint: style.dim }, backendLine(status.backends)],
    [{ text: 'Configured  ', paint: style.dim }, sourceText(facts)],
    [{ text: 'Data        ', paint: style.dim }, dataText(facts)],
  ];
  return `${table(named)}\n${table(more)}`;
}

function sourceText(facts: BannerFacts): string {
  const { path } = facts.status.config;
  if (path !== undefined) return shortPath(facts.cwd, path);
  return facts.servesSamples ? 'two samples, because this folder has no zeroplane.yaml and no .mcp.json' : 'nothing';
}

/** An instance in memory writes its token nowhere, so it stands here. */
function tokenText({ status, dataDir, token }: BannerFacts): string {
  if (status.auth === 'none') return 'no token needed';
  return dataDir === undefined ? `token: ${token}` : 'token: zeroplane token';
}

/** An instance in memory cannot be asked for keys by another program either. */
function cloudText({ cwd, dataDir, status }: BannerFacts, { label, name }: InstanceStatus['clouds'][number]): string {
  if (name !== 'aws') {
    const authority = name === 'azure' && dataDir !== undefined ? `, authority: ${shortPath(cwd, dataDir)}/ca.pem` : '';
    return `[${label}]   bearer: ${status.auth === 'none' ? 'zeroplane' : 'the token'}${authority}`;
  }
  if (dataDir !== undefined) return `[${label}]   keys: zeroplane token --${name}`;
  return `[${label}]   access key zeroplane, secret ${status.auth === 'none' ? 'zeroplane' : 'the token'}`;
}

function dataText(facts: BannerFacts): string {
  return facts.dataDir === undefined ? 'in memory, gone at the end' : shortPath(facts.cwd, facts.dataDir);
}

function shortPath(cwd: string, path: string): string {
  const short = relative(cwd, path);
  return oneLine(short === '' || short.startsWith('..') ? path : short, 200);
}
