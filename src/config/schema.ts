/**
 * The configuration as one strict schema: names, meaning, limits and defaults. `schema/config.json` and
 * `docs/reference/config.md` are made from it, so that editor, program and page cannot differ.
 *
 * Three shapes of server are told apart by key before either is validated (see `validate.ts`): a union would
 * answer a misspelt key with "invalid input" and nothing else.
 */

import { z } from 'zod';
import { approvalsSchema, authSchema } from './schema-auth.ts';
import {
  functionNameSchema,
  functionSchema,
  functionServerSchema,
  remoteServerSchema,
  stdioServerSchema,
  type FunctionConfig,
  type FunctionServerConfig,
  type RemoteServerConfig,
  type StdioServerConfig,
} from './schema-targets.ts';

const MIB = 1024 * 1024;

const serverIdentitySchema = z.strictObject({
  name: z.string().min(1).max(128).default('zeroplane').describe('Name that MCP clients are told.'),
  version: z.string().min(1).max(64).optional().describe("Version that MCP clients are told. Default: the package's."),
});

const tagFilter = z.record(z.string().min(1), z.string());

const discoverSchema = z.strictObject({
  lambdaTags: tagFilter.optional().describe('Functions that carry all of these tags.'),
  excludeTags: tagFilter.optional().describe('Functions that carry any of these tags are left out.'),
  prefix: z
    .string()
    .min(1)
    .optional()
    .describe('Functions whose name begins so; the prefix is not part of the published name.'),
  list: z.array(z.string().min(1)).optional().describe('Functions by name.'),
  owner: z.string().min(1).optional().describe('Functions whose tag `owner` has this value.'),
  visibility: z.string().min(1).optional().describe('Functions whose tag `visibility` has this value.'),
  schemaTag: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Key of the tag that holds the ARN of a schema of the EventBridge registry: the JSON Schema of the arguments.',
    ),
  rescanSeconds: z
    .number()
    .int()
    .min(1)
    .max(86_400)
    .default(60)
    .describe('How often functions in AWS are looked for again. Changes of functions here are seen at once.'),
  generic: z
    .boolean()
    .default(false)
    .describe('Publish `list_lambda_functions` and `invoke_lambda_function` instead of one tool for each function.'),
});

const awsSchema = z.strictObject({
  endpoint: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .optional()
    .describe('Address that stands for every AWS service. One that is not on this machine needs `--live`.'),
  port: z.number().int().min(0).max(65_535).default(0).describe('Port of the local AWS endpoint, on loopback. 0: any.'),
  schemas: z
    .string()
    .min(1)
    .optional()
    .describe('Folder with JSON Schemas, `REGISTRY/NAME.json`, that the local endpoint describes as EventBridge does.'),
  deny: z
    .array(
      z.strictObject({
        action: z.string().regex(/^lambda:(?:\*|[A-Z][A-Za-z]+)$/, { error: 'must be lambda:ACTION or lambda:*' }),
        function: z.string().min(1).describe('Name of a function; `*` at its end stands for any rest.'),
      }),
    )
    .default([])
    .describe('Calls that the local endpoint refuses, to try programs against missing rights.'),
});

const endpointSchema = (vendor: string) =>
  z.strictObject({
    endpoint: z
      .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
      .optional()
      .describe(
        `Address that stands for every service of ${vendor}. One that is not on this machine needs \`--live\`.`,
      ),
    port: z
      .number()
      .int()
      .min(0)
      .max(65_535)
      .default(0)
      .describe(`Port of the local endpoint that simulates ${vendor}, on loopback. 0: any.`),
  });

const cloudsSchema = z.strictObject({
  aws: awsSchema.prefault({}).describe('Amazon Web Services.'),
  gcp: endpointSchema('Google Cloud').prefault({}).describe('Google Cloud.'),
  azure: endpointSchema('Azure').prefault({}).describe('Microsoft Azure.'),
});

const provisioningSchema = z.strictObject({
  concurrency: z.number().int().min(1).max(100).default(4).describe('Jobs that are worked on at a time.'),
  tools: z
    .boolean()
    .default(true)
    .describe('Whether `zeroplane dev` offers the control plane over MCP too, as target `cloud`.'),
  webhookSecrets: z
    .record(z.string().min(1).max(256), z.array(z.string().min(1).max(63)).max(1_000))
    .default({})
    .describe(
      'Secrets that webhooks may be signed with, and the tenants that may name each. One that is not listed is for nobody as soon as `auth.issuers` has an entry, and for everybody before.',
    ),
});

const callers = z.array(z.string().min(1).max(256)).max(1000);

const audienceSchema = z.strictObject({
  external: callers
    .default(['visibility=external'])
    .describe('Callers that are external: principal ids, `CLAIM=VALUE`, `tenant=NAME`, `*`.'),
  internal: callers.default([]).describe('Callers that are internal although `external` means them too.'),
});

const searchSchema = z.strictObject({
  above: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe(
      'With more visible tools than this, `/mcp` lists the search tools instead. Left out: nothing is ever hidden.',
    ),
  pin: z
    .array(z.string().min(1))
    .default([])
    .describe('Published names that stay in the list beside the search tools.'),
});

const mcpEndpointSchema = z.strictObject({
  search: searchSchema.prefault({}).describe('Tool search for large catalogues.'),
  ttlMs: z
    .number()
    .int()
    .min(0)
    .max(86_400_000)
    .optional()
    .describe('Longest time a client may reuse a list, in milliseconds.'),
});

const endpointsSchema = z.strictObject({ mcp: mcpEndpointSchema.prefault({}).describe('The endpoint `/mcp`.') });

const corsSchema = z.strictObject({
  origins: z
    .array(z.string().refine(isOrigin, { error: 'must be an origin such as https://app.example.com, without a path' }))
    .default([])
    .describe('Web origins that may call from a browser. `*` only with `compat: ["004"]`.'),
});

function isOrigin(text: string): boolean {
  return text === '*' || (URL.canParse(text) && new URL(text).origin === text);
}

const egressSchema = z.strictObject({
  allow: z
    .array(z.string().min(1))
    .default([])
    .describe('Host names and networks (10.0.0.0/8) that addresses from outside may name although they are private.'),
});

const limitsSchema = z.strictObject({
  inFlightPerPrincipal: z
    .number()
    .int()
    .min(1)
    .default(256)
    .describe('Requests of one caller at a time; more are answered 429.'),
  inFlight: z.number().int().min(1).default(1024).describe('Requests in all at a time; more are answered 503.'),
  bodyBytes: z
    .number()
    .int()
    .min(1024)
    .max(64 * MIB)
    .default(4 * MIB)
    .describe('Largest request body; larger ones are answered 413.'),
});

const resultsSchema = z.strictObject({
  inlineBytes: z
    .number()
    .int()
    .min(1024)
    .default(5 * MIB)
    .describe('A larger result is stored, and the answer is a preview with a link to it.'),
  pageBytes: z
    .number()
    .int()
    .min(1024)
    .max(5 * MIB)
    .default(MIB)
    .describe('Size of one page of a stored result.'),
  expiresAfterSeconds: z.number().int().min(60).default(86_400).describe('How long a stored result can be read.'),
});

/** Everything but `mcpServers`. */
export const baseSchema = z.strictObject({
  $schema: z.string().optional().describe('Address of this schema, for editors.'),
  name: z.string().min(1).max(128).optional().describe('Name of this installation, for people.'),
  server: serverIdentitySchema.prefault({}).describe('What the gateway calls itself.'),
  host: z.string().min(1).default('127.0.0.1').describe('Address to listen on.'),
  port: z
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(7420)
    .describe('Port to listen on; if it is taken, the next free one. 0: any.'),
  auth: authSchema.prefault({}).describe('Who may call.'),
  approvals: approvalsSchema.prefault({}).describe('Approvals of changes.'),
  provisioning: provisioningSchema.prefault({}).describe('Jobs of the control plane.'),
  functions: z.record(functionNameSchema, functionSchema).default({}).describe('Lambda handlers by function name.'),
  discover: discoverSchema.optional().describe('Which functions are published. Left out: all that are configured.'),
  audience: audienceSchema.prefault({}).describe('Who does not see what has the tag `visibility: internal`.'),
  clouds: cloudsSchema.prefault({}).describe('Where clouds are asked.'),
  endpoints: endpointsSchema.prefault({}).describe('Settings of the endpoints.'),
  sessions: z.enum(['on', 'off']).default('on').describe('`off` serves older protocol revisions without sessions.'),
  cors: corsSchema.prefault({}).describe('Calls from browsers.'),
  hosts: z
    .array(z.string().min(1))
    .default([])
    .describe('Further Host names to answer to, besides loopback and `host`.'),
  egress: egressSchema.prefault({}).describe('What may be reached from here.'),
  compat: z
    .array(z.enum(['002', '003', '004']))
    .default([])
    .describe('Behaviour of earlier systems to keep, by number. In YAML put the numbers in quotes.'),
  limits: limitsSchema.prefault({}).describe('How much is accepted.'),
  results: resultsSchema.prefault({}).describe('Large results.'),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('Least severity that is logged.'),
});

/** The whole file as editors and readers see it; `validate.ts` checks servers one by one instead. */
export const configSchema = baseSchema
  .extend({
    mcpServers: z
      .record(z.string().min(1), z.union([stdioServerSchema, remoteServerSchema, functionServerSchema]))
      .default({})
      .describe('MCP servers by id, as in `.mcp.json`.'),
  })
  .describe('Configuration of Zeroplane.');

type Immutable<T> = T extends readonly (infer Item)[]
  ? readonly Immutable<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Immutable<T[Key]> }
    : T;

export type StdioServer = Immutable<StdioServerConfig> & { readonly kind: 'stdio' };
export type RemoteServer = Immutable<RemoteServerConfig> & { readonly kind: 'remote' };
export type FunctionServer = Immutable<FunctionServerConfig> & { readonly kind: 'function' };
export type ServerConfig = StdioServer | RemoteServer | FunctionServer;
export type FunctionSettings = Immutable<FunctionConfig>;

/**
 * A checked configuration, frozen to the leaves, its objects without prototype. Paths are absolute, servers
 * and functions that are `disabled` are gone, server ids are legal target ids.
 */
export interface Config extends Immutable<Omit<z.infer<typeof baseSchema>, '$schema' | 'functions'>> {
  readonly mcpServers: Readonly<Record<string, ServerConfig>>;
  readonly functions: Readonly<Record<string, FunctionSettings>>;
}

/** What may be written in a file: every key with a default may be left out. */
export type ConfigInput = z.input<typeof configSchema>;
