import { afterAll, beforeAll } from 'vitest';
import { cloudProvisionerContract } from '../../../tests/contract/cloud-provisioner.ts';
import { simulatedGcp } from '../simulated-cloud/cloud-for-test.ts';
import type { SimulatedCloud } from '../simulated-cloud/cloud-for-test.ts';
import type { GcpEndpoint } from '../simulated-cloud/gcp/gcp-endpoint.ts';
import { cloudRun } from './services/cloud-run/definition.ts';
import { pubsub } from './services/pubsub/definition.ts';
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

cloudProvisionerContract(
  {
    definition: pubsub,
    creates: 'topics.create',
    params: (topicName) => ({ topicName, subscriptionName: `${topicName}-reader` }),
    changed: (topicName) => ({ topicName, subscriptionName: `${topicName}-reader`, ackDeadlineSeconds: 60 }),
    fixed: (topicName) => ({ topicName, subscriptionName: `${topicName}-reader`, ordering: true }),
  },
  () => gcp,
);

const image = 'us-docker.pkg.dev/cloudrun/container/hello';

cloudProvisionerContract(
  {
    definition: cloudRun,
    region: 'europe-west1',
    creates: 'services.create',
    params: (serviceName) => ({ serviceName, image, publicAccess: true }),
    changed: (serviceName) => ({ serviceName, image, memoryMb: 1024, maxInstances: 3 }),
  },
  () => gcp,
);
