/** The comparisons of Choice rules in JSONPath states. */

import { isObject, textOf } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import { selectPath, trySelectPath } from './fields.ts';
import type { StateFields } from './machine.ts';
import type { StateRun } from './state-run.ts';

type Test = (value: JsonValue, expected: JsonValue) => boolean;

const areNumbers =
  (test: (one: number, other: number) => boolean): Test =>
  (value, expected) =>
    typeof value === 'number' && typeof expected === 'number' && test(value, expected);
const areStrings =
  (test: (one: string, other: string) => boolean): Test =>
  (value, expected) =>
    typeof value === 'string' && typeof expected === 'string' && test(value, expected);
const areTimes =
  (test: (one: number, other: number) => boolean): Test =>
  (value, expected) => {
    const [one, other] = [timeOf(value), timeOf(expected)];
    return one !== undefined && other !== undefined && test(one, other);
  };

/** Each of these also has a form with `Path` behind its name. A value of another type matches nothing. */
const COMPARISONS: ReadonlyMap<string, Test> = new Map<string, Test>([
  ['StringEquals', areStrings((one, other) => one === other)],
  ['StringLessThan', areStrings((one, other) => one < other)],
  ['StringGreaterThan', areStrings((one, other) => one > other)],
  ['StringLessThanEquals', areStrings((one, other) => one <= other)],
  ['StringGreaterThanEquals', areStrings((one, other) => one >= other)],
  ['NumericEquals', areNumbers((one, other) => one === other)],
  ['NumericLessThan', areNumbers((one, other) => one < other)],
  ['NumericGreaterThan', areNumbers((one, other) => one > other)],
  ['NumericLessThanEquals', areNumbers((one, other) => one <= other)],
  ['NumericGreaterThanEquals', areNumbers((one, other) => one >= other)],
  ['BooleanEquals', (value, expected) => typeof value === 'boolean' && value === expected],
  ['TimestampEquals', areTimes((one, other) => one === other)],
  ['TimestampLessThan', areTimes((one, other) => one < other)],
  ['TimestampGreaterThan', areTimes((one, other) => one > other)],
  ['TimestampLessThanEquals', areTimes((one, other) => one <= other)],
  ['TimestampGreaterThanEquals', areTimes((one, other) => one >= other)],
]);

/** These have no form with `Path`. */
const PREDICATES: ReadonlyMap<string, (value: JsonValue) => boolean> = new Map<string, (value: JsonValue) => boolean>([
  ['IsNull', (value) => value === null],
  ['IsString', (value) => typeof value === 'string'],
  ['IsNumeric', (value) => typeof value === 'number'],
  ['IsBoolean', (value) => typeof value === 'boolean'],
  ['IsTimestamp', (value) => timeOf(value) !== undefined],
]);

/** What a rule may compare with, for the checks of definitions. */
export function isComparison(name: string): boolean {
  if (name === 'StringMatches' || name === 'IsPresent') return true;
  return COMPARISONS.has(name) || PREDICATES.has(name) || COMPARISONS.has(name.replace(/Path$/, ''));
}

/** @throws StatesError `States.Runtime` when `Variable` or a `…Path` leads nowhere and the rule does not ask for that. */
export function ruleMatches(run: StateRun, rule: StateFields, input: JsonValue): boolean {
  const { And: all, Or: any, Not: none } = rule;
  if (Array.isArray(all)) return (all as StateFields[]).every((each) => ruleMatches(run, each, input));
  if (Array.isArray(any)) return (any as StateFields[]).some((each) => ruleMatches(run, each, input));
  if (isObject(none)) return !ruleMatches(run, none as StateFields, input);
  return comparisonMatches(run, rule, input);
}

function comparisonMatches(run: StateRun, rule: StateFields, input: JsonValue): boolean {
  const name = Object.keys(rule).find(isComparison) ?? '';
  const variable = textOf(rule['Variable']);
  const expected = rule[name] ?? null;
  if (name === 'IsPresent') return (trySelectPath(run, variable, input) !== undefined) === expected;
  const value = selectPath(run, 'Variable', { text: variable, from: input });
  const predicate = PREDICATES.get(name);
  if (predicate !== undefined) return predicate(value) === expected;
  if (name === 'StringMatches') return typeof value === 'string' && globMatches(value, textOf(expected));
  const direct = COMPARISONS.get(name);
  if (direct !== undefined) return direct(value, expected);
  const other = selectPath(run, name, { text: textOf(expected), from: input });
  return COMPARISONS.get(name.replace(/Path$/, ''))?.(value, other) ?? false;
}

const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/;

/** Milliseconds since 1970 of a timestamp as the language has it (RFC 3339 with capital T and Z). */
export function timeOf(value: JsonValue | undefined): number | undefined {
  if (typeof value !== 'string' || !TIMESTAMP.test(value)) return undefined;
  const time = Date.parse(value);
  return Number.isNaN(time) ? undefined : time;
}

/** `*` stands for any characters, `\*` for an asterisk, `\\` for a backslash. Takes linear time per asterisk. */
export function globMatches(text: string, pattern: string): boolean {
  const pieces = globPieces(pattern);
  const [first = '', ...rest] = pieces;
  if (rest.length === 0) return text === first;
  if (!text.startsWith(first)) return false;
  const last = rest.pop() ?? '';
  let position = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, position);
    if (found < 0) return false;
    position = found + piece.length;
  }
  return text.length - last.length >= position && text.endsWith(last);
}

/** The texts between the asterisks. */
function globPieces(pattern: string): string[] {
  const pieces = [''];
  for (let index = 0; index < pattern.length; index++) {
    const character = pattern.charAt(index);
    const next = pattern.charAt(index + 1);
    if (character === '*') pieces.push('');
    else if (character === '\\' && (next === '*' || next === '\\')) {
      pieces.push(`${pieces.pop() ?? ''}${next}`);
      index++;
    } else pieces.push(`${pieces.pop() ?? ''}${character}`);
  }
  return pieces;
}
