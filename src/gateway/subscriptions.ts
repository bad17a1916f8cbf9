/** Who listens to which resource: a target is asked once per resource, however many clients want to know. */

import { Context } from '../core/context.ts';
import type { RequestContext } from '../core/context.ts';
import type { Clock } from '../core/ports.ts';
import type { Exchange, Target } from '../core/target.ts';
import type { Policy } from '../policy/decide.ts';
import type { Message } from '../protocol/message.ts';
import { publicUri } from '../protocol/uris.ts';
import type { Catalogue } from './catalogue.ts';
import { resolve } from './resolve.ts';
import type { Endpoint } from './view.ts';

const RELEASE_TIMEOUT_MS = 15_000;
const REGISTRY_ID = 'registry';

interface Kept {
  readonly target: Target;
  readonly uri: string;
  count: number;
  /** The target's consent; whoever comes meanwhile waits for the same. */
  readonly made: Promise<void>;
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
  readonly #clock: Clock;
  readonly #kept = new Map<string, Kept>();

  constructor(parts: { readonly catalogue: Catalogue; readonly policy: Policy; readonly clock: Clock }) {
    this.#clock = parts.clock;
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
      await kept.made;
      return true;
    }
    const made = call('resources/subscribe', found, context);
    this.#kept.set(key, { ...found, count: 1, made });
    try {
      await made;
    } catch (error) {
      this.#kept.delete(key);
      throw error;
    }
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

  /** Gives subscriptions back when a client is gone; a target that fails then is told nothing more. */
  releaseAll(context: Context, at: { endpoint: Endpoint; uris: Iterable<string> }): void {
    const { principal, requestId, log } = context;
    // The client's own request is long past its deadline.
    const own = new Context({ principal, requestId, log, clock: this.#clock, timeoutMs: RELEASE_TIMEOUT_MS });
    for (const uri of at.uris) {
      this.remove(own, at.endpoint, uri).catch((error: unknown) =>
        log.log('debug', 'unsubscribe-failed', { uri, reason: String(error) }),
      );
    }
  }

  async #find(
    context: RequestContext,
    endpoint: Endpoint,
    uri: string,
  ): Promise<{ target: Target; uri: string } | undefined> {
    const view =
      this.#catalogue.current(context.tenant, endpoint) ?? (await this.#catalogue.view(context.tenant, endpoint));
    const resolved = resolve(view, endpoint, subscribeMessage(uri));
    if (resolved === undefined || !isPublic(uri, endpoint, resolved)) return undefined;
    const decision = await this.#policy.decide({
      principal: context.principal,
      action: 'resource:read',
      resource: resolved.resource,
      context: { requestId: context.requestId },
    });
    return decision.allowed ? { target: resolved.target, uri: resolved.name } : undefined;
  }
}

/** A resource is announced under its public URI, so only that one can be subscribed to. */
function isPublic(uri: string, endpoint: Endpoint, { target, name }: { target: Target; name: string }): boolean {
  return endpoint !== '' || target.id === REGISTRY_ID || publicUri(target.id, name) === uri;
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
