/** `/v2/jobs/{id}/events`: what happens to a job as server-sent events, from any of them on, to its end. */

import type { Principal, RequestContext } from '../../core/context.ts';
import { PlatformError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import { EventStream } from '../../gateway/event-stream.ts';
import type { Reply } from '../../gateway/reply.ts';
import type { ControlPlane, JobEvent } from '../../provisioning/control-plane.ts';
import { isEnded } from '../../provisioning/job.ts';
import type { Asked } from './json-route.ts';

/** A stream holds a connection and a listener for as long as its job takes; who needs more can list instead. */
const MAX_STREAMS_PER_PRINCIPAL = 64;
const MAX_STREAMS = 1_024;
const RETRY_SECONDS = 5;
/** As many events as `ControlPlane.events` gives at once. */
const PAGE = 500;

export class JobStreams {
  readonly #plane: ControlPlane;
  readonly #clock: Clock;
  /** Open streams of each principal. */
  readonly #open = new Map<string, number>();
  #total = 0;

  constructor(plane: ControlPlane, clock: Clock) {
    this.#plane = plane;
    this.#clock = clock;
  }

  /** @throws PlatformError `JOB_NOT_FOUND`, `INVALID_ARGUMENTS`, `TOO_MANY_REQUESTS`, `OVERLOADED`. */
  async follow(asked: Asked): Promise<Reply> {
    const { parts, context } = asked;
    const [requestId = ''] = parts;
    const after = afterOf(asked);
    const stream = new EventStream(this.#clock);
    const telling = new Telling(stream, after);
    stream.onClose(this.#enter(context.principal));
    // Watched first, so that nothing is lost between what is read and what comes.
    stream.onClose(this.#plane.watch(requestId, context.tenant, (event) => telling.hear(event)));
    try {
      await this.#tellPast(requestId, { after, context, telling });
      const { job } = await this.#plane.status(requestId, context);
      // Nothing more comes by itself: it ended before the caller asked, or meanwhile.
      if (isEnded(job.status)) stream.end();
      return stream.reply();
    } catch (error) {
      stream.end();
      throw error;
    }
  }

  async #tellPast(
    requestId: string,
    {
      after,
      context,
      telling,
    }: { readonly after: number; readonly context: RequestContext; readonly telling: Telling },
  ): Promise<void> {
    let from = after;
    for (;;) {
      const page = await this.#plane.events(requestId, from, context);
      for (const event of page) telling.tell(event);
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) break;
      from = last.id;
    }
    telling.goLive();
  }

  /** Counts a stream of somebody until the returned function is called. */
  #enter({ tenant, id }: Principal): () => void {
    const who = `${tenant}\n${id}`;
    const mine = this.#open.get(who) ?? 0;
    const details = { retryAfterSeconds: RETRY_SECONDS };
    if (mine >= MAX_STREAMS_PER_PRINCIPAL)
      throw new PlatformError(
        'TOO_MANY_REQUESTS',
        `You follow ${mine} jobs; close some of the streams first.`,
        details,
      );
    if (this.#total >= MAX_STREAMS)
      throw new PlatformError('OVERLOADED', 'Too many jobs are being followed. Try again in a moment.', details);
    this.#open.set(who, mine + 1);
    this.#total++;
    return () => {
      const left = (this.#open.get(who) ?? 1) - 1;
      if (left === 0) this.#open.delete(who);
      else this.#open.set(who, left);
      this.#total--;
    };
  }
}

/** Tells each event once and in order, those that come while the past is read after it. */
class Telling {
  readonly #stream: EventStream;
  #last: number;
  #waiting: JobEvent[] | undefined = [];

  constructor(stream: EventStream, after: number) {
    this.#stream = stream;
    this.#last = after;
  }

  /** Of what happens now. A job that was retried has ended before, so only an end that is new ends the stream. */
  hear(event: JobEvent): void {
    if (this.#waiting !== undefined) {
      this.#waiting.push(event);
      return;
    }
    this.tell(event);
    if (event.type === 'job-ended') this.#stream.end();
  }

  goLive(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const event of waiting) this.tell(event);
  }

  tell({ id, type, at, data }: JobEvent): void {
    if (id <= this.#last) return;
    this.#last = id;
    this.#stream.sendRaw(`id: ${id}\nevent: ${type}\ndata: ${JSON.stringify({ id, type, at, ...data })}`);
  }
}

/** What the caller has seen: `Last-Event-ID` of a stream that was cut, or `?after=`. */
function afterOf(asked: Asked): number {
  const text = asked.header('last-event-id') ?? asked.query.get('after') ?? '0';
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new PlatformError(
    'INVALID_ARGUMENTS',
    'Last-Event-ID and "after" are the id of an event of this job: a whole number.',
  );
}
