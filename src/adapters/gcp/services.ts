/** The services of Google: one line each. */

import type { ServiceDefinition } from '../../provisioning/service.ts';
import { cloudRun } from './services/cloud-run/definition.ts';
import { pubsub } from './services/pubsub/definition.ts';
import { storage } from './services/storage/definition.ts';

export const gcpServices: readonly ServiceDefinition[] = [storage, pubsub, cloudRun];
