/** Every service of the local AWS endpoint, over the functions and the store of this machine. */

import type { FunctionControl } from '../../core/function-control.ts';
import type { Clock, FunctionInvoker, IdSource, TenantStore } from '../../core/ports.ts';
import type { Redactor } from '../../core/redact.ts';
import type { AwsService } from './aws-service.ts';
import { DynamoDbService } from './dynamodb/service.ts';
import { Ec2Service } from './ec2/service.ts';
import { IamService } from './iam.ts';
import type { DeniedAction } from './lambda/denials.ts';
import { LambdaService } from './lambda/service.ts';
import { readObject } from './s3/objects.ts';
import { S3Service } from './s3/service.ts';
import { SCHEMAS, SchemaRegistry } from './schema-registry.ts';
import { SchemasService } from './schemas.ts';
import type { Held, SimulatedState } from './simulated-state.ts';
import { SqsService } from './sqs/service.ts';
import { StsService } from './sts.ts';
import { TaggingService } from './tagging.ts';

export interface AwsServicesParts {
  readonly invoker: FunctionInvoker;
  readonly control: FunctionControl;
  readonly store: TenantStore;
  /** What the simulated services hold. */
  readonly state: SimulatedState;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly redactor: Redactor;
  /** Folder of JSON Schemas, `REGISTRY/NAME.json` each. */
  readonly schemas: string | undefined;
  readonly deny: readonly DeniedAction[];
}

export function awsServices(parts: AwsServicesParts): readonly AwsService[] {
  const { invoker, control, store, state, clock, ids, redactor, schemas, deny } = parts;
  const registry = new SchemaRegistry({ folder: schemas, table: store.table(SCHEMAS), clock });
  return [
    new LambdaService({
      invoker,
      control,
      deny,
      redactor,
      readObject: (at) => readObject({ state, blobs: store.blobs }, at),
    }),
    new TaggingService(control),
    new SchemasService(registry),
    new StsService(),
    new IamService(deny, { state, clock, ids }),
    new S3Service({ state, blobs: store.blobs, clock, ids }),
    new DynamoDbService({ state, clock, ids }),
    new SqsService({ state, clock }),
    new Ec2Service({ state, clock, ids }),
  ];
}

/** Functions that were made through the API, as contents of the cloud; those of the configuration are no cloud's. */
export async function heldFunctions(control: FunctionControl): Promise<readonly Held[]> {
  const created = (await control.list()).filter(({ executes }) => !executes);
  return created.map(({ name, arn, runtime, role, tags }) => ({
    kind: 'lambda-function',
    id: name,
    value: { arn, runtime, role, tags },
  }));
}
