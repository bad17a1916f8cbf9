/** Makes and removes tables. DynamoDB takes its time for each, so everything waits for it without holding anything. */

import {
  CreateTableCommand,
  DeleteTableCommand,
  DescribeContinuousBackupsCommand,
  DescribeTableCommand,
  DynamoDBClient,
  ListTagsOfResourceCommand,
  TagResourceCommand,
  UpdateContinuousBackupsCommand,
  UpdateTableCommand,
} from '@aws-sdk/client-dynamodb';
import type { CreateTableCommandInput, TableDescription } from '@aws-sdk/client-dynamodb';
import type { ProvisionContext, ProvisionRequest } from '../../../../provisioning/provisioner.ts';
import { cloudCodeOf } from '../../../../provisioning/resource-provisioner.ts';
import type {
  CreateProvisioner,
  Found,
  Outputs,
  ResourceKind,
  Tags,
} from '../../../../provisioning/resource-provisioner.ts';
import { ask, askFor, unseen } from '../../cloud-call.ts';
import { clientSettings } from '../../job-clients.ts';
import { awsProvisioner, tagList, tagsOfList } from '../../ownership.ts';
import { placeOf } from '../../regions.ts';
import type { DynamodbParams } from './definition.ts';

type Params = ProvisionRequest['params'];

/** A table is made, changed or deleted in seconds, a large one in minutes. */
const WAIT = { everyMs: 2_000, timeoutMs: 900_000 };
const ABSENT = ['ResourceNotFoundException', 'TableNotFoundException'];
/** Of a table that is just being made, and of stand-ins for AWS that know no backups. */
const NO_BACKUPS = [...ABSENT, 'ContinuousBackupsUnavailableException', 'UnknownOperationException'];
const BUSY = 'ResourceInUseException';

export const createTable: CreateProvisioner = (context, stepsOf) => awsProvisioner(TableKind, context, stepsOf);

class TableKind implements ResourceKind {
  readonly noun = 'table';
  readonly fixed = ['partitionKey', 'sortKey'];
  readonly taken = [BUSY];
  readonly isCreateExclusive = true;
  readonly #context: ProvisionContext;
  readonly #client: DynamoDBClient;
  readonly #table: { readonly TableName: string };
  readonly #region: string;
  readonly #params: Partial<DynamodbParams>;

  constructor(context: ProvisionContext, id: string, params: Params) {
    const { name, region } = placeOf(id);
    this.#context = context;
    this.#table = { TableName: name };
    this.#region = region;
    this.#params = params;
    this.#client = new DynamoDBClient(clientSettings(context, region));
  }

  async find(): Promise<Found | undefined> {
    const table = await this.#describe();
    if (table === undefined) return undefined;
    const { TableArn: arn = '', TableStatus: status } = table;
    const outputs = { tableName: this.#table.TableName, region: this.#region, arn };
    // Tags of a table that is going may be gone already.
    if (status === 'DELETING') return { tags: {}, outputs, settings: {}, isReady: false, isEnding: true };
    const [tags, backups] = await Promise.all([
      askFor('ListTagsOfResource', ABSENT, () => this.#tagsOf(arn)),
      askFor('DescribeContinuousBackups', NO_BACKUPS, () =>
        this.#client.send(new DescribeContinuousBackupsCommand(this.#table)),
      ),
    ]);
    if (tags === undefined) return undefined;
    // Tags come with the table and are shown a moment later: until then nobody knows whose it is.
    if (status === 'CREATING' && Object.keys(tags).length === 0) throw unseen('tag of the table');
    const recovery = backups?.ContinuousBackupsDescription?.PointInTimeRecoveryDescription;
    const settings = settingsOf(table, recovery?.PointInTimeRecoveryStatus === 'ENABLED');
    return { tags, outputs, settings, isReady: status === 'ACTIVE' };
  }

  async #describe(): Promise<TableDescription | undefined> {
    const answer = await askFor('DescribeTable', ABSENT, () =>
      this.#client.send(new DescribeTableCommand(this.#table)),
    );
    return answer?.Table;
  }

  async #tagsOf(ResourceArn: string): Promise<Tags> {
    const tags: Tags[] = [];
    for (let NextToken: string | undefined; ;) {
      const page = await this.#client.send(
        new ListTagsOfResourceCommand(NextToken === undefined ? { ResourceArn } : { ResourceArn, NextToken }),
      );
      tags.push(tagsOfList(page.Tags));
      if (page.NextToken === undefined) return Object.assign({}, ...tags) as Tags;
      ({ NextToken } = page);
    }
  }

  async create(tags: Tags): Promise<undefined> {
    const { partitionKey, sortKey, encryption, deletionProtection = false } = this.#params;
    const keys = [partitionKey, sortKey].filter((key) => key !== undefined);
    const input: CreateTableCommandInput = {
      ...this.#table,
      AttributeDefinitions: keys.map(({ name, type }) => ({ AttributeName: name, AttributeType: type })),
      KeySchema: keys.map(({ name }, index) => ({ AttributeName: name, KeyType: index === 0 ? 'HASH' : 'RANGE' })),
      BillingMode: 'PAY_PER_REQUEST',
      DeletionProtectionEnabled: deletionProtection,
      Tags: tagList(tags),
      ...(encryption === 'aws:kms' ? { SSESpecification: { Enabled: true, SSEType: 'KMS' } } : {}),
    };
    await ask('CreateTable', () => this.#client.send(new CreateTableCommand(input)));
  }

  async complete(): Promise<void> {
    if (this.#params.pointInTimeRecovery === true) await this.#setBackups();
  }

  /** Only a table that is there can be backed up. */
  async #setBackups(): Promise<void> {
    const { steps } = this.#context;
    await steps.until('await-active-table', () => this.#isActive(), WAIT);
    await steps.run('set-backups', async () => {
      const PointInTimeRecoveryEnabled = this.#params.pointInTimeRecovery === true;
      const PointInTimeRecoverySpecification = { PointInTimeRecoveryEnabled };
      await ask('UpdateContinuousBackups', () =>
        this.#client.send(new UpdateContinuousBackupsCommand({ ...this.#table, PointInTimeRecoverySpecification })),
      );
      return null;
    });
  }

  async #isActive(): Promise<true | undefined> {
    return (await this.#describe())?.TableStatus === 'ACTIVE' ? true : undefined;
  }

  async tag(tags: Tags): Promise<void> {
    const ResourceArn = (await this.#describe())?.TableArn;
    await ask('TagResource', () => this.#client.send(new TagResourceCommand({ ResourceArn, Tags: tagList(tags) })));
  }

  async change(different: ReadonlySet<string>): Promise<void> {
    const { encryption, deletionProtection = false } = this.#params;
    const changes = {
      ...(different.has('deletionProtection') ? { DeletionProtectionEnabled: deletionProtection } : {}),
      ...(different.has('encryption') ? { SSESpecification: encryptionOf(encryption) } : {}),
    };
    if (Object.keys(changes).length > 0)
      await this.#context.steps.until(
        'change-table',
        () =>
          this.#unlessBusy('UpdateTable', async () => {
            await this.#client.send(new UpdateTableCommand({ ...this.#table, ...changes }));
          }),
        WAIT,
      );
    if (different.has('pointInTimeRecovery')) await this.#setBackups();
  }

  /** A table that is still being made or changed cannot be deleted yet. */
  async remove(): Promise<void> {
    const send = async (): Promise<void> => {
      await this.#client.send(new DeleteTableCommand(this.#table));
    };
    await this.#context.steps.until('delete-table', () => this.#unlessBusy('DeleteTable', send), WAIT);
  }

  async #unlessBusy(operation: string, send: () => Promise<void>): Promise<true | undefined> {
    try {
      await askFor(operation, operation === 'DeleteTable' ? ABSENT : [], send);
      return true;
    } catch (error) {
      if (cloudCodeOf(error) === BUSY) return undefined;
      throw error;
    }
  }
}

function encryptionOf(encryption: DynamodbParams['encryption'] | undefined): { Enabled: boolean; SSEType?: 'KMS' } {
  return encryption === 'aws:kms' ? { Enabled: true, SSEType: 'KMS' } : { Enabled: false };
}

function settingsOf(table: TableDescription, pointInTimeRecovery: boolean): Outputs {
  const { KeySchema = [], AttributeDefinitions = [], SSEDescription, DeletionProtectionEnabled = false } = table;
  const keyOf = (type: 'HASH' | 'RANGE'): { name: string; type: string } | undefined => {
    const name = KeySchema.find(({ KeyType }) => KeyType === type)?.AttributeName;
    const definition = AttributeDefinitions.find(({ AttributeName }) => AttributeName === name);
    return name === undefined ? undefined : { name, type: definition?.AttributeType ?? 'S' };
  };
  const isKms = SSEDescription?.Status === 'ENABLED' || SSEDescription?.Status === 'ENABLING';
  const [partitionKey, sortKey] = [keyOf('HASH'), keyOf('RANGE')];
  return {
    ...(partitionKey === undefined ? {} : { partitionKey }),
    sortKey: sortKey ?? null,
    encryption: isKms ? 'aws:kms' : 'aws-owned',
    deletionProtection: DeletionProtectionEnabled,
    pointInTimeRecovery,
  };
}
