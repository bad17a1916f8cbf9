/** Tells the listeners of one call: that it has begun, and how it ended. */

import type { CallEvent, Clock, EventPort } from '../core/ports.ts';
import type { CallRequest } from './call.ts';
import type { Resolved } from './resolve.ts';

export interface ObservationParts {
  readonly events: EventPort;
  readonly clock: Clock;
  readonly request: CallRequest;
  readonly resolved: Resolved;
}

export class Observation {
  readonly #parts: ObservationParts;
  readonly #startedMs: number;

  constructor(parts: ObservationParts) {
    this.#parts = parts;
    this.#startedMs = parts.clock.monotonicMs();
    parts.events.emit(this.#event('call-started'));
  }

  end(outcome: CallEvent['outcome'], errorCode?: string): void {
    const { events, clock, resolved } = this.#parts;
    events.emit({
      ...this.#event('call-ended'),
      durationMs: clock.monotonicMs() - this.#startedMs,
      outcome,
      errorCode,
      tags: resolved.resource.tags,
    });
  }

  #event(type: CallEvent['type']): CallEvent {
    const { clock, request, resolved } = this.#parts;
    const { context, message } = request;
    return {
      type,
      requestId: context.requestId,
      tenant: context.tenant,
      principal: context.principal.id,
      method: message.method,
      target: resolved.target.id,
      name: resolved.name,
      atMs: clock.nowMs(),
      traceparent: context.trace.traceparent,
    };
  }
}
