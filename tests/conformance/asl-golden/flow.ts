/** Choice, Wait, Fail and variables with JSONPath. */

import type { JsonValue } from '../../../src/core/ports.ts';
import type { Golden } from './golden.ts';
import { single } from './golden.ts';

/** Ends in `Yes` when the rule matches, in `No` otherwise. */
function choose(rule: JsonValue): JsonValue {
  return {
    StartAt: 'S',
    States: {
      S: { Type: 'Choice', Choices: [{ ...(rule as object), Next: 'Yes' } as JsonValue], Default: 'No' },
      Yes: { Type: 'Pass', Result: 'yes', End: true },
      No: { Type: 'Pass', Result: 'no', End: true },
    },
  };
}

const rule = (
  name: string,
  fact: string,
  test: JsonValue,
  [input, output]: readonly [JsonValue, 'yes' | 'no'],
): Golden => ({
  name,
  fact: `spec Choice: ${fact}`,
  machine: choose(test),
  input,
  expect: { output },
  operations: [],
});

export const CHOICES: readonly Golden[] = [
  rule('strings are compared as they are', 'StringEquals', { Variable: '$.a', StringEquals: 'x' }, [{ a: 'x' }, 'yes']),
  rule('a value of another type matches nothing', 'types are not converted', { Variable: '$.a', NumericEquals: 1 }, [
    { a: '1' },
    'no',
  ]),
  rule('an order of numbers', 'NumericGreaterThanEquals', { Variable: '$.a', NumericGreaterThanEquals: 2 }, [
    { a: 2 },
    'yes',
  ]),
  rule('an order of strings', 'StringLessThan', { Variable: '$.a', StringLessThan: 'b' }, [{ a: 'a' }, 'yes']),
  rule('a comparison with another path', 'NumericLessThanPath', { Variable: '$.a', NumericLessThanPath: '$.b' }, [
    { a: 1, b: 2 },
    'yes',
  ]),
  rule(
    'timestamps are compared as times, whatever their zone',
    'TimestampEquals',
    { Variable: '$.t', TimestampEquals: '2026-01-31T12:00:00+02:00' },
    [{ t: '2026-01-31T10:00:00Z' }, 'yes'],
  ),
  rule('an asterisk stands for anything', 'StringMatches', { Variable: '$.f', StringMatches: 'log-*.txt' }, [
    { f: 'log-2026-01.txt' },
    'yes',
  ]),
  rule('a backslash makes an asterisk one', 'StringMatches escapes', { Variable: '$.f', StringMatches: 'a\\*b' }, [
    { f: 'axb' },
    'no',
  ]),
  rule('a value that is not there is not present', 'IsPresent', { Variable: '$.a', IsPresent: false }, [{}, 'yes']),
  rule(
    'null is present',
    'IsPresent and IsNull',
    {
      And: [
        { Variable: '$.a', IsPresent: true },
        { Variable: '$.a', IsNull: true },
      ],
    },
    [{ a: null }, 'yes'],
  ),
  rule(
    'types can be asked',
    'IsNumeric, IsString, IsBoolean, IsTimestamp',
    {
      And: [
        { Variable: '$.n', IsNumeric: true },
        { Variable: '$.s', IsString: true },
        { Variable: '$.b', IsBoolean: true },
        { Variable: '$.t', IsTimestamp: true },
        { Variable: '$.s', IsTimestamp: false },
      ],
    },
    [{ n: 1, s: 'x', b: false, t: '2001-01-01T12:00:00Z' }, 'yes'],
  ),
  rule(
    'And, Or and Not nest',
    'boolean expressions',
    {
      And: [
        { Variable: '$.value', IsPresent: true },
        { Or: [{ Variable: '$.value', NumericLessThan: 0 }, { Not: { Variable: '$.value', NumericLessThan: 20 } }] },
      ],
    },
    [{ value: 25 }, 'yes'],
  ),
  {
    name: 'a rule whose variable is not there fails the machine',
    fact: 'guide Choice: Invalid path is States.Runtime',
    machine: choose({ Variable: '$.nope', StringEquals: 'x' }),
    input: {},
    expect: { error: 'States.Runtime' },
  },
  {
    name: 'no rule and no Default is an error',
    fact: 'spec States.NoChoiceMatched',
    machine: {
      StartAt: 'S',
      States: {
        S: { Type: 'Choice', Choices: [{ Variable: '$.a', NumericEquals: 1, Next: 'E' }] },
        E: { Type: 'Succeed' },
      },
    },
    input: { a: 2 },
    expect: { error: 'States.NoChoiceMatched', failedPath: 'S#1' },
  },
  {
    name: 'the first rule that matches decides',
    fact: 'spec Choice: rules are examined in order',
    machine: {
      StartAt: 'S',
      States: {
        S: {
          Type: 'Choice',
          Choices: [
            { Variable: '$.a', NumericLessThan: 10, Next: 'First' },
            { Variable: '$.a', NumericLessThan: 20, Next: 'Second' },
          ],
        },
        First: { Type: 'Pass', Result: 1, End: true },
        Second: { Type: 'Pass', Result: 2, End: true },
      },
    },
    input: { a: 5 },
    expect: { output: 1 },
  },
];

export const WAITS_AND_ENDS: readonly Golden[] = [
  {
    name: 'a Wait is one durable wait and passes its input on',
    fact: 'spec Wait: Seconds',
    machine: single({ Type: 'Wait', Seconds: 3600 }),
    input: { a: 1 },
    expect: { output: { a: 1 } },
    operations: ['S#1'],
  },
  {
    name: 'SecondsPath reads how long',
    fact: 'spec Wait: SecondsPath',
    machine: single({ Type: 'Wait', SecondsPath: '$.expiry', OutputPath: '$.expiry' }),
    input: { expiry: 7 },
    expect: { output: 7 },
    operations: ['S#1'],
  },
  {
    name: 'no seconds are no wait',
    fact: 'guide Wait: 0 proceeds at once',
    machine: single({ Type: 'Wait', Seconds: 0 }),
    expect: { output: {} },
    operations: [],
  },
  {
    name: 'a time that was past when the execution began is not waited for',
    fact: 'guide Wait: a past timestamp proceeds at once',
    machine: single({ Type: 'Wait', TimestampPath: '$.at' }),
    input: { at: '2016-03-14T01:59:00Z' },
    expect: { output: { at: '2016-03-14T01:59:00Z' } },
    operations: [],
  },
  {
    name: 'seconds must be a whole number',
    fact: 'spec Wait: SecondsPath must give an integer',
    machine: single({ Type: 'Wait', SecondsPath: '$.s' }),
    input: { s: 'soon' },
    expect: { error: 'States.Runtime', cause: /The field 'Seconds' must be a whole number/ },
  },
  {
    name: 'Fail says error and cause',
    fact: 'spec Fail',
    machine: { StartAt: 'F', States: { F: { Type: 'Fail', Error: 'ErrorA', Cause: 'Kaiju attack' } } },
    expect: { error: 'ErrorA', cause: 'Kaiju attack', failedPath: 'F#1' },
  },
  {
    name: 'Fail may read both from the input, by a path or an intrinsic function',
    fact: 'spec Fail: ErrorPath and CausePath take Reference Paths and intrinsic functions',
    machine: {
      StartAt: 'F',
      States: {
        F: { Type: 'Fail', ErrorPath: '$.code', CausePath: "States.Format('{} at {}', $.what, $$.State.Name)" },
      },
    },
    input: { code: 'E42', what: 'broke' },
    expect: { error: 'E42', cause: 'broke at F' },
  },
  {
    name: 'Fail may say nothing',
    fact: 'spec Fail: Error and Cause are optional',
    machine: { StartAt: 'F', States: { F: { Type: 'Fail' } } },
    expect: { error: '', cause: '' },
  },
];

export const VARIABLES: readonly Golden[] = [
  {
    name: 'a variable is there in the states after',
    fact: 'spec Assign',
    machine: {
      StartAt: 'A',
      States: {
        A: { Type: 'Pass', Assign: { 'price.$': '$.product.price', currency: 'USD' }, Next: 'B' },
        B: { Type: 'Pass', Parameters: { 'text.$': "States.Format('{} {}', $price, $currency)" }, End: true },
      },
    },
    input: { product: { price: 42 } },
    expect: { output: { text: '42 USD' } },
    operations: [],
  },
  {
    name: 'all variables of an Assign are made of the values before',
    fact: 'guide Variables: evaluation order; x and y swap',
    machine: {
      StartAt: 'A',
      States: {
        A: { Type: 'Pass', Assign: { x: 1, y: 2 }, Next: 'B' },
        B: { Type: 'Pass', Assign: { 'x.$': '$y', 'y.$': '$x' }, Next: 'C' },
        C: { Type: 'Pass', Parameters: { 'x.$': '$x', 'y.$': '$y' }, End: true },
      },
    },
    expect: { output: { x: 2, y: 1 } },
  },
  {
    name: 'in a Task $ of Assign is the result, not what ResultSelector makes of it',
    fact: 'spec Using Assign: $ refers to the result',
    machine: {
      StartAt: 'T',
      States: {
        T: {
          Type: 'Task',
          Resource: 'f',
          ResultSelector: { 'b.$': '$.a' },
          Assign: { 'raw.$': '$.a' },
          Next: 'P',
        },
        P: { Type: 'Pass', Parameters: { 'raw.$': '$raw', 'selected.$': '$.b' }, End: true },
      },
    },
    functions: { f: () => ({ a: 'deep' }) },
    expect: { output: { raw: 'deep', selected: 'deep' } },
  },
  {
    name: 'a catcher assigns from the error output',
    fact: 'spec Using Assign: the Error Output in a Catcher',
    machine: {
      StartAt: 'T',
      States: {
        T: {
          Type: 'Task',
          Resource: 'missing',
          Catch: [{ ErrorEquals: ['States.ALL'], Assign: { 'why.$': '$.Error' }, ResultPath: null, Next: 'P' }],
          End: true,
        },
        P: { Type: 'Pass', Parameters: { 'why.$': '$why', 'in.$': '$.kept' }, End: true },
      },
    },
    input: { kept: 1 },
    expect: { output: { why: 'Lambda.ResourceNotFoundException', in: 1 } },
  },
  {
    name: 'a Choice rule assigns when it matches',
    fact: 'spec Choice: Assign in rules; that of the state is for Default',
    machine: {
      StartAt: 'S',
      States: {
        S: {
          Type: 'Choice',
          Assign: { by: 'default' },
          Choices: [{ Variable: '$.a', NumericEquals: 1, Assign: { by: 'rule' }, Next: 'P' }],
          Default: 'P',
        },
        P: { Type: 'Pass', Parameters: { 'by.$': '$by' }, End: true },
      },
    },
    input: { a: 1 },
    expect: { output: { by: 'rule' } },
  },
  {
    name: 'a variable outlives the output of its state',
    fact: 'spec: variables avoid passing data through',
    machine: {
      StartAt: 'A',
      States: {
        A: { Type: 'Pass', Assign: { 'all.$': '$' }, OutputPath: null, Next: 'B' },
        B: { Type: 'Choice', Choices: [{ Variable: '$all.n', NumericGreaterThan: 1, Next: 'C' }] },
        C: { Type: 'Pass', InputPath: '$all', End: true },
      },
    },
    input: { n: 2 },
    expect: { output: { n: 2 } },
  },
];
