/** Who listens to which resource: a target is asked once per resource, however many clients want to know. */

import type { Context } from '../core/context.ts';
import type { RequestContext } from '../core/context.ts';
import type { Exchange, Target } from '../core/target.ts';
import type { Policy } from '../policy/decide.ts';
import type { Message } from '../protocol/message.ts';
import type { Catalogue } from './catalogue.ts';
import { resolve } from './resolve.ts';
import type { Endpoint } from './view.ts';

interface Kept {
  readonly target: Target;
  readonly uri: string;
  count: number;
}

/** Nobody is there to be told or asked while a subscription is made. */
const SILENT: Exchange = {
  capabilities: {},
  canAsk: false,
  wantsProgress: false,
  notify: () => {},
  ask: () => Promise.reject(new Error('nobody can be asked')),
};

export class Subscriptions {
  readonly #catalogue: Catalogue;
  readonly #policy: Policy;
  readonly #kept = new Map<string, Kept>();

  constructor(parts: { readonly catalogue: Catalogue; readonly policy: Policy }) {
    this.#catalogue = parts.catalogue;
    this.#policy = parts.policy;
  }

  /** @returns false when there is no such resource, or the caller may not read it. @throws what the target answers. */
  async add(context: RequestContext, endpoint: Endpoint, uri: string): Promise<boolean> {
    const found = await this.#find(context, endpoint, uri);
    if (found === undefined) return false;
    const key = `${context.tenant}\0${found.target.id}\0${found.uri}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      kept.count++;
      return true;
    }
    await call('resources/subscribe', found, context);
    this.#kept.set(key, { ...found, count: 1 });
    return true;
  }

  async remove(context: RequestContext, endpoint: Endpoint, uri: string): Promise<boolean> {
    const found = await this.#find(context, endpoint, uri);
    if (found === undefined) return false;
    const key = `${context.tenant}\0${found.target.id}\0${found.uri}`;
    const kept = this.#kept.get(key);
    if (kept === undefined) return true;
    kept.count--;
    if (kept.count > 0) return true;
    this.#kept.delete(key);
    await call('resources/unsubscribe', found, context);
    return true;
  }

  async #find(
    context: RequestContext,
    endpoint: Endpoint,
    uri: string,
  ): Promise<{ target: Target; uri: string } | undefined> {
    const view =
      this.#catalogue.current(context.tenant, endpoint) ?? (await this.#catalogue.view(context.tenant, endpoint));
    const resolved = resolve(view, endpoint, subscribeMessage(uri));
    if (resolved === undefined) return undefined;
    const decision = await this.#policy.decide({
      principal: context.principal,
      action: 'resource:read',
      resource: resolved.resource,
      context: { requestId: context.requestId },
    });
    return decision.allowed ? { target: resolved.target, uri: resolved.name } : undefined;
  }
}

function subscribeMessage(uri: string): Message {
  return {
    kind: 'request',
    idText: 'null',
    method: 'resources/subscribe',
    params: [{ key: 'uri', text: JSON.stringify(uri) }],
    meta: [],
    parsed: { uri },
    parsedMeta: {},
  };
}

async function call(method: string, at: { target: Target; uri: string }, context: RequestContext): Promise<void> {
  const params = [{ key: 'uri', text: JSON.stringify(at.uri) }];
  await at.target.call(
    { method, name: at.uri, params, meta: [], parsed: { uri: at.uri }, repeatable: true },
    SILENT,
    context,
  );
}

/** Gives subscriptions back when a client is gone; a target that fails then is told nothing more. */
export function releaseAll(
  subscriptions: Subscriptions,
  context: Context,
  at: { endpoint: Endpoint; uris: Iterable<string> },
): void {
  for (const uri of at.uris) {
    subscriptions
      .remove(context, at.endpoint, uri)
      .catch((error: unknown) => context.log.log('debug', 'unsubscribe-failed', { uri, reason: String(error) }));
  }
}
