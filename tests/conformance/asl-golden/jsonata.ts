/** States in JSONata. */

import type { JsonValue } from '../../../src/core/ports.ts';
import type { Golden } from './golden.ts';
import { fail, failing } from './run-machine.ts';

function jsonata(state: object): JsonValue {
  return { QueryLanguage: 'JSONata', StartAt: 'S', States: { S: { ...state, End: true } } } as never;
}

const output = (
  name: string,
  fact: string,
  expression: string,
  [input, expected]: readonly [JsonValue, JsonValue],
): Golden => ({
  name,
  fact,
  machine: jsonata({ Type: 'Pass', Output: { v: `{% ${expression} %}` } }),
  input,
  expect: { output: { v: expected } },
});

const refused = (name: string, expression: string, cause: RegExp): Golden => ({
  name,
  fact: 'spec States.QueryEvaluationError: a type error, a wrong type or an undefined result',
  machine: jsonata({ Type: 'Pass', Output: `{% ${expression} %}` }),
  input: { a: 1 },
  expect: { error: 'States.QueryEvaluationError', cause },
});

export const JSONATA: readonly Golden[] = [
  output('a path into the input', 'spec $states.input', '$states.input.a.b', [{ a: { b: 1 } }, 1]),
  output(
    'operators and functions of the language',
    'guide JSONata',
    "$uppercase($states.input.n) & '-' & $string(1 + 2)",
    [{ n: 'x' }, 'X-3'],
  ),
  output('sequences of one value are that value', 'JSONata: singleton sequences', '$states.input.list[n > 1].n', [
    { list: [{ n: 1 }, { n: 2 }] },
    2,
  ]),
  output('$partition', 'guide Functions: $partition', '$partition([1,2,3,4], $states.input.size)', [
    { size: 3 },
    [[1, 2, 3], [4]],
  ]),
  output('$range includes its end', 'guide Functions: $range', '$range(1, 9, 2)', [{}, [1, 3, 5, 7, 9]]),
  output('$hash', 'guide Functions: $hash', "$hash('input data', 'SHA-1')", [
    {},
    'aaff4a450a104cd177d28d18d74485e8cae074b7',
  ]),
  output('$parse', 'guide Functions: $parse', '$parse($states.input.text).n', [{ text: '{"n":20}' }, 20]),
  output('$random with a seed is always the same', 'guide Functions: $random', '$random(42) = $random(42)', [{}, true]),
  output('the context is there', 'spec $states.context', '$states.context.State.Name', [{}, 'S']),
  {
    name: 'a Pass without Output passes its input on',
    fact: 'spec Pass in JSONata: Output defaults to the input',
    machine: jsonata({ Type: 'Pass' }),
    input: { a: 1 },
    expect: { output: { a: 1 } },
    operations: [],
  },
  {
    name: 'literals in a template stay, expressions are replaced at any depth',
    fact: 'spec JSONata: strings that begin with {% and end with %}',
    machine: jsonata({ Type: 'Pass', Output: { a: [1, '{% $states.input.n * 2 %}'], b: { c: 'text' } } }),
    input: { n: 21 },
    expect: { output: { a: [1, 42], b: { c: 'text' } } },
  },
  {
    name: 'Arguments go to the task, Output comes of its result, Assign of both',
    fact: 'spec Task in JSONata',
    machine: {
      QueryLanguage: 'JSONata',
      StartAt: 'T',
      States: {
        T: {
          Type: 'Task',
          Resource: 'f',
          Arguments: { n: '{% $states.input.n + 1 %}' },
          Assign: { kept: '{% $states.result.n %}', from: '{% $states.input.n %}' },
          Output: '{% $states.result.n * 10 %}',
          Next: 'P',
        },
        P: { Type: 'Pass', Output: { in: '{% $states.input %}', kept: '{% $kept %}', from: '{% $from %}' }, End: true },
      },
    },
    input: { n: 1 },
    functions: { f: ({ input }) => input },
    expect: { output: { in: 20, kept: 2, from: 1 } },
    operations: ['T#1'],
  },
  {
    name: 'Output and Assign see the variables as they were',
    fact: 'guide Variables: both are evaluated with the values before',
    machine: {
      QueryLanguage: 'JSONata',
      StartAt: 'A',
      States: {
        A: { Type: 'Pass', Assign: { x: 1 }, Next: 'B' },
        B: { Type: 'Pass', Assign: { x: '{% $x + 1 %}' }, Output: { before: '{% $x %}' }, Next: 'C' },
        C: { Type: 'Pass', Output: { before: '{% $states.input.before %}', after: '{% $x %}' }, End: true },
      },
    },
    expect: { output: { before: 1, after: 2 } },
  },
  {
    name: 'a Condition decides, and its rule may put out and assign',
    fact: 'spec Choice in JSONata',
    machine: {
      QueryLanguage: 'JSONata',
      StartAt: 'C',
      States: {
        C: {
          Type: 'Choice',
          Choices: [
            { Condition: '{% $states.input.n > 10 %}', Next: 'End' },
            { Condition: "{% $states.input.kind = 'a' %}", Output: { by: 'rule' }, Assign: { v: 1 }, Next: 'End' },
          ],
          Default: 'End',
        },
        End: { Type: 'Pass', Output: { in: '{% $states.input %}', v: '{% $v %}' }, End: true },
      },
    },
    input: { n: 3, kind: 'a' },
    expect: { output: { in: { by: 'rule' }, v: 1 } },
  },
  {
    name: 'Items, ItemSelector and MaxConcurrency may be expressions',
    fact: 'spec Map in JSONata',
    machine: jsonata({
      Type: 'Map',
      Items: '{% $states.input.items[$ > 1] %}',
      ItemSelector: { v: '{% $states.context.Map.Item.Value %}', i: '{% $states.context.Map.Item.Index %}' },
      MaxConcurrency: '{% 1 + 1 %}',
      ItemProcessor: {
        StartAt: 'P',
        States: { P: { Type: 'Pass', Output: '{% $states.input.v * 10 + $states.input.i %}', End: true } },
      },
      Output: { sum: '{% $sum($states.result) %}' },
    }),
    input: { items: [1, 2, 3] },
    expect: { output: { sum: 51 } },
  },
  {
    name: 'the items of a Map may be the members of an object',
    fact: 'guide Map: Items takes an object',
    machine: jsonata({
      Type: 'Map',
      Items: { a: 1, b: 2 },
      ItemProcessor: { StartAt: 'P', States: { P: { Type: 'Pass', End: true } } },
    }),
    expect: {
      output: [
        { Key: 'a', Value: 1 },
        { Key: 'b', Value: 2 },
      ],
    },
  },
  {
    name: 'Parallel takes Arguments',
    fact: 'spec Parallel in JSONata',
    machine: jsonata({
      Type: 'Parallel',
      Arguments: { n: '{% $states.input.a %}' },
      Branches: [{ StartAt: 'P', States: { P: { Type: 'Pass', Output: '{% $states.input.n %}', End: true } } }],
      Output: '{% $states.result[0] %}',
    }),
    input: { a: 'x' },
    expect: { output: 'x' },
  },
  {
    name: 'a catcher puts out what it makes of the error output',
    fact: 'spec $states.errorOutput in Catch',
    machine: {
      QueryLanguage: 'JSONata',
      StartAt: 'T',
      States: {
        T: {
          Type: 'Task',
          Resource: 'f',
          Catch: [
            {
              ErrorEquals: ['States.ALL'],
              Output: { code: '{% $states.errorOutput.Error %}', n: '{% $states.input.n %}' },
              Assign: { why: '{% $states.errorOutput.Cause %}' },
              Next: 'P',
            },
          ],
          End: true,
        },
        P: { Type: 'Pass', Output: { in: '{% $states.input %}', why: '{% $why %}' }, End: true },
      },
    },
    input: { n: 7 },
    functions: { f: () => fail('E', 'because') },
    expect: { output: { in: { code: 'E', n: 7 }, why: 'because' } },
  },
  {
    name: 'Wait and Fail take expressions',
    fact: 'spec Wait and Fail in JSONata',
    machine: {
      QueryLanguage: 'JSONata',
      StartAt: 'W',
      States: {
        W: { Type: 'Wait', Seconds: '{% $states.input.s %}', Next: 'F' },
        F: { Type: 'Fail', Error: "{% 'E' & $string($states.input.s) %}", Cause: 'fixed' },
      },
    },
    input: { s: 4 },
    expect: { error: 'E4', cause: 'fixed' },
    operations: ['W#1'],
  },
  {
    name: 'a JSONPath machine may have a JSONata state',
    fact: 'spec QueryLanguage: a state may choose JSONata',
    machine: {
      StartAt: 'A',
      States: {
        A: { Type: 'Pass', Parameters: { 'n.$': '$.n' }, Assign: { 'k.$': '$.n' }, Next: 'B' },
        B: { Type: 'Pass', QueryLanguage: 'JSONata', Output: '{% $states.input.n + $k %}', End: true },
      },
    },
    input: { n: 2 },
    expect: { output: 4 },
  },
  {
    name: 'Succeed puts out what its Output says, and the context has the input of the execution',
    fact: 'spec Succeed in JSONata; guide Context object: Execution.Input',
    machine: {
      QueryLanguage: 'JSONata',
      StartAt: 'A',
      States: {
        A: { Type: 'Pass', Output: { gone: true }, Next: 'S' },
        S: {
          Type: 'Succeed',
          Output: { now: '{% $states.input %}', first: '{% $states.context.Execution.Input.n %}' },
        },
      },
    },
    input: { n: 5 },
    expect: { output: { now: { gone: true }, first: 5 } },
  },
  {
    name: 'a retrier tries again with the Arguments evaluated anew, and the catcher sees the last error',
    fact: 'spec Retry and Catch in JSONata',
    machine: {
      QueryLanguage: 'JSONata',
      StartAt: 'T',
      States: {
        T: {
          Type: 'Task',
          Resource: 'f',
          Arguments: { n: '{% $states.input.n %}' },
          Retry: [{ ErrorEquals: ['Transient'], IntervalSeconds: 1, MaxAttempts: 2, BackoffRate: 1 }],
          Catch: [{ ErrorEquals: ['Fatal'], Output: '{% $states.errorOutput.Error %}', Next: 'P' }],
          End: true,
        },
        P: { Type: 'Pass', Output: { caught: '{% $states.input %}' }, End: true },
      },
    },
    input: { n: 1 },
    functions: { f: failing(['Transient', 'Fatal']) },
    expect: { output: { caught: 'Fatal' } },
    calls: [
      ['T#1', 1],
      ['T#1', 2],
    ],
  },
  {
    name: 'a branch reads the variables around it, and what it assigns stays inside',
    fact: 'guide Variables: scope',
    machine: {
      QueryLanguage: 'JSONata',
      StartAt: 'A',
      States: {
        A: { Type: 'Pass', Assign: { region: 'eu', n: 1 }, Next: 'Both' },
        Both: {
          Type: 'Parallel',
          Branches: [
            {
              StartAt: 'B',
              States: {
                B: { Type: 'Pass', Assign: { own: "{% $region & '-1' %}" }, Next: 'C' },
                C: { Type: 'Pass', Output: '{% $own %}', End: true },
              },
            },
            { StartAt: 'D', States: { D: { Type: 'Pass', Output: '{% $n + 1 %}', End: true } } },
          ],
          Assign: { both: '{% $states.result %}' },
          Output: { size: '{% $count($states.result) %}' },
          Next: 'E',
        },
        E: { Type: 'Pass', Output: { both: '{% $both %}', size: '{% $states.input.size %}' }, End: true },
      },
    },
    expect: { output: { both: ['eu-1', 2], size: 2 } },
  },
  {
    name: 'an iteration that fails is caught by its Map, with the input as it was',
    fact: 'spec Map in JSONata: Catch with Output',
    machine: {
      QueryLanguage: 'JSONata',
      StartAt: 'M',
      States: {
        M: {
          Type: 'Map',
          Items: '{% $states.input.items %}',
          MaxConcurrency: 1,
          ItemProcessor: {
            StartAt: 'T',
            States: { T: { Type: 'Task', Resource: 'f', Arguments: '{% $states.input %}', End: true } },
          },
          Catch: [
            {
              ErrorEquals: ['States.ALL'],
              Output: { failed: '{% $states.errorOutput.Error %}', of: '{% $count($states.input.items) %}' },
              Next: 'P',
            },
          ],
          End: true,
        },
        P: { Type: 'Pass', End: true },
      },
    },
    input: { items: [1, 2] },
    functions: { f: ({ input }) => (input === 2 ? fail('Even', 'by design') : input) },
    expect: { output: { failed: 'Even', of: 2 } },
  },
  {
    name: 'Default leads on when no Condition holds, and may put out and assign at the Choice',
    fact: 'spec Choice in JSONata: Output and Assign of the state are those of its Default',
    machine: {
      QueryLanguage: 'JSONata',
      StartAt: 'C',
      States: {
        C: {
          Type: 'Choice',
          Choices: [{ Condition: '{% $exists($states.input.nope) %}', Next: 'P' }],
          Default: 'P',
          Output: { by: 'default' },
          Assign: { v: 2 },
        },
        P: { Type: 'Pass', Output: { in: '{% $states.input %}', v: '{% $v %}' }, End: true },
      },
    },
    expect: { output: { in: { by: 'default' }, v: 2 } },
  },
  {
    name: 'a Condition that is no boolean fails the machine',
    fact: 'guide Choice: the result of a Condition is a boolean',
    machine: {
      QueryLanguage: 'JSONata',
      StartAt: 'C',
      States: {
        C: { Type: 'Choice', Choices: [{ Condition: "{% 'yes' %}", Next: 'P' }], Default: 'P' },
        P: { Type: 'Pass', End: true },
      },
    },
    expect: { error: 'States.QueryEvaluationError' },
  },
  {
    name: 'Wait takes a Timestamp that an expression makes',
    fact: 'spec Wait in JSONata',
    machine: {
      QueryLanguage: 'JSONata',
      StartAt: 'W',
      States: {
        W: { Type: 'Wait', Timestamp: "{% $states.input.day & 'T00:00:00Z' %}", Output: 'over', End: true },
      },
    },
    input: { day: '2020-01-01' },
    expect: { output: 'over' },
  },
  {
    name: 'strings, numbers, null and objects come out as they are',
    fact: 'JSONata: null is a value',
    machine: jsonata({
      Type: 'Pass',
      Output: { n: '{% null %}', list: '{% [1, [2], {"a": null}] %}', text: '{% "{" & "%" %}', no: '{% 1 = 2 %}' },
    }),
    expect: { output: { n: null, list: [1, [2], { a: null }], text: '{%', no: false } },
  },
  {
    name: 'a value of chance is recorded, for two evaluations would differ',
    fact: 'our own: nothing that differs is evaluated twice',
    machine: jsonata({
      Type: 'Pass',
      Output: { same: '{% ($u := $uuid(); $u = $u) %}', length: '{% $length($uuid()) %}' },
    }),
    expect: { output: { same: true, length: 36 } },
    operations: ['S#1/Output'],
  },
  {
    name: 'a task may time out after what an expression says',
    fact: 'spec TimeoutSeconds in JSONata',
    machine: jsonata({ Type: 'Task', Resource: 'f', TimeoutSeconds: '{% $states.input.limit %}' }),
    input: { limit: 2 },
    functions: { f: () => new Promise(() => undefined) },
    expect: { error: 'States.Timeout' },
  },
  refused('nothing is no result', '$states.input.nope', /returned nothing \(undefined\)/),
  refused('a type error', "1 + 'a'", /must evaluate to a number/),
  refused('a function is no result', 'function($x){$x}', /is a function/),
  refused(
    'an endless loop',
    '($f := function(){$f()}; $f())',
    /takes more than 200000 steps|takes longer than 2000 ms/,
  ),
  refused('an endless recursion', '($f := function($x){1 + $f($x)}; $f(1))', /Stack overflow/),
  refused(
    'a string that grows without end',
    "($f := function($x){$f($x & $x)}; $f('ab'))",
    /longer than 524288 characters/,
  ),
  refused(
    'an array that grows without end',
    '($f := function($x){$f($append($x, $x))}; $f([1,2]))',
    /sequence length|more than 100000/,
  ),
  refused('an enormous range', '[1..9999999]', /sequence length/),
  refused('an enormous string', "$pad('', 400000000)", /longer than 524288 characters/),
];
