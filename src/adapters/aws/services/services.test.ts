import { afterAll, beforeAll } from 'vitest';
import { cloudProvisionerContract } from '../../../../tests/contract/cloud-provisioner.ts';
import { s3 } from './s3/definition.ts';
import { simulatedAws } from './simulated-for-test.ts';
import type { SimulatedAws } from './simulated-for-test.ts';

let aws: SimulatedAws;

beforeAll(async () => {
  aws = await simulatedAws();
});

afterAll(() => aws.close());

cloudProvisionerContract(
  {
    definition: s3,
    region: 'eu-west-1',
    creates: 'CreateBucket',
    params: (bucketName) => ({ bucketName, versioning: true }),
    changed: (bucketName) => ({ bucketName, encryption: 'aws:kms' }),
  },
  () => aws,
);
