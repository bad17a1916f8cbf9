/**
 * The answer to one POST: one JSON document when everything is known at once, a stream from the first moment that
 * something must be said before the end.
 */

import type { Clock } from '../core/ports.ts';
import { EventStream } from './event-stream.ts';
import type { LoggedStream } from './event-log.ts';
import type { Reply } from './reply.ts';
import { jsonReply } from './reply.ts';

export interface ResponderOptions {
  readonly clock: Clock;
  readonly acceptsJson: boolean;
  readonly acceptsSse: boolean;
  /** How many responses the POST expects; more than one, or a batch of one, makes an array. */
  readonly expected: number;
  readonly isBatch: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  /** Legacy sessions: where the stream's events are kept for a client that reconnects. */
  readonly log?: { open(): LoggedStream; finish(stream: LoggedStream): void; readonly primed: boolean };
}

export type Part = string | Uint8Array;

export class Responder {
  readonly reply: Promise<Reply>;
  readonly #options: ResponderOptions;
  #resolve: (reply: Reply) => void = NOTHING;
  #ended: () => void = NOTHING;
  #stream: EventStream | undefined;
  #logged: LoggedStream | undefined;
  /** Made with the first of several answers, or when a stream must repeat it. */
  #done: Done[] | undefined;
  #count = 0;

  constructor(options: ResponderOptions) {
    this.#options = options;
    this.reply = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    if (!options.acceptsJson) this.#streaming();
  }

  get canStream(): boolean {
    return this.#options.acceptsSse;
  }

  #streaming(): EventStream {
    if (this.#stream !== undefined) return this.#stream;
    const stream = new EventStream(this.#options.clock);
    this.#stream = stream;
    const { log } = this.#options;
    if (log !== undefined) {
      this.#logged = log.open();
      if (log.primed) this.#logged.prime(stream);
      this.#logged.attach(stream);
    }
    for (const done of this.#done ?? []) this.#write(join(done.parts));
    const pending = new Promise<void>((resolve) => {
      this.#ended = resolve;
    });
    this.#resolve({ ...stream.reply(this.#options.headers), pending });
    return stream;
  }

  #write(text: string): void {
    if (this.#logged === undefined) this.#stream?.send(text);
    else this.#logged.send(text);
  }

  /** Sends a notification or a question before the answer; nothing happens for a client that takes only JSON. */
  send(text: string): void {
    // What a target says after its answer is for nobody.
    if (!this.#options.acceptsSse || this.#count === this.#options.expected) return;
    this.#streaming();
    this.#write(text);
  }

  /**
   * Sends what the client can do without, as far as it keeps up.
   *
   * @returns false for what was left out because the client reads too slowly.
   */
  tell(text: string): boolean {
    const into = this.#logged ?? this.#stream;
    if (into !== undefined && !into.hasRoomFor(text)) return false;
    this.send(text);
    return true;
  }

  /**
   * One response is complete.
   *
   * @param headers - For a reply that is one JSON document; a stream has sent its headers already.
   */
  finish(status: number, parts: string | readonly Part[], headers?: Readonly<Record<string, string>>): void {
    this.#count++;
    const last = this.#count === this.#options.expected;
    if (this.#stream !== undefined) {
      this.#write(join(parts));
      if (last) this.#end();
      return;
    }
    if (!this.#options.isBatch) {
      const own = this.#options.headers;
      this.#resolve(jsonReply(status, parts, headers === undefined ? own : { ...own, ...headers }));
      return;
    }
    (this.#done ??= []).push({ parts });
    if (last) this.#resolve(this.#array());
  }

  #end(): void {
    if (this.#logged !== undefined) this.#options.log?.finish(this.#logged);
    this.#stream?.end();
    this.#ended();
  }

  #array(): Reply {
    const parts: Part[] = ['['];
    for (const done of this.#done ?? [])
      parts.push(...(parts.length > 1 ? [','] : []), ...(typeof done.parts === 'string' ? [done.parts] : done.parts));
    return jsonReply(200, [...parts, ']'], this.#options.headers);
  }
}

interface Done {
  readonly parts: string | readonly Part[];
}

function NOTHING(): void {
  // Until the promise is there.
}

function join(parts: string | readonly Part[]): string {
  if (typeof parts === 'string') return parts;
  return parts.map((part) => (typeof part === 'string' ? part : Buffer.from(part).toString('utf8'))).join('');
}
