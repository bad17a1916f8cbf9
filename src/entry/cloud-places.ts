/**
 * How each cloud is reached: at the local endpoint that simulates it, at an address of the configuration, or, with
 * `--live`, where its vendor answers.
 */

import type { Config } from '../config/schema.ts';
import { isLoopback } from '../config/loopback.ts';
import { PlatformError } from '../core/errors.ts';
import type { Egress, SecretSource } from '../core/ports.ts';
import type { CloudName, CloudPlace } from '../provisioning/provisioner.ts';

/** A local endpoint, and what its clients find in their environment. */
export interface SimulatedCloud {
  readonly url: string;
  readonly ca?: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface CloudPlacesParts {
  readonly config: Config;
  readonly egress: Egress;
  readonly secrets: SecretSource;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isLive: boolean;
  /** The local endpoint of a cloud; it starts with the first job that goes there. */
  readonly simulated: (cloud: CloudName) => Promise<SimulatedCloud | undefined>;
}

/** Vendors' variables that name an address for every service. */
const ENDPOINT_VARIABLE: Partial<Record<CloudName, string>> = { aws: 'AWS_ENDPOINT_URL' };

/** Beyond the environment for clouds that want some credentials and check none. */
const PLACEHOLDERS: Readonly<Record<CloudName, Readonly<Record<string, string>>>> = {
  aws: { AWS_ACCESS_KEY_ID: 'zeroplane', AWS_SECRET_ACCESS_KEY: 'zeroplane' },
  gcp: { CLOUDSDK_AUTH_ACCESS_TOKEN: 'zeroplane', GOOGLE_CLOUD_PROJECT: 'zeroplane-dev' },
  azure: { AZURE_ACCESS_TOKEN: 'zeroplane', AZURE_SUBSCRIPTION_ID: '00000000-0000-0000-0000-000000000000' },
};

export class CloudPlaces {
  readonly #parts: CloudPlacesParts;
  /** One place per cloud, since clients and credentials are kept by it. */
  readonly #places = new Map<CloudName, Promise<CloudPlace>>();

  constructor(parts: CloudPlacesParts) {
    this.#parts = parts;
  }

  /** @throws PlatformError `CLOUD_DENIED` for an address that needs `--live`. */
  of(cloud: CloudName): Promise<CloudPlace> {
    const known = this.#places.get(cloud);
    if (known !== undefined) return known;
    const place = this.#make(cloud);
    this.#places.set(cloud, place);
    place.catch(() => this.#places.delete(cloud));
    return place;
  }

  labelOf(cloud: string): 'simulated' | 'live' {
    if (!isCloud(cloud)) return this.#parts.isLive ? 'live' : 'simulated';
    const endpoint = this.#endpointOf(cloud);
    const isLocal = endpoint === undefined ? !this.#parts.isLive : isLoopback(new URL(endpoint).hostname);
    return isLocal ? 'simulated' : 'live';
  }

  #endpointOf(cloud: CloudName): string | undefined {
    const { config, env } = this.#parts;
    const variable = ENDPOINT_VARIABLE[cloud];
    return config.clouds[cloud].endpoint ?? (variable === undefined ? undefined : env[variable] || undefined);
  }

  async #make(cloud: CloudName): Promise<CloudPlace> {
    const { egress, secrets, env, isLive, simulated } = this.#parts;
    const endpoint = this.#endpointOf(cloud);
    const label = this.labelOf(cloud);
    if (label === 'live') {
      if (!isLive) throw needsLive(cloud, endpoint);
      return { label, egress, secrets, env, ...(endpoint === undefined ? {} : { endpoint }) };
    }
    if (endpoint !== undefined) return { label, egress, secrets, env: { ...PLACEHOLDERS[cloud], ...env }, endpoint };
    const local = await simulated(cloud);
    if (local === undefined)
      throw new PlatformError('CLOUD_DENIED', `There is no local endpoint for ${cloud} in this instance.`, { cloud });
    // Real credentials have no business with a simulation, so only its own environment is shown.
    const base = { label, egress, secrets: NO_SECRETS, env: local.env, endpoint: local.url };
    return local.ca === undefined ? base : { ...base, ca: local.ca };
  }
}

const NO_SECRETS: SecretSource = { get: () => Promise.resolve(undefined) };

export const isCloud = (name: string): name is CloudName => name === 'aws' || name === 'gcp' || name === 'azure';

function needsLive(cloud: CloudName, endpoint: string | undefined): PlatformError {
  const where = endpoint ?? `the addresses of ${cloud}`;
  return new PlatformError(
    'CLOUD_DENIED',
    `Jobs of ${cloud} would go to ${where}, which is not this machine. Start with --live to allow it.`,
    { cloud },
  );
}
