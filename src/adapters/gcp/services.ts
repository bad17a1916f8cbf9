/** The services of Google: one line each. */

import type { ServiceDefinition } from '../../provisioning/service.ts';
import { storage } from './services/storage/definition.ts';

export const gcpServices: readonly ServiceDefinition[] = [storage];
