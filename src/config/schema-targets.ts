/** The shapes of one target: a stdio server, a remote server, a function. Defaults live here. */

import { z } from 'zod';
import { parseFunctionReference } from '../core/lambda-arn.ts';

/** Seconds to wait for a function; Lambda's own default of 3 is shorter than a cold start on a busy laptop. */
const DEFAULT_FUNCTION_TIMEOUT_SECONDS = 30;

const MAX_TIMER_MS = 86_400_000;

const milliseconds = (least: number) => z.number().int().min(least).max(MAX_TIMER_MS);

/** Tenants are compared byte for byte. */
const tenantSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, {
  error: 'must be 1 to 63 letters, digits, ".", "_" or "-", and begin with a letter or digit',
});

const tenants = z.array(tenantSchema).min(1).optional().describe('Tenants that may see it. Left out: every tenant.');

const tagMap = z.record(z.string().min(1).max(128), z.string().max(256));

const tags = tagMap.optional().describe('Tags of everything that it lists, for cost and for `visibility: internal`.');

const disabled = z.boolean().optional().describe('Keeps the entry in the file without starting it.');

const callTimeout = milliseconds(100)
  .default(60_000)
  .describe('Longest wait for one answer of this server, in milliseconds.');

const variables = z.record(z.string().regex(/^[^=\0]+$/, { error: 'must be a variable name without "="' }), z.string());

export const stdioServerSchema = z
  .strictObject({
    type: z.literal('stdio').optional().describe('May be given as other clients do; the key `command` decides.'),
    command: z.string().min(1).describe('Program to start. It is run directly, without a shell.'),
    args: z.array(z.string()).default([]).describe('Arguments of the program.'),
    env: variables
      .default({})
      .describe('Environment variables of the child. Values may hold `${env:X}` and `${secret:X}`.'),
    inheritEnv: z
      .array(z.string().min(1))
      .default([])
      .describe('Variables of the gateway that the child gets besides PATH, HOME and the like.'),
    cwd: z
      .string()
      .min(1)
      .optional()
      .describe('Working folder; relative paths start at the configuration file. Default: its folder.'),
    timeoutMs: callTimeout,
    startTimeoutMs: milliseconds(100)
      .default(30_000)
      .describe('Longest wait for the child to answer its first request, in milliseconds.'),
    isolation: z
      .enum(['shared', 'per-principal', 'per-call'])
      .optional()
      .describe('Who shares a child. Left out: per tenant, and per principal for a child that may ask questions.'),
    maxChildren: z
      .number()
      .int()
      .min(1)
      .max(64)
      .default(4)
      .describe('Most children for one tenant, or one principal, at a time.'),
    idleMs: milliseconds(0)
      .default(300_000)
      .describe('A further child without a call for this long is ended, in milliseconds; 0 keeps it.'),
    tenants,
    tags,
    disabled,
  })
  .describe('A server started as a child process and spoken to over its standard input and output.');

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

export const remoteServerSchema = z
  .strictObject({
    type: z
      .enum(['http', 'streamable-http', 'sse'])
      .optional()
      .describe('Transport. Left out: found out by asking the server, newest first.'),
    url: z
      .string()
      .refine(isHttpUrl, { error: 'must be an http:// or https:// address without a user name' })
      .describe('Address of the server. May be private or loopback, since it stands in your own file.'),
    headers: z
      .record(
        z.string().regex(HEADER_NAME, { error: 'must be a header name' }),
        z.string().refine((value) => !/[\r\n\0]/.test(value), { error: 'must be one line' }),
      )
      .default({})
      .describe('Headers of every request. Values may hold `${env:X}` and `${secret:X}`.'),
    timeoutMs: callTimeout,
    tenants,
    tags,
    disabled,
  })
  .describe('A server reached over HTTP.');

export const functionServerSchema = z
  .strictObject({
    type: z.literal('function').optional().describe('May be given; the key `function` decides.'),
    function: z
      .string()
      .refine((text) => parseFunctionReference(text) !== undefined, {
        error: 'must be the name or ARN of a function, with ":version" or ":alias" behind it if need be',
      })
      .describe('Function that is the server: a name of `functions`, or an ARN; a version or alias may follow.'),
    contract: z
      .enum(['auto', 'json-rpc', 'method-params'])
      .default('auto')
      .describe(
        'How the function is invoked: with JSON-RPC messages, or with `{method, params}`, answered by `{statusCode, body}`. `auto` asks it.',
      ),
    stream: z
      .boolean()
      .default(false)
      .describe(
        'Reads every answer as a response stream, up to 64 MiB instead of 6 MB. Left out: only where the caller wants to hear of progress.',
      ),
    timeoutMs: callTimeout,
    startTimeoutMs: milliseconds(100)
      .default(30_000)
      .describe('Longest wait for the function to introduce itself, its cold start included, in milliseconds.'),
    tenants,
    tags,
    disabled,
  })
  .describe('A server that is a function, such as one made by `zeroplane wrap`.');

function isHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '' && url.password === '';
}

/** Lambda's own names, without the separator that would split `target___tool` twice. */
export const functionNameSchema = z.string().regex(/^(?!.*___)[A-Za-z0-9_-]{1,64}$/, {
  error: 'must be 1 to 64 letters, digits, "-" or "_", without "___"',
});

/** A number in YAML is meant as text too. */
const version = z.coerce.string().regex(/^(?:\$LATEST|[1-9]\d{0,19})$/, {
  error: 'must be the number of a published version, or "$LATEST"',
});

const alias = z.string().regex(/^(?!\d+$)[A-Za-z0-9_-]{1,128}$/, {
  error: 'must be 1 to 128 letters, digits, "_" or "-", and more than a number',
});

const caller = z.string().min(1).max(256);

const rollbackSchema = z.strictObject({
  errorPercent: z
    .number()
    .min(0)
    .max(100)
    .default(20)
    .describe('Above this share of failed calls, of the newest 100, the canary is switched off. 100: never.'),
  minCalls: z.number().int().min(1).max(1000).default(20).describe('Calls before it is judged.'),
});

const canarySchema = z
  .strictObject({
    version: version.optional().describe('Published version that is tried.'),
    alias: alias.optional().describe('Alias that is tried, instead of `version`.'),
    percent: z.number().min(0).max(100).default(0).describe('Share of the callers that get it, always the same ones.'),
    cohort: z
      .array(caller)
      .max(1000)
      .default([])
      .describe('Callers that always get it: principal ids, `CLAIM=VALUE`, `tenant=NAME`.'),
    rollback: rollbackSchema.prefault({}).describe('When it is switched off by itself.'),
  })
  .describe('Another version that some callers get.');

export const functionSchema = z
  .strictObject({
    handler: z
      .string()
      .min(1)
      .max(128)
      .describe('As on Lambda: `index.handler` for Node, `app.lambda_handler` for Python.'),
    runtime: z
      .string()
      .min(1)
      .default('nodejs24.x')
      .describe(
        'Lambda runtime identifier: `nodejs…`, `python3.…`, or `provided.al2023` for an executable named `bootstrap`.',
      ),
    code: z
      .string()
      .min(1)
      .default('.')
      .describe('Folder with the code, or one file; relative paths start at the configuration file.'),
    timeoutSeconds: z
      .number()
      .int()
      .min(1)
      .max(900)
      .default(DEFAULT_FUNCTION_TIMEOUT_SECONDS)
      .describe("Longest run of one invocation. Lambda's own default is 3, shorter than many cold starts."),
    memoryMb: z
      .number()
      .int()
      .min(128)
      .max(10_240)
      .default(128)
      .describe(
        'Memory of one process, in MiB: the limit of its heap for Node; others are ended soon after they pass it.',
      ),
    environment: variables.default({}).describe('Environment variables. Values may hold `${env:X}` and `${secret:X}`.'),
    tags: tagMap.default({}).describe('Tags, for `discover`, for cost and for `visibility: internal`.'),
    event: z
      .enum(['arguments', 'args-extra', 'parameters', 'mcp'])
      .default('arguments')
      .describe('Shape of the event: the bare arguments, `{args, extra}`, `{parameters}`, or the MCP request.'),
    description: z.string().max(4096).optional().describe('What the tool does, for the model that chooses it.'),
    schema: z
      .string()
      .min(1)
      .optional()
      .describe(
        'File with the JSON Schema of the arguments, or `{inputSchema, outputSchema}`; relative paths start at the configuration file. Left out: found by tag, beside the code, or in the description.',
      ),
    outputSchema: z
      .string()
      .min(1)
      .optional()
      .describe('File with the JSON Schema of the answer, which is then held against it.'),
    streaming: z.boolean().default(false).describe('The function streams its answer: up to 200 MB in place of 6.'),
    concurrency: z.number().int().min(1).max(1000).default(8).describe('Most invocations at once, one process each.'),
    freeze: z
      .boolean()
      .default(false)
      .describe('Stops the process between invocations, as Lambda does: timers and connections stand still.'),
    version: version.optional().describe('Published version that its tool calls. Left out: the code as it is now.'),
    alias: alias.optional().describe('Alias that its tool calls, instead of `version`.'),
    canary: canarySchema.optional(),
    tenants,
    disabled,
  })
  .describe('A Lambda handler, run locally and published as a tool under its name.');

export type StdioServerConfig = z.infer<typeof stdioServerSchema>;
export type RemoteServerConfig = z.infer<typeof remoteServerSchema>;
export type FunctionServerConfig = z.infer<typeof functionServerSchema>;
export type FunctionConfig = z.infer<typeof functionSchema>;
