/** A table of DynamoDB. */

import { z } from 'zod';
import { textOf } from '../../../../core/json.ts';
import type { Params, ServiceDefinition } from '../../../../provisioning/service.ts';
import { estimated } from '../../prices.ts';
import { AWS_REGIONS, DEFAULT_REGION } from '../../regions.ts';

const key = z.strictObject({
  name: z.string().min(1).max(255).describe('Name of the attribute.'),
  type: z.enum(['S', 'N', 'B']).default('S').describe('Type of its values: text, number or bytes.'),
});

export const dynamodbParams = z.strictObject({
  tableName: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{3,255}$/, { error: 'a table name has 3 to 255 letters, digits, "_", "-" and dots' })
    .describe('Name of the table, unique in the region.'),
  region: z.enum(AWS_REGIONS).exactOptional().describe(`Where the table is. Left out: ${DEFAULT_REGION}.`),
  partitionKey: key.describe('The attribute that spreads items over partitions.'),
  sortKey: key.exactOptional().describe('The attribute that orders the items of a partition.'),
  pointInTimeRecovery: z
    .boolean()
    .default(true)
    .describe('Keeps backups of every second of the last 35 days, at their price.'),
  encryption: z
    .enum(['aws-owned', 'aws:kms'])
    .default('aws-owned')
    .describe('Whose key encrypts the items: one of DynamoDB, or one of KMS that AWS manages, at its price.'),
  deletionProtection: z
    .boolean()
    .default(false)
    .describe('Refuses every deletion, a rollback of ours too, until an update takes it back.'),
});
export type DynamodbParams = z.infer<typeof dynamodbParams>;

const stepsOf = (params: Params): readonly string[] => [
  'create-table',
  ...(params['pointInTimeRecovery'] === true ? ['await-active-table', 'set-backups'] : []),
  'await-table',
];

export const dynamodb: ServiceDefinition = {
  cloud: 'aws',
  service: 'dynamodb',
  title: 'A table of DynamoDB, paid by request, with backups.',
  version: '1',
  params: dynamodbParams,
  regions: AWS_REGIONS,
  defaultRegion: DEFAULT_REGION,
  idempotency: 'name',
  nameOf: (params) => textOf(params['tableName']),
  stepsOf,
  estimate: (params) =>
    estimated(0, [
      '0.625 USD per million writes',
      '0.125 USD per million reads',
      '0.25 USD per GB and month stored',
      ...(params['pointInTimeRecovery'] === true ? ['0.20 USD per GB and month of backups'] : []),
    ]),
  load: async () => {
    const { createTable } = await import('./provisioner.ts');
    return { create: (context) => createTable(context, stepsOf) };
  },
};
