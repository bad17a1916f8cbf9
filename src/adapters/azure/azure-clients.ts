/** What the clients of Azure's SDKs are made with; each SDK is loaded by the first job that needs it. */

import type { TokenCredential } from '@azure/core-auth';
import type { ProvisionContext } from '../../provisioning/provisioner.ts';
import { azureCredential, azureSubscription } from './azure-credentials.ts';
import { createAzureTransport } from './azure-transport.ts';
import type { AzureTransport } from './azure-transport.ts';

const LIVE = 'https://management.azure.com';

export interface Connection<Client> {
  readonly client: Client;
  readonly subscription: string;
  readonly transport: AzureTransport;
}

interface ClientOptions {
  readonly endpoint: string;
  readonly httpClient: AzureTransport;
  /** Steps repeat requests; the SDK's own repeats would hide them. */
  readonly retryOptions: { readonly maxRetries: 0 };
}

export type ClientClass<Client> = new (
  credential: TokenCredential,
  subscription: string,
  options: ClientOptions,
) => Client;

/** @returns makes the connection on first use, once. @throws PlatformError `CLOUD_DENIED`, `CLOUD_REFUSED`. */
export function azureConnection<Client>(
  context: ProvisionContext,
  Client: ClientClass<Client>,
): () => Promise<Connection<Client>> {
  let connection: Promise<Connection<Client>> | undefined;
  return () => {
    connection ??= connect(context, Client).catch((error: unknown) => {
      connection = undefined;
      throw error;
    });
    return connection;
  };
}

async function connect<Client>(
  { place, signal }: ProvisionContext,
  Client: ClientClass<Client>,
): Promise<Connection<Client>> {
  const endpoint = place.endpoint ?? LIVE;
  const { origin, host } = new URL(endpoint);
  const transport = createAzureTransport({
    place,
    signal,
    // Regional front ends of the same service answer for operations that they run.
    mayAsk: (url) =>
      url.origin === origin || (endpoint === LIVE && url.protocol === 'https:' && url.host.endsWith(`.${host}`)),
  });
  const credential = await azureCredential(place);
  const subscription = azureSubscription(place);
  const options = { endpoint, httpClient: transport, retryOptions: { maxRetries: 0 } } as const;
  return { client: new Client(credential, subscription, options), subscription, transport };
}
