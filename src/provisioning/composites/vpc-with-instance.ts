/**
 * A network and an instance in it, as the machine of the seed document has it, word for word: its last state only fails,
 * and what was made by then is undone by the job.
 */

import type { ShippedComposite } from '../provisioning.ts';
import type { Params } from '../service.ts';

export const vpcWithInstance: ShippedComposite = {
  description: {
    cloud: 'aws',
    service: 'vpc-with-instance',
    title: 'A network with an instance in it, by the shortest machine that does it.',
    version: '1',
    params: {
      type: 'object',
      additionalProperties: false,
      properties: {
        name: { type: 'string', pattern: '^[a-z][a-z0-9-]{0,39}$', description: 'Name of the whole.' },
        vpc: { type: 'object', default: {}, description: 'Parameters of the network, as aws vpc has them.' },
        ec2: { type: 'object', default: {}, description: 'Parameters of the instance, as aws ec2 has them.' },
      },
    },
  },
  partsOf: ({ vpc = {}, ec2 = {} }) => [
    { cloud: 'aws', service: 'vpc', params: vpc as Params, from: (parameter) => `vpc/${parameter}` },
    { cloud: 'aws', service: 'ec2', params: ec2 as Params, from: (parameter) => `ec2/${parameter}` },
  ],
  definition: {
    StartAt: 'CreateVPC',
    States: {
      CreateVPC: {
        Type: 'Task',
        Resource: 'arn:aws:lambda:us-east-1:123:function:create-vpc',
        Next: 'ProvisionEC2',
      },
      ProvisionEC2: {
        Type: 'Task',
        Resource: 'arn:aws:lambda:us-east-1:123:function:provision-ec2',
        Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Rollback' }],
        End: true,
      },
      Rollback: { Type: 'Fail' },
    },
  },
};
