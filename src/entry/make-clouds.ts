/** The local stand-ins for clouds, as the configuration asks for them. */

import type { AwsEndpoint } from '../adapters/simulated-cloud/aws-endpoint.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Clock, IdSource, Logger } from '../core/ports.ts';
import type { Redactor } from '../core/redact.ts';
import type { FunctionRuntime } from '../functions/function-runtime.ts';
import { ACCESS_KEY_ID, DEVELOPER } from '../http/authenticate.ts';

export interface CloudsParts {
  readonly loaded: LoadedConfig;
  readonly functions: FunctionRuntime;
  /** Signs requests; without a token the access key id does. */
  readonly token: string;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly redactor: Redactor;
}

/** Loaded when it is started: nothing of it is needed before. */
export async function startClouds(parts: CloudsParts): Promise<AwsEndpoint> {
  const { loaded, functions, token, clock, ids, log, redactor } = parts;
  const [{ startAwsEndpoint }, { LambdaService }, { TaggingService }, { SchemasService }, { StsService }] =
    await Promise.all([
      import('../adapters/simulated-cloud/aws-endpoint.ts'),
      import('../adapters/simulated-cloud/lambda/service.ts'),
      import('../adapters/simulated-cloud/tagging.ts'),
      import('../adapters/simulated-cloud/schemas.ts'),
      import('../adapters/simulated-cloud/sts.ts'),
    ]);
  const { port, schemas, deny } = loaded.config.clouds.aws;
  return startAwsEndpoint({
    services: [
      new LambdaService({ invoker: functions, control: functions.control, deny, redactor }),
      new TaggingService(functions.control),
      new SchemasService(schemas),
      new StsService(),
    ],
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
