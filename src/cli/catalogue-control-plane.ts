/** The verbs of the control plane and of workflows, as data. */

import type { CommandSpec, OptionSpec } from './command.ts';

const INSTANCE: readonly OptionSpec[] = [
  { flags: '--config <file>', description: 'Configuration file; looked for in the working folder when not given' },
  {
    flags: '--data-dir <folder>',
    description: 'Data folder of the instance; .zeroplane beside the configuration when not given',
  },
];
const FOLLOW: readonly OptionSpec[] = [
  { flags: '--timeout <seconds>', description: 'How long to follow the job', default: '3600' },
  { flags: '--detach', description: 'Return at once instead of following the job to its end' },
];
const ENV: OptionSpec = { flags: '--env <name>', description: 'Of one environment alone' };
const STATUS: OptionSpec = { flags: '--status <name>', description: 'In one state alone' };
const PAGE: readonly OptionSpec[] = [
  { flags: '--limit <number>', description: 'At most this many, up to 500', default: '100' },
  { flags: '--cursor <text>', description: '`next` of the page before' },
];
const REQUEST: readonly OptionSpec[] = [
  { flags: '--cloud <name>', description: 'aws, gcp, azure, or multi' },
  { flags: '--service <name>', description: 'A service of the catalog' },
  {
    flags: '--param <name=value>',
    description: `A parameter; a value that is JSON is taken as such, and '"12"' is the text 12`,
    repeats: true,
  },
  { flags: '--env <name>', description: 'Environment; dev when not given' },
  { flags: '--region <name>', description: 'Region; the default of the service when not given' },
  { flags: '--tenant <name>', description: 'Tenant; the one of the development token when not given' },
  { flags: '--ttl <time>', description: 'Time to live, such as 90m, 2h or 7d; then it is destroyed by itself' },
  { flags: '--tag <name=value>', description: 'A tag for the resource', repeats: true },
  { flags: '--approval', description: 'Wait until somebody approves the job' },
  { flags: '--idempotency-key <text>', description: 'The same key and request lead to the same job' },
  ...FOLLOW,
];
const REQUEST_ARGUMENT = {
  syntax: '[request]',
  description: 'The request as a JSON file, a JSON object, or - for stdin; flags come on top',
};
const JOB = [{ syntax: '<job>', description: 'The requestId of the job' }];
const EXECUTION = [{ syntax: '<execution>', description: 'Id of the execution, WORKFLOW:NAME' }];

const submit = (
  path: 'provision' | 'plan' | 'update' | 'destroy',
  summary: string,
  parts: Pick<CommandSpec, 'description' | 'examples' | 'arguments'>,
): CommandSpec => ({
  path: [path],
  summary,
  arguments: [REQUEST_ARGUMENT],
  ...parts,
  options: [...REQUEST, ...INSTANCE],
  load: async () => (await import('./verbs/provision.ts'))[path],
});

const decide = (
  verb: 'Cancel' | 'Retry' | 'Rollback' | 'Approve' | 'Reject',
  summary: string,
  options: readonly OptionSpec[] = FOLLOW,
): CommandSpec => ({
  path: ['jobs', verb.toLowerCase()],
  summary,
  arguments: JOB,
  options: [...options, ...INSTANCE],
  examples: [{ command: `zeroplane jobs ${verb.toLowerCase()} JOB`, meaning: `${summary}.` }],
  load: async () => (await import('./verbs/jobs.ts'))[`jobs${verb}`],
});

const COMMENT: OptionSpec = { flags: '--comment <text>', description: 'Why, for the record' };

const PROVISION: readonly CommandSpec[] = [
  submit('provision', 'Make a resource of a cloud', {
    description:
      'Sends the request of POST /v1/provision to the running instance and follows the job: each step as it happens, then what was made. Exit code 1 when the job did not succeed.',
    examples: [
      { command: 'zeroplane provision request.json', meaning: 'The request of a file.' },
      {
        command: 'zeroplane provision --cloud aws --service s3 --param bucketName=project-assets --ttl 7d',
        meaning: 'A bucket that is destroyed after a week.',
      },
    ],
  }),
  submit('plan', 'Say what a provision would do and cost', {
    examples: [
      {
        command: 'zeroplane plan request.json',
        meaning: 'Steps, what is there already, and the price. Nothing changes.',
      },
    ],
  }),
  submit('update', 'Make a resource agree with other parameters', {
    examples: [
      { command: 'zeroplane update request.json', meaning: 'All parameters are given, not only those that change.' },
    ],
  }),
  submit('destroy', 'Remove a resource', {
    arguments: [{ syntax: '[request]', description: 'Id of a resource, or the request that made it as file or JSON' }],
    examples: [
      { command: 'zeroplane destroy aws:us-east-1:s3:project-assets', meaning: 'By its id, as resources ls shows it.' },
      {
        command: 'zeroplane destroy aws:us-east-1:s3:project-assets --param forceDestroy=true',
        meaning: 'With a parameter in place of the one that it was made with.',
      },
    ],
  }),
];

const JOBS: readonly CommandSpec[] = [
  {
    path: ['jobs', 'ls'],
    summary: 'List jobs, newest first',
    options: [
      ENV,
      STATUS,
      { flags: '--error <code>', description: 'With an error of this code alone' },
      ...PAGE,
      ...INSTANCE,
    ],
    examples: [
      { command: 'zeroplane jobs ls --env dev', meaning: 'Jobs of one environment.' },
      {
        command: 'zeroplane jobs ls --error JOB_UNPROCESSABLE',
        meaning: 'The dead letters: jobs that could not be worked on. `jobs retry` sends one again.',
      },
    ],
    load: async () => (await import('./verbs/jobs.ts')).jobsLs,
  },
  {
    path: ['jobs', 'show'],
    summary: 'Show a job with its steps',
    arguments: JOB,
    options: INSTANCE,
    examples: [{ command: 'zeroplane jobs show JOB', meaning: 'State, steps, result or error.' }],
    load: async () => (await import('./verbs/jobs.ts')).jobsShow,
  },
  {
    path: ['jobs', 'watch'],
    summary: 'Follow a job to its end',
    arguments: JOB,
    options: [FOLLOW[0] as OptionSpec, ...INSTANCE],
    examples: [
      { command: 'zeroplane jobs watch JOB', meaning: 'Each step as it happens; exit code 1 unless it succeeds.' },
    ],
    load: async () => (await import('./verbs/jobs.ts')).jobsWatch,
  },
  decide('Cancel', 'End a job that waits, undo one that runs'),
  decide('Retry', 'Continue a failed job, or a failed undo'),
  decide('Rollback', 'Undo a job that succeeded'),
  decide('Approve', 'Let a job run that waits for approval', [COMMENT, ...FOLLOW]),
  decide('Reject', 'End a job that waits for approval', [COMMENT]),
];

const LISTS: readonly CommandSpec[] = [
  {
    path: ['resources', 'ls'],
    summary: 'List resources',
    options: [
      ENV,
      { flags: '--cloud <name>', description: 'Of one cloud alone' },
      { flags: '--service <name>', description: 'Of one service alone' },
      STATUS,
      ...PAGE,
      ...INSTANCE,
    ],
    examples: [{ command: 'zeroplane resources ls --env dev', meaning: 'What the tenant has in one environment.' }],
    load: async () => (await import('./verbs/resources.ts')).resourcesLs,
  },
  {
    path: ['resources', 'show'],
    summary: 'Show a resource with its outputs and tags',
    arguments: [{ syntax: '<resource>', description: 'Id of the resource, as resources ls shows it' }],
    options: INSTANCE,
    examples: [
      { command: 'zeroplane resources show aws:us-east-1:s3:project-assets', meaning: 'Outputs, tags, owner, job.' },
    ],
    load: async () => (await import('./verbs/resources.ts')).resourcesShow,
  },
  {
    path: ['catalog', 'ls'],
    summary: 'List services that can be provisioned',
    options: INSTANCE,
    examples: [{ command: 'zeroplane catalog ls --output json', meaning: 'With the JSON Schema of each.' }],
    load: async () => (await import('./verbs/catalog.ts')).catalogLs,
  },
  {
    path: ['catalog', 'show'],
    summary: 'Show a service with its parameters',
    arguments: [
      { syntax: '<cloud>', description: 'aws, gcp, azure, or multi' },
      { syntax: '<service>', description: 'Name of the service' },
    ],
    options: INSTANCE,
    examples: [{ command: 'zeroplane catalog show aws s3', meaning: 'Parameters, regions, and how it is asked for.' }],
    load: async () => (await import('./verbs/catalog.ts')).catalogShow,
  },
  {
    path: ['audit', 'ls'],
    summary: 'List the audit trail, newest first',
    options: [...PAGE, ...INSTANCE],
    examples: [{ command: 'zeroplane audit ls --limit 20', meaning: 'Who did what, to what, and when.' }],
    load: async () => (await import('./verbs/audit.ts')).auditLs,
  },
  {
    path: ['audit', 'verify'],
    summary: 'Check that nobody touched the audit trail',
    description:
      'Reads every record and names the first one of each chain that is wrong or missing. Exit code 1 then. Only with a head that was kept elsewhere can it tell that records were removed from some time on, ends and all.',
    options: [
      { flags: '--head <text>', description: 'What audit head printed at some time: the trail must still have it' },
      ...INSTANCE,
    ],
    examples: [
      { command: 'zeroplane audit verify', meaning: 'intact, or which record was touched.' },
      {
        command: 'zeroplane audit verify --head "$(cat audit.head)"',
        meaning: 'And that nothing is gone of what there was when the head was kept.',
      },
    ],
    load: async () => (await import('./verbs/audit.ts')).auditVerify,
  },
  {
    path: ['audit', 'head'],
    summary: 'Print the head of the audit trail, to keep elsewhere',
    description: 'The newest record, by its place and its hash: it stands for all records before it.',
    options: INSTANCE,
    examples: [
      { command: 'zeroplane audit head > audit.head', meaning: 'Keep the file where the instance cannot write.' },
    ],
    load: async () => (await import('./verbs/audit.ts')).auditHead,
  },
];

const WORKFLOWS: readonly CommandSpec[] = [
  {
    path: ['workflows', 'ls'],
    summary: 'List workflows, or executions',
    options: [
      { flags: '--executions', description: 'Executions instead, newest first' },
      { flags: '--workflow <name>', description: 'Executions of one workflow alone' },
      STATUS,
      ...PAGE,
      ...INSTANCE,
    ],
    examples: [
      { command: 'zeroplane workflows ls --executions', meaning: 'What ran lately.' },
      { command: 'zeroplane workflows ls --executions --status FAILED', meaning: 'What a redrive may continue.' },
    ],
    load: async () => (await import('./verbs/workflows.ts')).workflowsLs,
  },
  {
    path: ['workflows', 'register'],
    summary: 'Keep a state machine under a name',
    arguments: [
      { syntax: '<name>', description: 'Name of the workflow' },
      { syntax: '<file>', description: 'The definition in the Amazon States Language, or - for stdin' },
    ],
    options: INSTANCE,
    examples: [
      {
        command: 'zeroplane workflows register nightly nightly.asl.json',
        meaning: 'Another definition is another version.',
      },
    ],
    load: async () => (await import('./verbs/workflows.ts')).workflowsRegister,
  },
  {
    path: ['workflows', 'start'],
    summary: 'Start an execution and follow it',
    arguments: [{ syntax: '<name>', description: 'Name of the workflow' }],
    options: [
      { flags: '--input <json>', description: 'Input as JSON' },
      { flags: '--name <text>', description: 'Name of the execution; the same name and input are the same execution' },
      { flags: '--detach', description: 'Return at once' },
      ...INSTANCE,
    ],
    examples: [
      {
        command: `zeroplane workflows start nightly --input '{"day":1}'`,
        meaning: 'Prints its history while it grows.',
      },
    ],
    load: async () => (await import('./verbs/workflows.ts')).workflowsStart,
  },
  ...(
    [
      ['show', 'Show an execution', 'workflowsShow'],
      ['history', 'Print the events of an execution', 'workflowsHistory'],
      ['watch', 'Follow an execution to its end', 'workflowsWatch'],
      ['stop', 'End an execution', 'workflowsStop'],
      ['redrive', 'Continue an execution where it failed', 'workflowsRedrive'],
    ] as const
  ).map(([verb, summary, handler]): CommandSpec => ({
    path: ['workflows', verb],
    summary,
    arguments: EXECUTION,
    options: INSTANCE,
    examples: [{ command: `zeroplane workflows ${verb} nightly:monday`, meaning: `${summary}.` }],
    load: async () => (await import('./verbs/workflows.ts'))[handler],
  })),
  {
    path: ['workflows', 'repair'],
    summary: 'End an execution whose journal is damaged',
    description:
      'For a data folder on which no instance starts because of JOURNAL_CORRUPT; the error prints the command. The execution ends as failed and its records go; one whose journal is whole stays as it is. No instance may have the folder meanwhile.',
    arguments: EXECUTION,
    options: [{ flags: '--tenant <name>', description: 'Whose execution it is', default: 'team-x' }, ...INSTANCE],
    examples: [{ command: 'zeroplane workflows repair nightly:monday', meaning: 'The next start works again.' }],
    load: async () => (await import('./verbs/workflows-repair.ts')).workflowsRepair,
  },
  {
    path: ['workflows', 'send'],
    summary: 'Answer a task that waits with a token',
    arguments: [
      { syntax: '<what>', description: 'success, failure or heartbeat' },
      { syntax: '<token>', description: 'The task token' },
    ],
    options: [
      { flags: '--result <json>', description: 'Output of a success' },
      { flags: '--error <name>', description: 'Error name of a failure' },
      { flags: '--cause <text>', description: 'Cause of a failure' },
      ...INSTANCE,
    ],
    examples: [
      { command: `zeroplane workflows send success TOKEN --result '{"ok":true}'`, meaning: 'The execution goes on.' },
    ],
    load: async () => (await import('./verbs/workflows.ts')).workflowsSend,
  },
];

export const CONTROL_PLANE: readonly CommandSpec[] = [...PROVISION, ...JOBS, ...LISTS, ...WORKFLOWS];

export const CONTROL_PLANE_GROUPS: readonly (readonly [string, string])[] = [
  ['jobs', 'List, follow and decide on jobs'],
  ['resources', 'List resources'],
  ['catalog', 'List services'],
  ['audit', 'Read and check the audit trail'],
];
