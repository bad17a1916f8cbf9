/** Every service of every cloud that ships with the product, and the composites made of them. */

import { awsServices } from '../adapters/aws/services.ts';
import { azureServices } from '../adapters/azure/services.ts';
import { gcpServices } from '../adapters/gcp/services.ts';
import { staticSite } from '../provisioning/composites/static-site.ts';
import { webStack } from '../provisioning/composites/web-stack.ts';
import { vpcWithInstance } from '../provisioning/composites/vpc-with-instance.ts';
import type { ShippedComposite } from '../provisioning/provisioning.ts';
import type { ServiceDefinition } from '../provisioning/service.ts';

export const cloudServices: readonly ServiceDefinition[] = [...awsServices, ...gcpServices, ...azureServices];

export const shippedComposites: readonly ShippedComposite[] = [vpcWithInstance, webStack, staticSite];
