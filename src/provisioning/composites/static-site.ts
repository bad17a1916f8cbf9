/** A bucket on one cloud and its copy on another; when the second cannot be made, the first is removed again. */

import { textOf } from '../../core/json.ts';
import type { ShippedComposite } from '../provisioning.ts';

export const staticSite: ShippedComposite = {
  description: {
    cloud: 'multi',
    service: 'static-site',
    title: 'A private bucket on AWS and its copy on Google Cloud, both or none.',
    version: '1',
    params: {
      type: 'object',
      additionalProperties: false,
      required: ['name'],
      properties: {
        name: {
          type: 'string',
          pattern: '^[a-z][a-z0-9-]{2,50}$',
          description: 'Name of the site; its buckets are called NAME and NAME-copy.',
        },
      },
    },
  },
  partsOf: (params) => {
    const name = textOf(params['name']);
    const from = (parameter: string): string => (parameter === 'bucketName' ? 'name' : parameter);
    return [
      { cloud: 'aws', service: 's3', params: { bucketName: name }, from },
      { cloud: 'gcp', service: 'storage', params: { bucketName: `${name}-copy` }, from },
    ];
  },
  definition: {
    Comment: 'A bucket on one cloud and its copy on another.',
    StartAt: 'MakeBucket',
    TimeoutSeconds: 3600,
    States: {
      MakeBucket: {
        Type: 'Task',
        Comment: 'compensation: RemoveBucket',
        Resource: 'zeroplane-provision',
        TimeoutSeconds: 600,
        Parameters: { cloud: 'aws', service: 's3', params: { 'bucketName.$': '$.params.name' } },
        ResultPath: '$.bucket',
        Next: 'MakeCopy',
      },
      MakeCopy: {
        Type: 'Task',
        Comment: 'no-compensation: it is the last, and the job removes what of it was made',
        Resource: 'zeroplane-provision',
        TimeoutSeconds: 600,
        Parameters: {
          cloud: 'gcp',
          service: 'storage',
          params: { 'bucketName.$': "States.Format('{}-copy', $.params.name)" },
        },
        ResultPath: '$.copy',
        Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.failure', Next: 'RemoveBucket' }],
        Next: 'Made',
      },
      Made: {
        Type: 'Pass',
        Parameters: { 'bucket.$': '$.bucket.outputs', 'copy.$': '$.copy.outputs' },
        End: true,
      },
      RemoveBucket: {
        Type: 'Task',
        Comment: 'no-compensation: it is one',
        Resource: 'zeroplane-destroy',
        TimeoutSeconds: 600,
        Parameters: { 'id.$': '$.bucket.id' },
        ResultPath: '$.removed',
        Next: 'Undone',
      },
      Undone: { Type: 'Fail', ErrorPath: '$.failure.Error', CausePath: '$.failure.Cause' },
    },
  },
};
