/** A network with a subnet and a security group, a server in it and its public address: all of it, or nothing. */

import type { ShippedComposite } from '../provisioning.ts';

export const webStack: ShippedComposite = {
  description: {
    cloud: 'aws',
    service: 'web-stack',
    title: 'A network, a server in it and its public address: all of it, or nothing.',
    version: '1',
    regions: ['us-east-1', 'us-west-2', 'eu-west-1', 'eu-central-1'],
    params: {
      type: 'object',
      additionalProperties: false,
      required: ['name'],
      properties: {
        name: { type: 'string', pattern: '^[a-z][a-z0-9-]{0,39}$', description: 'Name of the stack and its parts.' },
        region: { type: 'string', description: 'Where it is made.' },
        cidr: { type: 'string', default: '10.0.0.0/16', description: 'Addresses of the network.' },
        instanceType: { type: 'string', default: 't3.micro', description: 'Size of the server.' },
      },
    },
  },
  partsOf: ({ name = '', cidr = '', instanceType = '' }) => [
    { cloud: 'aws', service: 'vpc', params: { name, cidr } },
    { cloud: 'aws', service: 'ec2', params: { name, instanceType, publicAddress: true } },
  ],
  definition: {
    Comment: 'Network, then server with address; on failure in the reverse order back to nothing.',
    StartAt: 'MakeNetwork',
    TimeoutSeconds: 7200,
    States: {
      MakeNetwork: {
        Type: 'Task',
        Comment: 'compensation: RemoveNetwork',
        Resource: 'zeroplane-provision',
        TimeoutSeconds: 1800,
        Parameters: {
          cloud: 'aws',
          service: 'vpc',
          'region.$': '$.job.region',
          params: { 'name.$': '$.params.name', 'cidr.$': '$.params.cidr' },
        },
        ResultPath: '$.network',
        Next: 'MakeServer',
      },
      MakeServer: {
        Type: 'Task',
        Comment: 'compensation: RemoveServer',
        Resource: 'zeroplane-provision',
        TimeoutSeconds: 3600,
        Parameters: {
          cloud: 'aws',
          service: 'ec2',
          'region.$': '$.job.region',
          params: {
            'name.$': '$.params.name',
            'instanceType.$': '$.params.instanceType',
            'subnetId.$': '$.network.outputs.subnetIds[0]',
            'securityGroupIds.$': 'States.Array($.network.outputs.securityGroupId)',
            publicAddress: true,
          },
        },
        ResultPath: '$.server',
        Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.failure', Next: 'RemoveServer' }],
        Next: 'Made',
      },
      Made: {
        Type: 'Pass',
        Parameters: { 'network.$': '$.network.outputs', 'server.$': '$.server.outputs' },
        End: true,
      },
      RemoveServer: {
        Type: 'Task',
        Comment: 'no-compensation: it is one',
        Resource: 'zeroplane-destroy',
        TimeoutSeconds: 1800,
        Parameters: { 'id.$': "States.Format('aws:{}:ec2:{}', $.job.region, $.params.name)" },
        ResultPath: '$.removed',
        Next: 'RemoveNetwork',
      },
      RemoveNetwork: {
        Type: 'Task',
        Comment: 'no-compensation: it is one',
        Resource: 'zeroplane-destroy',
        TimeoutSeconds: 1800,
        Parameters: { 'id.$': '$.network.id' },
        ResultPath: '$.removed',
        Next: 'Undone',
      },
      Undone: { Type: 'Fail', ErrorPath: '$.failure.Error', CausePath: '$.failure.Cause' },
    },
  },
};
