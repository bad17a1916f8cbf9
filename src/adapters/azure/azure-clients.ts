/** The clients of Azure's SDKs, made for one job; each SDK is loaded by the first job that needs it. */

import type { TokenCredential } from '@azure/core-auth';
import type { ProvisionContext } from '../../provisioning/provisioner.ts';
import { azureCredential, azureSubscription } from './azure-credentials.ts';
import { createAzureTransport } from './azure-transport.ts';
import type { AzureTransport } from './azure-transport.ts';

const LIVE = 'https://management.azure.com';

/** What every client of a job is made with. */
export interface ClientParts {
  readonly credential: TokenCredential;
  readonly subscription: string;
  readonly transport: AzureTransport;
  readonly options: {
    readonly endpoint: string;
    readonly httpClient: AzureTransport;
    /** Steps repeat requests; the SDK's own repeats would hide them. */
    readonly retryOptions: { readonly maxRetries: 0 };
  };
}

export async function clientParts({ place }: Pick<ProvisionContext, 'place'>): Promise<ClientParts> {
  const endpoint = place.endpoint ?? LIVE;
  const { origin, host } = new URL(endpoint);
  const transport = createAzureTransport({
    place,
    // Regional front ends of the same service answer for operations that they run.
    mayAsk: (url) =>
      url.origin === origin || (endpoint === LIVE && url.protocol === 'https:' && url.host.endsWith(`.${host}`)),
  });
  return {
    credential: await azureCredential(place),
    subscription: azureSubscription(place),
    transport,
    options: { endpoint, httpClient: transport, retryOptions: { maxRetries: 0 } },
  };
}
