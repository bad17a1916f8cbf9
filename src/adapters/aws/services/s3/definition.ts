/** A bucket of S3. */

import { z } from 'zod';
import { textOf } from '../../../../core/json.ts';
import type { Params, ServiceDefinition } from '../../../../provisioning/service.ts';
import { estimated } from '../../prices.ts';
import { AWS_REGIONS, DEFAULT_REGION } from '../../regions.ts';

const NAME = /^(?!xn--|sthree-|\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]$/;

export const s3Params = z.strictObject({
  bucketName: z
    .string()
    .regex(NAME, { error: 'a bucket name has 3 to 63 lower-case letters, digits, "-" and single dots' })
    .describe('Name of the bucket, unique among all accounts of AWS.'),
  region: z.enum(AWS_REGIONS).exactOptional().describe(`Where its objects are kept. Left out: ${DEFAULT_REGION}.`),
  versioning: z.boolean().default(false).describe('Keeps what is overwritten or deleted as older versions.'),
  encryption: z
    .enum(['AES256', 'aws:kms'])
    .default('AES256')
    .describe('How objects are encrypted: with keys of S3, or with a key of KMS that AWS manages, at its price.'),
  forceDestroy: z
    .boolean()
    .default(false)
    .describe('Lets a destroy delete every object first. Otherwise a bucket that holds anything is left alone.'),
});
export type S3Params = z.infer<typeof s3Params>;

/** Every bucket is closed to the public; opening one is not offered. */
const stepsOf = (params: Params): readonly string[] => [
  'create-bucket',
  'block-public-access',
  'encrypt-bucket',
  ...(params['versioning'] === true ? ['keep-versions'] : []),
  'await-bucket',
];

export const s3: ServiceDefinition = {
  cloud: 'aws',
  service: 's3',
  title: 'A private, encrypted bucket for objects.',
  version: '1',
  params: s3Params,
  regions: AWS_REGIONS,
  defaultRegion: DEFAULT_REGION,
  idempotency: 'name',
  nameOf: (params) => textOf(params['bucketName']),
  stepsOf,
  estimate: () =>
    estimated(0, [
      '0.023 USD per GB and month stored',
      '0.005 USD per 1,000 writes and lists',
      '0.0004 USD per 1,000 reads',
    ]),
  load: async () => {
    const { createBucket } = await import('./provisioner.ts');
    return { create: (context) => createBucket(context, stepsOf) };
  },
};
