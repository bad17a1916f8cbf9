/** A bucket of Cloud Storage: closed to the public, with uniform access, encrypted by Google's keys or one's own. */

import { z } from 'zod';
import type { ServiceDefinition } from '../../../../provisioning/service.ts';
import { projectParam } from '../../google-params.ts';
import { MULTI_REGION_GB_MONTH, PRICES_OF, STORAGE_GB_MONTH } from '../../google-prices.ts';
import { DEFAULT_REGION, GOOGLE_REGIONS, MULTI_REGIONS } from '../../google-regions.ts';

const LOCATIONS = [...GOOGLE_REGIONS, ...MULTI_REGIONS];

export const storageParams = z.strictObject({
  bucketName: z
    .string()
    .regex(/^(?!goog)[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$/, {
      error: 'a bucket name has 3 to 63 lower-case letters, digits, "-" and "_", and does not begin with "goog"',
    })
    .describe('Name of the bucket, unique in all of Google Cloud: 3 to 63 lower-case letters, digits, "-" and "_".'),
  region: z.enum(LOCATIONS).exactOptional().describe(`Where the objects lie. Left out: ${DEFAULT_REGION}.`),
  project: projectParam,
  storageClass: z
    .enum(['STANDARD', 'NEARLINE', 'COLDLINE', 'ARCHIVE'])
    .default('STANDARD')
    .describe('How often objects are read: the colder, the cheaper to keep and the dearer to read.'),
  versioning: z.boolean().default(false).describe('Keeps what an object was before it was overwritten or deleted.'),
  kmsKeyName: z
    .string()
    .regex(/^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+$/, {
      error: 'a key is written like projects/P/locations/L/keyRings/R/cryptoKeys/K',
    })
    .exactOptional()
    .describe('Key of Cloud KMS that objects are encrypted with. Left out: a key that Google keeps.'),
  forceDestroy: z
    .boolean()
    .default(false)
    .describe('Lets a destroy delete every object first. Otherwise a bucket that holds anything is left alone.'),
});

export type StorageParams = z.infer<typeof storageParams>;

export const storage: ServiceDefinition = {
  cloud: 'gcp',
  service: 'storage',
  title: 'A Cloud Storage bucket with uniform access and public access prevented.',
  version: '1',
  params: storageParams,
  regions: LOCATIONS,
  defaultRegion: DEFAULT_REGION,
  idempotency: 'name',
  nameOf: (params) => storageParams.parse(params).bucketName,
  stepsOf: () => ['create-bucket', 'await-bucket'],
  estimate(params, region = DEFAULT_REGION) {
    const { storageClass } = storageParams.parse(params);
    const isMulti = MULTI_REGIONS.some((each) => each === region);
    const price = (isMulti ? MULTI_REGION_GB_MONTH : STORAGE_GB_MONTH)[storageClass] ?? 0;
    return { monthlyUsd: 0, usage: [`${price} USD per GB and month stored (${storageClass})`], pricesOf: PRICES_OF };
  },
  load: async () => ({ create: (await import('./provisioner.ts')).createStorageProvisioner }),
};
