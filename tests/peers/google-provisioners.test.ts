/** The contract of provisioners against simulations of Google that nobody here wrote; the suite names their addresses. */

import { afterAll } from 'vitest';
import { createEgress } from '../../src/adapters/embedded/egress.ts';
import { systemClock } from '../../src/adapters/embedded/system.ts';
import { pubsub } from '../../src/adapters/gcp/services/pubsub/definition.ts';
import { storage } from '../../src/adapters/gcp/services/storage/definition.ts';
import type { CloudPlace } from '../../src/provisioning/provisioner.ts';
import { cloudProvisionerContract } from '../contract/cloud-provisioner.ts';
import type { CloudUnderTest } from '../contract/cloud-provisioner.ts';

const { PEER_GCS: gcs = '', PEER_PUBSUB: pubsubUrl = '' } = process.env;
const PROJECT = 'peer-project';
const egress = createEgress({ clock: systemClock });
afterAll(() => egress.close());

interface Listed {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** @param lists - Paths that list things, with the member that they come in. */
function peer(endpoint: string, lists: Readonly<Record<string, string>>): CloudUnderTest {
  const place: CloudPlace = {
    endpoint,
    label: 'simulated',
    egress,
    secrets: { get: () => Promise.resolve(undefined) },
    env: { GOOGLE_CLOUD_PROJECT: PROJECT, CLOUDSDK_AUTH_ACCESS_TOKEN: 'any' },
  };
  const written = (value: string): string => value.toLowerCase().replaceAll(/[^a-z0-9_-]/g, '-');
  return {
    place,
    written,
    advance: (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 50))),
    async owned(tenant) {
      const found: string[] = [];
      for (const [path, member] of Object.entries(lists)) {
        const body = (await (await fetch(endpoint + path)).json()) as Readonly<Record<string, readonly Listed[]>>;
        for (const { name, labels } of body[member] ?? [])
          if (labels?.['tenant'] === written(tenant)) found.push(`${member}/${name}`);
      }
      return found;
    },
  };
}

if (gcs !== '')
  cloudProvisionerContract(
    {
      definition: storage,
      region: 'us-central1',
      params: (bucketName) => ({ bucketName, versioning: true }),
      changed: (bucketName) => ({ bucketName, versioning: false, storageClass: 'NEARLINE' }),
    },
    () => peer(gcs, { [`/storage/v1/b?project=${PROJECT}`]: 'items' }),
  );

if (pubsubUrl !== '')
  cloudProvisionerContract(
    {
      definition: pubsub,
      params: (topicName) => ({ topicName, subscriptionName: `${topicName}-reader` }),
      changed: (topicName) => ({ topicName, subscriptionName: `${topicName}-reader`, ackDeadlineSeconds: 60 }),
      fixed: (topicName) => ({ topicName, subscriptionName: `${topicName}-reader`, ordering: true }),
    },
    () =>
      peer(pubsubUrl, {
        [`/v1/projects/${PROJECT}/topics`]: 'topics',
        [`/v1/projects/${PROJECT}/subscriptions`]: 'subscriptions',
      }),
  );
