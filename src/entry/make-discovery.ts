/** From a configuration to the sources of functions: this machine, and AWS where it was asked for. */

import { AwsClients, isLoopbackUrl } from '../adapters/aws/aws-clients.ts';
import { AwsFunctionDirectory } from '../adapters/aws/aws-function-directory.ts';
import { AwsFunctionInvoker } from '../adapters/aws/aws-function-invoker.ts';
import type { Config } from '../config/schema.ts';
import { PlatformError } from '../core/errors.ts';
import type { Clock, Egress, Logger } from '../core/ports.ts';
import type { AwsFunctions } from '../registry/discovery/function-sources.ts';

/** Where AWS is asked, once it is settled that it may be. */
export interface AwsPlace {
  /** Absent: the real service. */
  readonly endpoint?: string;
  /** Somebody said `--live`. */
  readonly isLive: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @param asks - Whether AWS is wanted at all, and whether `--live` was said.
 * @returns `undefined` when AWS is not to be asked.
 * @throws PlatformError `USAGE` for a place that is not on this machine without `--live`.
 */
export function awsPlace(
  config: Config,
  env: Environment,
  asks: { readonly isWanted: boolean; readonly isLive: boolean },
): AwsPlace | undefined {
  const { isLive } = asks;
  const configured = config.clouds.aws.endpoint;
  if (!isLive && !asks.isWanted && configured === undefined) return undefined;
  const endpoint = configured ?? (env['AWS_ENDPOINT_URL'] || undefined);
  if (!isLive && (endpoint === undefined || !isLoopbackUrl(endpoint))) {
    const where = endpoint === undefined ? 'AWS' : endpoint;
    throw new PlatformError(
      'USAGE',
      `Functions would be looked for at ${where}, which is not this machine. Add --live to allow it.`,
    );
  }
  return { isLive, ...(endpoint === undefined ? {} : { endpoint }) };
}

export function makeAwsFunctions(
  place: AwsPlace,
  parts: { readonly env: Environment; readonly egress: Egress; readonly clock: Clock; readonly log: Logger },
): AwsFunctions {
  const options = { ...parts, endpoint: place.endpoint };
  const clients = new AwsClients(options);
  const directory = new AwsFunctionDirectory(clients, options);
  return { directory, invoker: new AwsFunctionInvoker(clients, options), isLive: place.isLive };
}
