/**
 * Every promise the product makes, with the sentence it comes from. A test cites it with `verifies(id, …)`; a promise
 * that no test cites fails the build (`requirements.test.ts`).
 */

export interface Requirement {
  readonly source: string;
  readonly sentence: string;
}

const seed004 = 'serverless MCP orchestrator';
const seed003 = 'wrapping MCP servers as Lambda functions';
const seed002 = 'Lambda functions as tools of a local server';
const faults = 'faults of functions';
const ladder = '2026-07-28, basic/transports/streamable-http and basic/index';

const of = (source: string, entries: Readonly<Record<string, string>>): [string, Requirement][] =>
  Object.entries(entries).map(([id, sentence]) => [id, { source, sentence }]);

export const REQUIREMENTS: ReadonlyMap<string, Requirement> = new Map([
  ...of(ladder, {
    L1: 'A Host that is not ours, or a present and invalid Origin, is refused with 403.',
    L2: 'Absent or invalid credentials are refused with 401 and WWW-Authenticate.',
    L3: 'A modern request is a POST; Mcp-Session-Id and Last-Event-ID are ignored on it.',
    L4: 'Another content type is 415; text that is not UTF-8 JSON is 400 and -32700.',
    L5: 'The body is one request or notification, its id a string or an integer: else 400 and -32600.',
    L6: 'A request names protocolVersion and clientCapabilities in _meta: else 400 and -32602.',
    L7: 'The header MCP-Protocol-Version equals the body: else 400 and -32020.',
    L8: 'An unsupported version is 400 and -32022 with data.supported and data.requested.',
    L9: 'Mcp-Method is present and equals the method: else 400 and -32020.',
    L10: 'Mcp-Name is present and equals the name or URI, after decoding: else 400 and -32020.',
    L11: 'A method that is not implemented, removed ones included, is 404 and -32601.',
    L12: 'A request that needs an undeclared capability is 400 and -32021 with data.requiredCapabilities.',
    L13: 'Each x-mcp-header argument equals its Mcp-Param header: else 400 and -32020.',
    L14: 'An unknown tool, prompt, resource or cursor is 200 and -32602.',
    L15: 'Arguments that do not fit the schema are a result with isError, not a protocol error.',
  }),
  ...of(seed003, {
    '3.1': 'A handler takes {method, params} and returns {statusCode: 200, body: "<json of result>"}.',
    '3.2': 'Any MCP server, the full protocol: every method, progress, logging, elicitation, both eras.',
    '3.3': 'The two servers of the text, as functions of the printed names, answer the printed calls.',
    '3.4':
      'A prefix names the function; it is cut at the first ___ only; the payload is {method, params}, the reply unwrapped.',
    '3.5': 'One gateway, N wrapped functions, one list.',
    '3.6': 'An unknown prefix is -32602 with the known targets.',
    '3.7':
      'Warm calls in milliseconds, from no process to as many as are called at once, memory set for each function.',
    '3.9':
      'A raw JSON-RPC event answers result or error, a notification {}, anything else id 0 and -32600; failures are -32603.',
    '3.10': 'Connections: Lambda Invoke, Function URL, API Gateway v1 and v2, AgentCore target.',
    '3.11': 'HTTP: OPTIONS, 405, 406, 415, 400, 202 and batches as the original library answers them.',
    '3.12': 'Base64 bodies and header names in any case are read.',
    '3.13': 'AgentCore: the tool name is in the client context, the event is the arguments, the bare result returns.',
    '3.14': 'The exports of the original library exist by name, and so do its client transports.',
    '3.15': 'LOG_LEVEL; command, args, env, cwd; the child gets credentials only when asked to; secrets by reference.',
    '3.16': 'Writable caches are pointed at ephemeral storage, layers are found.',
    '3.18':
      'The child is reused, checked, restarted with a new handshake, ended with its group; nothing is left behind.',
    '3.19': 'The printed update-function-configuration sets the memory that the next invocation has.',
    '3.20': 'The Python form of the text, a coroutine as handler with a server in its process, runs.',
    '3.21': 'An unknown method is -32601, a call without name or arguments -32602.',
  }),
  ...of(seed002, {
    '2.3': 'What the caller may not invoke is not listed, and a refusal at call time is a clear error.',
    '2.4': 'The function is told who asks, so that it can restrict what it gives.',
    '2.12': 'A schema that a tag, a file or a description names is the real inputSchema; a bad one is logged.',
    '2.13': 'Typed input and {parameters: {…}} are both accepted.',
    '2.14': 'An answer is a result, a FunctionError one with isError; the earlier wording in compat 002.',
    '2.17': 'Server instructions, and log notifications around each call.',
    '2.5': 'Versions and aliases; a new one goes to a subset of users first, and to all when it is promoted.',
    '2.1': 'A local server, over stdio too, registers Lambda functions as tools at start and invokes them in AWS.',
    '2.6': 'One server for the functions of many teams, which own their tools and write them in any language.',
    '2.7': 'Discovery by tag such as MCP_Support=true, by owner, without experimental ones; search finds metadata.',
    '2.8': 'The environment variables of the original server work; AWS_PROFILE falls back where it does not exist.',
    '2.9': 'A prefix or the list matches a name, then the tag; half a tag selects nothing and warns.',
    '2.10': 'The published name loses the prefix and is legal; a collision is resolved and nothing is overwritten.',
    '2.11':
      'The description is the function’s own, or names it; what follows "Expected format:" is said as Parameters.',
    '2.15': 'PRE_DISCOVERY and --no-pre-discovery publish the generic pair, which is also the fallback of discovery.',
    '2.16': 'Lists are paged, tags are read in batches, throttling is waited out, and functions are looked for again.',
    '2.18': 'Sample functions that SAM deploys: customer id from e-mail, customer info, run Python.',
    '2.19': 'The rights that AWS must grant are documented, and a missing one is named.',
    '2.20': 'A new version behind an alias reaches running servers without a restart of server or client.',
    '2.21': 'An internal tool is not listed to external callers, and is called by others under the original principal.',
    '2.22': 'A function rewritten in another language keeps its registration, schema and callers.',
  }),
  ...of(faults, {
    'F-40': "A warm environment never shows one tenant another tenant's state.",
    'F-41':
      "A call that outlives the function's time is a result that says so and that it may have run; after five in a row the function is left alone for a while.",
    'F-42': 'Whatever Lambda answers is mapped, tried again only where that is safe, and never shows a stack.',
    'F-43': 'A cold start, a crash at start, a full disk and a frozen stream end within the deadline, with an error.',
  }),
  ...of(seed004, {
    '4.1': 'Two planes: administration and runtime.',
    '4.2': '/sse and /message run, /register administers, on two stores; tools are invoked by ARN.',
    '4.7': 'The server identity is configurable.',
    '4.8': 'The registry is loaded at start and live afterwards.',
    '4.10': 'POST /register takes {type, name, description, lambdaArn, parameters}.',
    '4.11': 'A registration answers 201 with {id, …}; id is <type>-<name>.',
    '4.12': 'An invalid registration answers 400 with error and details, malformed JSON too.',
    '4.13': 'POST of an existing id answers 409, with ?upsert=true it overwrites.',
    '4.14': 'PUT replaces; 404, 400 for a changed id, 400 without id, 400 for a bad body.',
    '4.15': 'DELETE answers 204, 404 for an unknown id, 400 without id.',
    '4.16': 'GET lists all registrations however many there are; GET /register/{id} answers one or 404.',
    '4.17': 'Other methods 405, other paths 404.',
    '4.18': 'The id is read from the raw path.',
    '4.19': 'Parameters are shorthand or JSON Schema.',
    '4.20': 'Parameters of a resource are {uriTemplate, completions?}.',
    '4.21': 'Parameters are stored as a JSON string.',
    '4.30': 'GET …/sse answers an event stream with real headers.',
    '4.31': 'The first event is endpoint with …/message?sessionId=<uuid>.',
    '4.32': 'Replies are message events whose data is JSON-RPC.',
    '4.33': 'POST /message answers 202 {"status":"Message accepted"}, ids string or number.',
    '4.34': 'The direct form calls the registered tool; MCP names win; unknown is -32601.',
    '4.35': 'Standard MCP over the same session.',
    '4.36': '401, 404 and 429 are true HTTP statuses.',
    '4.37': 'The bodies for what is missing or malformed on /message.',
    '4.38': 'Exactly one answer per POST.',
    '4.39': 'The session row is made on connect, deleted on close, and expires after a crash.',
    '4.40': 'SigV4 on both URLs, also signed in the query; bearers too.',
    '4.41': 'What a Lambda function receives.',
    '4.42': 'What a Lambda function may answer.',
    '4.43': 'Parameters are validated before the invoke, and messages say what to do.',
    '4.44': 'The printed pair works as printed.',
    '4.57': 'install, lint, test, build, deploy are scripts; AWS tools are needed only to deploy.',
    '4.58': 'Node 20 or newer, MIT, contribution steps.',
    '4.60': 'doctor walks the checklist.',
  }),
  ...of('multi-cloud control plane', {
    '0.1': 'POST /v1/provision takes the sample as printed, and publishes its schema.',
    '0.2': 'The aliases /provision and /terminate; /v2/status by id, and by tenant and environment.',
    '0.3': 'A job that made something ends with status provisioned in its result; answers carry its requestId.',
    '0.7': 'Machines of the Amazon States Language are checked, versioned, run, and offered as services.',
    '0.8': 'Every change of a job is kept with its history, tags, owner and audit.',
    '0.8-admin': 'Every administrative change is on record with who made it, in one commit with the change.',
    '0.9': 'What a tenant has in an environment, and what became of a request, can be asked.',
    '0.16': 'Environments are kept apart: lists and resources of one show nothing of another.',
    '0.17': 'The same requests are tools of the gateway.',
    '0.20': 'Prefer: wait=N holds the answer up to 25 s: 200 when the job ends in time, otherwise 202.',
    '0.21': 'One workflow makes things on two clouds and undoes both.',
    '0.4':
      'A JWT of an issuer, for this audience, opens every endpoint; tenant, roles and scopes come from its claims.',
    '0.4-hostile': 'A forged, foreign, expired or early token is 401 with the same text and shape, whatever is wrong.',
    '0.4-keys':
      'Keys are cached, rotate without a restart, and outlive an issuer that is down; without keys it is 503.',
    '0.4-roles': 'A missing scope is 403 with a challenge, a missing role a refusal that names it; lists show neither.',
    '0.4-tenants': 'The tenant is the one of the token alone: another one in a body is 403, a foreign id 404.',
    '0.18':
      'Sessions off: GET and DELETE on /mcp answer 405 with Allow; GET /health answers version and logStreamName.',
    '0.19': 'Errors share no state between calls.',
  }),
]);
