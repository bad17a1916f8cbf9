/**
 * Whose rights are used with Azure, and for which subscription. A simulated cloud is shown one token that is worth
 * nothing elsewhere; a live one gets what `@azure/identity` makes of a client's secret, a workload's token or the
 * Azure command line.
 */

import type { TokenCredential } from '@azure/core-auth';
import { cloudError } from '../../provisioning/cloud-errors.ts';
import type { PlatformError } from '../../core/errors.ts';
import type { CloudPlace } from '../../provisioning/provisioner.ts';
import { createAzureTransport } from './azure-transport.ts';

/** Name of the secret with the client's secret; the variable of the same name comes after it. */
const CLIENT_SECRET = 'AZURE_CLIENT_SECRET';

/** Tokens serve every job of a place. */
const credentials = new WeakMap<CloudPlace, Promise<TokenCredential>>();

/** @throws PlatformError `CLOUD_DENIED` where there are no credentials. */
export async function azureCredential(place: CloudPlace): Promise<TokenCredential> {
  let credential = credentials.get(place);
  if (credential === undefined) {
    credential = choose(place);
    credentials.set(place, credential);
  }
  try {
    return await credential;
  } catch (thrown) {
    credentials.delete(place);
    throw thrown;
  }
}

/** @throws PlatformError `CLOUD_REFUSED` where none is named. */
export function azureSubscription(place: CloudPlace): string {
  const subscription = place.env['AZURE_SUBSCRIPTION_ID'];
  if (subscription !== undefined && subscription !== '') return subscription;
  throw cloudError({
    cloud: 'azure',
    fault: 'refused',
    operation: 'subscriptions.get',
    cloudCode: 'NoSubscription',
    message: 'No subscription is named. Set AZURE_SUBSCRIPTION_ID where the platform runs',
  });
}

async function choose(place: CloudPlace): Promise<TokenCredential> {
  const token = place.env['AZURE_ACCESS_TOKEN'];
  if (token !== undefined && token !== '') return staticToken(token);
  if (place.label === 'simulated') throw denied('There is no AZURE_ACCESS_TOKEN for the simulated cloud');
  return fromIdentity(place);
}

/** Nobody knows when it ends; Azure says so when it has. */
function staticToken(token: string): TokenCredential {
  return { getToken: () => Promise.resolve({ token, expiresOnTimestamp: Number.MAX_SAFE_INTEGER }) };
}

async function fromIdentity(place: CloudPlace): Promise<TokenCredential> {
  const { env } = place;
  const { AzureCliCredential, ClientSecretCredential, WorkloadIdentityCredential } = await import('@azure/identity');
  const [tenantId, clientId] = [env['AZURE_TENANT_ID'], env['AZURE_CLIENT_ID']];
  const httpClient = createAzureTransport({ place, mayAsk: ({ host }) => LOGIN_HOSTS.test(host) });
  if (tenantId && clientId) {
    const secret = (await place.secrets.get(CLIENT_SECRET)) ?? env[CLIENT_SECRET];
    if (secret) return new ClientSecretCredential(tenantId, clientId, secret, { httpClient });
    const tokenFilePath = env['AZURE_FEDERATED_TOKEN_FILE'];
    if (tokenFilePath) return new WorkloadIdentityCredential({ tenantId, clientId, tokenFilePath, httpClient });
  }
  return new AzureCliCredential(tenantId ? { tenantId } : {});
}

const LOGIN_HOSTS = /^login\.(?:microsoftonline\.com|microsoft\.com|windows\.net|partner\.microsoftonline\.cn)$/;

function denied(message: string): PlatformError {
  const [operation, cloudCode] = ['oauth2.token', 'NoCredentials'];
  return cloudError({ cloud: 'azure', fault: 'denied', operation, cloudCode, message });
}
