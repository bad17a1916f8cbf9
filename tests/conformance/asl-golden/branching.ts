/** Parallel and Map. */

import type { Golden } from './golden.ts';
import { single } from './golden.ts';
import { fail, failing } from './run-machine.ts';

const task = (resource: string): never =>
  ({ StartAt: 'T', States: { T: { Type: 'Task', Resource: resource, End: true } } }) as never;
const named = (name: string, state: object): never =>
  ({ StartAt: name, States: { [name]: { ...state, End: true } } }) as never;

export const BRANCHING: readonly Golden[] = [
  {
    name: 'a Parallel puts out the outputs of its branches in their order',
    fact: 'spec Parallel: an array, one element for each branch',
    machine: single({
      Type: 'Parallel',
      Branches: [
        named('Slow', { Type: 'Wait', Seconds: 10 }),
        named('Add', { Type: 'Task', Resource: 'add' }),
        named('Subtract', { Type: 'Task', Resource: 'subtract' }),
      ],
    }),
    input: [3, 2],
    functions: {
      add: ({ input }) => (input as number[]).reduce((one, other) => one + other),
      subtract: ({ input }) => (input as number[]).reduce((one, other) => one - other),
    },
    expect: { output: [[3, 2], 5, 1] },
    operations: ['S#1', 'S.0/Slow#1', 'S.1/Add#1', 'S.2/Subtract#1'],
    calls: [
      ['S.1/Add#1', 1],
      ['S.2/Subtract#1', 1],
    ],
  },
  {
    name: 'every branch gets a copy of the parameters',
    fact: 'spec Parallel: Parameters are the input of each branch',
    machine: single({
      Type: 'Parallel',
      Parameters: { 'n.$': '$.n' },
      ResultSelector: { 'first.$': '$[0].n', 'second.$': '$[1].n' },
      ResultPath: '$.out',
      Branches: [named('A', { Type: 'Pass' }), named('B', { Type: 'Pass' })],
    }),
    input: { n: 1, rest: true },
    expect: { output: { n: 1, rest: true, out: { first: 1, second: 1 } } },
  },
  {
    name: 'a failed branch breaks off the others, and the Parallel may catch',
    fact: 'spec Parallel: an unhandled error fails the state and terminates all branches',
    machine: {
      StartAt: 'S',
      States: {
        S: {
          Type: 'Parallel',
          Branches: [named('Bad', { Type: 'Task', Resource: 'bad' }), named('Long', { Type: 'Wait', Seconds: 86_400 })],
          Catch: [{ ErrorEquals: ['Broken'], ResultPath: '$.error', Next: 'C' }],
          End: true,
        },
        C: { Type: 'Pass', End: true },
      },
    },
    input: {},
    functions: { bad: () => fail('Broken', 'by design') },
    expect: { output: { error: { Error: 'Broken', Cause: 'by design' } } },
    operations: ['S#1', 'S.0/Bad#1', 'S.1/Long#1'],
  },
  {
    name: 'a sibling that runs is told, and its state does not go on',
    fact: 'our own: early cancel',
    machine: single({
      Type: 'Parallel',
      Branches: [
        named('Bad', { Type: 'Task', Resource: 'bad' }),
        {
          StartAt: 'Hang',
          States: {
            Hang: {
              Type: 'Task',
              Resource: 'hang',
              Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Never' }],
              End: true,
            },
            Never: { Type: 'Task', Resource: 'never', End: true },
          },
        },
      ],
    }),
    functions: {
      bad: async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        return fail('Broken');
      },
      hang: ({ signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('told to stop')))),
    },
    expect: { error: 'Broken', failedPath: 'S.0/Bad#1' },
    operations: ['S#1', 'S.0/Bad#1', 'S.1/Hang#1'],
    calls: [
      ['S.0/Bad#1', 1],
      ['S.1/Hang#1', 1],
    ],
  },
  {
    name: 'a Parallel that is retried runs its branches under new visits',
    fact: 'spec Retry on Parallel: reruns the whole state',
    machine: single({
      Type: 'Parallel',
      Branches: [named('A', { Type: 'Task', Resource: 'a' }), named('B', { Type: 'Task', Resource: 'b' })],
      Retry: [{ ErrorEquals: ['Soft'], MaxAttempts: 1 }],
    }),
    functions: { a: () => 'a', b: failing(['Soft'], 'b') },
    expect: { output: ['a', 'b'] },
    calls: [
      ['S.0/A#1', 1],
      ['S.1/B#1', 1],
      ['S.0/A#2.1', 1],
      ['S.1/B#2.1', 1],
    ],
  },
  {
    name: 'a Map runs its processor for each item',
    fact: 'spec Map: output is the array of the iterations outputs',
    machine: single({ Type: 'Map', ItemsPath: '$.items', ItemProcessor: task('double') }),
    input: { items: [1, 2, 3] },
    functions: { double: ({ input }) => (input as number) * 2 },
    expect: { output: [2, 4, 6] },
    operations: ['S#1', 'S[0]/T#1', 'S[1]/T#1', 'S[2]/T#1'],
    calls: [
      ['S[0]/T#1', 1],
      ['S[1]/T#1', 1],
      ['S[2]/T#1', 1],
    ],
  },
  {
    name: 'ItemSelector sees the input of the Map, and the item in the context',
    fact: 'spec ItemSelector: $$.Map.Item.Index and $$.Map.Item.Value',
    machine: single({
      Type: 'Map',
      InputPath: '$.detail',
      ItemsPath: '$.shipped',
      ItemSelector: { 'parcel.$': '$$.Map.Item.Value', 'index.$': '$$.Map.Item.Index', 'courier.$': '$.by' },
      ItemProcessor: named('P', { Type: 'Pass' }),
    }),
    input: { detail: { by: 'UQS', shipped: [{ prod: 'R31' }, { prod: 'S39' }] } },
    expect: {
      output: [
        { parcel: { prod: 'R31' }, index: 0, courier: 'UQS' },
        { parcel: { prod: 'S39' }, index: 1, courier: 'UQS' },
      ],
    },
  },
  {
    name: 'the older Iterator and Parameters mean the same',
    fact: 'spec Map: deprecated names',
    machine: single({
      Type: 'Map',
      Parameters: { 'v.$': '$$.Map.Item.Value' },
      Iterator: named('P', { Type: 'Pass' }),
    }),
    input: ['a', 'b'],
    expect: { output: [{ v: 'a' }, { v: 'b' }] },
  },
  {
    name: 'MaxConcurrency of one takes the items one after another',
    fact: 'spec MaxConcurrency',
    machine: single({ Type: 'Map', MaxConcurrency: 1, ItemProcessor: task('count') }),
    input: ['a', 'b', 'c'],
    functions: (() => {
      let running = 0;
      let most = 0;
      return {
        count: async () => {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setTimeout(resolve, 2));
          running--;
          return most;
        },
      };
    })(),
    expect: { output: [1, 1, 1] },
  },
  {
    name: 'an empty Map puts out an empty array and records nothing',
    fact: 'spec Map: zero iterations',
    machine: single({ Type: 'Map', ItemProcessor: task('f') }),
    input: [],
    expect: { output: [] },
    operations: [],
  },
  {
    name: 'one failed iteration fails the Map with its error',
    fact: 'spec Map: an iteration that fails fails the Map',
    machine: single({ Type: 'Map', ItemProcessor: task('f') }),
    input: [1, 2],
    functions: { f: ({ input }) => (input === 2 ? fail('Bad', 'two') : 'ok') },
    expect: { error: 'Bad', cause: 'two', failedPath: 'S[1]/T#1' },
  },
  {
    name: 'tolerated failures leave no result',
    fact: 'spec ToleratedFailureCount',
    machine: single({ Type: 'Map', ToleratedFailureCount: 1, ItemProcessor: task('f') }),
    input: [1, 2, 3],
    functions: { f: ({ input }) => (input === 2 ? fail('Bad') : (input as number)) },
    expect: { output: [1, 3] },
  },
  {
    name: 'more failures than tolerated have a name of their own',
    fact: 'spec States.ExceedToleratedFailureThreshold',
    machine: single({ Type: 'Map', ToleratedFailurePercentage: 25, MaxConcurrency: 1, ItemProcessor: task('f') }),
    input: [1, 2, 3, 4],
    functions: { f: ({ input }) => ((input as number) > 2 ? fail('Bad') : (input as number)) },
    expect: { error: 'States.ExceedToleratedFailureThreshold' },
  },
  {
    name: 'paths name every Map and Parallel around a state',
    fact: 'our own: Net[1]/Par.0/T',
    machine: {
      StartAt: 'Net',
      States: {
        Net: {
          Type: 'Map',
          MaxConcurrency: 1,
          ItemProcessor: {
            StartAt: 'Par',
            States: { Par: { Type: 'Parallel', Branches: [task('f')], End: true } },
          },
          End: true,
        },
      },
    },
    input: ['x', 'y'],
    functions: { f: ({ key }) => key.split('/').slice(1).join('/') },
    expect: { output: [['Net[0]/Par.0/T#1'], ['Net[1]/Par.0/T#1']] },
    operations: ['Net#1', 'Net[0]/Par#1', 'Net[0]/Par.0/T#1', 'Net[1]/Par#1', 'Net[1]/Par.0/T#1'],
  },
  {
    name: 'a branch reads the variables around it and keeps its own',
    fact: 'guide Variables: scopes of Map and Parallel',
    machine: {
      StartAt: 'A',
      States: {
        A: { Type: 'Pass', Assign: { region: 'eu' }, Next: 'P' },
        P: {
          Type: 'Parallel',
          Branches: [
            {
              StartAt: 'B1',
              States: {
                B1: { Type: 'Pass', Assign: { own: 1 }, Next: 'B2' },
                B2: { Type: 'Pass', Parameters: { 'r.$': '$region', 'o.$': '$own' }, End: true },
              },
            },
            {
              StartAt: 'C1',
              States: {
                C1: { Type: 'Pass', Assign: { own: 2 }, Next: 'C2' },
                C2: { Type: 'Pass', InputPath: '$own', End: true },
              },
            },
          ],
          Assign: { 'both.$': '$' },
          Next: 'End',
        },
        End: { Type: 'Pass', Parameters: { 'both.$': '$both' }, End: true },
      },
    },
    expect: { output: { both: [{ r: 'eu', o: 1 }, 2] } },
  },
];
