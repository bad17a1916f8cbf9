/**
 * Carries MCP to a function: each request is one invocation, and its reply the answer. A function keeps no
 * conversation, so notifications go nowhere but for cancellations, which end the wait.
 */

import type { Clock, FunctionInvoker, InvocationResult, Logger } from '../../core/ports.ts';
import type { Channel, ChannelSink } from '../../upstream/channel.ts';
import type { Outgoing, PeerRequest } from '../../upstream/peer.ts';
import type { FunctionNames } from './function-reply.ts';
import type { CircuitBreaker, Guarded, Verdict } from '../../core/circuit-breaker.ts';
import { Context } from '../../core/context.ts';
import { PlatformError } from '../../core/errors.ts';
import { targetUnavailable } from '../../upstream/failures.ts';
import { IdMap } from '../../upstream/id-map.ts';
import { IDEMPOTENCY_META_KEY } from '../../upstream/outgoing-meta.ts';
import { functionFailed } from './function-reply.ts';

export interface FunctionEndpoint extends FunctionNames {
  readonly invoker: FunctionInvoker;
  readonly clock: Clock;
  readonly log: Logger;
  /** Leaves the function alone for a while when it runs out of time again and again. */
  readonly breaker: CircuitBreaker;
}

export type OutgoingRequest = Outgoing & { readonly kind: 'request' };

/** 6 MB, what one invocation takes. */
const MAX_EVENT_BYTES = 6 * 1024 * 1024;
/** Milliseconds between one attempt and the next of an invocation that is throttled. */
const THROTTLE_PAUSES_MS = [50, 200, 800];

export abstract class FunctionChannel implements Channel {
  /** Requests in flight at the peer; falls when a message was an answer. Set by who makes the link. */
  inFlight: () => number = () => 0;
  protected readonly endpoint: FunctionEndpoint;
  readonly #open = new IdMap<Context>();
  #sink: ChannelSink | undefined;
  #closed = false;

  constructor(endpoint: FunctionEndpoint) {
    this.endpoint = endpoint;
  }

  /** Invokes the function and delivers what it answered. @throws what the request then fails with. */
  protected abstract answer(text: string, outgoing: OutgoingRequest, context: Context): Promise<void>;

  connect(sink: ChannelSink): void {
    this.#sink = sink;
  }

  send(text: string, outgoing: Outgoing): void {
    const { target } = this.endpoint;
    if (this.#closed) throw targetUnavailable(target, 'has closed this conversation. Send the request again.');
    if (outgoing.kind === 'notification' && outgoing.method === 'notifications/cancelled') this.#cancel(text);
    if (outgoing.kind !== 'request') return;
    if (outgoing.request.method === 'subscriptions/listen')
      throw new PlatformError(
        'METHOD_NOT_FOUND',
        `target "${target}" is a function, and a function keeps no listeners.`,
      );
    const context = this.#contextOf(outgoing.request);
    this.#open.add(outgoing.id, context);
    this.endpoint.breaker
      .run(this.#guarded(context), () => this.answer(text, outgoing, context))
      .then(
        () => this.#open.take(outgoing.id),
        (error: unknown) => {
          this.#open.take(outgoing.id);
          this.#sink?.failed(outgoing.id, error as Error);
        },
      );
  }

  /** Nobody waits any more; the functions go on to their end, as on Lambda. */
  close(): Promise<void> {
    this.#closed = true;
    for (const id of this.#open.ids()) this.#open.take(id)?.abort('closed');
    return Promise.resolve();
  }

  /** What the function offers may have changed: the lists are read again. */
  announceChanges(): void {
    for (const kind of ['tools', 'prompts', 'resources'])
      this.#sink?.message(`{"jsonrpc":"2.0","method":"notifications/${kind}/list_changed"}`);
  }

  /** Hands one message to the peer. @returns whether it answered a request. */
  protected deliver(text: string, { id }: OutgoingRequest): boolean {
    const before = this.inFlight();
    this.#sink?.message(text, id);
    return this.inFlight() < before;
  }

  /** @throws PlatformError of the invoker, `PAYLOAD_TOO_LARGE`, `FUNCTION_FAILED` when the function did. */
  protected async invoke(payload: string, outgoing: OutgoingRequest, context: Context): Promise<InvocationResult> {
    const { functionName, invoker } = this.endpoint;
    this.checkSize(payload);
    const clientContext = clientContextOf(outgoing.request);
    const result = await this.throughThrottle(context, () =>
      invoker.invoke({ functionName, payload, clientContext }, context),
    );
    if (result.functionError !== undefined) throw this.failure(result.payload, result.logTail);
    return result;
  }

  /** A throttled invocation has not run, so it is sent again, a few times and within the request's time. */
  protected async throughThrottle<Result>(context: Context, run: () => Promise<Result>): Promise<Result> {
    const { clock } = this.endpoint;
    for (const pauseMs of THROTTLE_PAUSES_MS) {
      try {
        return await run();
      } catch (error) {
        const isThrottled = error instanceof PlatformError && error.code === 'FUNCTION_THROTTLED';
        if (!isThrottled || clock.monotonicMs() + pauseMs >= context.deadlineMs) throw error;
      }
      await new Promise<void>((resolve) => {
        clock.after(pauseMs, resolve);
      });
      context.signal.throwIfAborted();
    }
    return run();
  }

  /** The end of the log goes to ours, the type and message to the caller. */
  protected failure(payload: string, logTail: string | undefined): PlatformError {
    const error = functionFailed(this.endpoint, payload);
    const { target, functionName, log } = this.endpoint;
    log.log('warn', 'function-failed', { target, function: functionName, reason: error.message, logTail });
    return error;
  }

  /** @throws PlatformError `PAYLOAD_TOO_LARGE`, before anything is sent. */
  protected checkSize(payload: string): void {
    // A character has at most three bytes, so most events need no counting.
    if (payload.length * 3 <= MAX_EVENT_BYTES) return;
    const bytes = Buffer.byteLength(payload);
    if (bytes <= MAX_EVENT_BYTES) return;
    const { target, functionName } = this.endpoint;
    const what = `target "${target}": the request has ${bytes} bytes, and a function takes ${MAX_EVENT_BYTES}.`;
    const details = { target, function: functionName, bytes, maxBytes: MAX_EVENT_BYTES };
    throw new PlatformError('PAYLOAD_TOO_LARGE', `${what} Send less, or a reference to stored data.`, details);
  }

  #guarded(context: Context): Guarded<void> {
    const { target } = this.endpoint;
    // Once the peer no longer waits, the invocation only says that it was cancelled.
    let isTooLate = false;
    context.onAbort((reason) => (isTooLate = reason === 'timeout'));
    return {
      key: context.tenant,
      name: `target "${target}"`,
      target,
      judgeResult: () => 'well',
      judgeError: (error) => (isTooLate ? { failed: 'it did not answer in time.' } : judge(error)),
    };
  }

  #cancel(text: string): void {
    const { params } = JSON.parse(text) as { params: { requestId: number; reason: string } };
    this.#open.take(params.requestId)?.abort(params.reason);
  }

  /** The caller's own, so that the function hears who asks, but ending also when the peer gives the request up. */
  #contextOf({ context, timeoutMs }: PeerRequest): Context {
    const { clock } = this.endpoint;
    const { principal, requestId, log, trace, hops } = context;
    const leftMs = Math.min(timeoutMs, context.deadlineMs - clock.monotonicMs());
    const own = new Context({ principal, requestId, clock, timeoutMs: leftMs, log, trace, hops });
    context.onAbort?.((reason) => own.abort(reason));
    return own;
  }
}

/** What the function throws is an answer; that its time is up, or that it cannot be reached, is none. */
function judge(error: unknown): Verdict {
  if (!(error instanceof PlatformError)) return 'unknown';
  if (error.code === 'FUNCTION_FAILED') return 'well';
  const isDown = ['FUNCTION_TIMEOUT', 'TARGET_TIMEOUT', 'TARGET_UNAVAILABLE'].includes(error.code);
  return isDown ? { failed: error.message } : 'unknown';
}

/** `clientContext.custom`: who asks, stated by the gateway and not by the caller. */
export function clientContextOf({ context, meta }: PeerRequest): Record<string, string> {
  const { principal, tenant } = context;
  const key = meta.find((member) => member.key === IDEMPOTENCY_META_KEY)?.text;
  return {
    zeroplaneTenant: tenant,
    zeroplanePrincipal: principal.id,
    zeroplaneClaims: JSON.stringify(principal.claims ?? {}),
    ...(key === undefined ? {} : { zeroplaneIdempotencyKey: JSON.parse(key) as string }),
  };
}
