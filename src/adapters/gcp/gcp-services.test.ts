import { afterAll, beforeAll } from 'vitest';
import { cloudProvisionerContract } from '../../../tests/contract/cloud-provisioner.ts';
import { simulatedGcp } from '../simulated-cloud/cloud-for-test.ts';
import type { SimulatedCloud } from '../simulated-cloud/cloud-for-test.ts';
import type { GcpEndpoint } from '../simulated-cloud/gcp/gcp-endpoint.ts';
import { storage } from './services/storage/definition.ts';

let gcp: SimulatedCloud<GcpEndpoint>;

beforeAll(async () => {
  gcp = await simulatedGcp();
});

afterAll(() => gcp.close());

cloudProvisionerContract(
  {
    definition: storage,
    region: 'europe-west1',
    creates: 'buckets.insert',
    params: (bucketName) => ({ bucketName, versioning: true }),
    changed: (bucketName) => ({ bucketName, versioning: false, storageClass: 'NEARLINE' }),
  },
  () => gcp,
);
