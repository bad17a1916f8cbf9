/** The services of AWS: one line each. */

import type { ServiceDefinition } from '../../provisioning/service.ts';
import { s3 } from './services/s3/definition.ts';

export const awsServices: readonly ServiceDefinition[] = [s3];
