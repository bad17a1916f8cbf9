/** The tree against the schema: every problem in one go, and the checked values with their defaults. */

import type { z } from 'zod';
import type { ConfigNode, ConfigText, MapNode } from './document.ts';
import { mapNode, nodeAt, offsetAt, toValue } from './document.ts';
import type { Checked } from './issues.ts';
import { reportIssues } from './issues.ts';
import { toJsonSchema } from './json-schema.ts';
import { isLoopback } from './loopback.ts';
import { nearestOf } from '../core/nearest.ts';
import { baseSchema, configSchema } from './schema.ts';
import type { FunctionServerConfig, RemoteServerConfig, StdioServerConfig } from './schema-targets.ts';
import { functionServerSchema, remoteServerSchema, stdioServerSchema } from './schema-targets.ts';

export type CheckedServer =
  | ({ readonly kind: 'stdio' } & StdioServerConfig)
  | ({ readonly kind: 'remote' } & RemoteServerConfig)
  | ({ readonly kind: 'function' } & FunctionServerConfig);

export interface CheckedConfig {
  readonly base: z.infer<typeof baseSchema>;
  /** By the key as written. */
  readonly servers: ReadonlyMap<string, CheckedServer>;
}

/** A root that can be checked: a mapping, without keys that have no value (`functions:` and nothing below). */
export function rootMapping(source: ConfigText, root: ConfigNode): MapNode | undefined {
  if (root.kind !== 'map') {
    const found = root.kind === 'list' ? 'a list' : 'a single value';
    source.report(root.start, `The file holds ${found}; it must be a mapping with keys such as mcpServers`);
    return undefined;
  }
  const given = [...root.entries].filter(([, { node }]) => node.kind !== 'scalar' || node.value !== null);
  return mapNode(root, given);
}

/** @returns `undefined` when anything was reported to `source`. */
export function validate(source: ConfigText, root: MapNode): CheckedConfig | undefined {
  const before = source.problems.length;
  const servers = validateServers(source, root);
  const rest = mapNode(
    root,
    [...root.entries].filter(([key]) => key !== 'mcpServers'),
  );
  const parsed = baseSchema.safeParse(toValue(rest));
  if (!parsed.success) {
    reportIssues({ source, root, base: [], schema: () => toJsonSchema(configSchema) }, parsed.error.issues);
    return undefined;
  }
  checkAcrossFields(source, root, parsed.data);
  return source.problems.length > before ? undefined : { base: parsed.data, servers };
}

function checkAcrossFields(source: ConfigText, root: MapNode, base: CheckedConfig['base']): void {
  const star = base.cors.origins.indexOf('*');
  if (star >= 0 && !base.compat.includes('004')) {
    const path = ['cors', 'origins', star];
    source.report(offsetAt(root, path), '"*" is allowed only with compat: ["004"]; name the origins', { path });
  }
  if (base.auth.mode === 'none' && !isLoopback(base.host)) {
    const path = ['auth', 'mode'];
    source.report(offsetAt(root, path), '"none" is allowed only while "host" is a loopback address', { path });
  }
  checkIssuers(source, root, base);
  checkVersions(source, root, base);
}

/** One function is pinned to one thing, and tries another one with somebody. */
function checkVersions(source: ConfigText, root: MapNode, base: CheckedConfig['base']): void {
  for (const [name, { version, alias, canary }] of Object.entries(base.functions)) {
    const report = (keys: readonly string[], message: string): void => {
      const path = ['functions', name, ...keys];
      source.report(offsetAt(root, path), message, { path });
    };
    if (version !== undefined && alias !== undefined) report(['alias'], '"alias" cannot stand beside "version"');
    if (canary === undefined) continue;
    const tried = canary.version ?? canary.alias;
    if (tried === undefined) report(['canary'], '"canary" needs "version" or "alias": what is to be tried');
    else if (canary.version !== undefined && canary.alias !== undefined)
      report(['canary', 'alias'], '"alias" cannot stand beside "version"');
    else if (tried === (version ?? alias)) report(['canary'], `everybody is pinned to "${tried}" already`);
    if (canary.percent === 0 && canary.cohort.length === 0)
      report(['canary'], '"canary" needs "percent" or "cohort": who is to try it');
  }
}

/** Callers are told apart by issuer and subject, so two issuers must not look alike. */
function checkIssuers(source: ConfigText, root: MapNode, { auth }: CheckedConfig['base']): void {
  const report = (keys: readonly (string | number)[], message: string): void => {
    const path = ['auth', 'issuers', ...keys];
    source.report(offsetAt(root, path), message, { path });
  };
  if (auth.issuers.length > 0 && auth.mode === 'none')
    report([], '"issuers" means nothing with auth.mode "none", which lets everybody in; leave one of them out');
  for (const [index, { issuer, name }] of auth.issuers.entries()) {
    const before = auth.issuers.slice(0, index);
    if (before.some((each) => each.issuer === issuer))
      report([index, 'issuer'], 'is the issuer of an entry above; give that one a list of audiences');
    if (!before.some((each) => each.name === name)) continue;
    if (name === undefined) report([index], 'needs "name": only one issuer may do without');
    else report([index, 'name'], `"${name}" is the name of an entry above`);
  }
}

// ---------------------------------------------------------------------------------------------- servers

type Shape = 'stdio' | 'remote' | 'function';
const SCHEMAS = { stdio: stdioServerSchema, remote: remoteServerSchema, function: functionServerSchema } as const;
const DECIDING_KEY = { stdio: 'command', remote: 'url', function: 'function' } as const;
const SHAPES: readonly Shape[] = ['stdio', 'remote', 'function'];

/** Checks `mcpServers` alone; what is wrong goes to `source`, what is right is returned. */
export function validateServers(source: ConfigText, root: MapNode): ReadonlyMap<string, CheckedServer> {
  const servers = new Map<string, CheckedServer>();
  const section = root.entries.get('mcpServers')?.node;
  if (section === undefined) return servers;
  if (section.kind !== 'map') {
    source.report(section.start, '"mcpServers" must be a mapping of names to servers', { path: ['mcpServers'] });
    return servers;
  }
  for (const [key, { node }] of section.entries) {
    const server = validateServer(source, root, key);
    if (server !== undefined && node.kind === 'map') servers.set(key, server);
  }
  return servers;
}

function validateServer(source: ConfigText, root: MapNode, key: string): CheckedServer | undefined {
  const path = ['mcpServers', key];
  const node = nodeAt(root, path);
  if (node?.kind !== 'map') {
    source.report(offsetAt(root, path), `Server "${key}" must be a mapping with "command", "url" or "function"`, {
      path,
    });
    return undefined;
  }
  const shapes = chooseShapes(node);
  const [shape] = shapes;
  if (shape === undefined || shapes.length > 1) {
    const message =
      shape === undefined
        ? 'needs "command" (a program), "url" (a remote server) or "function" (a Lambda function)'
        : `has both ${shapes.map((each) => `"${DECIDING_KEY[each]}"`).join(' and ')}; keep one`;
    source.report(offsetAt(root, path, 'key'), `Server "${key}" ${message}`, { path });
    return undefined;
  }
  return parseServer({ source, root, base: path, schema: () => toJsonSchema(SCHEMAS[shape]) }, node, shape);
}

/** By the deciding key; failing that, by a key that looks like it. More than one shape is one too many. */
function chooseShapes(node: MapNode): readonly Shape[] {
  const chosen = SHAPES.filter((shape) => node.entries.has(DECIDING_KEY[shape]));
  if (chosen.length > 0) return chosen;
  const guesses = [...node.entries.keys()].map((key) => nearestOf(key, Object.values(DECIDING_KEY)));
  return SHAPES.filter((shape) => guesses.includes(DECIDING_KEY[shape])).slice(0, 1);
}

function parseServer(checked: Checked, node: MapNode, shape: Shape): CheckedServer | undefined {
  const decider = DECIDING_KEY[shape];
  // The misspelt deciding key is reported as such; that it is therefore missing needs no second line.
  const isNews = (issue: z.core.$ZodIssue): boolean => node.entries.has(decider) || issue.path[0] !== decider;
  const parsed = SCHEMAS[shape].safeParse(toValue(node));
  if (parsed.success) return { kind: shape, ...parsed.data } as CheckedServer;
  reportIssues(checked, parsed.error.issues.filter(isNews));
  return undefined;
}
