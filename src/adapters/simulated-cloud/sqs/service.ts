/** SQS's control plane over JSON: queues with their attributes and tags. Messages are not carried. */

import { isObject } from '../../../core/json.ts';
import type { Clock, JsonValue } from '../../../core/ports.ts';
import { ACCOUNT, AwsError } from '../aws-service.ts';
import type { AwsReply, AwsRequest, AwsService } from '../aws-service.ts';
import { answerJson, requiredText, targetOf, textsOf } from '../json-operations.ts';
import type { Body, JsonOperation } from '../json-operations.ts';
import type { SimulatedState, Value } from '../simulated-state.ts';

export interface SqsParts {
  readonly state: SimulatedState;
  readonly clock: Clock;
}

interface StoredQueue extends Value {
  readonly name: string;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  /** From then on it is gone; 0 while nobody deletes it. A name is free again a minute after that. */
  readonly goneAtMs: number;
  readonly attributes: { readonly [name: string]: string };
  readonly tags: { readonly [key: string]: string };
}

const QUEUE = 'sqs-queue';
const INVALID = 'InvalidParameterValueException';
const NAME_FREE_MS = 60_000;
const MAX_QUEUES = 1_000;

const DEFAULTS: Readonly<Record<string, string>> = {
  VisibilityTimeout: '30',
  MaximumMessageSize: '1048576',
  MessageRetentionPeriod: '345600',
  DelaySeconds: '0',
  ReceiveMessageWaitTimeSeconds: '0',
  SqsManagedSseEnabled: 'true',
};
/** Smallest and largest value of attributes that are numbers. */
const BOUNDS: ReadonlyMap<string, readonly [number, number]> = new Map([
  ['VisibilityTimeout', [0, 43_200]],
  ['MaximumMessageSize', [1_024, 1_048_576]],
  ['MessageRetentionPeriod', [60, 1_209_600]],
  ['DelaySeconds', [0, 900]],
  ['ReceiveMessageWaitTimeSeconds', [0, 20]],
  ['KmsDataKeyReusePeriodSeconds', [60, 86_400]],
]);
const OTHERS = new Set([
  'FifoQueue',
  'ContentBasedDeduplication',
  'DeduplicationScope',
  'FifoThroughputLimit',
  'KmsMasterKeyId',
  'Policy',
  'RedrivePolicy',
  'RedriveAllowPolicy',
  'SqsManagedSseEnabled',
]);

export class SqsService implements AwsService {
  readonly name = 'sqs';
  readonly protocol = 'json';
  readonly #parts: SqsParts;
  readonly #operations: ReadonlyMap<string, JsonOperation>;

  constructor(parts: SqsParts) {
    this.#parts = parts;
    this.#operations = new Map<string, JsonOperation>([
      ['CreateQueue', (body, request) => this.#create(body, request)],
      ['GetQueueUrl', (body, request) => this.#url(body, request)],
      ['GetQueueAttributes', (body, request) => this.#attributes(body, request)],
      ['SetQueueAttributes', (body, request) => this.#setAttributes(body, request)],
      ['DeleteQueue', (body, request) => this.#delete(body, request)],
      ['ListQueues', (body, request) => this.#list(body, request)],
      ['TagQueue', (body, request) => this.#tag(body, request)],
      ['UntagQueue', (body, request) => this.#untag(body, request)],
      ['ListQueueTags', async (body, request) => ({ Tags: (await this.#require(body, request)).tags })],
    ]);
  }

  operationOf(request: AwsRequest): string {
    const name = targetOf(request);
    return this.#operations.has(name) ? name : '';
  }

  async handle(request: AwsRequest): Promise<AwsReply> {
    return answerJson(this.#operations, request, INVALID);
  }

  /** The same attributes again give the same queue, whatever its tags; others are refused. */
  async #create(body: Body, request: AwsRequest): Promise<Body> {
    const { state, clock } = this.#parts;
    const name = requiredText(body, 'QueueName', 'MissingParameter');
    const given = textMap(body['Attributes']);
    checkName(name, given['FifoQueue'] === 'true');
    await this.#checkAttributes(given, request);
    const nowMs = clock.nowMs();
    const there = await this.#find(name, request);
    if (there === undefined && (await state.get(QUEUE, idOf(request, name))) !== undefined)
      throw new AwsError(
        'QueueDeletedRecently',
        'You must wait 60 seconds after deleting a queue before you can create another with the same name.',
      );
    const queue: StoredQueue = {
      name,
      createdAtMs: nowMs,
      changedAtMs: nowMs,
      goneAtMs: 0,
      attributes: { ...DEFAULTS, ...given },
      tags: textMap(body['tags'] ?? body['Tags']),
    };
    const isNew = there === undefined && (await state.create(QUEUE, idOf(request, name), queue));
    const attributes = isNew ? queue.attributes : ((await this.#find(name, request))?.attributes ?? {});
    if (Object.entries(given).some(([key, value]) => attributes[key] !== value))
      throw new AwsError(
        'QueueNameExists',
        'A queue already exists with the same name and a different value for an attribute',
      );
    return { QueueUrl: urlOf(request, name) };
  }

  async #url(body: Body, request: AwsRequest): Promise<Body> {
    const name = requiredText(body, 'QueueName', 'MissingParameter');
    if ((await this.#find(name, request)) === undefined) throw notFound();
    return { QueueUrl: urlOf(request, name) };
  }

  async #attributes(body: Body, request: AwsRequest): Promise<Body> {
    const queue = await this.#require(body, request);
    const wanted = textsOf(body['AttributeNames']);
    const all = {
      ...queue.attributes,
      QueueArn: arnOf(request, queue.name),
      CreatedTimestamp: seconds(queue.createdAtMs),
      LastModifiedTimestamp: seconds(queue.changedAtMs),
      ApproximateNumberOfMessages: '0',
      ApproximateNumberOfMessagesNotVisible: '0',
      ApproximateNumberOfMessagesDelayed: '0',
    };
    const Attributes = Object.fromEntries(
      Object.entries(all).filter(([name]) => wanted.includes('All') || wanted.includes(name)),
    );
    return Object.keys(Attributes).length === 0 ? {} : { Attributes };
  }

  async #setAttributes(body: Body, request: AwsRequest): Promise<Body> {
    const given = textMap(body['Attributes']);
    await this.#checkAttributes(given, request);
    await this.#change(body, request, (queue) => ({ ...queue, attributes: { ...queue.attributes, ...given } }));
    return {};
  }

  async #delete(body: Body, request: AwsRequest): Promise<Body> {
    const goneAtMs = this.#parts.clock.nowMs() + (request.extraMs ?? 0);
    await this.#change(body, request, (queue) => ({ ...queue, goneAtMs, tags: {} }));
    return {};
  }

  async #list(body: Body, request: AwsRequest): Promise<Body> {
    const prefix = typeof body['QueueNamePrefix'] === 'string' ? body['QueueNamePrefix'] : '';
    const all = await this.#parts.state.list<StoredQueue>(QUEUE, `${request.region}/${prefix}`);
    const nowMs = this.#parts.clock.nowMs();
    const found = all.filter(({ value }) => !isGone(value, nowMs)).slice(0, MAX_QUEUES);
    return found.length === 0 ? {} : { QueueUrls: found.map(({ value }) => urlOf(request, value.name)) };
  }

  async #tag(body: Body, request: AwsRequest): Promise<Body> {
    const tags = textMap(body['Tags']);
    await this.#change(body, request, (queue) => ({ ...queue, tags: { ...queue.tags, ...tags } }));
    return {};
  }

  async #untag(body: Body, request: AwsRequest): Promise<Body> {
    const keys = textsOf(body['TagKeys']);
    await this.#change(body, request, (queue) => ({
      ...queue,
      tags: Object.fromEntries(Object.entries(queue.tags).filter(([key]) => !keys.includes(key))),
    }));
    return {};
  }

  async #checkAttributes(given: Readonly<Record<string, string>>, request: AwsRequest): Promise<void> {
    for (const [name, value] of Object.entries(given)) {
      const [least, most] = BOUNDS.get(name) ?? [];
      const number = Number(value);
      if (least === undefined || most === undefined) {
        if (!OTHERS.has(name)) throw new AwsError('InvalidAttributeName', `Unknown Attribute ${name.slice(0, 60)}.`);
      } else if (!Number.isInteger(number) || number < least || number > most)
        throw new AwsError('InvalidAttributeValue', `Invalid value for the parameter ${name}.`);
    }
    const policy = given['RedrivePolicy'];
    if (policy !== undefined && policy !== '') await this.#checkRedrive(policy, request);
  }

  async #checkRedrive(text: string, request: AwsRequest): Promise<void> {
    const arn = /"deadLetterTargetArn"\s*:\s*"([^"]+)"/.exec(text)?.[1] ?? '';
    const name = arn.split(':').at(-1) ?? '';
    const isThere = name !== '' && (await this.#find(name, request)) !== undefined;
    if (!isThere || !/"maxReceiveCount"\s*:\s*"?\d+"?/.test(text))
      throw new AwsError(
        'InvalidParameterValue',
        'Value for parameter RedrivePolicy is invalid: no such dead letter queue.',
      );
  }

  async #find(name: string, request: AwsRequest): Promise<StoredQueue | undefined> {
    const { state, clock } = this.#parts;
    const queue = await state.get<StoredQueue>(QUEUE, idOf(request, name));
    if (queue === undefined || !isGone(queue, clock.nowMs())) return queue;
    if (clock.nowMs() >= queue.goneAtMs + NAME_FREE_MS) await state.delete(QUEUE, idOf(request, name));
    return undefined;
  }

  async #require(body: Body, request: AwsRequest): Promise<StoredQueue> {
    const name = requiredText(body, 'QueueUrl', 'MissingParameter').split('/').at(-1) ?? '';
    const queue = await this.#find(name, request);
    if (queue === undefined) throw notFound();
    return queue;
  }

  async #change(body: Body, request: AwsRequest, change: (queue: StoredQueue) => StoredQueue): Promise<void> {
    const { name } = await this.#require(body, request);
    const changedAtMs = this.#parts.clock.nowMs();
    const update = (queue: StoredQueue): StoredQueue => ({ ...change(queue), changedAtMs });
    await this.#parts.state.update<StoredQueue>(QUEUE, idOf(request, name), update);
  }
}

const idOf = ({ region }: AwsRequest, name: string): string => `${region}/${name}`;
const seconds = (ms: number): string => String(Math.floor(ms / 1000));

function arnOf({ region }: AwsRequest, name: string): string {
  return `arn:aws:sqs:${region}:${ACCOUNT}:${name}`;
}

/** Below the address that the client has asked. */
function urlOf({ headers }: AwsRequest, name: string): string {
  return `http://${headers['host'] ?? 'localhost'}/${ACCOUNT}/${name}`;
}

function isGone({ goneAtMs }: StoredQueue, nowMs: number): boolean {
  return goneAtMs > 0 && nowMs >= goneAtMs;
}

function notFound(): AwsError {
  return new AwsError('QueueDoesNotExist', 'The specified queue does not exist.');
}

function checkName(name: string, isFifo: boolean): void {
  const isGood = /^[A-Za-z0-9_-]{1,80}$/.test(isFifo ? name.replace(/\.fifo$/, '') : name) && name.length <= 80;
  if (!isGood || (isFifo && !name.endsWith('.fifo')))
    throw new AwsError(
      'InvalidParameterValue',
      'A queue name has 1 to 80 of A-Z a-z 0-9 _ -, and .fifo at the end of a FIFO queue.',
    );
}

/** @throws AwsError for a value that is no text. */
function textMap(value: unknown): Record<string, string> {
  const entries = Object.entries(isObject(value) ? (value as Record<string, JsonValue>) : {});
  for (const [key, each] of entries)
    if (typeof each !== 'string') throw new AwsError(INVALID, `The value of ${key.slice(0, 60)} is not a text.`);
  return Object.fromEntries(entries) as Record<string, string>;
}
