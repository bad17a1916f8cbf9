/**
 * Asks the functions behind templated resources which resources there are. They get two seconds together; one that
 * is late, fails or knows no such question adds nothing, and its last good answer is used while it lasts.
 */

import type { RequestContext } from '../core/context.ts';
import { isObject } from '../core/json.ts';
import type { Clock, InvocationResult } from '../core/ports.ts';
import type { Definition } from '../core/target.ts';
import { listEvent } from './function-event.ts';
import { isReady, readReply } from './function-reply.ts';
import { define, type ResourceEntry } from './tenant-catalogue.ts';

const BUDGET_MS = 2000;
const KEEP_MS = 60_000;
/** Of one function; a longer list belongs behind a template. */
const MAX_RESOURCES = 1000;
const MAX_KEPT = 1000;

export type Ask = (entry: ResourceEntry, payload: string, context: RequestContext) => Promise<InvocationResult>;

interface Kept {
  readonly definitions: readonly Definition[];
  readonly untilMs: number;
}

export class ResourceLister {
  readonly #clock: Clock;
  readonly #ask: Ask;
  /** By revision, so that a changed registration is asked anew. */
  readonly #kept = new Map<string, Kept>();

  constructor(clock: Clock, ask: Ask) {
    this.#clock = clock;
    this.#ask = ask;
  }

  async list(entries: readonly ResourceEntry[], context: RequestContext): Promise<readonly Definition[]> {
    const now = this.#clock.monotonicMs();
    const due = entries.filter((entry) => (this.#kept.get(entry.revision)?.untilMs ?? 0) <= now);
    if (due.length > 0) await this.#within(Promise.all(due.map((entry) => this.#refresh(entry, context))));
    return entries.flatMap((entry) => {
      const { tags } = entry.definition;
      const found = this.#kept.get(entry.revision)?.definitions ?? [];
      return tags === undefined ? found : found.map((each) => ({ ...each, tags }));
    });
  }

  async #refresh(entry: ResourceEntry, context: RequestContext): Promise<void> {
    let definitions = this.#kept.get(entry.revision)?.definitions ?? [];
    try {
      const result = await this.#ask(entry, listEvent(context), context);
      if (result.functionError === undefined) definitions = resourcesOf(result.payload);
    } catch (error) {
      context.log.log('debug', 'a resource function was not listed', { resource: entry.name, reason: String(error) });
    }
    this.#kept.set(entry.revision, { definitions, untilMs: this.#clock.monotonicMs() + KEEP_MS });
    if (this.#kept.size > MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value ?? '');
  }

  async #within(work: Promise<unknown>): Promise<void> {
    let cancel: (() => void) | undefined;
    const late = new Promise<void>((done) => {
      cancel = this.#clock.after(BUDGET_MS, done);
    });
    await Promise.race([work, late]);
    cancel?.();
  }
}

function resourcesOf(payload: string): readonly Definition[] {
  const reply = readReply(payload);
  if (reply.isFailure || !isReady(reply, 'resources') || !isObject(reply.value)) return [];
  const listed = (reply.value['resources'] as readonly Readonly<Record<string, unknown>>[]).slice(0, MAX_RESOURCES);
  return listed.flatMap((value) => (typeof value['uri'] === 'string' ? [define('resource', value['uri'], value)] : []));
}
