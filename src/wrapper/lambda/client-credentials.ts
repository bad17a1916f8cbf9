/** Where a client's program gets its credentials for AWS: as given, from variables, or from wherever the SDK finds them. */

import type { AwsCredentials, FetchLike } from './signed-fetch.ts';
import { signingFetch, variableCredentials } from './signed-fetch.ts';

/** Credentials, or what gets them; asked before each request, so that it may renew them. */
export type CredentialSource = AwsCredentials | (() => Promise<AwsCredentials>);

export interface SigV4FetchOptions {
  readonly region: string;
  /** `lambda`, `execute-api`, … */
  readonly service: string;
  /** @default the variables AWS_ACCESS_KEY_ID and so on, else the AWS SDK's default chain where it is installed */
  readonly credentials?: CredentialSource | undefined;
  /** @default the global fetch */
  readonly baseFetch?: FetchLike | undefined;
}

/**
 * @returns a `fetch` for any transport that takes one.
 * @throws what finds no credentials, at the request.
 */
export function createSigV4Fetch({ region, service, credentials, baseFetch }: SigV4FetchOptions): FetchLike {
  return signingFetch({ region, service, baseFetch, source: sourceOf(credentials) });
}

function sourceOf(credentials: CredentialSource | undefined): () => Promise<AwsCredentials> {
  if (typeof credentials === 'function') return credentials;
  if (credentials !== undefined) return () => Promise.resolve(credentials);
  let chain: (() => Promise<AwsCredentials>) | undefined;
  return async () => {
    const own = variableCredentials(process.env);
    if (own !== undefined) return own;
    chain ??= await defaultChain();
    return chain();
  };
}

/** Profiles, single sign-on, containers and instances: what only the SDK knows. */
async function defaultChain(): Promise<() => Promise<AwsCredentials>> {
  const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
  return defaultProvider();
}
