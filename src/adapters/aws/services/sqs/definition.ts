/** A queue of SQS, with a queue for its dead letters. */

import { z } from 'zod';
import { textOf } from '../../../../core/json.ts';
import type { Params, ServiceDefinition } from '../../../../provisioning/service.ts';
import { estimated } from '../../prices.ts';
import { AWS_REGIONS, DEFAULT_REGION } from '../../regions.ts';

export const sqsParams = z.strictObject({
  queueName: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,70}$/, { error: 'a queue name has 1 to 70 letters, digits, "_" and "-"' })
    .describe('Name of the queue, unique in the region; `.fifo` is added to that of an ordered one.'),
  region: z.enum(AWS_REGIONS).exactOptional().describe(`Where the queue is. Left out: ${DEFAULT_REGION}.`),
  fifo: z.boolean().default(false).describe('Keeps the order of messages, and delivers each once.'),
  visibilityTimeoutSeconds: z
    .int()
    .min(0)
    .max(43_200)
    .default(30)
    .describe('How long a message that was received is hidden from others.'),
  retentionSeconds: z.int().min(60).max(1_209_600).default(345_600).describe('How long an unread message is kept.'),
  maxReceives: z
    .int()
    .min(1)
    .max(1_000)
    .exactOptional()
    .describe('After so many deliveries a message goes to a second queue, NAME-dead. Left out: there is none.'),
});
export type SqsParams = z.infer<typeof sqsParams>;

const stepsOf = (params: Params): readonly string[] => [
  'create-queue',
  ...(params['maxReceives'] === undefined ? [] : ['create-dead-letter-queue', 'set-dead-letters']),
  'await-queue',
];

export const sqs: ServiceDefinition = {
  cloud: 'aws',
  service: 'sqs',
  title: 'An encrypted queue of SQS, with a second one for dead letters where wanted.',
  version: '1',
  params: sqsParams,
  regions: AWS_REGIONS,
  defaultRegion: DEFAULT_REGION,
  idempotency: 'name',
  nameOf: (params) => `${textOf(params['queueName'])}${params['fifo'] === true ? '.fifo' : ''}`,
  stepsOf,
  estimate: (params) => estimated(0, [`${params['fifo'] === true ? '0.50' : '0.40'} USD per million requests`]),
  load: async () => {
    const { createQueue } = await import('./provisioner.ts');
    return { create: (context) => createQueue(context, stepsOf) };
  },
};
