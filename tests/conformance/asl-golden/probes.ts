/**
 * The probes that other interpreters were measured by, under their numbers. 09, 20 and the distributed half of 08 are
 * outside the portable profile and are held by the checks of definitions; 14 is the engine's.
 */

import type { Golden } from './golden.ts';
import { single } from './golden.ts';
import { fail, failing } from './run-machine.ts';

/** As the document that began it prints it. */
const SEED_MACHINE = {
  StartAt: 'CreateVPC',
  States: {
    CreateVPC: {
      Type: 'Task',
      Resource: 'arn:aws:lambda:us-east-1:123:function:create-vpc',
      Next: 'ProvisionEC2',
    },
    ProvisionEC2: {
      Type: 'Task',
      Resource: 'arn:aws:lambda:us-east-1:123:function:provision-ec2',
      Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Rollback' }],
      End: true,
    },
    Rollback: {
      Type: 'Fail',
    },
  },
};

const CREATE_VPC = 'arn:aws:lambda:us-east-1:123:function:create-vpc';
const PROVISION_EC2 = 'arn:aws:lambda:us-east-1:123:function:provision-ec2';

/** Undoes in reverse order what was made before the failure. */
const SAGA = {
  StartAt: 'Vpc',
  States: {
    Vpc: { Type: 'Task', Resource: 'make-vpc', ResultPath: '$.vpc', Next: 'Subnet' },
    Subnet: {
      Type: 'Task',
      Resource: 'make-subnet',
      ResultPath: '$.subnet',
      Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: 'UndoVpc' }],
      Next: 'Vm',
    },
    Vm: {
      Type: 'Task',
      Resource: 'make-vm',
      Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: 'UndoSubnet' }],
      End: true,
    },
    UndoSubnet: {
      Type: 'Task',
      Resource: 'undo-subnet',
      InputPath: '$.subnet',
      ResultPath: '$.undone',
      Next: 'UndoVpc',
    },
    UndoVpc: { Type: 'Task', Resource: 'undo-vpc', InputPath: '$.vpc', ResultPath: '$.undone', Next: 'Failed' },
    Failed: { Type: 'Fail', ErrorPath: '$.error.Error', CausePath: "States.Format('rolled back: {}', $.error.Cause)" },
  },
};

export const PROBES: readonly Golden[] = [
  {
    name: '12 and 13: limits of a task in one machine',
    fact: 'probes 12, 13',
    machine: {
      StartAt: 'Slow',
      States: {
        Slow: {
          Type: 'Task',
          Resource: 'slow',
          TimeoutSeconds: 2,
          Catch: [{ ErrorEquals: ['States.Timeout'], ResultPath: '$.first', Next: 'Silent' }],
          End: true,
        },
        Silent: {
          Type: 'Task',
          Resource: 'slow',
          TimeoutSeconds: 60,
          HeartbeatSeconds: 1,
          Catch: [{ ErrorEquals: ['States.HeartbeatTimeout'], ResultPath: '$.second', Next: 'Done' }],
          End: true,
        },
        Done: { Type: 'Pass', Parameters: { 'first.$': '$.first.Error', 'second.$': '$.second.Error' }, End: true },
      },
    },
    input: {},
    functions: { slow: () => new Promise(() => undefined) },
    expect: { output: { first: 'States.Timeout', second: 'States.HeartbeatTimeout' } },
  },
  {
    name: '10 and 11: retries by name with every field, then a catcher by name',
    fact: 'probes 10, 11',
    machine: {
      StartAt: 'T',
      States: {
        T: {
          Type: 'Task',
          Resource: 'f',
          Retry: [
            {
              ErrorEquals: ['Transient'],
              IntervalSeconds: 1,
              MaxAttempts: 2,
              BackoffRate: 2,
              MaxDelaySeconds: 3,
              JitterStrategy: 'FULL',
            },
          ],
          Catch: [{ ErrorEquals: ['Transient'], ResultPath: '$.error', Next: 'C' }],
          End: true,
        },
        C: { Type: 'Pass', InputPath: '$.error.Error', End: true },
      },
    },
    input: {},
    functions: { f: failing(['Transient', 'Transient', 'Transient']) },
    expect: { output: 'Transient' },
    calls: [
      ['T#1', 1],
      ['T#1', 2],
      ['T#1', 3],
    ],
  },
  {
    name: '16: eleven intrinsic functions in one template',
    fact: 'probe 16',
    machine: single({
      Type: 'Pass',
      Parameters: {
        'format.$': "States.Format('{}-{}', $.a, $.n)",
        'array.$': 'States.Array($.a, $.n)',
        'partition.$': 'States.ArrayPartition($.list, 2)',
        'contains.$': 'States.ArrayContains($.list, 3)',
        'range.$': 'States.ArrayRange(1, 3, 1)',
        'item.$': 'States.ArrayGetItem($.list, 0)',
        'length.$': 'States.ArrayLength($.list)',
        'unique.$': 'States.ArrayUnique($.list)',
        'merge.$': 'States.JsonMerge($.o, $.p, false)',
        'add.$': 'States.MathAdd($.n, 1)',
        'split.$': "States.StringSplit($.s, ',')",
      },
    }),
    input: { a: 'x', n: 1, list: [1, 2, 3, 3], o: { a: 1 }, p: { b: 2 }, s: 'a,b' },
    expect: {
      output: {
        format: 'x-1',
        array: ['x', 1],
        partition: [
          [1, 2],
          [3, 3],
        ],
        contains: true,
        range: [1, 2, 3],
        item: 1,
        length: 4,
        unique: [1, 2, 3],
        merge: { a: 1, b: 2 },
        add: 2,
        split: ['a', 'b'],
      },
    },
  },
  {
    name: '28: the functions that Step Functions adds to JSONata',
    fact: 'probe 28',
    machine: single(
      {
        Type: 'Pass',
        Output: {
          uuid: '{% $length($uuid()) %}',
          hash: "{% $hash('abc', 'MD5') %}",
          partition: '{% $partition([1..5], 2) %}',
          range: '{% $range(0, 1, 0.5) %}',
          parse: "{% $parse('[1]') %}",
        },
      },
      { QueryLanguage: 'JSONata' },
    ),
    expect: {
      output: {
        uuid: 36,
        hash: '900150983cd24fb0d6963f7d28e17f72',
        partition: [[1, 2], [3, 4], [5]],
        range: [0, 0.5, 1],
        parse: [1],
      },
    },
  },
  {
    name: '31: the machine of the document that began it, when all goes well',
    fact: 'probe 31',
    machine: SEED_MACHINE,
    input: { tenant: 'team-x' },
    functions: {
      [CREATE_VPC]: ({ input }) => ({ ...(input as object), vpcId: 'vpc-1' }),
      [PROVISION_EC2]: ({ input }) => ({ ...(input as object), instanceId: 'i-1' }),
    },
    expect: { output: { tenant: 'team-x', vpcId: 'vpc-1', instanceId: 'i-1' } },
    operations: ['CreateVPC#1', 'ProvisionEC2#1'],
  },
  {
    name: '31: the machine of the document that began it, when the instance fails',
    fact: 'probe 31',
    machine: SEED_MACHINE,
    functions: {
      [CREATE_VPC]: () => ({ vpcId: 'vpc-1' }),
      [PROVISION_EC2]: () => fail('InsufficientInstanceCapacity'),
    },
    expect: { error: '', cause: '', failedPath: 'Rollback#1' },
  },
  {
    name: '32: a saga undoes in reverse order',
    fact: 'probe 32',
    machine: SAGA,
    input: {},
    functions: {
      'make-vpc': () => 'vpc-1',
      'make-subnet': () => 'subnet-1',
      'make-vm': () => fail('Capacity', 'none left'),
      'undo-subnet': ({ input }) => `${JSON.stringify(input)} gone`,
      'undo-vpc': ({ input }) => `${JSON.stringify(input)} gone`,
    },
    expect: { error: 'Capacity', cause: 'rolled back: none left', failedPath: 'Failed#1' },
    operations: ['Vpc#1', 'Subnet#1', 'Vm#1', 'UndoSubnet#1', 'UndoVpc#1'],
  },
];

/** Where each probe of the list is held: by name of a golden machine, or by a test beside the code. */
export const PROBE_LIST: readonly (readonly [number, string])[] = [
  [1, 'OutputPath comes after ResultPath'],
  [2, 'ResultSelector shapes the result before ResultPath places it'],
  [3, 'And, Or and Not nest'],
  [4, 'SecondsPath reads how long'],
  [5, 'a Parallel puts out the outputs of its branches in their order'],
  [6, 'a failed branch breaks off the others, and the Parallel may catch'],
  [7, 'ItemSelector sees the input of the Map, and the item in the context'],
  [8, 'tolerated failures leave no result'],
  [9, 'refused: ItemBatcher'],
  [10, '10 and 11: retries by name with every field, then a catcher by name'],
  [11, '10 and 11: retries by name with every field, then a catcher by name'],
  [12, '12 and 13: limits of a task in one machine'],
  [13, '12 and 13: limits of a task in one machine'],
  [14, 'exposed: TimeoutSeconds'],
  [15, 'Fail may read both from the input, by a path or an intrinsic function'],
  [16, '16: eleven intrinsic functions in one template'],
  [17, 'the context object tells of execution, state and machine'],
  [18, 'lambda:invoke takes FunctionName and Payload'],
  [19, 'waiting: hands the token over'],
  [20, 'refused: aws-sdk:dynamodb:putItem'],
  [21, 'waiting: takes the output as JSON'],
  [22, 'a variable is there in the states after'],
  [23, 'literals in a template stay, expressions are replaced at any depth'],
  [24, 'Arguments go to the task, Output comes of its result, Assign of both'],
  [25, 'a Condition decides, and its rule may put out and assign'],
  [26, 'Items, ItemSelector and MaxConcurrency may be expressions'],
  [27, 'a catcher puts out what it makes of the error output'],
  [28, '28: the functions that Step Functions adds to JSONata'],
  [29, 'a JSONPath machine may have a JSONata state'],
  [30, 'Wait and Fail take expressions'],
  [31, '31: the machine of the document that began it, when all goes well'],
  [32, '32: a saga undoes in reverse order'],
];
