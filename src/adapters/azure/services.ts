/** The services of Azure: one line each. */

import type { ServiceDefinition } from '../../provisioning/service.ts';
import { resourceGroup } from './services/resource-group/definition.ts';

export const azureServices: readonly ServiceDefinition[] = [resourceGroup];
