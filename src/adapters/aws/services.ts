/** The services of AWS: one line each. */

import type { ServiceDefinition } from '../../provisioning/service.ts';
import { dynamodb } from './services/dynamodb/definition.ts';
import { ec2 } from './services/ec2/definition.ts';
import { iamRole } from './services/iam-role/definition.ts';
import { lambda } from './services/lambda/definition.ts';
import { s3 } from './services/s3/definition.ts';
import { sqs } from './services/sqs/definition.ts';
import { vpc } from './services/vpc/definition.ts';

export const awsServices: readonly ServiceDefinition[] = [s3, dynamodb, sqs, iamRole, vpc, ec2, lambda];
