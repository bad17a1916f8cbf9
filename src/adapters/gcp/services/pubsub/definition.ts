/** A topic of Pub/Sub, with a subscription when one is named. */

import { z } from 'zod';
import type { ServiceDefinition } from '../../../../provisioning/service.ts';
import { projectName } from '../../google-names.ts';
import { projectParam } from '../../google-params.ts';
import { PRICES_OF, PUBSUB_TIB } from '../../google-prices.ts';

const NAME = /^(?!goog)[A-Za-z][A-Za-z0-9._~+-]{2,254}$/;
const name = z.string().regex(NAME, { error: 'a name has 3 to 255 letters, digits, ".", "_", "~", "+" and "-"' });

export const pubsubParams = z.strictObject({
  topicName: name.describe('Name of the topic, unique in its project.'),
  project: projectParam,
  subscriptionName: name.exactOptional().describe('Name of a subscription to the topic. Left out: none is made.'),
  ackDeadlineSeconds: z
    .int()
    .min(10)
    .max(600)
    .default(10)
    .describe('How long a subscriber has for a message before it is delivered again.'),
  messageRetentionSeconds: z
    .int()
    .min(600)
    .max(2_678_400)
    .default(604_800)
    .describe('How long the subscription keeps messages that nobody has acknowledged.'),
  ordering: z
    .boolean()
    .default(false)
    .describe('Whether messages with one key arrive in order. It cannot be changed later.'),
});

export type PubsubParams = z.infer<typeof pubsubParams>;

export const pubsub: ServiceDefinition = {
  cloud: 'gcp',
  service: 'pubsub',
  title: 'A Pub/Sub topic, with a subscription.',
  version: '1',
  params: pubsubParams,
  idempotency: 'name',
  nameOf(params) {
    const { project, topicName } = pubsubParams.parse(params);
    return projectName(project, topicName);
  },
  stepsOf: (params) => [
    'create-topic',
    ...(params['subscriptionName'] === undefined ? [] : ['create-subscription']),
    'await-topic',
  ],
  estimate: () => ({
    monthlyUsd: 0,
    usage: [`${PUBSUB_TIB} USD per TiB published and delivered, after 10 GiB a month`],
    pricesOf: PRICES_OF,
  }),
  load: async () => ({ create: (await import('./provisioner.ts')).createPubsubProvisioner }),
};
