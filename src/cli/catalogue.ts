/** Every verb as data: what help prints, what the reference page says, and where the handler is. */

import { CONTROL_PLANE, CONTROL_PLANE_GROUPS } from './catalogue-control-plane.ts';
import type { CommandSpec, OptionSpec } from './command.ts';

export const GROUPS: ReadonlyMap<string, string> = new Map([
  ['tools', 'List, search and show tools'],
  ['workflows', 'Check, start and follow workflows'],
  ...CONTROL_PLANE_GROUPS,
]);

const CONFIG: OptionSpec = {
  flags: '--config <file>',
  description: 'Configuration file; looked for in the working folder when not given',
};
const DATA_DIR: OptionSpec = {
  flags: '--data-dir <folder>',
  description: 'Data folder of the instance; .zeroplane beside the configuration when not given',
};
const TIMEOUT: OptionSpec = {
  flags: '--timeout <seconds>',
  description: 'How long to wait for the answer',
  default: '60',
};
const YES: OptionSpec = { flags: '-y, --yes', description: 'Write without asking' };

const LIVE: OptionSpec = {
  flags: '--live',
  description: 'Allow calls to clouds that are not simulated on this machine, with your own credentials',
};
const NO_PRE_DISCOVERY: OptionSpec = {
  flags: '--no-pre-discovery',
  description: 'Publish the pair that lists and invokes functions instead of one tool for each',
};

/** What a verb needs to find the running instance. */
const INSTANCE: readonly OptionSpec[] = [CONFIG, DATA_DIR];

const DEV: CommandSpec = {
  path: ['dev'],
  summary: 'Start the gateway here and watch the configuration',
  description:
    'Starts the gateway with every configured target, prints where it listens, and reloads when the configuration changes. Without any configuration it serves two samples. Nothing is read from or sent to the network unless a target does.',
  options: [
    {
      flags: '--port <number>',
      description: 'Port to listen on, 0 for any; the next free one is taken when it is busy',
    },
    { flags: '--host <address>', description: 'Address to listen on; only loopback unless given' },
    CONFIG,
    DATA_DIR,
    { flags: '--ephemeral', description: 'Keep everything in memory; other verbs cannot find this instance' },
    { flags: '--no-samples', description: 'Add no samples when there is no configuration' },
    { flags: '--no-open', description: 'Open nothing in a browser' },
    LIVE,
    NO_PRE_DISCOVERY,
    {
      flags: '--auth <mode>',
      description: 'token, or none to let everybody in (loopback only)',
      choices: ['token', 'none'],
    },
    {
      flags: '--log-level <level>',
      description: 'Least level that is logged',
      choices: ['debug', 'info', 'warn', 'error'],
    },
  ],
  examples: [
    { command: 'zeroplane dev', meaning: 'Serve what zeroplane.yaml or .mcp.json names, or the samples.' },
    {
      command: 'zeroplane dev --output stream-json --port 0 --data-dir ./data --no-open',
      meaning: 'For scripts: the first line on stdout is {"type":"ready","url":…}.',
    },
  ],
  endsItself: true,
  load: async () => (await import('./verbs/dev.ts')).devVerb,
};

const MCP: CommandSpec = {
  path: ['mcp'],
  summary: 'Be an MCP server on stdin and stdout, for clients that start one',
  description:
    'Serves your tools over stdin and stdout, in every protocol revision. It relays to the running instance of this folder; without one it runs a gateway of its own, which keeps nothing. With FUNCTION_PREFIX, FUNCTION_LIST or FUNCTION_TAG_KEY set and no instance, the functions of your AWS account are the tools: that needs --live, unless AWS_ENDPOINT_URL is on this machine. Ends with its input.',
  options: [
    { flags: '--stdio', description: 'Speak over stdin and stdout, which it does anyway' },
    { flags: '--target <id>', description: 'Only the tools of this target, under their own names' },
    LIVE,
    NO_PRE_DISCOVERY,
    { flags: '--no-samples', description: 'Add no samples when there is no configuration' },
    {
      flags: '--log-level <level>',
      description: 'Least level that is logged, on stderr',
      choices: ['debug', 'info', 'warn', 'error'],
    },
    ...INSTANCE,
  ],
  examples: [
    { command: 'zeroplane mcp', meaning: 'What a client has in its configuration as the command to start.' },
    {
      command: 'FUNCTION_TAG_KEY=MCP_Support FUNCTION_TAG_VALUE=true zeroplane mcp --live',
      meaning: 'The Lambda functions of your account that carry this tag.',
    },
  ],
  endsItself: true,
  load: async () => (await import('./verbs/mcp.ts')).mcpVerb,
};

const STATUS: CommandSpec = {
  path: ['status'],
  summary: 'Show the running instance and its targets',
  options: INSTANCE,
  examples: [{ command: 'zeroplane status', meaning: 'Targets with their state, and why one is not ready.' }],
  load: async () => (await import('./verbs/status.ts')).statusVerb,
};

const TOOLS_LS: CommandSpec = {
  path: ['tools', 'ls'],
  summary: 'List the tools you may call',
  arguments: [{ syntax: '[target]', description: 'Only the tools of this target, under their own names' }],
  options: [...INSTANCE, TIMEOUT],
  examples: [
    { command: 'zeroplane tools ls', meaning: 'Every tool, with the first words of its description.' },
    { command: 'zeroplane tools ls --output json', meaning: 'The definitions as one JSON array.' },
  ],
  load: async () => (await import('./verbs/tools.ts')).toolsLs,
};

const TOOLS_FIND: CommandSpec = {
  path: ['tools', 'find'],
  summary: 'Search the tools by what they do',
  arguments: [{ syntax: '<words...>', description: 'What you look for' }],
  options: [...INSTANCE, TIMEOUT, { flags: '--limit <number>', description: 'How many to show', default: '10' }],
  examples: [{ command: 'zeroplane tools find "read a file"', meaning: 'The tools that fit best, best first.' }],
  load: async () => (await import('./verbs/tools.ts')).toolsFind,
};

const TOOLS_SHOW: CommandSpec = {
  path: ['tools', 'show'],
  summary: 'Show one tool with its arguments',
  arguments: [{ syntax: '<name>', description: 'The name that tools ls prints' }],
  options: [...INSTANCE, TIMEOUT],
  examples: [{ command: 'zeroplane tools show hello___greet', meaning: 'Description, arguments and a call to copy.' }],
  load: async () => (await import('./verbs/tools.ts')).toolsShow,
};

const CALL: CommandSpec = {
  path: ['call'],
  summary: 'Call a tool',
  description:
    'Calls a tool and prints what it returns. key=text passes a string, key:=JSON any value. A tool that asks a question is answered on the terminal; without a terminal the call ends with exit code 1.',
  arguments: [
    { syntax: '<name>', description: 'The name that tools ls prints' },
    { syntax: '[arguments...]', description: 'key=text or key:=JSON' },
  ],
  options: [
    { flags: '--json <object>', description: 'Arguments as a JSON object, - to read it from stdin; words win over it' },
    { flags: '--stream', description: 'Print progress and log messages of the tool as they come' },
    { flags: '--idempotency-key <key>', description: 'A repeat with this key gets the first answer again' },
    TIMEOUT,
    ...INSTANCE,
  ],
  examples: [
    { command: 'zeroplane call hello___greet name=Ada', meaning: 'One argument, a string.' },
    { command: 'zeroplane call math___add a:=1 b:=2', meaning: 'Two numbers.' },
    {
      command: 'zeroplane call hello___greet --json \'{"name":"Ada"}\' --output json',
      meaning: 'The whole result as JSON.',
    },
  ],
  load: async () => (await import('./verbs/call.ts')).callVerb,
};

const REGISTER: CommandSpec = {
  path: ['register'],
  summary: 'Register a function or a remote server while the gateway runs',
  arguments: [
    { syntax: '[registration]', description: 'A JSON file, a JSON object, or - for stdin; not needed with --name' },
  ],
  options: [
    { flags: '--type <type>', description: 'What is registered', choices: ['tool', 'resource', 'prompt', 'mcp'] },
    { flags: '--name <name>', description: 'Its published name' },
    { flags: '--description <text>', description: 'What it does' },
    { flags: '--arn <arn>', description: 'The function behind it' },
    { flags: '--url <url>', description: 'The remote MCP server (with --type mcp)' },
    { flags: '--parameters <json>', description: 'Its parameters: {"name":"string"} or a JSON Schema' },
    { flags: '--upsert', description: 'Replace the registration when it exists' },
    ...INSTANCE,
  ],
  examples: [
    { command: 'zeroplane register tool.json', meaning: 'Register what the file describes.' },
    {
      command: 'zeroplane register --type mcp --name docs --url https://docs.example.com/mcp',
      meaning: 'Register a remote server.',
    },
  ],
  load: async () => (await import('./verbs/register.ts')).register,
};

const UNREGISTER: CommandSpec = {
  path: ['unregister'],
  summary: 'Remove a registration',
  arguments: [{ syntax: '<id>', description: 'The id that register printed, such as tool-greet' }],
  options: INSTANCE,
  examples: [{ command: 'zeroplane unregister tool-greet', meaning: 'The tool is gone from the next list.' }],
  load: async () => (await import('./verbs/register.ts')).unregister,
};

const IMPORT: CommandSpec = {
  path: ['import'],
  summary: 'Bring in the MCP servers your clients already have',
  description:
    'Reads the configuration files of installed clients (or the one you name), shows each server, and adds them to the configuration of this folder. Comments stay, and the file is copied aside first.',
  arguments: [
    { syntax: '[source]', description: 'A file, or a client such as cursor; every installed client when not given' },
  ],
  options: [CONFIG, { flags: '--print', description: 'Print what would be written and write nothing' }, YES],
  examples: [
    { command: 'zeroplane import', meaning: 'Look at every installed client, show the servers, ask, write.' },
    { command: 'zeroplane import .cursor/mcp.json --yes', meaning: 'One file, without a question.' },
    { command: 'zeroplane import vscode --print', meaning: 'Only show the configuration.' },
  ],
  load: async () => (await import('./verbs/import.ts')).importServersVerb,
};

const CONNECT: CommandSpec = {
  path: ['connect'],
  summary: 'Tell a client such as Claude Code or Cursor about the endpoint',
  description:
    'Writes the endpoint into the configuration of the clients you name, after copying the file aside, and reads it back. The token is written as a reference to ZEROPLANE_TOKEN where the client understands one; otherwise the file is made readable for you alone. Without a client the supported ones are listed.',
  arguments: [{ syntax: '[clients...]', description: 'claude-code, cursor, vscode, codex, …' }],
  options: [
    { flags: '--global', description: "Write the client's own configuration instead of this project's" },
    { flags: '--print', description: 'Print what would be written and write nothing' },
    { flags: '--name <name>', description: 'Name of the entry', default: 'zeroplane' },
    ...INSTANCE,
  ],
  examples: [
    { command: 'zeroplane connect', meaning: 'List the clients.' },
    { command: 'zeroplane connect claude-code', meaning: 'Write .mcp.json of this folder.' },
    { command: 'zeroplane connect cursor vscode --print', meaning: 'Show both entries.' },
  ],
  load: async () => (await import('./verbs/connect.ts')).connect,
};

const DOCTOR: CommandSpec = {
  path: ['doctor'],
  summary: 'Check what usually goes wrong, and say what to do',
  description: 'Looks and changes nothing. Exit code 1 when a check failed.',
  options: [
    { flags: '--offline', description: 'Ask no instance and no issuer of tokens' },
    { flags: '--only <check>', description: 'Only checks whose name begins with this' },
    ...INSTANCE,
  ],
  examples: [
    { command: 'zeroplane doctor', meaning: 'Every check.' },
    { command: 'zeroplane doctor --only config', meaning: 'Only the configuration.' },
  ],
  load: async () => (await import('./verbs/doctor.ts')).doctor,
};

const TOKEN: CommandSpec = {
  path: ['token'],
  summary: 'Print the bearer token of the instance',
  options: [
    {
      flags: '--aws',
      description: 'Print the variables with which the AWS command line and SDKs use the local endpoint',
    },
    ...INSTANCE,
  ],
  examples: [
    { command: 'eval "$(zeroplane token --aws)"', meaning: 'Then aws lambda list-functions asks this instance.' },
    { command: 'export ZEROPLANE_TOKEN=$(zeroplane token)', meaning: 'For clients that read it from the environment.' },
  ],
  load: async () => (await import('./verbs/token.ts')).token,
};

const WRAP: CommandSpec = {
  path: ['wrap'],
  summary: 'Turn a stdio MCP server into a Lambda function',
  description:
    "Takes the command that starts a server, puts its package, our handler and a SAM template into one folder, starts it once to read its tools and measure it, and packs it. No shell reads the command, and nothing of this machine's environment goes into the artifact. Needs no running instance.",
  arguments: [
    {
      syntax: '<command...>',
      description: 'The command as one argument, split by quotes and spaces, or its words after --',
    },
  ],
  options: [
    { flags: '--name <name>', description: 'Name of the function; made from the package when not given' },
    { flags: '--out <folder>', description: 'Folder to write; .zeroplane/wrap/NAME when not given' },
    { flags: '--test', description: 'Run the function in the local runtime and list its tools' },
    { flags: '--env <pair>', description: 'NAME=VALUE for the server', repeats: true },
    {
      flags: '--secret <pair>',
      description: 'NAME=ID or ARN of a secret (#key for one member), or NAME=ssm:/parameter; fetched at start',
      repeats: true,
    },
    {
      flags: '--credentials <mode>',
      description: "Whether the server gets the function's own credentials",
      choices: ['none', 'env', 'file'],
      default: 'none',
    },
    {
      flags: '--questions <mode>',
      description: 'What becomes of a call whose server asks in its middle',
      choices: ['hold', 'replay', 'decline'],
      default: 'hold',
    },
    {
      flags: '--isolation <mode>',
      description: 'shared keeps the server warm, call starts one for each call',
      choices: ['shared', 'call'],
      default: 'shared',
    },
    { flags: '--memory <mebibytes>', description: 'Memory of the function; measured when not given' },
    { flags: '--timeout <seconds>', description: 'Time of the function; measured when not given' },
    { flags: '--layer <arn>', description: 'A layer for the template', repeats: true },
    { flags: '--image', description: 'A folder with a Dockerfile instead of an archive; always so for Python' },
    { flags: '--clean-schemas', description: 'Also write tools.clean.json for gateways with strict schemas' },
  ],
  examples: [
    {
      command: 'zeroplane wrap "npx -y @modelcontextprotocol/server-everything" --test',
      meaning: 'An archive of the package, tried out here.',
    },
    { command: 'zeroplane wrap -- python -m mcp_server_time', meaning: 'A Python server, as an image.' },
  ],
  load: async () => (await import('./verbs/wrap.ts')).wrapVerb,
};

const WORKFLOWS_CHECK: CommandSpec = {
  path: ['workflows', 'check'],
  summary: 'Check a state machine before it is registered',
  description:
    'Reads a definition in the Amazon States Language and says what is invalid, what is outside the profile that runs here and in Step Functions alike, which tasks have no timeout and which do not say what undoes them. A task says that in its Comment: "compensation: STATE", or "no-compensation: reason". Needs no running instance. Exit code 2 when there are errors.',
  arguments: [{ syntax: '<file>', description: 'The definition as JSON, or - for stdin' }],
  options: [{ flags: '--strict', description: 'Exit code 1 when there are warnings' }],
  examples: [
    { command: 'zeroplane workflows check web-stack.asl.json', meaning: 'Every finding with its line and what to do.' },
    { command: 'zeroplane workflows check web-stack.asl.json --strict --output json', meaning: 'For a pipeline.' },
  ],
  load: async () => (await import('./verbs/workflows-check.ts')).workflowsCheck,
};

export const CATALOGUE: readonly CommandSpec[] = [
  DEV,
  MCP,
  STATUS,
  TOOLS_LS,
  TOOLS_FIND,
  TOOLS_SHOW,
  CALL,
  REGISTER,
  UNREGISTER,
  IMPORT,
  CONNECT,
  DOCTOR,
  WRAP,
  WORKFLOWS_CHECK,
  ...CONTROL_PLANE,
  TOKEN,
];
