import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PlatformError } from '../../core/errors.ts';
import type { JsonValue } from '../../core/ports.ts';
import { checkMachine } from './check-machine.ts';
import { parseMachine } from './parse-machine.ts';
import type { Problem } from './problems.ts';

const pass = { Type: 'Pass', End: true };
const task = { Type: 'Task', Resource: 'f', End: true };
const inner = { StartAt: 'P', States: { P: pass } };

/** A machine whose state `S` has these fields, and a state `T` that may be led to. */
function machine(state: object, extra: object = {}): JsonValue {
  return { ...extra, StartAt: 'S', States: { S: state } } as never;
}

function refusal(definition: JsonValue): PlatformError {
  try {
    parseMachine(definition);
  } catch (error) {
    if (error instanceof PlatformError) return error;
    throw error;
  }
  throw new Error('It was accepted.');
}

const problems = (definition: JsonValue): readonly Problem[] =>
  refusal(definition).details['problems'] as readonly Problem[];

const jsonata = { QueryLanguage: 'JSONata' };

/** What is wrong, where, and what the message must say. */
const INVALID: readonly (readonly [string, JsonValue, string, RegExp])[] = [
  ['no object', [] as never, '', /is an object/],
  ['no states', { StartAt: 'A', States: {} }, '', /at least one state/],
  ['a start that is not there', { StartAt: 'B', States: { A: pass } }, '/StartAt', /names no state/],
  ['an unknown field of the machine', machine(pass, { Foo: 1 }), '/Foo', /no field "Foo"/],
  ['another version', machine(pass, { Version: '2.0' }), '/Version', /no version/],
  ['a bad timeout', machine(pass, { TimeoutSeconds: 0 }), '/TimeoutSeconds', /no timeout/],
  ['an unknown language', machine(pass, { QueryLanguage: 'SQL' }), '/QueryLanguage', /no query language/],
  ['an unknown type', machine({ Type: 'Goto', End: true }), '/States/S/Type', /no type of state/],
  ['an unknown field', machine({ ...pass, Foo: 1 }), '/States/S/Foo', /no field "Foo"/],
  ['a field of the other language', machine({ ...pass, Output: 1 }), '/States/S/Output', /no field "Output"/],
  [
    'a field of the other language again',
    machine({ ...pass, InputPath: '$' }, jsonata),
    '/States/S/InputPath',
    /no field/,
  ],
  [
    'a JSONPath state in a JSONata machine',
    machine({ ...pass, QueryLanguage: 'JSONPath' }, jsonata),
    '/States/S/QueryLanguage',
    /cannot stand/,
  ],
  ['Next and End', machine({ Type: 'Pass', Next: 'S', End: true }), '/States/S', /either Next or End/],
  ['neither Next nor End', machine({ Type: 'Pass' }), '/States/S', /either Next or End/],
  ['End that is false', machine({ Type: 'Pass', End: false }), '/States/S/End', /only be true/],
  ['a Next that is not there', machine({ Type: 'Pass', Next: 'Nope' }), '/States/S/Next', /"Nope" is no state/],
  ['a Next that comes with every object', machine({ Type: 'Pass', Next: 'constructor' }), '/States/S/Next', /no state/],
  [
    'a long name',
    { StartAt: 'x'.repeat(81), States: { ['x'.repeat(81)]: pass } },
    `/States/${'x'.repeat(81)}`,
    /1 to 80/,
  ],
  ['a bad path', machine({ ...pass, InputPath: '$.a[' }), '/States/S/InputPath', /cannot be read/],
  ['a path that is none', machine({ ...pass, OutputPath: 3 }), '/States/S/OutputPath', /no path/],
  ['a ResultPath that is no place', machine({ ...pass, ResultPath: '$.a[*]' }), '/States/S/ResultPath', /no place/],
  ['a ResultPath into the context', machine({ ...pass, ResultPath: '$$.a' }), '/States/S/ResultPath', /no place/],
  [
    'an unknown intrinsic function',
    machine({ ...pass, Parameters: { 'a.$': 'States.Nope()' } }),
    '/States/S/Parameters/a.$',
    /no function/,
  ],
  ['a template that is no object', machine({ ...pass, Parameters: 'x' }), '/States/S/Parameters', /must be an object/],
  [
    'a member twice',
    machine({ ...pass, Parameters: { a: 1, 'a.$': '$.x' } }),
    '/States/S/Parameters/a.$',
    /comes twice/,
  ],
  [
    'a dynamic member that is no text',
    machine({ ...pass, Parameters: { 'a.$': 1 } }),
    '/States/S/Parameters/a.$',
    /no path/,
  ],
  [
    'a half expression',
    machine({ ...pass, Output: '{% 1' }, jsonata),
    '/States/S/Output',
    /neither text nor an expression/,
  ],
  [
    'an expression with an unqualified name',
    machine({ ...pass, Output: { a: ['{% b %}'] } }, jsonata),
    '/States/S/Output/a/0',
    /stands alone/,
  ],
  [
    'a variable that nothing assigns',
    machine({ ...pass, Output: '{% $x %}' }, jsonata),
    '/States/S/Output',
    /No state assigns the variable \$x/,
  ],
  [
    'a variable that nothing assigns, in a path',
    machine({ ...pass, InputPath: '$x.y' }),
    '/States/S/InputPath',
    /No state assigns/,
  ],
  [
    'a variable called states',
    machine({ ...pass, Assign: { states: 1 } }),
    '/States/S/Assign/states',
    /cannot be a variable/,
  ],
  ['no Resource', machine({ Type: 'Task', End: true }), '/States/S/Resource', /needs a Resource/],
  [
    'a heartbeat not below the timeout',
    machine({ ...task, TimeoutSeconds: 5, HeartbeatSeconds: 5 }),
    '/States/S/HeartbeatSeconds',
    /must be less/,
  ],
  [
    'a timeout of no number',
    machine({ ...task, TimeoutSeconds: '5' }),
    '/States/S/TimeoutSeconds',
    /not a whole number/,
  ],
  ['two timeouts', machine({ ...task, TimeoutSeconds: 5, TimeoutSecondsPath: '$.t' }), '/States/S', /Only one of/],
  [
    'States.ALL with others',
    machine({ ...task, Retry: [{ ErrorEquals: ['States.ALL', 'X'] }] }),
    '/States/S/Retry/0/ErrorEquals',
    /stand alone/,
  ],
  [
    'States.ALL that is not last',
    machine({ ...task, Retry: [{ ErrorEquals: ['States.ALL'] }, { ErrorEquals: ['X'] }] }),
    '/States/S/Retry/0/ErrorEquals',
    /come last/,
  ],
  [
    'States.ALL that is not last in Catch',
    machine({
      ...task,
      Catch: [
        { ErrorEquals: ['States.ALL'], Next: 'S' },
        { ErrorEquals: ['X'], Next: 'S' },
      ],
    }),
    '/States/S/Catch/0/ErrorEquals',
    /come last/,
  ],
  [
    'no error names',
    machine({ ...task, Retry: [{ ErrorEquals: [] }] }),
    '/States/S/Retry/0/ErrorEquals',
    /list of error names/,
  ],
  ['a Retry that is no list', machine({ ...task, Retry: {} }), '/States/S/Retry', /list is needed/],
  [
    'a BackoffRate below one',
    machine({ ...task, Retry: [{ ErrorEquals: ['X'], BackoffRate: 0.5 }] }),
    '/States/S/Retry/0/BackoffRate',
    /from 1/,
  ],
  [
    'an unknown jitter',
    machine({ ...task, Retry: [{ ErrorEquals: ['X'], JitterStrategy: 'SOME' }] }),
    '/States/S/Retry/0/JitterStrategy',
    /no jitter strategy/,
  ],
  [
    'a Catch to nowhere',
    machine({ ...task, Catch: [{ ErrorEquals: ['X'], Next: 'Nope' }] }),
    '/States/S/Catch/0/Next',
    /no state/,
  ],
  ['no rules', machine({ Type: 'Choice', Choices: [] }), '/States/S/Choices', /at least one rule/],
  [
    'a rule with two tests',
    machine({ Type: 'Choice', Choices: [{ Variable: '$.a', IsNull: true, IsString: true, Next: 'S' }] }),
    '/States/S/Choices/0',
    /one test/,
  ],
  [
    'a rule with no test',
    machine({ Type: 'Choice', Choices: [{ Variable: '$.a', Next: 'S' }] }),
    '/States/S/Choices/0',
    /no test/,
  ],
  [
    'an unknown comparison',
    machine({ Type: 'Choice', Choices: [{ Variable: '$.a', Equals: 1, Next: 'S' }] }),
    '/States/S/Choices/0/Equals',
    /no comparison/,
  ],
  [
    'a comparison with the wrong type',
    machine({ Type: 'Choice', Choices: [{ Variable: '$.a', NumericEquals: '1', Next: 'S' }] }),
    '/States/S/Choices/0/NumericEquals',
    /compares with a number/,
  ],
  [
    'a pattern whose backslash escapes nothing',
    machine({ Type: 'Choice', Choices: [{ Variable: '$.a', StringMatches: 'a\\*\\\\b\\', Next: 'S' }] }),
    '/States/S/Choices/0/StringMatches',
    /a backslash that escapes nothing/,
  ],
  [
    'a timestamp that is none',
    machine({ Type: 'Choice', Choices: [{ Variable: '$.a', TimestampEquals: 'today', Next: 'S' }] }),
    '/States/S/Choices/0/TimestampEquals',
    /timestamp/,
  ],
  [
    'a rule without Condition',
    machine({ Type: 'Choice', Choices: [{ Next: 'S' }] }, jsonata),
    '/States/S/Choices/0',
    /needs a Condition/,
  ],
  ['a Wait for nothing', machine({ Type: 'Wait', End: true }), '/States/S', /One of Seconds/],
  [
    'a Wait for two things',
    machine({ Type: 'Wait', Seconds: 1, Timestamp: '2026-01-01T00:00:00Z', End: true }),
    '/States/S',
    /Only one of/,
  ],
  [
    'a Wait of negative seconds',
    machine({ Type: 'Wait', Seconds: -1, End: true }),
    '/States/S/Seconds',
    /whole number/,
  ],
  [
    'a Parallel without branches',
    machine({ Type: 'Parallel', Branches: [], End: true }),
    '/States/S/Branches',
    /at least one branch/,
  ],
  [
    'a branch that is no machine',
    machine({ Type: 'Parallel', Branches: [{}], End: true }),
    '/States/S/Branches/0',
    /has States/,
  ],
  ['a Map without processor', machine({ Type: 'Map', End: true }), '/States/S', /One of ItemProcessor, Iterator/],
  [
    'a leap out of a branch',
    {
      StartAt: 'S',
      States: {
        S: { Type: 'Parallel', Branches: [{ StartAt: 'B', States: { B: { Type: 'Pass', Next: 'T' } } }], Next: 'T' },
        T: pass,
      },
    },
    '/States/S/Branches/0/States/B/Next',
    /"T" is no state here/,
  ],
  [
    'a name twice',
    { StartAt: 'P', States: { P: { Type: 'Parallel', Branches: [inner], End: true } } },
    '/States/P/Branches/0/States/P',
    /taken by another state/,
  ],
  ['a state that is not reached', { StartAt: 'A', States: { A: pass, B: pass } }, '/States/B', /No state leads here/],
  ['a machine without end', { StartAt: 'A', States: { A: { Type: 'Pass', Next: 'A' } } }, '', /No state ends it/],
  [
    'an outer variable assigned within',
    {
      StartAt: 'A',
      States: {
        A: { Type: 'Pass', Assign: { x: 1 }, Next: 'M' },
        M: { Type: 'Map', ItemProcessor: { StartAt: 'P', States: { P: { ...pass, Assign: { x: 2 } } } }, End: true },
      },
    },
    '/States/M/ItemProcessor/States/P/Assign/x',
    /belongs to the machine around/,
  ],
  [
    'lambda:invoke without a function',
    machine({ ...task, Resource: 'arn:aws:states:::lambda:invoke', Parameters: {} }),
    '/States/S/Parameters',
    /needs the parameter FunctionName/,
  ],
  [
    'a child without a machine',
    machine({ ...task, Resource: 'arn:aws:states:::states:startExecution.sync:2' }),
    '/States/S/Parameters',
    /needs the parameter StateMachineArn/,
  ],
];

test.each(INVALID)('%s is invalid', (_, definition, pointer, message) => {
  expect(refusal(definition).code).toBe('WORKFLOW_INVALID');
  const found = problems(definition).filter((problem) => problem.pointer === pointer);
  expect(found.map((problem) => problem.message).join(' ')).toMatch(message);
  expect(found.every(({ next }) => next !== '')).toBe(true);
});

const UNSUPPORTED: readonly (readonly [string, JsonValue, string])[] = [
  ['another service', machine({ ...task, Resource: 'arn:aws:states:::sqs:sendMessage' }), '/States/S/Resource'],
  [
    'an SDK integration',
    machine({ ...task, Resource: 'arn:aws:states:::aws-sdk:s3:listBuckets' }),
    '/States/S/Resource',
  ],
  ['an activity', machine({ ...task, Resource: 'arn:aws:states:us-east-1:1:activity:a' }), '/States/S/Resource'],
  [
    'a child that nobody waits for',
    machine({ ...task, Resource: 'arn:aws:states:::states:startExecution' }),
    '/States/S/Resource',
  ],
  ['credentials', machine({ ...task, Credentials: { RoleArn: 'x' } }), '/States/S/Credentials'],
  [
    'a distributed Map',
    machine({ Type: 'Map', ItemProcessor: { ...inner, ProcessorConfig: { Mode: 'DISTRIBUTED' } }, End: true }),
    '/States/S/ItemProcessor/ProcessorConfig/Mode',
  ],
  [
    'a reader of items',
    machine({ Type: 'Map', ItemReader: {}, ItemProcessor: inner, End: true }),
    '/States/S/ItemReader',
  ],
  [
    'an invocation that nobody waits for',
    machine({
      ...task,
      Resource: 'arn:aws:states:::lambda:invoke',
      Parameters: { FunctionName: 'f', InvocationType: 'Event' },
    }),
    '/States/S/Parameters/InvocationType',
  ],
  [
    'a client context',
    machine({
      ...task,
      Resource: 'arn:aws:states:::lambda:invoke',
      Parameters: { FunctionName: 'f', ClientContext: 'x' },
    }),
    '/States/S/Parameters/ClientContext',
  ],
];

test.each(UNSUPPORTED)('%s is outside the profile, and the refusal names the state', (_, definition, pointer) => {
  const error = refusal(definition);
  expect(error.code).toBe('WORKFLOW_UNSUPPORTED');
  expect(error.message).toContain('state "S"');
  expect(problems(definition)).toEqual([
    expect.objectContaining({ code: 'WORKFLOW_UNSUPPORTED', state: 'S', pointer }),
  ]);
});

test.each([
  'f',
  'f:live',
  'cloud___provision',
  '${CreateVpc}',
  'arn:aws:lambda:us-east-1:123:function:create-vpc',
  'arn:aws-cn:states:::lambda:invoke',
])('the resource %s is accepted', (resource) => {
  const parameters = resource.endsWith('invoke') ? { Parameters: { FunctionName: 'f' } } : {};
  expect(parseMachine(machine({ ...task, Resource: resource, ...parameters })).startAt).toBe('S');
});

test('every problem is told at once, with its place in the text', () => {
  const text =
    '{\n  "StartAt": "A",\n  "States": {\n    "A": {"Type": "Pass", "Next": "B"},\n    "C": {"Type": "Pass", "End": true}\n  }\n}';
  expect(problems(text)).toEqual([
    expect.objectContaining({ state: 'A', pointer: '/States/A/Next', line: 4, column: 27 }),
    expect.objectContaining({ state: 'C', pointer: '/States/C', line: 5, column: 5 }),
  ]);
  expect(refusal(text).message).toMatch(/^The state machine has 2 problems: line 4, state "A": "B" is no state here/);
});

test.each([
  ['{"StartAt": "A"', /CloseBraceExpected/],
  ['{"StartAt": "A", "StartAt": "B"}', /appears twice/],
  [`${'['.repeat(100)}${']'.repeat(100)}`, /nested deeper/],
  ['// comment\n{}', /InvalidCommentToken/],
])('the text %s is refused', (text, message) => {
  expect(refusal(text)).toMatchObject({ code: 'WORKFLOW_INVALID', message: expect.stringMatching(message) });
});

describe('whatever the definition', () => {
  const keys = 'Type Next End Choices Branches States StartAt Retry Catch Parameters Assign Output __proto__'.split(
    ' ',
  );
  const key = fc.constantFrom(...keys);
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', maxDepth: 4 },
      fc.constantFrom(
        'Pass',
        'Task',
        'Choice',
        'Map',
        'Parallel',
        'A',
        '$',
        '$.a',
        '{% $x %}',
        true,
        null,
        1,
        'States.UUID()',
      ),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 5 }),
    ),
  }));
  const definition = fc.tuple(value, value).map(([A, B]) => ({ StartAt: 'A', States: { A, B } }) as JsonValue);

  test('the answer is a machine or the refusal', () => {
    fc.assert(
      fc.property(definition, (each) => {
        try {
          parseMachine(each);
        } catch (error) {
          expect(error).toBeInstanceOf(PlatformError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('checking it ends with findings', async () => {
    await fc.assert(
      fc.asyncProperty(definition, async (each) => {
        expect(Array.isArray(await checkMachine(JSON.stringify(each)))).toBe(true);
      }),
      { numRuns: 15 },
    );
  });
});

describe('checkMachine', () => {
  const codes = async (definition: JsonValue): Promise<string[]> =>
    (await checkMachine(JSON.stringify(definition))).map(
      ({ severity, code, state }) => `${severity} ${code} ${state ?? ''}`,
    );

  test('says what asl-validator says, and what it misses', async () => {
    const undefinedVariable = machine({ ...pass, Output: '{% $x %}' }, jsonata);
    expect(await codes(undefinedVariable)).toEqual(['error WORKFLOW_INVALID S']);
    const terminal = { StartAt: 'A', States: { A: { Type: 'Pass', Next: 'A' } } };
    expect(await codes(terminal)).toContain('error WORKFLOW_INVALID ');
  });

  test('asks each task for a timeout and for what undoes it', async () => {
    const map = { Type: 'Map', ItemProcessor: { StartAt: 'T', States: { T: { ...task } } }, End: true };
    expect(await codes(machine(map))).toEqual([
      'warning TASK_WITHOUT_TIMEOUT T',
      'warning TASK_WITHOUT_COMPENSATION T',
    ]);
  });

  test.each([
    ['compensation: S', 0],
    ['Makes a network. compensation: S, which deletes it', 0],
    ['no-compensation: reads only', 0],
    ['compensation: Nope', 1],
    ['compensation:', 1],
    ['no-compensation: ', 1],
    ['compensates nothing', 1],
  ])('a Comment of "%s" leaves %i warnings', async (comment, count) => {
    expect(await codes(machine({ ...task, TimeoutSeconds: 1, Comment: comment }))).toHaveLength(count);
  });
});
