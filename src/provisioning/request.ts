/** The body of `POST /v1/provision`: its shape, its limits, and what is said when something is wrong with it. */

import { z } from 'zod';
import { isObject } from '../core/json.ts';
import type { JsonValue } from '../core/ports.ts';
import type { JobAction } from './job.ts';
import { notAmong, pointerOf, problemsOf, refuseProblems, type RequestProblem } from './problems.ts';

/** Tenants and environments: compared byte for byte, and part of keys. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const nameWords = { error: 'must be 1 to 63 letters, digits, ".", "_" or "-", beginning with a letter or digit' };

/** Tags that say whose a resource is; they are written last and nobody sets them. */
const RESERVED_TAGS: readonly string[] = [
  'tenant',
  'env',
  'service',
  'requestId',
  'owner',
  'expiresAt',
  'managed-by',
  // By which the parts of a resource are found again.
  'resource-id',
  // As Google's labels say it.
  'tenant-hash',
  'request-id',
  'expires-at',
];

const DAY_SECONDS = 86_400;
const MAX_TAGS = 30;
/** As of every body that comes by HTTP. */
const MAX_DEPTH = 64;
/** What a job carries from row to row and from step to step; a row holds 400 KB, a step's input 256 KiB. */
const MAX_BYTES = 128 * 1024;

/** Names that AWS and Azure keep for themselves, in any case. */
const CLOUDS_OWN =
  '^([Aa][Ww][Ss]:|[Aa][Zz][Uu][Rr][Ee]|[Mm][Ii][Cc][Rr][Oo][Ss][Oo][Ff][Tt]|[Ww][Ii][Nn][Dd][Oo][Ww][Ss])';

const tagKey = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_.:/-]{0,62}$/, {
    error:
      'a key that every cloud takes begins with a letter and has up to 63 letters, digits, "_", ".", ":", "/" or "-"',
  })
  .refine((key) => !RESERVED_TAGS.includes(key), { error: 'this key is set by Zeroplane' })
  .refine((key) => !new RegExp(CLOUDS_OWN).test(key), {
    error: 'keys that begin with "aws:", "azure", "microsoft" or "windows" belong to the clouds',
  })
  .meta({ not: { anyOf: [{ enum: RESERVED_TAGS }, { pattern: CLOUDS_OWN }] } });

const tagsSchema = z
  .record(tagKey, z.string().max(256))
  .refine((tags) => Object.keys(tags).length <= MAX_TAGS, { error: `at most ${MAX_TAGS} tags` })
  .meta({ maxProperties: MAX_TAGS });

export const provisionSchema = z.strictObject({
  cloud: z.string().min(1).max(64).describe('`aws`, `gcp`, `azure`, or `multi` for services of several clouds.'),
  action: z.enum(['provision', 'destroy', 'update', 'plan']).describe('What to do. `plan` changes nothing.'),
  service: z.string().min(1).max(64).describe('A service of `/v1/catalog`.'),
  params: z
    .record(z.string(), z.json())
    .default({})
    .describe("The service's parameters, as its schema in the catalogue has them."),
  tenant: z.string().regex(NAME, nameWords).describe("The caller's own tenant."),
  env: z.string().regex(NAME, nameWords).describe('The environment that the resource belongs to.'),
  region: z.string().min(1).max(64).optional().describe('Default: `params.region`, else that of the service.'),
  id: z.string().min(1).max(1024).optional().describe('For `destroy` and `update`: a resource of `/v2/resources`.'),
  ttlSeconds: z
    .number()
    .int()
    .min(60)
    .max(3650 * DAY_SECONDS)
    .optional()
    .describe('Time to live: after it the resource is destroyed by itself.'),
  approval: z
    .strictObject({
      required: z.boolean().default(true).describe('Somebody must approve the plan before anything is made.'),
      expiresInSeconds: z
        .number()
        .int()
        .min(1)
        .max(30 * DAY_SECONDS)
        .default(DAY_SECONDS)
        .describe('After it the job has expired.'),
    })
    .optional(),
  tags: tagsSchema.default({}).describe('Further tags for the resource, beside those that say whose it is.'),
  webhook: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .max(2048)
        .describe('Told of the end of the job by a signed POST.'),
      secretRef: z.string().min(1).max(256).describe('Name of the secret that the signature is made with.'),
    })
    .optional(),
  workflow: z
    .strictObject({
      name: z.string().min(1).max(80),
      version: z.string().min(1).max(32),
    })
    .optional()
    .describe(
      'For `provision` and `plan` of a service that is a workflow: the version to run. Default: that of the catalogue.',
    ),
});

export type ProvisionBody = z.output<typeof provisionSchema>;

/** Known keys of the body and its parts, for keys that nobody knows. */
function keysAt(path: readonly PropertyKey[]): readonly string[] {
  if (path.length === 0) return Object.keys(provisionSchema.shape);
  if (path[0] === 'approval') return ['required', 'expiresInSeconds'];
  if (path[0] === 'webhook') return ['url', 'secretRef'];
  return path[0] === 'workflow' ? ['name', 'version'] : [];
}

/**
 * @param action - What the route or tool means; a body that says something else is wrong.
 * @throws PlatformError `PROVISION_INVALID` with all problems of the shape.
 */
export function parseBody(body: unknown, action?: JobAction): ProvisionBody {
  if (!isObject(body)) {
    refuseProblems([
      { pointer: '', message: 'must be a JSON object with cloud, action, service, params, tenant, env' },
    ]);
  }
  refuseProblems(boundsOf(body));
  const given = withAction(body as Record<string, unknown>, action);
  const parsed = provisionSchema.safeParse(given);
  const problems: RequestProblem[] = parsed.success ? [] : problemsOf(parsed.error, [], keysAt, given);
  problems.push(...prototypesIn(given['params'], '/params'), ...prototypesIn(given['tags'], '/tags'));
  if (action !== undefined && given['action'] !== action) problems.push(notAmong('/action', given['action'], [action]));
  refuseProblems(problems);
  return parsed.data as ProvisionBody;
}

/** Checked before anything walks through the body, since each level and member costs everybody who does. */
function boundsOf(body: unknown): RequestProblem[] {
  const pending: { readonly value: unknown; readonly depth: number }[] = [{ value: body, depth: 1 }];
  let size = 0;
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const { value, depth } = at;
    if (typeof value === 'string') size += Buffer.byteLength(value) + 2;
    else if (typeof value !== 'object' || value === null) size += 8;
    else {
      if (depth > MAX_DEPTH) return [{ pointer: '', message: `is nested deeper than ${MAX_DEPTH} levels` }];
      const members = Object.entries(value);
      size += 2 + members.length;
      for (const [key, member] of members) {
        size += Buffer.byteLength(key) + 3;
        pending.push({ value: member, depth: depth + 1 });
      }
    }
    if (size > MAX_BYTES)
      return [
        {
          pointer: '',
          message: `is larger than ${MAX_BYTES / 1024} KiB. Leave large things where they are and name them`,
        },
      ];
  }
  return [];
}

/** The key is an ordinary one in JSON, and no parameter is called so; the schemas would drop it without a word. */
function prototypesIn(value: unknown, pointer: string): RequestProblem[] {
  if (Array.isArray(value)) return value.flatMap((each, at) => prototypesIn(each, `${pointer}/${at}`));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, member]) => {
    const here = pointer + pointerOf([key]);
    return key === '__proto__' ? [{ pointer: here, message: 'is not known here' }] : prototypesIn(member, here);
  });
}

function withAction(body: Record<string, unknown>, action: JobAction | undefined): Record<string, unknown> {
  // A destroy by id needs nothing else to know what is meant.
  return { ...(action === undefined ? {} : { action }), ...body };
}

/** One region, from the field or the parameters. @throws PlatformError `PROVISION_INVALID` when they differ. */
export function regionOf(body: Pick<ProvisionBody, 'region' | 'params'>): string | undefined {
  const inParams: JsonValue | undefined = body.params['region'] as JsonValue | undefined;
  if (typeof inParams !== 'string') return body.region;
  if (body.region === undefined || body.region === inParams) return inParams;
  refuseProblems([{ pointer: '/region', message: `is "${body.region}" and params.region is "${inParams}": name one` }]);
  return undefined;
}
