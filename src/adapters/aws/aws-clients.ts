/** The clients of the three services, made on first use: until then nothing of the SDK is loaded. */

import type { LambdaClient } from '@aws-sdk/client-lambda';
import type { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api';
import type { SchemasClient } from '@aws-sdk/client-schemas';
import type { BackendLabel, Clock, Egress, Logger } from '../../core/ports.ts';
import { awsCredentials, awsRegion } from './aws-credentials.ts';
import type { AwsCredentials } from './aws-credentials.ts';
import { createSdkTransport } from './sdk-transport.ts';
import type { SdkTransport } from './sdk-transport.ts';

export interface AwsOptions {
  /** Replaces the services' own addresses; all three are asked there. */
  readonly endpoint?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly egress: Egress;
  readonly clock: Clock;
  readonly log: Logger;
  /** At least 0 and below 1; spreads repeats. @default Math.random */
  readonly random?: (() => number) | undefined;
}

/** Until an answer begins. Functions run up to 15 minutes; who waits for less says so by a signal. */
const INVOKE_TIMEOUT_MS = 905_000;
const LIST_TIMEOUT_MS = 30_000;

interface ClientConfig {
  readonly region: string;
  readonly credentials: () => Promise<AwsCredentials>;
  readonly maxAttempts: number;
  readonly requestHandler: SdkTransport;
  readonly endpoint?: string;
}

export class AwsClients {
  readonly region: string;
  readonly #options: AwsOptions;
  readonly #credentials: () => Promise<AwsCredentials>;
  #lambda: Promise<LambdaClient> | undefined;
  #invoking: Promise<LambdaClient> | undefined;
  #tagging: Promise<ResourceGroupsTaggingAPIClient> | undefined;
  #schemas: Promise<SchemasClient> | undefined;

  constructor(options: AwsOptions) {
    this.#options = options;
    this.region = awsRegion(options.env);
    this.#credentials = awsCredentials(options.env, (message) =>
      options.log.log('warn', 'aws-profile-absent', { reason: message }),
    );
  }

  /** An endpoint of this machine stands in for AWS; everything else is the real one. */
  get label(): BackendLabel {
    const { endpoint } = this.#options;
    return endpoint !== undefined && isLoopbackUrl(endpoint) ? 'simulated' : 'live';
  }

  /** For reads: gives up early. */
  lambda(): Promise<LambdaClient> {
    this.#lambda ??= this.#makeLambda(LIST_TIMEOUT_MS);
    return this.#lambda;
  }

  /** For invocations, which take as long as a function may run. */
  invoking(): Promise<LambdaClient> {
    this.#invoking ??= this.#makeLambda(INVOKE_TIMEOUT_MS);
    return this.#invoking;
  }

  tagging(): Promise<ResourceGroupsTaggingAPIClient> {
    this.#tagging ??= import('@aws-sdk/client-resource-groups-tagging-api').then(
      ({ ResourceGroupsTaggingAPIClient: Client }) => new Client(this.#config(LIST_TIMEOUT_MS)),
    );
    return this.#tagging;
  }

  schemas(): Promise<SchemasClient> {
    this.#schemas ??= import('@aws-sdk/client-schemas').then(
      ({ SchemasClient: Client }) => new Client(this.#config(LIST_TIMEOUT_MS)),
    );
    return this.#schemas;
  }

  async #makeLambda(timeoutMs: number): Promise<LambdaClient> {
    const { LambdaClient: Client } = await import('@aws-sdk/client-lambda');
    return new Client(this.#config(timeoutMs));
  }

  #config(timeoutMs: number): ClientConfig {
    const { endpoint, egress } = this.#options;
    return {
      region: this.region,
      credentials: this.#credentials,
      // Repeats are decided here, see retries.ts: the SDK would also repeat an invocation that may have run.
      maxAttempts: 1,
      requestHandler: createSdkTransport(egress, timeoutMs),
      ...(endpoint === undefined ? {} : { endpoint }),
    };
  }
}

export function isLoopbackUrl(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}
