/** Checks one state and puts it into the interpreter's form. */

import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import { checkChoices } from './check-choice.ts';
import { checkCatch, checkRetry } from './check-errors.ts';
import type { QueryChecks } from './check-query.ts';
import { checkResource } from './check-resource.ts';
import { timeOf } from './choice.ts';
import { expressionOf, inspectExpression } from './jsonata-inspect.ts';
import type { QueryLanguage, State, StateFields, StateGroup, StateType } from './machine.ts';
import type { Place, Problems } from './problems.ts';
import { inside, shown } from './problems.ts';
import type { FieldKind } from './state-fields.ts';
import { EXCLUSIVE, fieldsOf, STATE_TYPES, UNSUPPORTED_FIELDS } from './state-fields.ts';

export interface StateChecks {
  readonly problems: Problems;
  readonly queries: QueryChecks;
  readonly machineLanguage: QueryLanguage;
  readonly checkTarget: (value: JsonValue | undefined, place: Place) => void;
  /** Checks a branch or a processor. */
  readonly checkGroup: (value: JsonValue | undefined, place: Place, isProcessor: boolean) => StateGroup | undefined;
}

/** `undefined` when it cannot be told what the state is. */
export function checkState(name: string, value: JsonValue, place: Place, checks: StateChecks): State | undefined {
  const { problems } = checks;
  checkName(name, place, problems);
  const type = isObject(value) ? value['Type'] : undefined;
  if (!isObject(value) || typeof type !== 'string' || !STATE_TYPES.includes(type)) {
    problems.invalid(
      inside(place, 'Type'),
      `${shown(type as JsonValue)} is no type of state.`,
      `Use ${STATE_TYPES.join(', ')}.`,
    );
    return undefined;
  }
  const state = { name, type: type as StateType, fields: value as StateFields, place };
  const language = languageOf(state, checks);
  checkFields({ ...state, language }, checks);
  checkExclusive(state, problems);
  return complete({ ...state, language }, checks);
}

interface Draft {
  readonly name: string;
  readonly type: StateType;
  readonly fields: StateFields;
  readonly place: Place;
}

type Typed = Draft & { readonly language: QueryLanguage };

function checkName(name: string, place: Place, problems: Problems): void {
  const isFine = name !== '' && Array.from(name).length <= 80 && !/[\p{Cc}\p{Cs}]/u.test(name);
  if (!isFine)
    problems.invalid(place, 'A state has a name of 1 to 80 characters.', 'Shorten it, without control characters.');
}

function languageOf({ fields, place }: Draft, { machineLanguage, problems }: StateChecks): QueryLanguage {
  const { QueryLanguage: language } = fields;
  if (language === undefined || language === machineLanguage) return machineLanguage;
  if (language === 'JSONata') return 'JSONata';
  const why =
    language === 'JSONPath'
      ? 'A JSONPath state cannot stand in a JSONata machine.'
      : `${shown(language)} is no query language.`;
  problems.invalid(inside(place, 'QueryLanguage'), why, 'Use JSONata, or make JSONPath the language of the machine.');
  return machineLanguage;
}

function checkFields(state: Typed, checks: StateChecks): void {
  const allowed = fieldsOf(state.type, state.language);
  for (const [name, value] of Object.entries(state.fields)) {
    const at = inside(state.place, name);
    const kind = Object.hasOwn(allowed, name) ? allowed[name] : undefined;
    if (kind !== undefined) checkField(kind, value ?? null, at, { state, checks });
    else refuseField(state, name, checks.problems);
  }
}

function refuseField({ type, language, place }: Typed, name: string, problems: Problems): void {
  const at = inside(place, name);
  const why = UNSUPPORTED_FIELDS.get(name);
  if (why !== undefined) problems.unsupported(at, `${name} is outside the portable profile: ${why}.`, 'Remove it.');
  else
    problems.invalid(at, `A ${type} state in ${language} has no field "${name}".`, 'Remove it, or correct its name.');
}

type Check = (value: JsonValue, at: Place, context: { state: Typed; checks: StateChecks }) => void;

const isWhole = (value: JsonValue, least: number, most: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;

/** A literal that passes the test; in JSONata states an expression as well. */
const literal =
  (test: (value: JsonValue) => boolean, what: string): Check =>
  (value, at, { state, checks }) => {
    const isExpression = state.language === 'JSONata' && typeof value === 'string' && expressionOf(value) !== undefined;
    if (isExpression) checks.queries.jsonata(value, at);
    else if (!test(value)) checks.problems.invalid(at, `${shown(value)} is not ${what}.`, 'Correct it.');
  };

const LARGEST = 99_999_999;

const CHECKS: Readonly<Record<FieldKind, Check>> = {
  state: (value, at, { checks }) => checks.checkTarget(value, at),
  true: (value, at, { checks }) => {
    if (value !== true) checks.problems.invalid(at, 'End can only be true.', 'Remove it, or write true.');
  },
  text: literal((value) => typeof value === 'string', 'text'),
  'path-or-null': (value, at, { checks }) => {
    if (value !== null) checks.queries.path(value, at);
  },
  path: (value, at, { checks }) => checks.queries.path(value, at),
  'result-path': (value, at, { checks }) => {
    if (value !== null) checks.queries.resultPath(value, at);
  },
  dynamic: (value, at, { checks }) => checks.queries.dynamic(value, at),
  template: (value, at, { checks }) => checks.queries.template(value, at),
  assign: (value, at, { state, checks }) => checks.queries.assign(value, at, state.language),
  any: () => undefined,
  jsonata: (value, at, { checks }) => checks.queries.jsonata(value, at),
  count: literal((value) => isWhole(value, 0, Number.MAX_SAFE_INTEGER), 'a whole number'),
  seconds: literal((value) => isWhole(value, 0, LARGEST), `a whole number from 0 to ${LARGEST}`),
  positive: literal((value) => isWhole(value, 1, LARGEST), `a whole number from 1 to ${LARGEST}`),
  percentage: literal((value) => isWhole(value, 0, 100), 'a whole number from 0 to 100'),
  timestamp: literal((value) => timeOf(value) !== undefined, 'a timestamp such as 2026-01-31T10:00:00Z'),
  own: () => undefined,
};

function checkField(
  kind: FieldKind,
  value: JsonValue,
  at: Place,
  context: { state: Typed; checks: StateChecks },
): void {
  CHECKS[kind](value, at, context);
}

function checkExclusive({ type, fields, place }: Draft, problems: Problems): void {
  for (const rule of EXCLUSIVE.filter((each) => each.type === type)) {
    const found = rule.fields.filter((name) => fields[name] !== undefined);
    const names = rule.fields.join(', ');
    if (found.length > 1)
      problems.invalid(place, `Only one of ${names} may be given.`, `Keep one of ${found.join(', ')}.`);
    if (found.length === 0 && rule.isNeeded) problems.invalid(place, `One of ${names} is needed.`, 'Add one.');
  }
  if (type === 'Choice' || type === 'Succeed' || type === 'Fail') return;
  const ends = ['Next', 'End'].filter((name) => fields[name] !== undefined);
  if (ends.length !== 1) problems.invalid(place, 'A state has either Next or End.', 'Keep or add one of them.');
}

function complete(state: Typed, checks: StateChecks): State {
  const { name, type, fields, place, language } = state;
  const { problems, queries, checkTarget } = checks;
  const errors = { problems, queries, language, checkTarget };
  if (type === 'Choice') checkChoices(fields['Choices'], inside(place, 'Choices'), errors);
  if (type === 'Task') {
    checkResource({ fields, language, place }, problems);
    checkHeartbeat(state, problems);
  }
  return {
    name,
    type,
    language,
    fields,
    branches: type === 'Parallel' ? branchesOf(fields['Branches'], inside(place, 'Branches'), checks) : [],
    processor: type === 'Map' ? processorOf(state, checks) : undefined,
    retriers: checkRetry(fields['Retry'], inside(place, 'Retry'), errors),
    catchers: checkCatch(fields['Catch'], inside(place, 'Catch'), errors),
    seesEnteredTime: seesEnteredTime(fields, language),
  };
}

function checkHeartbeat({ fields, place }: Typed, problems: Problems): void {
  const { HeartbeatSeconds: heartbeat, TimeoutSeconds: timeout } = fields;
  if (typeof heartbeat !== 'number' || typeof timeout !== 'number' || heartbeat < timeout) return;
  problems.invalid(
    inside(place, 'HeartbeatSeconds'),
    `HeartbeatSeconds (${heartbeat}) must be less than TimeoutSeconds (${timeout}).`,
    'Lower it, or raise the timeout.',
  );
}

function branchesOf(value: JsonValue | undefined, place: Place, checks: StateChecks): StateGroup[] {
  if (!Array.isArray(value) || value.length === 0) {
    checks.problems.invalid(place, 'A Parallel needs at least one branch.', 'Write an array of state machines.');
    return [];
  }
  return (value as readonly JsonValue[])
    .map((each, index) => checks.checkGroup(each, inside(place, index), false))
    .filter((group) => group !== undefined);
}

function processorOf({ fields, place }: Typed, checks: StateChecks): StateGroup | undefined {
  const name = fields['ItemProcessor'] === undefined ? 'Iterator' : 'ItemProcessor';
  if (fields[name] === undefined) return undefined;
  return checks.checkGroup(fields[name], inside(place, name), true);
}

/** A path that can see the context object's State.EnteredTime. Text that only looks like one costs an operation. */
const SEES_TIME = /\$\$(?!\.(?:Execution|StateMachine|Map|Task)\b|\.State\.(?:Name|RetryCount)\b)/;

function seesEnteredTime(fields: StateFields, language: QueryLanguage): boolean {
  const sees = (value: JsonValue | undefined): boolean => {
    if (typeof value === 'string') {
      const expression = language === 'JSONata' ? expressionOf(value) : undefined;
      if (language === 'JSONPath') return SEES_TIME.test(value);
      return expression !== undefined && inspectExpression(expression).usesEnteredTime;
    }
    if (Array.isArray(value)) return (value as readonly JsonValue[]).some(sees);
    return isObject(value) && Object.values(value as { [key: string]: JsonValue }).some(sees);
  };
  const { Branches: _, ItemProcessor: __, Iterator: ___, Comment: ____, ...own } = fields;
  return Object.values(own).some(sees);
}
