/** Which fields each type of state has, in each language, and what each must be. */

import type { QueryLanguage, StateType } from './machine.ts';

export type FieldKind =
  /** A name of a state of the same group. */
  | 'state'
  | 'true'
  | 'text'
  /** A path, or null. */
  | 'path-or-null'
  | 'path'
  /** A reference path into the input, or null. */
  | 'result-path'
  /** A path or an intrinsic function. */
  | 'dynamic'
  /** A payload template. */
  | 'template'
  | 'assign'
  | 'any'
  /** JSON with expressions in it. */
  | 'jsonata'
  | 'count'
  | 'seconds'
  | 'positive'
  | 'percentage'
  | 'timestamp'
  /** Has a check of its own. */
  | 'own';

type Fields = Readonly<Record<string, FieldKind>>;

const COMMON: Fields = { Type: 'own', Comment: 'text', QueryLanguage: 'own' };
const NEXT: Fields = { Next: 'state', End: 'true' };
const ERRORS: Fields = { Retry: 'own', Catch: 'own' };
const PATHS: Fields = { InputPath: 'path-or-null', OutputPath: 'path-or-null' };
const PAYLOAD: Fields = { ...PATHS, Parameters: 'template', ResultPath: 'result-path', Assign: 'assign' };
const RESULT: Fields = { ...PAYLOAD, ResultSelector: 'template' };
const OUTPUT: Fields = { Output: 'jsonata', Assign: 'assign' };
const MAP_NUMBERS = {
  MaxConcurrency: 'count',
  ToleratedFailureCount: 'count',
  ToleratedFailurePercentage: 'percentage',
} as const;

const JSON_PATH: Readonly<Record<StateType, Fields>> = {
  Pass: { ...NEXT, ...PAYLOAD, Result: 'any' },
  Task: {
    ...NEXT,
    ...RESULT,
    ...ERRORS,
    Resource: 'own',
    TimeoutSeconds: 'positive',
    TimeoutSecondsPath: 'path',
    HeartbeatSeconds: 'positive',
    HeartbeatSecondsPath: 'path',
  },
  Choice: { ...PATHS, Choices: 'own', Default: 'state', Assign: 'assign' },
  Wait: {
    ...NEXT,
    ...PATHS,
    Assign: 'assign',
    Seconds: 'seconds',
    SecondsPath: 'path',
    Timestamp: 'timestamp',
    TimestampPath: 'path',
  },
  Succeed: PATHS,
  Fail: { Error: 'text', ErrorPath: 'dynamic', Cause: 'text', CausePath: 'dynamic' },
  Parallel: { ...NEXT, ...RESULT, ...ERRORS, Branches: 'own' },
  Map: {
    ...NEXT,
    ...RESULT,
    ...ERRORS,
    ...MAP_NUMBERS,
    ItemProcessor: 'own',
    Iterator: 'own',
    ItemsPath: 'path',
    ItemSelector: 'template',
    MaxConcurrencyPath: 'path',
    ToleratedFailureCountPath: 'path',
    ToleratedFailurePercentagePath: 'path',
  },
};

const JSONATA: Readonly<Record<StateType, Fields>> = {
  Pass: { ...NEXT, ...OUTPUT },
  Task: {
    ...NEXT,
    ...OUTPUT,
    ...ERRORS,
    Arguments: 'jsonata',
    Resource: 'own',
    TimeoutSeconds: 'positive',
    HeartbeatSeconds: 'positive',
  },
  Choice: { ...OUTPUT, Choices: 'own', Default: 'state' },
  Wait: { ...NEXT, ...OUTPUT, Seconds: 'seconds', Timestamp: 'timestamp' },
  Succeed: { Output: 'jsonata' },
  Fail: { Error: 'text', Cause: 'text' },
  Parallel: { ...NEXT, ...OUTPUT, ...ERRORS, Arguments: 'jsonata', Branches: 'own' },
  Map: {
    ...NEXT,
    ...OUTPUT,
    ...ERRORS,
    ...MAP_NUMBERS,
    ItemProcessor: 'own',
    Items: 'jsonata',
    ItemSelector: 'jsonata',
  },
};

/** Fields of Step Functions that are not portable, and why. */
export const UNSUPPORTED_FIELDS: ReadonlyMap<string, string> = new Map([
  ['Credentials', 'tasks run with the rights of whoever started the execution'],
  ['ItemReader', 'only inline Maps run everywhere'],
  ['ItemBatcher', 'only inline Maps run everywhere'],
  ['ResultWriter', 'only inline Maps run everywhere'],
  ['Label', 'only inline Maps run everywhere'],
]);

export function fieldsOf(type: StateType, language: QueryLanguage): Fields {
  return { ...COMMON, ...(language === 'JSONata' ? JSONATA : JSON_PATH)[type] };
}

export const STATE_TYPES: readonly string[] = Object.keys(JSON_PATH);

/** At most, or exactly, one of these may stand in a state. */
export const EXCLUSIVE: readonly { type: StateType; fields: readonly string[]; isNeeded: boolean }[] = [
  { type: 'Wait', fields: ['Seconds', 'SecondsPath', 'Timestamp', 'TimestampPath'], isNeeded: true },
  { type: 'Map', fields: ['ItemProcessor', 'Iterator'], isNeeded: true },
  { type: 'Map', fields: ['ItemSelector', 'Parameters'], isNeeded: false },
  { type: 'Map', fields: ['MaxConcurrency', 'MaxConcurrencyPath'], isNeeded: false },
  { type: 'Map', fields: ['ToleratedFailureCount', 'ToleratedFailureCountPath'], isNeeded: false },
  { type: 'Map', fields: ['ToleratedFailurePercentage', 'ToleratedFailurePercentagePath'], isNeeded: false },
  { type: 'Task', fields: ['TimeoutSeconds', 'TimeoutSecondsPath'], isNeeded: false },
  { type: 'Task', fields: ['HeartbeatSeconds', 'HeartbeatSecondsPath'], isNeeded: false },
  { type: 'Fail', fields: ['Error', 'ErrorPath'], isNeeded: false },
  { type: 'Fail', fields: ['Cause', 'CausePath'], isNeeded: false },
];
