/** Tables of DynamoDB as they are kept, and as its API describes them. */

import { isObject } from '../../../core/json.ts';
import type { JsonValue } from '../../../core/ports.ts';
import { ACCOUNT, AwsError } from '../aws-service.ts';
import { objectsOf } from '../json-operations.ts';
import type { Body } from '../json-operations.ts';
import type { Value } from '../simulated-state.ts';

export const TABLE = 'dynamodb-table';
export const TABLE_ITEM = 'dynamodb-item';
export const INVALID = 'ValidationException';

export interface StoredTable extends Value {
  readonly name: string;
  readonly region: string;
  readonly tableId: string;
  readonly createdAtMs: number;
  /** Until then it is being made or changed. */
  readonly readyAtMs: number;
  readonly isNew: boolean;
  /** From then on it is gone; 0 while nobody deletes it. */
  readonly goneAtMs: number;
  readonly hasBackups: boolean;
  readonly tags: { readonly [key: string]: string };
  /** Members of CreateTable and UpdateTable that are given back as they came. */
  readonly definition: { readonly [member: string]: JsonValue };
}

/** Kept and described as they came. */
const KEPT = [
  'AttributeDefinitions',
  'KeySchema',
  'BillingMode',
  'ProvisionedThroughput',
  'GlobalSecondaryIndexes',
  'LocalSecondaryIndexes',
  'SSESpecification',
  'StreamSpecification',
  'DeletionProtectionEnabled',
  'TableClass',
];
/** What UpdateTable may change. */
export const CHANGEABLE = KEPT.filter((name) => !['KeySchema', 'LocalSecondaryIndexes'].includes(name));

function arnOf({ region, name }: Pick<StoredTable, 'region' | 'name'>): string {
  return `arn:aws:dynamodb:${region}:${ACCOUNT}:table/${name}`;
}

export function statusOf(table: StoredTable, nowMs: number): 'ACTIVE' | 'CREATING' | 'UPDATING' | 'DELETING' {
  if (table.goneAtMs > 0) return 'DELETING';
  if (nowMs >= table.readyAtMs) return 'ACTIVE';
  return table.isNew ? 'CREATING' : 'UPDATING';
}

/** `TableDescription`. */
export function descriptionOf(table: StoredTable, nowMs: number): Body {
  const { definition, name, tableId, createdAtMs } = table;
  const { SSESpecification, BillingMode, ProvisionedThroughput, TableClass, ...rest } = definition;
  const throughput = isObject(ProvisionedThroughput) ? ProvisionedThroughput : {};
  const isEncrypted = isObject(SSESpecification) && SSESpecification['Enabled'] === true;
  return {
    ...rest,
    TableName: name,
    TableArn: arnOf(table),
    TableId: tableId,
    TableStatus: statusOf(table, nowMs),
    CreationDateTime: createdAtMs / 1000,
    ItemCount: 0,
    TableSizeBytes: 0,
    ProvisionedThroughput: { ReadCapacityUnits: 0, WriteCapacityUnits: 0, NumberOfDecreasesToday: 0, ...throughput },
    ...(BillingMode === 'PAY_PER_REQUEST' ? { BillingModeSummary: { BillingMode } } : {}),
    ...(isEncrypted ? { SSEDescription: encryptionOf(table, SSESpecification) } : {}),
    ...(TableClass === undefined ? {} : { TableClassSummary: { TableClass } }),
  };
}

function encryptionOf({ region }: StoredTable, specification: Body): Body {
  const key = specification['KMSMasterKeyId'] ?? `arn:aws:kms:${region}:${ACCOUNT}:alias/aws/dynamodb`;
  return { Status: 'ENABLED', SSEType: 'KMS', KMSMasterKeyArn: key };
}

/** @throws AwsError `ValidationException` for what DynamoDB refuses. */
export function definitionOf(body: Body): { readonly [member: string]: JsonValue } {
  const names = new Set(objectsOf(body['AttributeDefinitions']).map((each) => each['AttributeName']));
  const schema = objectsOf(body['KeySchema']);
  const [first, ...more] = schema;
  if (first?.['KeyType'] !== 'HASH' || more.length > 1 || more.some((each) => each['KeyType'] !== 'RANGE'))
    throw invalid('Invalid KeySchema: one HASH element, then at most one RANGE element');
  for (const { AttributeName } of schema)
    if (!names.has(AttributeName)) throw invalid('Hash and range keys must be in AttributeDefinitions');
  const indexed = [...objectsOf(body['GlobalSecondaryIndexes']), ...objectsOf(body['LocalSecondaryIndexes'])];
  const used = [...schema, ...indexed.flatMap((index) => objectsOf(index['KeySchema']))];
  if (new Set(used.map((each) => each['AttributeName'])).size !== names.size)
    throw invalid('Some AttributeDefinitions are not used: they name attributes of keys only');
  if (body['BillingMode'] !== 'PAY_PER_REQUEST' && !isObject(body['ProvisionedThroughput']))
    throw invalid('No provisioned throughput specified for the table');
  if (body['BillingMode'] === 'PAY_PER_REQUEST' && isObject(body['ProvisionedThroughput']))
    throw invalid(
      'Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST',
    );
  return keptOf(body, KEPT);
}

export function keptOf(body: Body, names: readonly string[]): { readonly [member: string]: JsonValue } {
  return Object.fromEntries(
    names.flatMap((name) => (body[name] === undefined ? [] : [[name, body[name] as JsonValue]])),
  );
}

/** @throws AwsError `ValidationException`. */
export function tagsOf(value: unknown): Record<string, string> {
  const tags = new Map<string, string>();
  for (const { Key, Value } of objectsOf(value)) {
    if (typeof Key !== 'string' || typeof Value !== 'string' || Key === '' || Key.startsWith('aws:'))
      throw invalid('A tag has a Key, which does not begin with aws:, and a Value');
    tags.set(Key, Value);
  }
  if (tags.size > 50) throw invalid('A resource has at most 50 tags');
  return Object.fromEntries(tags);
}

export function invalid(message: string): AwsError {
  return new AwsError(INVALID, `One or more parameter values were invalid: ${message}`);
}

export function notFound(name: string): AwsError {
  return new AwsError('ResourceNotFoundException', `Requested resource not found: Table: ${name} not found`);
}

export function inUse(name: string, status: string): AwsError {
  return new AwsError(
    'ResourceInUseException',
    `Attempt to change a resource which is still in use: Table ${name} is ${status}`,
  );
}
