/** Checks Retry and Catch. */

import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import type { QueryChecks } from './check-query.ts';
import type { Catcher, QueryLanguage, Retrier, StateFields } from './machine.ts';
import type { Place, Problems } from './problems.ts';
import { inside, shown } from './problems.ts';
import { STATES } from './states-error.ts';

export interface ErrorChecks {
  readonly problems: Problems;
  readonly queries: QueryChecks;
  readonly language: QueryLanguage;
  /** Whether a state of this name stands in the same group. */
  readonly checkTarget: (value: JsonValue | undefined, place: Place) => void;
}

const RETRY_FIELDS: ReadonlySet<string> = new Set([
  'ErrorEquals',
  'IntervalSeconds',
  'MaxAttempts',
  'BackoffRate',
  'MaxDelaySeconds',
  'JitterStrategy',
  'Comment',
]);

/** What a retrier says when it says nothing. */
const DEFAULTS = { intervalSeconds: 1, maxAttempts: 3, backoffRate: 2 };
const LARGEST = 99_999_999;
const LONGEST_DELAY = 31_622_400;

export function checkRetry(value: JsonValue | undefined, place: Place, checks: ErrorChecks): Retrier[] {
  return entriesOf(value, place, checks.problems).map(({ fields, at, isLast }) => {
    checkMembers(fields, at, { problems: checks.problems, allowed: RETRY_FIELDS });
    const number = (name: string, limits: NumberLimits): number =>
      numberOf(fields, name, { ...limits, at, problems: checks.problems });
    const jitter = fields['JitterStrategy'];
    if (jitter !== undefined && jitter !== 'FULL' && jitter !== 'NONE') {
      checks.problems.invalid(
        inside(at, 'JitterStrategy'),
        `${shown(jitter)} is no jitter strategy.`,
        'Use FULL or NONE.',
      );
    }
    return {
      errorEquals: errorEqualsOf(fields, { at, isLast, problems: checks.problems }),
      intervalSeconds: number('IntervalSeconds', { least: 1, most: LARGEST, fallback: DEFAULTS.intervalSeconds }),
      maxAttempts: number('MaxAttempts', { least: 0, most: LARGEST, fallback: DEFAULTS.maxAttempts }),
      backoffRate: number('BackoffRate', { least: 1, most: 1000, fallback: DEFAULTS.backoffRate, isFraction: true }),
      maxDelaySeconds: number('MaxDelaySeconds', { least: 1, most: LONGEST_DELAY, fallback: LONGEST_DELAY }),
      hasJitter: jitter === 'FULL',
    };
  });
}

export function checkCatch(value: JsonValue | undefined, place: Place, checks: ErrorChecks): Catcher[] {
  const allowed = new Set([
    'ErrorEquals',
    'Next',
    'Comment',
    'Assign',
    checks.language === 'JSONata' ? 'Output' : 'ResultPath',
  ]);
  return entriesOf(value, place, checks.problems).map(({ fields, at, isLast }) => {
    checkMembers(fields, at, { problems: checks.problems, allowed });
    checks.checkTarget(fields['Next'], inside(at, 'Next'));
    const { Assign: assign, Output: output, ResultPath: path } = fields;
    if (assign !== undefined) checks.queries.assign(assign, inside(at, 'Assign'), checks.language);
    if (output !== undefined) checks.queries.jsonata(output, inside(at, 'Output'));
    if (path !== undefined && path !== null) checks.queries.resultPath(path, inside(at, 'ResultPath'));
    const next = typeof fields['Next'] === 'string' ? fields['Next'] : '';
    return { errorEquals: errorEqualsOf(fields, { at, isLast, problems: checks.problems }), next, fields };
  });
}

interface Entry {
  readonly fields: StateFields;
  readonly at: Place;
  readonly isLast: boolean;
}

function entriesOf(value: JsonValue | undefined, place: Place, problems: Problems): Entry[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    problems.invalid(place, 'A list is needed here.', 'Write an array of objects.');
    return [];
  }
  const list = value as readonly JsonValue[];
  return list.flatMap((each, index) => {
    const at = inside(place, index);
    if (isObject(each)) return [{ fields: each as StateFields, at, isLast: index === list.length - 1 }];
    problems.invalid(at, 'An object is needed here.', 'Begin with ErrorEquals.');
    return [];
  });
}

function checkMembers(
  fields: StateFields,
  at: Place,
  { problems, allowed }: { problems: Problems; allowed: ReadonlySet<string> },
): void {
  for (const name of Object.keys(fields)) {
    if (!allowed.has(name)) problems.invalid(inside(at, name), `"${name}" has no meaning here.`, 'Remove it.');
  }
}

function errorEqualsOf(
  fields: StateFields,
  { at, isLast, problems }: { at: Place; isLast: boolean; problems: Problems },
): string[] {
  const value = fields['ErrorEquals'];
  const place = inside(at, 'ErrorEquals');
  const names = Array.isArray(value) ? (value as readonly JsonValue[]).filter((each) => typeof each === 'string') : [];
  if (!Array.isArray(value) || names.length !== value.length || names.length === 0) {
    problems.invalid(place, 'ErrorEquals must be a list of error names.', `Name errors, or use ["${STATES.all}"].`);
  }
  if (names.includes(STATES.all) && names.length > 1) {
    problems.invalid(place, `${STATES.all} must stand alone in its list.`, 'Remove the other names.');
  }
  if (names.includes(STATES.all) && !isLast) {
    problems.invalid(place, `${STATES.all} must come last, for nothing behind it is reached.`, 'Move it to the end.');
  }
  return names;
}

interface NumberLimits {
  readonly least: number;
  readonly most: number;
  readonly fallback: number;
  readonly isFraction?: boolean;
}

function numberOf(
  fields: StateFields,
  name: string,
  { at, problems, least, most, fallback, isFraction = false }: NumberLimits & { at: Place; problems: Problems },
): number {
  const value = fields[name];
  if (value === undefined) return fallback;
  const isFine =
    typeof value === 'number' && value >= least && value <= most && (isFraction || Number.isInteger(value));
  if (isFine) return value;
  const what = isFraction ? 'a number' : 'a whole number';
  problems.invalid(
    inside(at, name),
    `${name} must be ${what} from ${least} to ${most}, not ${shown(value)}.`,
    'Correct it.',
  );
  return fallback;
}
