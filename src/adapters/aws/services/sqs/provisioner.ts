/** Makes and removes queues. A queue's dead letters go to a queue that is made, and goes, with it. */

import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueueTagsCommand,
  SQSClient,
  SetQueueAttributesCommand,
  TagQueueCommand,
} from '@aws-sdk/client-sqs';
import { isObject } from '../../../../core/json.ts';
import { notOwned } from '../../../../provisioning/cloud-errors.ts';
import type { ProvisionContext, ProvisionRequest } from '../../../../provisioning/provisioner.ts';
import type {
  CreateProvisioner,
  Found,
  Outputs,
  ResourceKind,
  Tags,
} from '../../../../provisioning/resource-provisioner.ts';
import { ask, askFor } from '../../cloud-call.ts';
import { clientSettings } from '../../job-clients.ts';
import { awsProvisioner, RESOURCE_TAG, isTenants } from '../../ownership.ts';
import { placeOf } from '../../regions.ts';
import type { SqsParams } from './definition.ts';

type Params = ProvisionRequest['params'];

const ABSENT = ['QueueDoesNotExist', 'AWS.SimpleQueueService.NonExistentQueue'];
const RECENT = ['QueueDeletedRecently', 'AWS.SimpleQueueService.QueueDeletedRecently'];
const MADE = { everyMs: 5_000, timeoutMs: 180_000 };

/** One of the two queues, as SQS has it. */
interface Queue {
  readonly url: string;
  readonly tags: Tags;
  readonly attributes: Readonly<Record<string, string>>;
}

export const createQueue: CreateProvisioner = (context, stepsOf) => awsProvisioner(QueueKind, context, stepsOf);

class QueueKind implements ResourceKind {
  readonly noun = 'queue';
  readonly fixed = [];
  readonly taken = ['QueueNameExists', 'QueueAlreadyExists'];
  /** A name is free again a minute after its queue was deleted. */
  readonly notNow = RECENT;
  readonly isCreateExclusive = false;
  readonly #context: ProvisionContext;
  readonly #client: SQSClient;
  readonly #id: string;
  readonly #name: string;
  readonly #deadName: string;
  readonly #params: Partial<SqsParams>;

  constructor(context: ProvisionContext, id: string, params: Params) {
    const { name, region } = placeOf(id);
    this.#context = context;
    this.#id = id;
    this.#name = name;
    this.#deadName = name.endsWith('.fifo') ? name.replace(/\.fifo$/, '-dead.fifo') : `${name}-dead`;
    this.#params = params;
    this.#client = new SQSClient(clientSettings(context, region));
  }

  /** Either queue is enough: what a crash left of the two is still to be removed. */
  async find(): Promise<Found | undefined> {
    const [queue, dead] = await Promise.all([this.#queue(this.#name), this.#ownDead()]);
    const first = queue ?? dead;
    if (first === undefined) return undefined;
    return {
      tags: first.tags,
      outputs: outputsOf(queue, dead),
      settings: settingsOf(queue),
      isReady: queue !== undefined,
    };
  }

  async #queue(QueueName: string): Promise<Queue | undefined> {
    const answer = await askFor('GetQueueUrl', ABSENT, () => this.#client.send(new GetQueueUrlCommand({ QueueName })));
    const QueueUrl = answer?.QueueUrl;
    if (QueueUrl === undefined) return undefined;
    const [attributes, tags] = await Promise.all([
      askFor('GetQueueAttributes', ABSENT, () =>
        this.#client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] })),
      ),
      askFor('ListQueueTags', ABSENT, () => this.#client.send(new ListQueueTagsCommand({ QueueUrl }))),
    ]);
    if (attributes === undefined || tags === undefined) return undefined;
    return { url: QueueUrl, tags: tags.Tags ?? {}, attributes: attributes.Attributes ?? {} };
  }

  /** The second queue, if it was made for this one. */
  async #ownDead(): Promise<Queue | undefined> {
    const dead = await this.#queue(this.#deadName);
    return dead?.tags[RESOURCE_TAG] === this.#id ? dead : undefined;
  }

  async create(tags: Tags): Promise<undefined> {
    await this.#make(this.#name, tags);
  }

  async #make(QueueName: string, tags: Tags): Promise<void> {
    const isFifo = QueueName.endsWith('.fifo');
    const Attributes = {
      ...this.#attributes(),
      SqsManagedSseEnabled: 'true',
      ...(isFifo ? { FifoQueue: 'true' } : {}),
    };
    await ask('CreateQueue', () =>
      this.#client.send(new CreateQueueCommand({ QueueName, Attributes, tags: { ...tags } })),
    );
  }

  #attributes(): Record<string, string> {
    const { visibilityTimeoutSeconds = 30, retentionSeconds = 345_600 } = this.#params;
    return {
      VisibilityTimeout: String(visibilityTimeoutSeconds),
      MessageRetentionPeriod: String(retentionSeconds),
    };
  }

  async complete(tags: Tags): Promise<void> {
    if (this.#params.maxReceives !== undefined) await this.#sendDeadLetters(tags);
  }

  async #sendDeadLetters(tags: Tags): Promise<void> {
    const { steps } = this.#context;
    await steps.until('create-dead-letter-queue', () => this.#makeDead(tags), MADE);
    await steps.run('set-dead-letters', async () => {
      const dead = await this.#ownDead();
      const policy = { deadLetterTargetArn: dead?.attributes['QueueArn'], maxReceiveCount: this.#params.maxReceives };
      await this.#set({ RedrivePolicy: JSON.stringify(policy) });
      return null;
    });
  }

  /** SQS gives back a queue that is there already, whoever has made it; so its tags are read afterwards. */
  async #makeDead(tags: Tags): Promise<true | undefined> {
    await askFor('CreateQueue', [...RECENT, ...this.taken], () =>
      this.#make(this.#deadName, { ...tags, [RESOURCE_TAG]: this.#id }),
    );
    const made = await this.#queue(this.#deadName);
    if (made === undefined) return undefined;
    if (isTenants(made.tags, this.#context) && made.tags[RESOURCE_TAG] === this.#id) return true;
    throw notOwned(this.#deadName, 'a queue of this name, which dead letters would go to, was made for something else');
  }

  async #set(Attributes: Record<string, string>): Promise<void> {
    const queue = await this.#queue(this.#name);
    const QueueUrl = queue?.url ?? '';
    await ask('SetQueueAttributes', () => this.#client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes })));
  }

  async tag(tags: Tags): Promise<void> {
    const QueueUrl = (await this.#queue(this.#name))?.url ?? '';
    await ask('TagQueue', () => this.#client.send(new TagQueueCommand({ QueueUrl, Tags: { ...tags } })));
  }

  async change(different: ReadonlySet<string>): Promise<void> {
    if (different.has('visibilityTimeoutSeconds') || different.has('retentionSeconds'))
      await this.#context.steps.run('change-queue', async () => {
        await this.#set(this.#attributes());
        return null;
      });
    const queue = different.has('maxReceives') ? await this.#queue(this.#name) : undefined;
    if (queue !== undefined) await this.#sendDeadLetters(queue.tags);
  }

  /** The first one last: while it is there it says whose both are. */
  async remove(): Promise<void> {
    const { steps } = this.#context;
    await steps.run('delete-dead-letter-queue', () => this.#deleteQueue(() => this.#ownDead()));
    await steps.run('delete-queue', () => this.#deleteQueue(() => this.#queue(this.#name)));
  }

  async #deleteQueue(find: () => Promise<Queue | undefined>): Promise<null> {
    const QueueUrl = (await find())?.url;
    if (QueueUrl !== undefined)
      await askFor('DeleteQueue', ABSENT, () => this.#client.send(new DeleteQueueCommand({ QueueUrl })));
    return null;
  }
}

function outputsOf(queue: Queue | undefined, dead: Queue | undefined): Outputs {
  return {
    queueUrl: queue?.url ?? null,
    arn: queue?.attributes['QueueArn'] ?? null,
    ...(dead === undefined ? {} : { deadLetterQueueUrl: dead.url }),
  };
}

function settingsOf(queue: Queue | undefined): Outputs {
  if (queue === undefined) return {};
  const { attributes } = queue;
  const policy: unknown = JSON.parse(attributes['RedrivePolicy'] || '{}');
  return {
    visibilityTimeoutSeconds: Number(attributes['VisibilityTimeout'] ?? 30),
    retentionSeconds: Number(attributes['MessageRetentionPeriod'] ?? 345_600),
    maxReceives: isObject(policy) && policy['maxReceiveCount'] !== undefined ? Number(policy['maxReceiveCount']) : null,
  };
}
