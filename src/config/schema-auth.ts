/** Who may call: the part of the configuration about tokens and their issuers. */

import { z } from 'zod';
import { isLoopback } from './loopback.ts';

const ROLE = z.enum(['viewer', 'requester', 'approver', 'admin']);
const ALGORITHM = z.enum(['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']);
const TENANT = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, {
  error: 'must be the name of a tenant: up to 63 letters, digits, ".", "_" and "-", the first a letter or digit',
});
const AUDIENCE = z.string().min(1).max(1024);
const claimPath = z.string().min(1).max(256);

/** Keys are fetched from there, and whoever is on the way could put others in their place. */
const issuerUrl = z.string().max(1024).refine(isSafe, {
  error: 'must be an https URL without query, fragment and credentials; http only on this machine',
});

function isSafe(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, search, hash } = new URL(text);
  const isSecure = protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
  return isSecure && username + password + search + hash === '';
}

const claimsSchema = z.strictObject({
  tenant: claimPath
    .default('tenant')
    .describe('Claim with the tenant. A token without it, or with a name that no tenant can have, is refused.'),
  roles: claimPath.default('roles').describe('Claim with the roles: a text, or a list of texts.'),
  scopes: claimPath.default('scope').describe('Claim with the scopes: words in a text, or a list of texts.'),
});

const issuerSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, { error: 'must be up to 40 lower-case letters, digits and "-"' })
    .optional()
    .describe(
      'Stands before the subjects of this issuer: `name:subject` is the id of a caller. Only one issuer may do without.',
    ),
  issuer: issuerUrl.describe('`iss` of its tokens, exactly as they have it: also the slash at its end counts.'),
  audience: z
    .union([AUDIENCE, z.array(AUDIENCE).min(1).max(100)])
    .describe('Audience of tokens for this gateway, or a list. Any other token is refused.'),
  audienceClaim: z
    .enum(['aud', 'client_id'])
    .default('aud')
    .describe('`client_id` for issuers whose access tokens name the client and no audience, as Cognito does.'),
  algorithms: z.array(ALGORITHM).min(1).default(['RS256', 'ES256']).describe('How its tokens may be signed.'),
  jwksUri: issuerUrl
    .optional()
    .describe(
      'Where its keys are. Left out: where `/.well-known/openid-configuration` says, on the origin of `issuer`.',
    ),
  claims: claimsSchema
    .prefault({})
    .describe('Which claims are read: the name of a claim, or names with dots between them.'),
  roles: z
    .record(z.string().min(1), ROLE)
    .optional()
    .describe(
      'Role by value of the claim: `viewer`, `requester`, `approver`, `admin`. Other values mean nothing. Left out: a value means the role of its name.',
    ),
  scopes: z
    .record(z.string().min(1), z.enum(['zeroplane:use', 'zeroplane:admin']))
    .optional()
    .describe('Scope by value of the claim, in the same way: `zeroplane:use`, `zeroplane:admin`.'),
  defaultRoles: z.array(ROLE).default([]).describe('Roles of callers whose token names none of them.'),
  tenants: z.array(TENANT).min(1).optional().describe('Tenants that this issuer may name. Left out: any.'),
});

export const authSchema = z.strictObject({
  mode: z
    .enum(['token', 'none'])
    .default('token')
    .describe(
      '`token`: a bearer token is required. `none`: anybody who reaches the port is the developer; loopback only.',
    ),
  issuers: z
    .array(issuerSchema)
    .max(32)
    .default([])
    .describe('Issuers whose tokens are taken beside the development token. Each is described below.'),
});

export const approvalsSchema = z.strictObject({
  selfApproval: z.boolean().default(true).describe('Whether who asks for a change may approve it, given the role.'),
  rules: z
    .array(
      z.strictObject({
        cloud: z.string().min(1).optional(),
        service: z.string().min(1).optional(),
        env: z.string().min(1).optional(),
        action: z.enum(['provision', 'destroy', 'update']).optional(),
        expiresInSeconds: z.number().int().min(1).max(2_592_000).default(86_400),
      }),
    )
    .max(100)
    .default([])
    .describe('Requests that wait for approval: all of the given members must agree, and the first that does counts.'),
});
