/**
 * Tells whoever asked for it of a job's end, by a signed POST through the one way out. A delivery is on disk before it
 * is tried, and tried again with growing pauses for a day; it may come more than once, with the same event id.
 */

import { createHmac } from 'node:crypto';
import { PlatformError } from '../core/errors.ts';
import { textOf } from '../core/json.ts';
import type { Clock, Egress, Item, Logger, SecretSource, StoreRoot, TableSpec, Write } from '../core/ports.ts';
import type { WebhookState } from './control-plane.ts';
import { jobView, type Job } from './job.ts';

export const DELIVERIES: TableSpec = {
  name: 'WebhookDeliveries',
  partitionKey: 'id',
  indexes: [{ name: 'due', partitionKey: 'dueGroup', sortKey: 'dueAt', acrossTenants: true }],
};
const DUE = 'webhooks';
const TIMEOUT_MS = 10_000;
/** Deliveries that are tried side by side. */
const AT_ONCE = 50;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 3_600_000;
const GIVE_UP_MS = 86_400_000;
const KEEP_SECONDS = 7 * 86_400;
const ANSWERED = 'The receiver answered';

interface Delivery {
  readonly id: string;
  readonly tenant: string;
  readonly requestId: string;
  readonly url: string;
  readonly secretRef: string;
  readonly body: string;
  readonly attempts: number;
  readonly createdAtMs: number;
  readonly status: 'pending' | 'delivered' | 'given-up';
  readonly lastError?: string;
  /** The same for who asked, who is told nothing of the network here. */
  readonly reason?: string;
}

export interface WebhookParts {
  readonly store: StoreRoot;
  readonly egress: Egress;
  /** Asked at each delivery: what signs is the secret of that moment. */
  readonly secrets: SecretSource;
  /** Whether webhooks of a tenant may be signed with a secret of this name, at this moment. */
  readonly maySignWith: (secretRef: string, tenant: string) => boolean;
  readonly clock: Clock;
  readonly log: Logger;
  /** @default 1000 */
  readonly everyMs?: number | undefined;
}

export class Webhooks {
  readonly #parts: WebhookParts;
  readonly #trying = new Map<string, Promise<void>>();
  readonly #stopping = new AbortController();
  #cancel: () => void = () => undefined;
  #isStopped = false;

  constructor(parts: WebhookParts) {
    this.#parts = parts;
  }

  /** What became of telling a job's end; `undefined` while it has none, and a week later. */
  async stateOf(job: Job): Promise<WebhookState | undefined> {
    if (job.webhook === undefined) return undefined;
    const deliveries = this.#parts.store.store(job.tenant).table(DELIVERIES);
    const known = await deliveries.get({ id: eventId(job) });
    if (known === undefined) return undefined;
    const { status, attempts, reason } = deliveryOf(known);
    return { status, attempts, ...(reason === undefined || status === 'delivered' ? {} : { reason }) };
  }

  start(): void {
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    // What is under way is tried again by the next process, under the same event id.
    this.#stopping.abort();
    await Promise.allSettled(this.#trying.values());
  }

  /** Tries the delivery of a job's end at once; it was written with that end. Never rejects. */
  async announce(job: Job): Promise<void> {
    if (job.webhook === undefined) return;
    const { store, log } = this.#parts;
    try {
      const known = await store
        .store(job.tenant)
        .table(DELIVERIES)
        .get({ id: eventId(job) });
      if (known !== undefined && known['status'] === 'pending') await this.#try(deliveryOf(known));
    } catch (error) {
      // It is due in a second, and then every other time.
      log.log('error', 'webhook-not-tried', { jobId: job.requestId, reason: String(error) });
    }
  }

  /** Tries whatever is due. */
  async run(): Promise<void> {
    const { store, clock } = this.#parts;
    const to = new Date(clock.nowMs()).toISOString();
    const query = { index: 'due', partition: DUE, to, limit: AT_ONCE };
    const page = await store.systemStore().table(DELIVERIES).query(query);
    // Side by side: a receiver that hangs keeps nobody else waiting.
    await Promise.all(page.items.map((item) => this.#again(item)));
  }

  async #again(item: Item): Promise<void> {
    const tenant = textOf(item['tenant']);
    const id = textOf(item['id']).slice(tenant.length + 1);
    const known = await this.#parts.store.store(tenant).table(DELIVERIES).get({ id });
    if (known !== undefined && known['status'] === 'pending') await this.#try(deliveryOf(known));
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#parts.clock.after(this.#parts.everyMs ?? 1_000, () => {
      void this.run()
        .catch((error: unknown) => this.#parts.log.log('error', 'webhooks-failed', { reason: String(error) }))
        .finally(() => this.#schedule());
    });
  }

  /** One attempt; another of the same delivery under way is waited for instead. */
  #try(delivery: Delivery): Promise<void> {
    const key = `${delivery.tenant}\n${delivery.id}`;
    const known = this.#trying.get(key);
    if (known !== undefined) return known;
    const attempt = this.#attempt(delivery).finally(() => this.#trying.delete(key));
    this.#trying.set(key, attempt);
    return attempt;
  }

  async #attempt(delivery: Delivery): Promise<void> {
    const { clock, log } = this.#parts;
    const attempts = delivery.attempts + 1;
    try {
      await this.#post(delivery);
      await this.#keep({ ...delivery, attempts, status: 'delivered' }, undefined);
    } catch (error) {
      const lastError = error instanceof Error ? error.message : String(error);
      const nowMs = clock.nowMs();
      const isOver = nowMs - delivery.createdAtMs > GIVE_UP_MS || isForbidden(error);
      log.log('warn', 'webhook-failed', { jobId: delivery.requestId, attempts, givenUp: isOver, reason: lastError });
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempts - 1)) * (0.5 + Math.random() / 2);
      await this.#keep(
        { ...delivery, attempts, lastError, reason: reasonOf(error), status: isOver ? 'given-up' : 'pending' },
        isOver ? undefined : nowMs + pauseMs,
      );
    }
  }

  /**
   * A secret that was replaced since the job was accepted signs with its new value, and one that was withdrawn does not
   * sign any more: a receiver trusts what the operator gives out now.
   */
  async #secretFor({ secretRef, tenant }: Delivery): Promise<string> {
    const { secrets, maySignWith } = this.#parts;
    if (!maySignWith(secretRef, tenant))
      throw new PlatformError(
        'CONFIG_MISSING_SECRET',
        `The secret "${secretRef}" was withdrawn: provisioning.webhookSecrets does not give it to the tenant "${tenant}" any more. Ask the operator to list it again; until then nothing is sent.`,
      );
    const secret = await secrets.get(secretRef);
    if (secret !== undefined) return secret;
    throw new PlatformError(
      'CONFIG_MISSING_SECRET',
      `No secret has the name "${secretRef}", which the webhook is signed with.`,
    );
  }

  async #post(delivery: Delivery): Promise<void> {
    const { url, body } = delivery;
    const { egress, clock } = this.#parts;
    const secret = await this.#secretFor(delivery);
    const seconds = Math.floor(clock.nowMs() / 1_000);
    const answered = new AbortController();
    const signal = AbortSignal.any([answered.signal, this.#stopping.signal]);
    const headers = { 'content-type': 'application/json', 'x-zeroplane-signature': signatureOf(secret, seconds, body) };
    const { status } = await egress.request({
      url,
      method: 'POST',
      headers,
      body,
      origin: 'caller',
      signal,
      timeoutMs: TIMEOUT_MS,
    });
    // What it says beside its status is nobody's business, and may never end.
    answered.abort();
    if (status < 200 || status > 299) throw new PlatformError('TARGET_UNAVAILABLE', `${ANSWERED} ${status}.`);
  }

  #keep(delivery: Delivery, dueAtMs: number | undefined): Promise<void> {
    return this.#parts.store.store(delivery.tenant).table(DELIVERIES).put(itemOf(delivery, dueAtMs));
  }
}

/** The same for every delivery of one end, so that a receiver can tell that it knows it. */
const eventId = ({ requestId, status, round }: Job): string => `${requestId}-${status}-${round}`;

/** To be written in the transaction that ends the job: whoever dies after it leaves the delivery to the next. */
export function deliveryWrites(job: Job, nowMs: number): readonly Write[] {
  if (job.webhook === undefined) return [];
  const { tenant, requestId, webhook } = job;
  const id = eventId(job);
  const body = JSON.stringify({ id, type: 'job-ended', job: jobView(job) });
  const base = { id, tenant, requestId, url: webhook.url, secretRef: webhook.secretRef, body };
  const delivery: Delivery = { ...base, attempts: 0, createdAtMs: nowMs, status: 'pending' };
  return [{ put: itemOf(delivery, nowMs + FIRST_PAUSE_MS), table: DELIVERIES }];
}

function itemOf(delivery: Delivery, dueAtMs: number | undefined): Item {
  const due = dueAtMs === undefined ? {} : { dueGroup: DUE, dueAt: new Date(dueAtMs).toISOString() };
  const expiresAt = Math.ceil(delivery.createdAtMs / 1_000) + KEEP_SECONDS;
  return { ...delivery, ...due, expiresAt } as unknown as Item;
}

/** Without the attributes of the index, which are made anew with each write. */
function deliveryOf({ dueGroup: _group, dueAt: _at, ...delivery }: Item): Delivery {
  return delivery as unknown as Delivery;
}

/** `t=SECONDS,v1=HEX`: HMAC-SHA256 over `t.body`. Receivers compare in constant time and refuse old ones. */
export function signatureOf(secret: string, seconds: number, body: string): string {
  const hex = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
  return `t=${seconds},v1=${hex}`;
}

/** What is said of a failure to who asked for the webhook. */
function reasonOf(error: unknown): string {
  if (isForbidden(error)) return 'The address is none that callers may have asked from here.';
  if (!(error instanceof PlatformError)) return 'The receiver could not be reached.';
  if (error.code === 'CONFIG_MISSING_SECRET' || error.message.startsWith(ANSWERED)) return error.message;
  return error.code === 'TARGET_TIMEOUT'
    ? `The receiver did not answer within ${TIMEOUT_MS / 1_000} s.`
    : 'The receiver could not be reached.';
}

/** Where nobody may send anything, trying again is no use. */
function isForbidden(error: unknown): boolean {
  return error instanceof PlatformError && error.code === 'EGRESS_REFUSED';
}
