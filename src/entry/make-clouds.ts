/** The local stand-ins for clouds, as the configuration asks for them. */

import type { AwsEndpoint } from '../adapters/simulated-cloud/aws-endpoint.ts';
import type { SimulatedControl } from '../adapters/simulated-cloud/control.ts';
import { LazyEndpoint } from '../adapters/simulated-cloud/lazy-endpoint.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Clock, IdSource, Logger, StoreRoot } from '../core/ports.ts';
import type { Redactor } from '../core/redact.ts';
import type { FunctionRuntime } from '../functions/function-runtime.ts';
import { ACCESS_KEY_ID, DEVELOPER } from '../http/authenticate.ts';
import type { CloudName } from '../provisioning/provisioner.ts';
import type { SimulatedCloud } from './cloud-places.ts';

export interface CloudsParts {
  readonly loaded: LoadedConfig;
  readonly functions: FunctionRuntime;
  readonly store: StoreRoot;
  /** Where the authority of the Azure endpoint is kept. */
  readonly dataDir?: string | undefined;
  /** Signs requests; without a token the access key id does. */
  readonly token: string;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly redactor: Redactor;
}

export interface Clouds {
  /** Addresses by cloud. */
  readonly urls: Readonly<Record<CloudName, string>>;
  /** How jobs reach an endpoint; it is started if it is not yet. */
  simulated(cloud: CloudName): Promise<SimulatedCloud>;
  close(): Promise<void>;
}

/** Listeners on loopback; what is behind them is loaded when somebody connects. */
export async function startClouds(parts: CloudsParts): Promise<Clouds> {
  const { loaded, log } = parts;
  const { clouds } = loaded.config;
  const secret = parts.token === '' ? ACCESS_KEY_ID : parts.token;
  const aws = await LazyEndpoint.listen({
    vendor: 'AWS',
    scheme: 'http',
    port: clouds.aws.port,
    log,
    start: () => startAws(parts, secret),
  });
  const gcp = await LazyEndpoint.listen({
    vendor: 'Google Cloud',
    scheme: 'http',
    port: clouds.gcp.port,
    log,
    start: async () => {
      const { startGcpEndpoint } = await import('../adapters/simulated-cloud/gcp/gcp-endpoint.ts');
      return startGcpEndpoint({ ...parts, control: await controlOf('gcp', parts, secret) });
    },
  });
  const azure = await LazyEndpoint.listen({
    vendor: 'Azure',
    scheme: 'https',
    port: clouds.azure.port,
    log,
    start: async () => {
      const { startAzureEndpoint } = await import('../adapters/simulated-cloud/azure/azure-endpoint.ts');
      return startAzureEndpoint({ ...parts, control: await controlOf('azure', parts, secret), folder: parts.dataDir });
    },
  });
  const env = { AWS_ACCESS_KEY_ID: ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: secret };
  const starts: Readonly<Record<CloudName, () => Promise<SimulatedCloud>>> = {
    aws: () => Promise.resolve({ url: aws.url, env }),
    gcp: async () => ({ url: gcp.url, env: (await gcp.started()).env }),
    azure: async () => {
      const { ca, env: own } = await azure.started();
      return { url: azure.url, ca, env: own };
    },
  };
  return {
    urls: { aws: aws.url, gcp: gcp.url, azure: azure.url },
    simulated: (cloud) => starts[cloud](),
    close: async () => void (await Promise.all([aws.close(), gcp.close(), azure.close()])),
  };
}

/** Loaded when it is started: nothing of it is needed before. */
async function startAws(parts: CloudsParts, secretAccessKey: string): Promise<AwsEndpoint> {
  const { loaded, functions, store, clock, ids, log, redactor } = parts;
  const [{ startAwsEndpoint }, { awsServices, heldFunctions }] = await Promise.all([
    import('../adapters/simulated-cloud/aws-endpoint.ts'),
    import('../adapters/simulated-cloud/aws-services.ts'),
  ]);
  const { schemas, deny } = loaded.config.clouds.aws;
  const { control } = functions;
  const tenant = store.store(DEVELOPER.tenant);
  const own = await controlOf('aws', parts, secretAccessKey);
  const { state } = own;
  return startAwsEndpoint({
    services: awsServices({ invoker: functions, control, store: tenant, state, clock, ids, redactor, schemas, deny }),
    accessKeyId: ACCESS_KEY_ID,
    secretAccessKey,
    control: { ...own, alsoHeld: () => heldFunctions(control) },
    principal: DEVELOPER,
    clock,
    ids,
    log,
    redactor,
  });
}

/** What a simulated cloud holds, and what shall go wrong in it. */
async function controlOf(
  cloud: CloudName,
  { store, clock }: CloudsParts,
  token: string,
): Promise<Omit<SimulatedControl, 'alsoHeld'>> {
  const [{ CLOUD_CONTENTS, SimulatedState: State }, { Faults: Rules }] = await Promise.all([
    import('../adapters/simulated-cloud/simulated-state.ts'),
    import('../adapters/simulated-cloud/faults.ts'),
  ]);
  const state = new State(cloud, store.store(DEVELOPER.tenant).table(CLOUD_CONTENTS));
  return { state, faults: new Rules(), clock, token };
}
