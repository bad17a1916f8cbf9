/** The schema library's findings in our own words, each with a place in the text and the key that was meant. */

import type { z } from 'zod';
import type { ConfigNode, ConfigText, NodePath } from './document.ts';
import { formatPath, nodeAt, offsetAt } from './document.ts';
import type { JsonSchema } from './json-schema.ts';
import { keysAt } from './json-schema.ts';
import { nearestOf } from '../core/nearest.ts';

type Issue = z.core.$ZodIssue;

/** What was checked: which part of the text, against which schema (made only when something is wrong). */
export interface Checked {
  readonly source: ConfigText;
  readonly root: ConfigNode;
  /** Where the checked value stands in the file. */
  readonly base: NodePath;
  readonly schema: () => JsonSchema;
}

export function reportIssues(checked: Checked, issues: readonly Issue[]): void {
  for (const issue of issues) {
    if (issue.code === 'unrecognized_keys') reportUnknownKeys(checked, issue);
    else reportIssue(checked, issue);
  }
}

/** Where other clients keep their servers. */
const SECTIONS: ReadonlySet<string> = new Set(['servers', 'mcp', 'mcp_servers', 'context_servers', 'targets']);

function reportUnknownKeys(checked: Checked, issue: z.core.$ZodIssueUnrecognizedKeys): void {
  const inside = issue.path as NodePath;
  const known = keysAt(checked.schema(), inside);
  for (const key of issue.keys) {
    const path = [...checked.base, ...inside, key];
    checked.source.report(offsetAt(checked.root, path, 'key'), `Unknown key "${key}"${placeOf(path.slice(0, -1))}`, {
      code: 'CONFIG_UNKNOWN_KEY',
      path,
      nearest: path.length === 1 && SECTIONS.has(key) ? 'mcpServers' : nearestOf(key, known),
    });
  }
}

function placeOf(path: NodePath): string {
  const [section, name] = path;
  if (section === undefined) return '';
  if (path.length === 2 && section === 'mcpServers') return ` in server "${name}"`;
  if (path.length === 2 && section === 'functions') return ` in function "${name}"`;
  return ` in "${formatPath(path)}"`;
}

function reportIssue(checked: Checked, issue: Issue): void {
  const path = [...checked.base, ...(issue.path as NodePath)];
  // A reference that could not be resolved leaves an empty value; one problem says it.
  if (checked.source.problems.some((problem) => problem.path === formatPath(path))) return;
  const node = nodeAt(checked.root, path);
  const at = issue.code === 'invalid_key' ? 'key' : 'value';
  checked.source.report(offsetAt(checked.root, path, at), messageOf(issue, path, node), {
    path,
    nearest: nearestValue(issue, node),
  });
}

function nearestValue(issue: Issue, node: ConfigNode | undefined): string | undefined {
  if (issue.code !== 'invalid_value' || node?.kind !== 'scalar' || typeof node.value !== 'string') return undefined;
  return nearestOf(node.value, issue.values.map(String));
}

function messageOf(issue: Issue, path: NodePath, node: ConfigNode | undefined): string {
  const subject = `"${formatPath(path)}"`;
  if (node === undefined && path.length > 0) return `${subject} is missing`;
  if (issue.code === 'invalid_key')
    return `The name "${String(path.at(-1))}" ${issue.issues[0]?.message ?? 'is not legal'}`;
  if (issue.code === 'invalid_type')
    return `${subject} must be ${expectation(issue.expected)}${received(node, issue.expected)}`;
  if (issue.code === 'invalid_value') return `${subject} must be ${choices(issue.values)}${received(node, 'string')}`;
  if (issue.code === 'too_small') return `${subject} must ${bound(issue.origin, 'at least', Number(issue.minimum))}`;
  if (issue.code === 'too_big') return `${subject} must ${bound(issue.origin, 'at most', Number(issue.maximum))}`;
  return `${subject} ${issue.message}`;
}

const EXPECTED: ReadonlyMap<string, string> = new Map([
  ['string', 'text'],
  ['number', 'a number'],
  ['int', 'a whole number'],
  ['boolean', 'true or false'],
  ['array', 'a list'],
  ['object', 'a mapping'],
  ['record', 'a mapping'],
]);

function expectation(expected: string): string {
  return EXPECTED.get(expected) ?? expected;
}

/** What stands there instead, by kind alone; text that was wanted as text only needs quotes. */
function received(node: ConfigNode | undefined, expected: string): string {
  if (node?.kind === 'map') return ', not a mapping';
  if (node?.kind === 'list') return ', not a list';
  const value = node?.value;
  if (value === null) return ', not empty';
  if (expected === 'string') return typeof value === 'string' ? '' : `, not a ${typeof value}; put it in quotes`;
  return typeof value === 'string' ? ', not text' : '';
}

function choices(values: readonly unknown[]): string {
  const quoted = values.map((value) => `"${String(value)}"`);
  return quoted.length === 1 ? String(quoted[0]) : `one of ${quoted.join(', ')}`;
}

function bound(origin: string, word: string, limit: number): string {
  if (origin === 'string') return `have ${word} ${limit} ${limit === 1 ? 'character' : 'characters'}`;
  if (origin === 'array') return `have ${word} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  return `be ${word} ${limit.toLocaleString('en')}`;
}
