/** DynamoDB: tables with the time that they take to be made, changed and deleted, and items by their keys. */

import { isObject } from '../../../core/json.ts';
import type { Clock, IdSource, JsonValue } from '../../../core/ports.ts';
import { AwsError } from '../aws-service.ts';
import type { AwsReply, AwsRequest, AwsService } from '../aws-service.ts';
import { answerJson, objectsOf, requiredText, targetOf, textsOf } from '../json-operations.ts';
import type { Body, JsonOperation } from '../json-operations.ts';
import type { SimulatedState } from '../simulated-state.ts';
import {
  CHANGEABLE,
  INVALID,
  TABLE,
  TABLE_ITEM,
  definitionOf,
  descriptionOf,
  inUse,
  invalid,
  keptOf,
  notFound,
  statusOf,
  tagsOf,
} from './tables.ts';
import type { StoredTable } from './tables.ts';

export interface DynamoDbParts {
  readonly state: SimulatedState;
  readonly clock: Clock;
  readonly ids: IdSource;
}

/** AWS takes seconds; a laptop has no reason to. */
const CHANGE_MS = 300;
const MAX_TABLES = 100;

export class DynamoDbService implements AwsService {
  readonly name = 'dynamodb';
  readonly protocol = 'json';
  readonly #parts: DynamoDbParts;
  readonly #operations: ReadonlyMap<string, JsonOperation>;

  constructor(parts: DynamoDbParts) {
    this.#parts = parts;
    this.#operations = new Map<string, JsonOperation>([
      ['CreateTable', (body, request) => this.#create(body, request)],
      ['DescribeTable', (body, request) => this.#describe(body, request)],
      ['UpdateTable', (body, request) => this.#update(body, request)],
      ['DeleteTable', (body, request) => this.#delete(body, request)],
      ['ListTables', (body, request) => this.#list(body, request)],
      ['TagResource', (body, request) => this.#tag(body, request)],
      ['UntagResource', (body, request) => this.#untag(body, request)],
      ['ListTagsOfResource', (body, request) => this.#tags(body, request)],
      ['DescribeContinuousBackups', (body, request) => this.#backups(body, request)],
      ['UpdateContinuousBackups', (body, request) => this.#changeBackups(body, request)],
      ['PutItem', (body, request) => this.#putItem(body, request)],
      ['GetItem', (body, request) => this.#getItem(body, request)],
      ['DeleteItem', (body, request) => this.#deleteItem(body, request)],
    ]);
  }

  operationOf(request: AwsRequest): string {
    const name = targetOf(request);
    return this.#operations.has(name) ? name : '';
  }

  handle(request: AwsRequest): Promise<AwsReply> {
    return answerJson(this.#operations, request, 'SerializationException');
  }

  // -- tables -----------------------------------------------------------------------------------------

  async #create(body: Body, request: AwsRequest): Promise<Body> {
    const { state, ids } = this.#parts;
    const name = nameOf(body);
    if (!/^[A-Za-z0-9_.-]{3,255}$/.test(name)) throw invalid('TableName has 3 to 255 of A-Z a-z 0-9 _ - .');
    const nowMs = this.#nowMs();
    const table: StoredTable = {
      name,
      region: request.region,
      tableId: ids.uuid(),
      createdAtMs: nowMs,
      readyAtMs: nowMs + CHANGE_MS + (request.extraMs ?? 0),
      isNew: true,
      goneAtMs: 0,
      hasBackups: false,
      tags: tagsOf(body['Tags']),
      definition: definitionOf(body),
    };
    await this.#find(name, request);
    if (!(await state.create(TABLE, idOf(request, name), table)))
      throw new AwsError('ResourceInUseException', `Table already exists: ${name}`);
    return { TableDescription: descriptionOf(table, nowMs) };
  }

  async #describe(body: Body, request: AwsRequest): Promise<Body> {
    return { Table: descriptionOf(await this.#require(body, request), this.#nowMs()) };
  }

  async #update(body: Body, request: AwsRequest): Promise<Body> {
    const changes = keptOf(body, CHANGEABLE);
    const nowMs = this.#nowMs();
    const table = await this.#change(nameOf(body), request, (before) => {
      const status = statusOf(before, nowMs);
      if (status !== 'ACTIVE') throw inUse(before.name, status);
      const readyAtMs = nowMs + CHANGE_MS + (request.extraMs ?? 0);
      return { ...before, isNew: false, readyAtMs, definition: { ...before.definition, ...changes } };
    });
    return { TableDescription: descriptionOf(table, nowMs) };
  }

  /** Deleting what is being deleted is no error; what is being made or changed cannot be deleted. */
  async #delete(body: Body, request: AwsRequest): Promise<Body> {
    const nowMs = this.#nowMs();
    const table = await this.#change(nameOf(body), request, (before) => {
      const status = statusOf(before, nowMs);
      if (status === 'DELETING') return before;
      if (status !== 'ACTIVE') throw inUse(before.name, status);
      if (before.definition['DeletionProtectionEnabled'] === true)
        throw invalid('Resource cannot be deleted as it is currently protected against deletion');
      return { ...before, goneAtMs: nowMs + CHANGE_MS + (request.extraMs ?? 0) };
    });
    return { TableDescription: descriptionOf(table, nowMs) };
  }

  async #list(body: Body, request: AwsRequest): Promise<Body> {
    const after = typeof body['ExclusiveStartTableName'] === 'string' ? body['ExclusiveStartTableName'] : '';
    const limit = Math.min(Number(body['Limit'] ?? MAX_TABLES) || MAX_TABLES, MAX_TABLES);
    const all = await this.#parts.state.list<StoredTable>(TABLE, `${request.region}/`);
    const nowMs = this.#nowMs();
    const names = all.map(({ value }) => value).filter((table) => !isGone(table, nowMs));
    const wanted = names.map(({ name }) => name).filter((name) => name > after);
    const page = wanted.slice(0, limit);
    return { TableNames: page, ...(wanted.length > limit ? { LastEvaluatedTableName: page.at(-1) } : {}) };
  }

  // -- tags and backups -------------------------------------------------------------------------------

  async #tag(body: Body, request: AwsRequest): Promise<Body> {
    const tags = tagsOf(body['Tags']);
    await this.#change(nameOfArn(body), request, (table) => ({ ...table, tags: { ...table.tags, ...tags } }));
    return {};
  }

  async #untag(body: Body, request: AwsRequest): Promise<Body> {
    const keys = textsOf(body['TagKeys']);
    await this.#change(nameOfArn(body), request, (table) => ({
      ...table,
      tags: Object.fromEntries(Object.entries(table.tags).filter(([key]) => !keys.includes(key))),
    }));
    return {};
  }

  async #tags(body: Body, request: AwsRequest): Promise<Body> {
    const name = nameOfArn(body);
    const table = await this.#find(name, request);
    if (table === undefined) throw notFound(name);
    return { Tags: Object.entries(table.tags).map(([Key, Value]) => ({ Key, Value })) };
  }

  async #backups(body: Body, request: AwsRequest): Promise<Body> {
    const table = await this.#find(nameOf(body), request);
    if (table === undefined) throw new AwsError('TableNotFoundException', `Table not found: ${nameOf(body)}`);
    return { ContinuousBackupsDescription: backupsOf(table, this.#nowMs()) };
  }

  async #changeBackups(body: Body, request: AwsRequest): Promise<Body> {
    const specification = body['PointInTimeRecoverySpecification'];
    const hasBackups = isObject(specification) && specification['PointInTimeRecoveryEnabled'] === true;
    const nowMs = this.#nowMs();
    if ((await this.#find(nameOf(body), request)) === undefined)
      throw new AwsError('TableNotFoundException', `Table not found: ${nameOf(body)}`);
    const table = await this.#change(nameOf(body), request, (before) => {
      if (statusOf(before, nowMs) === 'CREATING')
        throw new AwsError('ContinuousBackupsUnavailableException', 'Backups are being enabled for the table.');
      return { ...before, hasBackups };
    });
    return { ContinuousBackupsDescription: backupsOf(table, nowMs) };
  }

  // -- items ------------------------------------------------------------------------------------------

  async #putItem(body: Body, request: AwsRequest): Promise<Body> {
    const item = isObject(body['Item']) ? body['Item'] : {};
    const id = await this.#itemId(body, request, item);
    await this.#parts.state.put(TABLE_ITEM, id, { item: item as Record<string, JsonValue> });
    return {};
  }

  async #getItem(body: Body, request: AwsRequest): Promise<Body> {
    const id = await this.#itemId(body, request, isObject(body['Key']) ? body['Key'] : {});
    const found = await this.#parts.state.get(TABLE_ITEM, id);
    return found === undefined ? {} : { Item: found['item'] };
  }

  async #deleteItem(body: Body, request: AwsRequest): Promise<Body> {
    const id = await this.#itemId(body, request, isObject(body['Key']) ? body['Key'] : {});
    await this.#parts.state.delete(TABLE_ITEM, id);
    return {};
  }

  async #itemId(body: Body, request: AwsRequest, item: Body): Promise<string> {
    const table = await this.#require(body, request);
    if (statusOf(table, this.#nowMs()) === 'CREATING') throw notFound(table.name);
    const values = objectsOf(table.definition['KeySchema']).map(({ AttributeName }) => {
      const value = item[String(AttributeName)];
      if (!isObject(value)) throw invalid(`Missing the key ${String(AttributeName)} in the item`);
      return JSON.stringify(value);
    });
    return `${idOf(request, table.name)}/${values.join('/')}`;
  }

  // -- common -----------------------------------------------------------------------------------------

  #nowMs(): number {
    return this.#parts.clock.nowMs();
  }

  async #require(body: Body, request: AwsRequest): Promise<StoredTable> {
    const name = nameOf(body);
    const table = await this.#find(name, request);
    if (table === undefined) throw notFound(name);
    return table;
  }

  /** What has had its time to be deleted goes when somebody looks at it, with its items. */
  async #find(name: string, request: AwsRequest): Promise<StoredTable | undefined> {
    const { state } = this.#parts;
    const id = idOf(request, name);
    const table = await state.get<StoredTable>(TABLE, id);
    if (table === undefined || !isGone(table, this.#nowMs())) return table;
    for (const item of await state.list(TABLE_ITEM, `${id}/`)) await state.delete(TABLE_ITEM, item.id);
    await state.delete(TABLE, id);
    return undefined;
  }

  async #change(name: string, request: AwsRequest, change: (table: StoredTable) => StoredTable): Promise<StoredTable> {
    if ((await this.#find(name, request)) === undefined) throw notFound(name);
    const table = await this.#parts.state.update<StoredTable>(TABLE, idOf(request, name), change);
    if (table === undefined) throw notFound(name);
    return table;
  }
}

const idOf = ({ region }: AwsRequest, name: string): string => `${region}/${name}`;

/** A name, or an ARN. */
function nameOf(body: Body): string {
  return requiredText(body, 'TableName', INVALID).replace(/^arn:.*:table\//, '');
}

function nameOfArn(body: Body): string {
  const arn = requiredText(body, 'ResourceArn', INVALID);
  const name = /^arn:aws:dynamodb:[a-z0-9-]+:\d{12}:table\/([^/]+)$/.exec(arn)?.[1];
  if (name === undefined) throw invalid(`Invalid TableArn: ${arn.slice(0, 200)}`);
  return name;
}

function isGone({ goneAtMs }: StoredTable, nowMs: number): boolean {
  return goneAtMs > 0 && nowMs >= goneAtMs;
}

function backupsOf({ hasBackups }: StoredTable, nowMs: number): Body {
  const recovery = hasBackups
    ? { PointInTimeRecoveryStatus: 'ENABLED', RecoveryPeriodInDays: 35, LatestRestorableDateTime: nowMs / 1000 }
    : { PointInTimeRecoveryStatus: 'DISABLED' };
  return { ContinuousBackupsStatus: 'ENABLED', PointInTimeRecoveryDescription: recovery };
}
