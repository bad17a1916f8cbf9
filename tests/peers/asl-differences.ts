/**
 * Golden machines that another interpreter ends otherwise than we do, each with the reason for which we stay as we are,
 * and those that it cannot be asked for. `spec` is the Amazon States Language, `guide` the developer guide of Step
 * Functions.
 */

/** By name of the machine. */
type Reasons = Readonly<Record<string, string>>;

export interface Exceptions {
  /** Groups that it is asked for. @default all */
  readonly groups?: readonly string[];
  readonly differences: Reasons;
  readonly leftOut: Reasons;
  /** Machines that must end the same. */
  readonly least: number;
  /** Its history is too coarse to be compared. */
  readonly hasNoHistory?: true;
}

const JSONPATH_GROUPS = [
  'input and output',
  'tasks',
  'choices',
  'waits and ends',
  'variables',
  'Parallel and Map',
  'intrinsic functions',
  'probes',
];

const RUNTIME = 'moto calls every failure of a field States.Runtime; spec, appendix A, has this name of its own for it';
const NO_VARIABLES = 'moto assigns variables, and then cannot read them in paths; spec, Using Assign';
const NO_CAUSE =
  'moto leaves the cause of a timeout empty; spec lets Cause be any text for people, and ours says which task';
const NO_HEARTBEAT = 'moto knows States.Timeout alone; spec, appendix A, names States.HeartbeatTimeout';
const INLINE = 'moto tolerates failures in distributed Maps alone; spec gives ToleratedFailure… to every Map';

const MOTO_DIFFERENCES: Reasons = {
  'a ResultPath that cannot be applied fails': RUNTIME,
  'a path of a template that leads nowhere has a name of its own': RUNTIME,
  'no rule and no Default is an error': RUNTIME,
  'States.ArrayGetItem($.a, 3) is refused': RUNTIME,
  'States.ArrayRange(0, 1000, 1) is refused': RUNTIME,
  'States.ArrayPartition($.a, 0) is refused': RUNTIME,
  "States.Hash('x', 'CRC32') is refused": RUNTIME,
  "States.StringToJson('no json') is refused": RUNTIME,
  "States.Format('{} {}', 1) is refused": RUNTIME,
  'States.JsonMerge($.a, $.a, true) is refused': RUNTIME,
  "States.MathAdd('1', 1) is refused": RUNTIME,
  'States.ArrayLength($.nope) is refused': RUNTIME,
  'timestamps are compared as times, whatever their zone': 'moto compares the texts; spec, Timestamps, compares times',
  'a rule whose variable is not there fails the machine':
    'moto lets the rule not match; guide, Choice: a path that leads nowhere fails the execution',
  'a Parallel that is retried runs its branches under new visits':
    'moto writes ParallelStateFailed for the last attempt alone, we for each that failed; neither spec nor guide says',
  'filters, wildcards and descent select many': 'moto has no && in filters; guide, Paths, has the operators of Jayway',
  'a variable is there in the states after': NO_VARIABLES,
  'all variables of an Assign are made of the values before': NO_VARIABLES,
  'in a Task $ of Assign is the result, not what ResultSelector makes of it': NO_VARIABLES,
  'a catcher assigns from the error output': NO_VARIABLES,
  'a Choice rule assigns when it matches': NO_VARIABLES,
  'a variable outlives the output of its state': NO_VARIABLES,
  'a branch reads the variables around it and keeps its own': NO_VARIABLES,
  'States.TaskFailed does not stand for a timeout': NO_CAUSE,
  'a task that takes too long ends with States.Timeout and its callee is told': NO_CAUSE,
  'TimeoutSecondsPath reads the limit from the input': NO_CAUSE,
  'a task that sends no heartbeat ends with States.HeartbeatTimeout': NO_HEARTBEAT,
  'States.Timeout also stands for a missed heartbeat': NO_HEARTBEAT,
  '12 and 13: limits of a task in one machine': NO_HEARTBEAT,
  'a result that is too large cannot be caught by a wildcard':
    'moto lets States.ALL catch it; guide, Error names: States.DataLimitExceeded is not caught by States.ALL',
  'a result of exactly the limit is taken':
    'moto counts the envelope of the answer too; guide, Quotas, counts the result',
  'every branch gets a copy of the parameters':
    'moto reads $[0].n as a list of one; spec, Paths: one node is its value',
  'tolerated failures leave no result': INLINE,
  'more failures than tolerated have a name of their own': INLINE,
  "States.Format('\\{\\} and {} of \\'it\\'', null)": 'moto takes no null; spec: null is a value like others',
  "States.Array('Foo', 2020, $.j, null, true)": 'moto loses the null; spec: an array of the values of the arguments',
  'States.ArrayRange(5, 1, -2)': 'moto counts upwards alone; spec: the third argument is the increment, and not 0',
  'States.ArrayUnique($.a)': 'moto cannot compare objects; spec: values are compared for equality',
  "States.Base64Decode('%%%') is refused": 'moto passes over what is not Base64; spec: invalid arguments fail',
  "States.Format('{}', $.o) is refused":
    'moto writes the object as text; guide: a template takes strings, numbers, booleans and null, and States.JsonToString is for the rest',
};

const MOTO_LEFT_OUT: Reasons = {
  'a machine that goes round in circles ends': 'moto has no limit of 25,000 events, and would never end',
  'the context object tells of execution, state and machine': 'names, roles and times are those of the place',
  'heartbeats keep a task going': 'only activities and task tokens can send heartbeats there',
  'paths name every Map and Parallel around a state': 'the keys of calls are our own',
  'keys that objects are born with are keys like others': 'moto makes its ResultPath of Python attributes',
  'States.MathAdd(States.MathRandom(1, 10, 7), States.MathAdd(0, 0))': 'which numbers a seed gives is said nowhere',
  '28: the functions that Step Functions adds to JSONata': 'moto cannot evaluate JSONata',
};

const LOCAL_RUNTIME =
  'it calls every failure of a field States.Runtime; spec, appendix A, has this name of its own for it';
const LOCAL_NO_VARIABLES = 'it has no variables';
const LOCAL_ROUNDING = 'it does not round; guide, Intrinsic functions: to the nearest integer';

const LOCAL_DIFFERENCES: Reasons = {
  'a payload template takes paths, the context and intrinsic functions':
    'its context has no State unless it is given one',
  'a path of a template that leads nowhere has a name of its own': LOCAL_RUNTIME,
  'filters, wildcards and descent select many':
    'it takes an empty selection for a path that leads nowhere; guide, Paths',
  'a task that takes too long ends with States.Timeout and its callee is told':
    'its cause repeats the name of the error',
  'TimeoutSecondsPath reads the limit from the input': 'its cause repeats the name of the error',
  'a task that sends no heartbeat ends with States.HeartbeatTimeout': 'it has no heartbeats',
  'States.Timeout also stands for a missed heartbeat': 'it has no heartbeats',
  '12 and 13: limits of a task in one machine': 'it has no heartbeats',
  'a result that is too large cannot be caught by a wildcard': 'it has no limit of size; guide, Quotas',
  'Fail may read both from the input, by a path or an intrinsic function':
    'it takes no intrinsic function in CausePath; spec, Fail',
  'a value that is not there is not present': 'it lets no rule match whose test is false; spec, Choice',
  'types can be asked': 'it lets no rule match whose test is false; spec, Choice',
  'Fail may say nothing': 'it names the error FailStateError; spec, Fail: Error is optional',
  '31: the machine of the document that began it, when the instance fails':
    'it names the error FailStateError; spec, Fail: Error is optional',
  '32: a saga undoes in reverse order': 'it takes no intrinsic function in CausePath; spec, Fail',
  'a variable is there in the states after': LOCAL_NO_VARIABLES,
  'all variables of an Assign are made of the values before': LOCAL_NO_VARIABLES,
  'in a Task $ of Assign is the result, not what ResultSelector makes of it': LOCAL_NO_VARIABLES,
  'a catcher assigns from the error output': LOCAL_NO_VARIABLES,
  'a Choice rule assigns when it matches': LOCAL_NO_VARIABLES,
  'a variable outlives the output of its state': LOCAL_NO_VARIABLES,
  'a branch reads the variables around it and keeps its own': LOCAL_NO_VARIABLES,
  'tolerated failures leave no result': 'it tolerates no failures; spec, Map',
  'more failures than tolerated have a name of their own': 'it tolerates no failures; spec, Map',
  'States.MathAdd($.a, $.b)': LOCAL_ROUNDING,
  'States.MathAdd($.a, 0)': LOCAL_ROUNDING,
  'States.ArrayRange($.a, 3, $.step)': LOCAL_ROUNDING,
  'States.ArrayPartition($.a, $.size)': LOCAL_ROUNDING,
  "States.StringSplit('This.is+a,test=string', '.+,=')":
    'it takes the splitter for one text; guide: each of its characters splits',
  "States.MathAdd('1', 1) is refused": LOCAL_RUNTIME,
  "States.Hash('x', 'CRC32') is refused": LOCAL_RUNTIME,
  'States.JsonMerge($.a, $.a, true) is refused': LOCAL_RUNTIME,
  'States.ArrayLength($.nope) is refused': LOCAL_RUNTIME,
  'States.ArrayGetItem($.a, 3) is refused': 'it gives null for an item that is not there',
  'States.ArrayRange(0, 1000, 1) is refused': LOCAL_RUNTIME,
  'States.ArrayPartition($.a, 0) is refused': LOCAL_RUNTIME,
  "States.Format('{} {}', 1) is refused": LOCAL_RUNTIME,
  "States.Format('{}', $.o) is refused": LOCAL_RUNTIME,
  "States.Base64Decode('%%%') is refused": LOCAL_RUNTIME,
  "States.StringToJson('no json') is refused": LOCAL_RUNTIME,
};

const LOCAL_LEFT_OUT: Reasons = {
  'a machine that goes round in circles ends': 'it has no limit of 25,000 events, and would never end',
  'the context object tells of execution, state and machine': 'names, roles and times are those of the place',
  'keys that objects are born with are keys like others': 'it does not set such a key at all',
  'heartbeats keep a task going': 'it has no heartbeats',
  'lambda:invoke takes FunctionName and Payload': 'it calls functions by their ARN alone',
  'paths name every Map and Parallel around a state': 'the keys of calls are our own',
  'States.MathAdd(States.MathRandom(1, 10, 7), States.MathAdd(0, 0))': 'which numbers a seed gives is said nowhere',
  '28: the functions that Step Functions adds to JSONata': 'it passes over JSONata',
};

/** moto 5.2.1. */
export const MOTO: Exceptions = {
  groups: JSONPATH_GROUPS,
  least: 60,
  differences: MOTO_DIFFERENCES,
  leftOut: MOTO_LEFT_OUT,
};

/** `aws-local-stepfunctions` 3.0.0, which is asked for output and error alone. */
export const LOCAL: Exceptions = {
  groups: JSONPATH_GROUPS,
  least: 60,
  differences: LOCAL_DIFFERENCES,
  leftOut: LOCAL_LEFT_OUT,
};

const OWN_LIMIT = 'the limits of an expression are our own';
const ONE_ERROR =
  'it calls every error of a function Runtime.HandlerError; guide, Error names: the name that the function gives';
const NO_SCOPE = 'it assigns in states with JSONata alone, and not around branches; guide, Variables';

/** MiniStack 1.5.33, whose expressions are evaluated by the port of JSONata to Python. */
export const MINISTACK: Exceptions = {
  groups: ['JSONata'],
  differences: {
    'the items of a Map may be the members of an object':
      'it takes arrays alone; guide, Map: Items is an array or an object',
    'Parallel takes Arguments': 'it has none; guide, Parallel: Arguments',
    'a JSONPath machine may have a JSONata state': NO_SCOPE,
    'a branch reads the variables around it, and what it assigns stays inside': NO_SCOPE,
    'Succeed puts out what its Output says, and the context has the input of the execution':
      'its Succeed has no Output; guide, Succeed: Output',
    'Default leads on when no Condition holds, and may put out and assign at the Choice':
      'it assigns at the Choice and does not put out; guide, Choice: Output',
    'a Condition that is no boolean fails the machine':
      'it takes any text for true; guide, Choice: a Condition evaluates to true or false',
    'a function is no result': 'it calls that States.Runtime; spec, appendix A: States.QueryEvaluationError',
    'a task may time out after what an expression says': 'it takes no expression for TimeoutSeconds; spec, Task',
    'a catcher puts out what it makes of the error output': ONE_ERROR,
    'an iteration that fails is caught by its Map, with the input as it was': ONE_ERROR,
    'a retrier tries again with the Arguments evaluated anew, and the catcher sees the last error': ONE_ERROR,
  },
  least: 20,
  hasNoHistory: true,
  leftOut: {
    'an endless loop': OWN_LIMIT,
    'an endless recursion': OWN_LIMIT,
    'a string that grows without end': OWN_LIMIT,
    'an array that grows without end': OWN_LIMIT,
    'an enormous range': OWN_LIMIT,
    'an enormous string': OWN_LIMIT,
  },
};
