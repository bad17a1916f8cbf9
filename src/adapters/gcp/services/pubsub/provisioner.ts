/** Makes and removes topics with their subscriptions: the topic first, the topic last away. */

import { notOwned } from '../../../../provisioning/cloud-errors.ts';
import type { CloudProvisioner, ProvisionContext } from '../../../../provisioning/provisioner.ts';
import type { Found, Outputs, ResourceKind, Tags } from '../../../../provisioning/resource-provisioner.ts';
import { GoogleCaller, labelsOf } from '../../google-caller.ts';
import { googleLabels, googleProvisioner } from '../../google-labels.ts';
import { readProjectName } from '../../google-names.ts';
import { listAt, textAt } from '../../google-rest.ts';
import type { JsonObject } from '../../google-rest.ts';
import { pubsub } from './definition.ts';
import type { PubsubParams } from './definition.ts';

export function createPubsubProvisioner(context: ProvisionContext): CloudProvisioner {
  return googleProvisioner(TopicKind, context, (params) => pubsub.stepsOf(params));
}

class TopicKind implements ResourceKind {
  readonly noun = 'topic';
  readonly fixed = ['ordering'];
  readonly taken = ['ALREADY_EXISTS'];
  readonly isCreateExclusive = true;
  readonly #context: ProvisionContext;
  readonly #google: GoogleCaller;
  /** `projects/PROJECT/topics/NAME`. */
  readonly #topic: string;
  /** `projects/PROJECT/subscriptions/NAME`. */
  readonly #subscription: string | undefined;
  readonly #params: Partial<PubsubParams>;

  constructor(context: ProvisionContext, id: string, params: Partial<PubsubParams>) {
    const { project, name } = readProjectName(id, context.place);
    this.#context = context;
    this.#google = new GoogleCaller(context, 'pubsub');
    this.#topic = `projects/${project}/topics/${name}`;
    const { subscriptionName } = params;
    this.#subscription =
      subscriptionName === undefined ? undefined : `projects/${project}/subscriptions/${subscriptionName}`;
    this.#params = params;
  }

  async find(): Promise<Found | undefined> {
    const topic = await this.#google.get('pubsub.topics.get', `/v1/${this.#topic}`);
    if (topic === undefined) return undefined;
    return { tags: labelsOf(topic), outputs: this.#outputs(), settings: await this.#settings() };
  }

  async create(tags: Tags): Promise<undefined> {
    const [operation, path] = ['pubsub.topics.create', `/v1/${this.#topic}`];
    await this.#google.ask({ operation, method: 'PUT', path, body: { labels: tags } });
  }

  async complete(tags: Tags): Promise<void> {
    if (this.#subscription !== undefined) await this.#step('create-subscription', () => this.#subscribe(tags));
  }

  async tag(tags: Tags): Promise<void> {
    const labels = { ...tags };
    await this.#patch('topic', this.#topic, { labels });
    const subscription = await this.#mySubscription();
    if (subscription !== undefined && this.#isTenants(subscription))
      await this.#patch('subscription', textAt(subscription, 'name') ?? '', { labels });
  }

  async change(different: ReadonlySet<string>): Promise<void> {
    const name = this.#subscription;
    if (name === undefined || different.size === 0) return;
    await this.#step('change-subscription', async () => {
      const there = await this.#mySubscription();
      if (there === undefined) return this.#subscribe(googleLabels.newTags(this.#context));
      if (!this.#isTenants(there)) throw this.#notOurs();
      const { labels: _labels, topic: _topic, enableMessageOrdering: _fixed, ...changeable } = this.#body({});
      return this.#patch('subscription', name, changeable);
    });
  }

  /** Subscriptions of others lose their topic, as they do when its owner removes it by hand. */
  async remove(): Promise<void> {
    await this.#step('delete-subscriptions', async () => {
      const path = `/v1/${this.#topic}/subscriptions`;
      const attached = await this.#google.get('pubsub.topics.subscriptions.list', path);
      for (const name of listAt(attached ?? {}, 'subscriptions') as readonly string[]) {
        const subscription = await this.#google.get('pubsub.subscriptions.get', `/v1/${name}`);
        if (subscription !== undefined && this.#mayRemove(labelsOf(subscription)))
          await this.#google.delete('pubsub.subscriptions.delete', `/v1/${name}`);
      }
    });
    await this.#step('delete-topic', async () => {
      await this.#google.delete('pubsub.topics.delete', `/v1/${this.#topic}`);
    });
  }

  async #subscribe(tags: Tags): Promise<void> {
    const path = `/v1/${this.#subscription ?? ''}`;
    const request = { operation: 'pubsub.subscriptions.create', method: 'PUT', path } as const;
    const { status } = await this.#google.ask({ ...request, body: this.#body(tags), accept: [409] });
    if (status !== 409) return;
    const there = await this.#mySubscription();
    if (there === undefined || !this.#isTenants(there) || there['topic'] !== this.#topic) throw this.#notOurs();
  }

  #body(labels: Tags): JsonObject {
    const { ackDeadlineSeconds = 10, messageRetentionSeconds = 604_800, ordering = false } = this.#params;
    return {
      topic: this.#topic,
      labels,
      ackDeadlineSeconds,
      messageRetentionDuration: `${messageRetentionSeconds}s`,
      enableMessageOrdering: ordering,
      // Otherwise Google removes what nobody has used for a month.
      expirationPolicy: {},
    };
  }

  async #settings(): Promise<Outputs> {
    if (this.#subscription === undefined) return {};
    const there = await this.#mySubscription();
    if (there === undefined) return { subscriptionName: null };
    return {
      subscriptionName: textAt(there, 'name')?.split('/').at(-1) ?? null,
      ackDeadlineSeconds: there['ackDeadlineSeconds'] ?? null,
      messageRetentionSeconds: Number.parseInt(textAt(there, 'messageRetentionDuration') ?? '', 10),
      ordering: there['enableMessageOrdering'] === true,
    };
  }

  async #mySubscription(): Promise<JsonObject | undefined> {
    if (this.#subscription === undefined) return undefined;
    return this.#google.get('pubsub.subscriptions.get', `/v1/${this.#subscription}`);
  }

  async #patch(word: 'topic' | 'subscription', name: string, fields: JsonObject): Promise<void> {
    const body = { [word]: { name, ...fields }, updateMask: Object.keys(fields).join(',') };
    const operation = `pubsub.${word}s.patch`;
    await this.#google.ask({ operation, method: 'PATCH', path: `/v1/${name}`, body });
  }

  #isTenants(resource: JsonObject): boolean {
    return googleLabels.isTenants(labelsOf(resource), this.#context);
  }

  #mayRemove(labels: Tags): boolean {
    const context = this.#context;
    const isMade = googleLabels.isMadeByRequest(labels, context);
    return context.isRollback === true ? isMade : googleLabels.isTenants(labels, context);
  }

  #notOurs(): Error {
    return notOwned(this.#subscription ?? '', 'it belongs to another tenant, or to another topic');
  }

  #outputs(): Outputs {
    const subscription = this.#subscription;
    return { topic: this.#topic, ...(subscription === undefined ? {} : { subscription }) };
  }

  async #step(name: string, effect: () => Promise<void>): Promise<void> {
    await this.#context.steps.run(name, async () => {
      await effect();
      return null;
    });
  }
}
