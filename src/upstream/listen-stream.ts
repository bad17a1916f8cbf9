/** The one `subscriptions/listen` of a modern conversation: list changes, and the resources somebody follows. */

import type { PeerLink } from './channel.ts';
import type { ModernEnvelope } from './modern-envelope.ts';
import { Context } from '../core/context.ts';
import { isObject } from '../core/json.ts';
import { ReopenPause } from './reopen-pause.ts';

const FOREVER_MS = Number.POSITIVE_INFINITY;

const SILENT = { log: () => undefined, with: () => SILENT };
const GATEWAY = Object.freeze({ id: 'gateway', tenant: 'gateway', roles: [], scopes: [] });

export class ListenStream {
  readonly #link: PeerLink;
  readonly #envelope: ModernEnvelope;
  readonly #lists: Readonly<Record<string, boolean>>;
  readonly #uris = new Set<string>();
  readonly #pause: ReopenPause;
  #current: Context | undefined;
  #acknowledged: (() => void)[] = [];

  constructor(link: PeerLink, envelope: ModernEnvelope, capabilities: Readonly<Record<string, unknown>>) {
    this.#link = link;
    this.#envelope = envelope;
    this.#lists = announcedLists(capabilities);
    this.#pause = new ReopenPause(link.clock);
    link.onNotification((method) => {
      if (method !== 'notifications/subscriptions/acknowledged') return;
      for (const done of this.#acknowledged.splice(0)) done();
    });
  }

  /** Opens the stream, or replaces it when the filter has changed. Does nothing when there is nothing to hear. */
  open(): void {
    const before = this.#current;
    this.#current = undefined;
    if (!this.#link.ended && (this.#uris.size > 0 || Object.keys(this.#lists).length > 0)) this.#start();
    // The new stream is open before the old one closes, so that nothing falls between.
    before?.abort('replaced');
  }

  /** Adds or removes a resource; resolves when the server has acknowledged, or after `timeoutMs` at the latest. */
  async follow(uri: string, wanted: boolean, timeoutMs: number): Promise<void> {
    if (this.#uris.has(uri) === wanted) return;
    if (wanted) this.#uris.add(uri);
    else this.#uris.delete(uri);
    const acknowledged = new Promise<void>((resolve) => {
      const cancel = this.#link.clock.after(timeoutMs, resolve);
      this.#acknowledged.push(() => {
        cancel();
        resolve();
      });
    });
    this.open();
    if (this.#current !== undefined) await acknowledged;
  }

  #start(): void {
    const context = new Context({
      principal: GATEWAY,
      requestId: 'listen',
      clock: this.#link.clock,
      timeoutMs: FOREVER_MS,
      log: SILENT,
    });
    this.#current = context;
    this.#pause.opened();
    const filter = { ...this.#lists, ...(this.#uris.size > 0 ? { resourceSubscriptions: [...this.#uris] } : {}) };
    const request = this.#link.peer.request({
      method: 'subscriptions/listen',
      params: [{ key: 'notifications', text: JSON.stringify(filter) }],
      meta: [],
      envelope: this.#envelope.text(undefined),
      context,
      timeoutMs: FOREVER_MS,
    });
    request.then(
      () => this.#againAfterPause(context),
      () => {
        // Refused, replaced or ended: a server that cannot be listened to is read again when its list expires.
        for (const done of this.#acknowledged.splice(0)) done();
      },
    );
  }

  /** The server has ended the stream in good order. */
  #againAfterPause(context: Context): void {
    if (this.#current !== context) return;
    this.#link.clock.after(this.#pause.next(), () => {
      if (this.#current === context && !this.#link.ended) this.open();
    });
  }
}

function announcedLists(capabilities: Readonly<Record<string, unknown>>): Readonly<Record<string, boolean>> {
  const lists: Record<string, boolean> = {};
  for (const kind of ['tools', 'prompts', 'resources']) {
    const capability = capabilities[kind];
    if (isObject(capability) && capability['listChanged'] === true) lists[`${kind}ListChanged`] = true;
  }
  return lists;
}
