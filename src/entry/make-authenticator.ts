/** From configuration to whoever reads credentials: the development token, signatures made with it, issuers outside. */

import { createTokenVerifier } from '../adapters/oidc/token-verifier.ts';
import type { TextEgress } from '../adapters/oidc/key-source.ts';
import type { Config } from '../config/schema.ts';
import type { Clock, Logger } from '../core/ports.ts';
import { SignatureAuthenticator, TokenAuthenticator, openAuthenticator } from '../http/authenticate.ts';
import type { Authenticator } from '../http/authenticate.ts';
import type { ClaimRules } from '../http/authenticate/claim-rules.ts';
import { IssuedTokens } from '../http/authenticate/issued-tokens.ts';

type Issuer = Config['auth']['issuers'][number];

export interface AuthenticatorParts {
  /** The development token. Absent: everybody who reaches the port is let in. */
  readonly token: string | undefined;
  readonly issuers: readonly Issuer[];
  readonly egress: TextEgress;
  readonly clock: Clock;
  readonly log: Logger;
}

export function makeAuthenticator({ token, issuers, egress, clock, log }: AuthenticatorParts): Authenticator {
  if (token === undefined) return openAuthenticator;
  const issued =
    issuers.length === 0
      ? undefined
      : new IssuedTokens({
          verifier: createTokenVerifier({ issuers: issuers.map(issuerOptions), egress, clock, log }),
          rules: issuers.map(claimRules),
          clock,
          log,
        });
  return new SignatureAuthenticator({ token, others: new TokenAuthenticator(token, issued), clock });
}

/** What the adapter is told of an entry. */
function issuerOptions({ issuer, audience, audienceClaim, algorithms, jwksUri }: Issuer) {
  const audiences = typeof audience === 'string' ? [audience] : audience;
  return { issuer, audience: audiences, audienceClaim, algorithms, jwksUri };
}

function claimRules({ issuer, name, claims, roles, scopes, defaultRoles, tenants }: Issuer): ClaimRules {
  return {
    issuer,
    name,
    paths: claims,
    roles: roles && new Map(Object.entries(roles)),
    scopes: scopes && new Map(Object.entries(scopes)),
    defaultRoles,
    tenants,
  };
}
