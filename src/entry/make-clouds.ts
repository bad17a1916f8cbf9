/** The local stand-ins for clouds, as the configuration asks for them. */

import type { AwsEndpoint } from '../adapters/simulated-cloud/aws-endpoint.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Clock, IdSource, Logger, StoreRoot } from '../core/ports.ts';
import type { Redactor } from '../core/redact.ts';
import type { FunctionRuntime } from '../functions/function-runtime.ts';
import { ACCESS_KEY_ID, DEVELOPER } from '../http/authenticate.ts';

export interface CloudsParts {
  readonly loaded: LoadedConfig;
  readonly functions: FunctionRuntime;
  readonly store: StoreRoot;
  /** Signs requests; without a token the access key id does. */
  readonly token: string;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly redactor: Redactor;
}

/** Loaded when it is started: nothing of it is needed before. */
export async function startClouds(parts: CloudsParts): Promise<AwsEndpoint> {
  const { loaded, functions, store, token, clock, ids, log, redactor } = parts;
  const [{ startAwsEndpoint }, { awsServices }] = await Promise.all([
    import('../adapters/simulated-cloud/aws-endpoint.ts'),
    import('../adapters/simulated-cloud/aws-services.ts'),
  ]);
  const { port, schemas, deny } = loaded.config.clouds.aws;
  const { control } = functions;
  const tenant = store.store(DEVELOPER.tenant);
  return startAwsEndpoint({
    services: awsServices({ invoker: functions, control, store: tenant, clock, redactor, schemas, deny }),
    accessKeyId: ACCESS_KEY_ID,
    secretAccessKey: token === '' ? ACCESS_KEY_ID : token,
    principal: DEVELOPER,
    clock,
    ids,
    log,
    redactor,
    port,
  });
}
