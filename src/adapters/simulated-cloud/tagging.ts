/** The Resource Groups Tagging API over the functions of this machine. */

import type { FunctionControl } from '../../core/function-control.ts';
import { isObject } from '../../core/json.ts';
import type { AwsReply, AwsRequest, AwsService } from './aws-service.ts';
import { AwsError, bodyOf, pageOf } from './aws-service.ts';

const MAX_RESOURCES = 100;
const INVALID = 'InvalidParameterException';

interface Resource {
  readonly arn: string;
  readonly tags: Readonly<Record<string, string>>;
}

export class TaggingService implements AwsService {
  readonly name = 'tagging';
  readonly protocol = 'json';
  readonly #control: FunctionControl;

  constructor(control: FunctionControl) {
    this.#control = control;
  }

  async handle(request: AwsRequest): Promise<AwsReply> {
    const operation = request.headers['x-amz-target']?.split('.')[1];
    const body = bodyOf(request, INVALID);
    const records = await this.#control.list();
    // A resource that was never tagged is not there for this API.
    const tagged = records.map(({ arn, tags }) => ({ arn, tags })).filter(({ tags }) => Object.keys(tags).length > 0);
    if (operation === 'GetResources') return reply(resources(tagged, body));
    if (operation === 'GetTagKeys')
      return reply(
        texts(
          'TagKeys',
          tagged.flatMap(({ tags }) => Object.keys(tags)),
          body,
        ),
      );
    if (operation === 'GetTagValues') {
      const key = typeof body['Key'] === 'string' ? body['Key'] : '';
      return reply(
        texts(
          'TagValues',
          tagged.flatMap(({ tags }) => (Object.hasOwn(tags, key) ? [tags[key] ?? ''] : [])),
          body,
        ),
      );
    }
    throw new AwsError('UnknownOperationException', `${operation ?? 'The operation'} is not known here.`);
  }
}

function reply(value: unknown): AwsReply {
  return { status: 200, headers: { 'content-type': 'application/x-amz-json-1.1' }, body: JSON.stringify(value) };
}

function resources(tagged: readonly Resource[], body: Readonly<Record<string, unknown>>): unknown {
  const types = listOf(body, 'ResourceTypeFilters');
  const wanted = listOf(body, 'ResourceARNList');
  const filters = (Array.isArray(body['TagFilters']) ? (body['TagFilters'] as unknown[]) : []).map(readFilter);
  const isFunction = types.length === 0 || types.some((type) => type === 'lambda' || type === 'lambda:function');
  const found = tagged.filter(
    ({ arn, tags }) =>
      isFunction && (wanted.length === 0 || wanted.includes(arn)) && filters.every((filter) => matches(tags, filter)),
  );
  const size = Number(body['ResourcesPerPage'] ?? body['TagsPerPage'] ?? MAX_RESOURCES);
  if (!Number.isInteger(size) || size < 1) throw new AwsError(INVALID, 'ResourcesPerPage must be from 1 to 100.');
  const page = pageOf(found, tokenOf(body), Math.min(size, MAX_RESOURCES));
  const list = page.items.map(({ arn, tags }) => ({
    ResourceARN: arn,
    Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
  }));
  return { ResourceTagMappingList: list, PaginationToken: page.next ?? '' };
}

interface Filter {
  readonly key: string;
  readonly values: readonly string[];
}

function readFilter(filter: unknown): Filter {
  if (!isObject(filter) || typeof filter['Key'] !== 'string') throw new AwsError(INVALID, 'A tag filter needs a Key.');
  return { key: filter['Key'], values: listOf(filter, 'Values') };
}

function matches(tags: Readonly<Record<string, string>>, { key, values }: Filter): boolean {
  if (!Object.hasOwn(tags, key)) return false;
  return values.length === 0 || values.includes(tags[key] ?? '');
}

function texts(name: string, all: readonly string[], body: Readonly<Record<string, unknown>>): unknown {
  const page = pageOf([...new Set(all)].sort(), tokenOf(body), MAX_RESOURCES);
  return { [name]: page.items, PaginationToken: page.next ?? '' };
}

function tokenOf(body: Readonly<Record<string, unknown>>): string | undefined {
  return typeof body['PaginationToken'] === 'string' ? body['PaginationToken'] : undefined;
}

function listOf(body: Readonly<Record<string, unknown>>, key: string): readonly string[] {
  const value = body[key];
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : [];
}
