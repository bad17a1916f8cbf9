/** An instance of EC2, with an address of its own where wanted. */

import { z } from 'zod';
import { textOf } from '../../../../core/json.ts';
import type { Params, ServiceDefinition } from '../../../../provisioning/service.ts';
import { ADDRESS_HOUR, INSTANCE_HOUR, INSTANCE_TYPES, VOLUME_MONTH, estimated, perMonth } from '../../prices.ts';
import { AWS_REGIONS, DEFAULT_REGION } from '../../regions.ts';

export const ec2Params = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,64}$/, { error: 'a name has 1 to 64 letters, digits, ".", "_" and "-"' })
      .exactOptional()
      .describe('Name of the instance, unique in the region. Left out: one is made of the request.'),
    region: z.enum(AWS_REGIONS).exactOptional().describe(`Where the instance runs. Left out: ${DEFAULT_REGION}.`),
    instanceType: z.enum(INSTANCE_TYPES).default('t3.micro').describe('Size of the machine.'),
    imageId: z
      .string()
      .regex(/^ami-[0-9a-f]{8,17}$/, { error: 'an image is named like ami-0123456789abcdef0' })
      .exactOptional()
      .describe('What is on its disk at first. Left out: the newest Amazon Linux 2023.'),
    subnetId: z
      .string()
      .regex(/^subnet-[0-9a-f]{8,17}$/, { error: 'a subnet is named like subnet-0123456789abcdef0' })
      .exactOptional()
      .describe('Subnet that it is in.'),
    network: z
      .string()
      .regex(/^aws:[a-z0-9-]+:vpc:[A-Za-z0-9._-]+$/, {
        error: 'not the id of a network, which reads aws:REGION:vpc:NAME',
      })
      .exactOptional()
      .describe('Id of a network that was provisioned here; its first subnet and its security group are taken.'),
    securityGroupIds: z
      .array(z.string().regex(/^sg-[0-9a-f]{8,17}$/, { error: 'a group is named like sg-0123456789abcdef0' }))
      .max(5)
      .default([])
      .describe("Groups that say what is let in. Left out: the network's own."),
    keyName: z.string().min(1).max(255).exactOptional().describe('Key pair of EC2 for signing in over SSH.'),
    volumeGb: z.int().min(8).max(1_024).default(8).describe('Size of its disk, which is always encrypted.'),
    publicAddress: z.boolean().default(false).describe('Gives it a fixed public address. Otherwise it has none.'),
  })
  .refine(({ subnetId, network }) => subnetId === undefined || network === undefined, {
    error: 'name a subnet or a network, not both',
    path: ['network'],
  });
export type Ec2Params = z.infer<typeof ec2Params>;

const stepsOf = (params: Params): readonly string[] => [
  'choose-image',
  'choose-subnet',
  'create-instance',
  'await-running-instance',
  ...(params['publicAddress'] === true ? ['create-address', 'associate-address'] : []),
  'await-instance',
];

export const ec2: ServiceDefinition = {
  cloud: 'aws',
  service: 'ec2',
  title: 'A virtual machine with an encrypted disk, with a fixed public address where wanted.',
  version: '1',
  params: ec2Params,
  regions: AWS_REGIONS,
  idempotency: 'token',
  nameOf: (params, requestId) => textOf(params['name']) || `ec2-${requestId}`,
  stepsOf,
  estimate: (params) => {
    const type = INSTANCE_TYPES.find((each) => each === params['instanceType']) ?? 't3.micro';
    const disk = Number(params['volumeGb'] ?? 8) * VOLUME_MONTH;
    const address = params['publicAddress'] === true ? perMonth(ADDRESS_HOUR) : 0;
    return estimated(perMonth(INSTANCE_HOUR[type]) + disk + address, ['0.09 USD per GB sent to the internet']);
  },
  load: async () => {
    const { createInstance } = await import('./provisioner.ts');
    return { create: (context) => createInstance(context, stepsOf) };
  },
};
