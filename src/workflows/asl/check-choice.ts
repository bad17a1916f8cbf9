/** Checks the rules of Choice states. */

import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import type { ErrorChecks } from './check-errors.ts';
import { isComparison, timeOf } from './choice.ts';
import type { StateFields } from './machine.ts';
import type { Place } from './problems.ts';
import { inside, shown } from './problems.ts';

/** The language makes it an error of the running machine; it would be one each time. */
const OPEN_ESCAPE = /^(?:[^\\]|\\[\\*])*\\(?![\\*])/s;

/** And, Or and Not in one another. */
const DEEPEST = 20;

export function checkChoices(value: JsonValue | undefined, place: Place, checks: ErrorChecks): void {
  if (!Array.isArray(value) || value.length === 0) {
    checks.problems.invalid(place, 'A Choice needs at least one rule.', 'Write an array of rules with Next.');
    return;
  }
  for (const [index, rule] of (value as readonly JsonValue[]).entries()) {
    const at = inside(place, index);
    if (!isObject(rule)) {
      checks.problems.invalid(at, 'A rule must be an object.', 'Write a condition and Next.');
      continue;
    }
    checkRule(rule as StateFields, at, checks);
  }
}

function checkRule(rule: StateFields, at: Place, checks: ErrorChecks): void {
  const { problems, queries, language } = checks;
  checks.checkTarget(rule['Next'], inside(at, 'Next'));
  const { Assign: assign, Output: output, Condition: condition } = rule;
  if (assign !== undefined) queries.assign(assign, inside(at, 'Assign'), language);
  if (language === 'JSONPath') {
    checkTest(rule, at, { checks, depth: 0 });
    return;
  }
  if (output !== undefined) queries.jsonata(output, inside(at, 'Output'));
  for (const name of Object.keys(rule)) {
    if (!['Next', 'Assign', 'Output', 'Condition', 'Comment'].includes(name)) {
      problems.invalid(inside(at, name), `"${name}" has no meaning in a JSONata rule.`, 'Use Condition.');
    }
  }
  if (typeof condition === 'boolean') return;
  if (typeof condition === 'string' && condition.startsWith('{%')) queries.jsonata(condition, inside(at, 'Condition'));
  else problems.invalid(at, 'A rule needs a Condition.', 'Write an expression that is true or false.');
}

interface TestChecks {
  readonly checks: ErrorChecks;
  readonly depth: number;
}

/** A rule, or one of those that And, Or and Not put together. */
function checkTest(rule: StateFields, at: Place, { checks, depth }: TestChecks): void {
  const { problems } = checks;
  const outer = depth === 0 ? ['Next', 'Assign', 'Comment'] : ['Comment'];
  const names = Object.keys(rule).filter((name) => !outer.includes(name) && name !== 'Variable');
  const [name = '', ...others] = names;
  if (names.length !== 1) {
    const found = names.length === 0 ? 'no test' : `${others.length + 1} tests: ${names.join(', ')}`;
    problems.invalid(at, `A rule has one test; this has ${found}.`, 'Use And to put tests together.');
    return;
  }
  const inner = inside(at, name);
  if (name === 'And' || name === 'Or' || name === 'Not') {
    checkNested(rule[name], inner, { checks, depth: depth + 1, isList: name !== 'Not' });
    return;
  }
  if (!isComparison(name)) {
    problems.invalid(inner, `There is no comparison "${name}".`, 'Correct its name.');
    return;
  }
  checks.queries.path(rule['Variable'] ?? null, inside(at, 'Variable'));
  checkExpected(name, rule[name], { at: inner, checks });
}

function checkNested(
  value: JsonValue | undefined,
  at: Place,
  { checks, depth, isList }: TestChecks & { isList: boolean },
): void {
  if (depth > DEEPEST) {
    checks.problems.invalid(at, `Tests are nested deeper than ${DEEPEST}.`, 'Flatten them.');
    return;
  }
  const parts: readonly (readonly [JsonValue | undefined, Place])[] = isList
    ? (Array.isArray(value) ? (value as readonly JsonValue[]) : []).map((each, index) => [each, inside(at, index)])
    : [[value, at]];
  if (parts.length === 0) checks.problems.invalid(at, 'A list of tests is needed.', 'Write an array of rules.');
  for (const [part, place] of parts) {
    if (isObject(part)) checkTest(part as StateFields, place, { checks, depth });
    else checks.problems.invalid(place, 'A test must be an object.', 'Write Variable and a comparison.');
  }
}

function checkExpected(
  name: string,
  value: JsonValue | undefined,
  { at, checks }: { at: Place; checks: ErrorChecks },
): void {
  if (name.endsWith('Path')) {
    checks.queries.path(value ?? null, at);
    return;
  }
  const needed = neededType(name);
  const isFine = needed === 'timestamp' ? timeOf(value) !== undefined : typeof value === needed;
  if (!isFine)
    checks.problems.invalid(at, `${name} compares with a ${needed}, not ${shown(value)}.`, 'Correct the value.');
  else if (name === 'StringMatches' && OPEN_ESCAPE.test(value as string))
    checks.problems.invalid(
      at,
      `The pattern ${shown(value)} has a backslash that escapes nothing.`,
      'Write \\\\* for an asterisk, and two backslashes for one.',
    );
}

function neededType(name: string): 'string' | 'number' | 'boolean' | 'timestamp' {
  if (name.startsWith('String')) return 'string';
  if (name.startsWith('Numeric')) return 'number';
  return name.startsWith('Timestamp') ? 'timestamp' : 'boolean';
}
