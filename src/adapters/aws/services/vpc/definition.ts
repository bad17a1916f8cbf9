/** A network of EC2: with subnets, a way to the internet where wanted, and a security group. */

import { z } from 'zod';
import { textOf } from '../../../../core/json.ts';
import type { Params, ServiceDefinition } from '../../../../provisioning/service.ts';
import { estimated } from '../../prices.ts';
import { AWS_REGIONS, DEFAULT_REGION } from '../../regions.ts';
import { subnetNames } from './layout.ts';

const byte = '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';
const range = (bits: string): RegExp => new RegExp(`^${byte}\\.${byte}\\.${byte}\\.${byte}/${bits}$`);
const PORT = { min: 1, max: 65_535 };

const rule = z
  .strictObject({
    protocol: z.enum(['tcp', 'udp']).default('tcp').describe('Of the traffic.'),
    port: z.int().min(PORT.min).max(PORT.max).describe('Port, or the first of several.'),
    toPort: z.int().min(PORT.min).max(PORT.max).exactOptional().describe('The last of several.'),
    cidr: z
      .string()
      .regex(range('(?:[0-9]|[12]\\d|3[0-2])'), { error: 'a network is written like 10.0.0.0/8' })
      .describe('From where. 0.0.0.0/0 is everybody, and is never assumed.'),
  })
  .refine(({ port, toPort = port }) => toPort >= port, { error: 'toPort is not below port', path: ['toPort'] });

export const vpcParams = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, { error: 'a name has 1 to 64 letters, digits, ".", "_" and "-"' })
    .exactOptional()
    .describe('Name of the network, unique in the region. Left out: one is made of the request.'),
  region: z.enum(AWS_REGIONS).exactOptional().describe(`Where the network is. Left out: ${DEFAULT_REGION}.`),
  cidr: z
    .string()
    .regex(range('(?:1[6-9]|2[0-4])'), { error: 'addresses are written like 10.0.0.0/16, from /16 to /24' })
    .default('10.0.0.0/16')
    .describe('Addresses of the network; each subnet gets a sixteenth.'),
  publicSubnets: z.int().min(0).max(3).default(1).describe('Subnets with a way to the internet, a zone each.'),
  privateSubnets: z.int().min(0).max(3).default(0).describe('Subnets without one, a zone each.'),
  ingress: z
    .array(rule)
    .max(50)
    .default([])
    .describe('What the security group lets in. Nothing, unless it stands here.'),
});
export type VpcParams = z.infer<typeof vpcParams>;

function stepsOf(params: Params): readonly string[] {
  const { publicSubnets, privateSubnets, ingress } = params;
  const subnets = subnetNames({ publicSubnets: Number(publicSubnets), privateSubnets: Number(privateSubnets) });
  const isPublic = Number(publicSubnets) > 0;
  return [
    'create-network',
    'name-hosts',
    ...subnets.map((name) => `create-${name}`),
    ...(isPublic ? ['create-internet-gateway', 'attach-internet-gateway', 'create-route-table', 'route-subnets'] : []),
    'create-security-group',
    ...(Array.isArray(ingress) && ingress.length > 0 ? ['set-ingress'] : []),
    'await-network',
  ];
}

export const vpc: ServiceDefinition = {
  cloud: 'aws',
  service: 'vpc',
  title: 'A network with subnets, a way to the internet and a security group.',
  version: '1',
  params: vpcParams,
  regions: AWS_REGIONS,
  idempotency: 'lookup',
  nameOf: (params, requestId) => textOf(params['name']) || `vpc-${requestId}`,
  stepsOf,
  estimate: () => estimated(0, ['0.01 USD per GB between zones']),
  load: async () => {
    const { createNetwork } = await import('./provisioner.ts');
    return { create: (context) => createNetwork(context, stepsOf) };
  },
};
