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
  const [{ startAwsEndpoint }, { awsServices }, { CLOUD_CONTENTS, SimulatedState }, { Faults }] = await Promise.all([
    import('../adapters/simulated-cloud/aws-endpoint.ts'),
    import('../adapters/simulated-cloud/aws-services.ts'),
    import('../adapters/simulated-cloud/simulated-state.ts'),
    import('../adapters/simulated-cloud/faults.ts'),
  ]);
  const { port, schemas, deny } = loaded.config.clouds.aws;
  const { control } = functions;
  const tenant = store.store(DEVELOPER.tenant);
  const state = new SimulatedState('aws', tenant.table(CLOUD_CONTENTS));
  const secretAccessKey = token === '' ? ACCESS_KEY_ID : token;
  return startAwsEndpoint({
    services: awsServices({ invoker: functions, control, store: tenant, state, clock, ids, redactor, schemas, deny }),
    accessKeyId: ACCESS_KEY_ID,
    secretAccessKey,
    control: { state, faults: new Faults(), token: secretAccessKey },
    principal: DEVELOPER,
    clock,
    ids,
    log,
    redactor,
    port,
  });
}
