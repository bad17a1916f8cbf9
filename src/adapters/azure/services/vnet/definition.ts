/** A virtual network with its subnets, all behind one security group that lets nobody in unless asked to. */

import { z } from 'zod';
import type { ServiceDefinition } from '../../../../provisioning/service.ts';
import { groupedName } from '../../azure-ids.ts';
import { PRICES_OF } from '../../azure-prices.ts';
import { AZURE_REGIONS, DEFAULT_REGION } from '../../azure-regions.ts';
import { groupName } from '../resource-group/definition.ts';

const cidr = z.string().regex(/^(?:\d{1,3}\.){3}\d{1,3}\/(?:[89]|[12]\d|3[0-2])$/, {
  error: 'a network is written like 10.0.0.0/16',
});
const partName = z.string().regex(/^[A-Za-z0-9][\w.-]{0,62}\w$|^[A-Za-z0-9]$/, {
  error: 'a name begins with a letter or digit and has up to 64 letters, digits, "_", "." and "-"',
});

const subnet = z.strictObject({
  name: partName.describe('Name of the subnet, unique in its network.'),
  prefix: cidr.describe('Its part of the address space: 10.0.1.0/24.'),
});

const inbound = z.strictObject({
  name: partName.describe('Name of the rule.'),
  port: z.int().min(1).max(65_535).describe('Port that is opened.'),
  protocol: z.enum(['Tcp', 'Udp']).default('Tcp').describe('Protocol that is let in.'),
  from: z.union([cidr, z.literal('0.0.0.0/0')]).describe('Network that may come in; 0.0.0.0/0 is the whole internet.'),
});

export const vnetParams = z.strictObject({
  networkName: partName.describe('Name of the network, unique in its resource group.'),
  resourceGroup: groupName.describe('Name of the resource group that it is made in, which must be there.'),
  region: z.enum(AZURE_REGIONS).exactOptional().describe(`Where the network is. Left out: ${DEFAULT_REGION}.`),
  addressSpace: z.array(cidr).min(1).max(8).default(['10.0.0.0/16']).describe('Private networks that it is made of.'),
  subnets: z
    .array(subnet)
    .min(1)
    .max(64)
    .default([{ name: 'default', prefix: '10.0.0.0/24' }])
    .describe('Subnets, each within the address space.'),
  inbound: z
    .array(inbound)
    .max(64)
    .default([])
    .describe('What may come in from outside of the network. Left out: nothing.'),
});

export type VnetParams = z.infer<typeof vnetParams>;

export const vnet: ServiceDefinition = {
  cloud: 'azure',
  service: 'vnet',
  title: 'A virtual network with subnets behind a security group that lets nobody in.',
  version: '1',
  params: vnetParams,
  regions: AZURE_REGIONS,
  defaultRegion: DEFAULT_REGION,
  idempotency: 'name',
  nameOf(params) {
    const { resourceGroup, networkName } = vnetParams.parse(params);
    return groupedName(resourceGroup, networkName);
  },
  stepsOf: () => [
    'create-security-group',
    'create-security-group-done',
    'await-security-group',
    'create-network',
    'finish-network',
    'await-network',
  ],
  estimate: () => ({
    monthlyUsd: 0,
    usage: ['0.01 USD per GB between availability zones, in each direction'],
    pricesOf: PRICES_OF,
  }),
  load: async () => ({ create: (await import('./provisioner.ts')).createVnetProvisioner }),
};
