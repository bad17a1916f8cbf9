/** Whether the issuers of a configuration answer, as an instance would ask them; for `zeroplane doctor`. */

import { createEgress } from '../adapters/embedded/egress.ts';
import { systemClock } from '../adapters/embedded/system.ts';
import { KeySource } from '../adapters/oidc/key-source.ts';
import type { Config } from '../config/schema.ts';

export interface IssuerReport {
  readonly issuer: string;
  /** How many keys it has; absent when they cannot be read. */
  readonly keys?: number;
  readonly reason?: string;
}

/** All at once, each within ten seconds. Never rejects. */
export async function tryIssuers({ auth, egress: { allow } }: Config): Promise<readonly IssuerReport[]> {
  if (auth.issuers.length === 0) return [];
  const egress = createEgress({ allow, clock: systemClock });
  try {
    return await Promise.all(
      auth.issuers.map(async ({ issuer, jwksUri }): Promise<IssuerReport> => {
        try {
          const { keys } = await new KeySource({ issuer, jwksUri }, egress).read();
          return { issuer, keys: keys.length };
        } catch (error) {
          return { issuer, reason: error instanceof Error ? error.message : String(error) };
        }
      }),
    );
  } finally {
    egress.close();
  }
}
