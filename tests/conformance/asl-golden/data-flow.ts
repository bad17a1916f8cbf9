/** Input and output processing with JSONPath. */

import type { Golden } from './golden.ts';
import { single } from './golden.ts';

const SUM = { title: 'Numbers to add', numbers: { val1: 3, val2: 4 } };

export const DATA_FLOW: readonly Golden[] = [
  {
    name: 'a Pass state passes its input on',
    fact: 'spec Pass: by default the input is the output',
    machine: single({ Type: 'Pass' }),
    input: { a: [1, null, 'x'] },
    expect: { output: { a: [1, null, 'x'] } },
  },
  {
    name: 'Result replaces the input',
    fact: 'spec Pass: Result is treated as the output of a virtual task',
    machine: single({ Type: 'Pass', Result: { x: 0.381018, y: 622.2269926397355 } }),
    input: { a: 1 },
    expect: { output: { x: 0.381018, y: 622.2269926397355 } },
  },
  {
    name: 'ResultPath puts Result beside the input',
    fact: 'spec ResultPath: a field that is not there is made',
    machine: single({ Type: 'Pass', Result: { x: 1 }, ResultPath: '$.coords' }),
    input: { georefOf: 'Home' },
    expect: { output: { georefOf: 'Home', coords: { x: 1 } } },
  },
  {
    name: 'ResultPath makes every object on its way',
    fact: 'spec ResultPath: {"a":1} with "Hi!" at $.b.greeting',
    machine: single({ Type: 'Pass', Result: 'Hi!', ResultPath: '$.b.greeting' }),
    input: { a: 1 },
    expect: { output: { a: 1, b: { greeting: 'Hi!' } } },
  },
  {
    name: 'ResultPath overwrites what is there',
    fact: 'spec ResultPath: 6 at $.master.detail',
    machine: single({ Type: 'Pass', Result: 6, ResultPath: '$.master.detail' }),
    input: { master: { detail: [1, 2, 3] } },
    expect: { output: { master: { detail: 6 } } },
  },
  {
    name: 'ResultPath keeps the neighbours of what it makes',
    fact: 'spec ResultPath: 6 at $.master.result.sum',
    machine: single({ Type: 'Pass', Result: 6, ResultPath: '$.master.result.sum' }),
    input: { master: { detail: [1, 2, 3] } },
    expect: { output: { master: { detail: [1, 2, 3], result: { sum: 6 } } } },
  },
  {
    name: 'a ResultPath of null discards the result',
    fact: 'spec ResultPath: null means that the input is the output',
    machine: single({ Type: 'Task', Resource: 'f', ResultPath: null }),
    input: { keep: true },
    functions: { f: () => ({ gone: true }) },
    expect: { output: { keep: true } },
  },
  {
    name: 'a ResultPath that cannot be applied fails',
    fact: 'spec JSONPath runtime errors: input "foo" and $.x',
    machine: single({ Type: 'Pass', Result: 1, ResultPath: '$.x' }),
    input: 'foo',
    expect: { error: 'States.ResultPathMatchFailure', failedPath: 'S#1' },
  },
  {
    name: 'ResultPath replaces an item of an array',
    fact: 'spec Reference Paths: indexes name one node',
    machine: single({ Type: 'Pass', Result: 'b', ResultPath: '$.list[1]' }),
    input: { list: ['a', 'x', 'c'] },
    expect: { output: { list: ['a', 'b', 'c'] } },
  },
  {
    name: 'InputPath selects what a task gets',
    fact: 'spec Input and Output Processing: numbers of the sum task, result at $.sum',
    machine: single({ Type: 'Task', Resource: 'sum', InputPath: '$.numbers', ResultPath: '$.sum' }),
    input: SUM,
    functions: {
      sum: ({ input }) => Object.values(input as Record<string, number>).reduce((one, other) => one + other),
    },
    expect: { output: { ...SUM, sum: 7 } },
  },
  {
    name: 'an InputPath of null gives an empty object',
    fact: 'spec InputPath: null means {}',
    machine: single({ Type: 'Task', Resource: 'echo', InputPath: null }),
    input: { a: 1 },
    functions: { echo: ({ input }) => input },
    expect: { output: {} },
  },
  {
    name: 'an OutputPath of null gives an empty object',
    fact: 'spec OutputPath: null means {}',
    machine: single({ Type: 'Pass', OutputPath: null }),
    input: { a: 1 },
    expect: { output: {} },
  },
  {
    name: 'OutputPath comes after ResultPath',
    fact: 'spec: OutputPath applies to the output after ResultPath',
    machine: single({ Type: 'Pass', Result: { n: 1 }, ResultPath: '$.made', OutputPath: '$.made.n' }),
    input: { other: true },
    expect: { output: 1 },
  },
  {
    name: 'an InputPath that leads nowhere fails and no wildcard catches it',
    fact: 'guide States.Runtime: not caught by States.ALL',
    machine: {
      StartAt: 'S',
      States: {
        S: {
          Type: 'Task',
          Resource: 'f',
          InputPath: '$.nope',
          Catch: [{ ErrorEquals: ['States.ALL'], Next: 'C' }],
          End: true,
        },
        C: { Type: 'Pass', End: true },
      },
    },
    functions: { f: () => 1 },
    expect: { error: 'States.Runtime', cause: /The path '\$\.nope' in the field 'InputPath'/ },
  },
  {
    name: 'a payload template takes paths, the context and intrinsic functions',
    fact: 'spec Payload Template: members that end in .$ are replaced, at any depth',
    machine: single({
      Type: 'Pass',
      Parameters: {
        flagged: true,
        parts: { 'first.$': '$.vals[0]', 'last3.$': '$.vals[-3:]' },
        'state.$': '$$.State.Name',
        'formattedOutput.$': "States.Format('Today is {}', $.day)",
      },
    }),
    input: { flagged: 7, vals: [0, 10, 20, 30, 40, 50], day: 'TUESDAY' },
    expect: {
      output: {
        flagged: true,
        parts: { first: 0, last3: [30, 40, 50] },
        state: 'S',
        formattedOutput: 'Today is TUESDAY',
      },
    },
  },
  {
    name: 'a path of a template that leads nowhere has a name of its own',
    fact: 'spec States.ParameterPathFailure',
    machine: single({ Type: 'Pass', Parameters: { 'a.$': '$.nope' } }),
    expect: { error: 'States.ParameterPathFailure' },
  },
  {
    name: 'several values of a path become an array',
    fact: 'spec: $.a[0,1] of [1,2,3,4] gives [1,2]',
    machine: single({ Type: 'Pass', InputPath: '$.a[0,1]' }),
    input: { a: [1, 2, 3, 4] },
    expect: { output: [1, 2] },
  },
  {
    name: 'filters, wildcards and descent select many',
    fact: 'guide Paths: Jayway operators',
    machine: single({
      Type: 'Pass',
      Parameters: {
        'cheap.$': '$.books[?(@.price < 10 && @.isbn)].title',
        'all.$': '$..price',
        'any.$': '$.books[*].title',
        'none.$': '$.books[?(@.price > 100)]',
      },
    }),
    input: {
      books: [
        { title: 'A', price: 8, isbn: '1' },
        { title: 'B', price: 9 },
        { title: 'C', price: 20, isbn: '2' },
      ],
    },
    expect: { output: { cheap: ['A'], all: [8, 9, 20], any: ['A', 'B', 'C'], none: [] } },
  },
  {
    name: 'ResultSelector shapes the result before ResultPath places it',
    fact: 'spec ResultSelector: its payload is the effective result',
    machine: single({
      Type: 'Task',
      Resource: 'f',
      ResultSelector: { 'id.$': '$.Vpc.VpcId', source: 'ec2' },
      ResultPath: '$.vpc',
    }),
    input: { region: 'us-east-1' },
    functions: { f: () => ({ Vpc: { VpcId: 'vpc-1', State: 'available' } }) },
    expect: { output: { region: 'us-east-1', vpc: { id: 'vpc-1', source: 'ec2' } } },
  },
  {
    name: 'the context object tells of execution, state and machine',
    fact: 'guide Context object',
    machine: single({
      Type: 'Pass',
      Parameters: {
        'id.$': '$$.Execution.Id',
        'name.$': '$$.Execution.Name',
        'start.$': '$$.Execution.StartTime',
        'input.$': '$$.Execution.Input',
        'role.$': '$$.Execution.RoleArn',
        'machine.$': '$$.StateMachine.Name',
        'retries.$': '$$.State.RetryCount',
      },
    }),
    input: { a: 1 },
    expect: {
      output: {
        id: 'arn:aws:states:us-east-1:000000000000:execution:golden:run-1',
        name: 'run-1',
        start: '2026-01-31T10:00:00.000Z',
        input: { a: 1 },
        role: 'arn:aws:iam::000000000000:role/golden',
        machine: 'golden',
        retries: 0,
      },
    },
    operations: [],
  },
  {
    name: 'a Succeed state ends with its input',
    fact: 'spec Succeed: ends the machine; InputPath and OutputPath select',
    machine: {
      StartAt: 'P',
      States: { P: { Type: 'Pass', Next: 'Done' }, Done: { Type: 'Succeed', InputPath: '$.a', OutputPath: '$.b' } },
    },
    input: { a: { b: 'end' } },
    expect: { output: 'end' },
  },
  {
    name: 'keys that objects are born with are keys like others',
    fact: 'our own: outside keys are data',
    machine: single({ Type: 'Pass', Result: { x: 1 }, ResultPath: "$['__proto__'].constructor" }),
    input: { a: 1 },
    expect: { output: JSON.parse('{"a":1,"__proto__":{"constructor":{"x":1}}}') as never },
  },
];
