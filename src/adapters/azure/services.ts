/** The services of Azure: one line each. */

import type { ServiceDefinition } from '../../provisioning/service.ts';
import { resourceGroup } from './services/resource-group/definition.ts';
import { storage } from './services/storage/definition.ts';
import { vnet } from './services/vnet/definition.ts';

export const azureServices: readonly ServiceDefinition[] = [resourceGroup, storage, vnet];
