/** How many requests are under way, in all and per caller; what comes beyond is refused at once, with a time to wait. */

import type { Principal } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';

export interface PlaceLimits {
  readonly inFlight: number;
  readonly inFlightPerPrincipal: number;
}

/**
 * A map whose keys come and go with every request keeps those requests alive until the next full collection, so callers
 * stay known until there are this many.
 */
const MAX_CALLERS = 1_024;

interface Caller {
  inFlight: number;
}

/** The place of one request. It can be left and taken again. */
export class Place {
  readonly #places: Places;
  readonly #caller: Caller;
  #isTaken = false;

  constructor(places: Places, caller: Caller) {
    this.#places = places;
    this.#caller = caller;
  }

  /** @throws PlatformError `SHUTTING_DOWN`, `TOO_MANY_REQUESTS`, `OVERLOADED`. */
  take(): void {
    this.#places.check(this.#caller);
    this.#isTaken = true;
    this.#caller.inFlight++;
    this.#places.inFlight++;
  }

  leave(): void {
    if (!this.#isTaken) return;
    this.#isTaken = false;
    this.#caller.inFlight--;
    this.#places.inFlight--;
  }
}

export class Places {
  readonly #limits: PlaceLimits;
  /** By tenant, then id: two strings that need not be joined for every request. */
  readonly #callers = new Map<string, Map<string, Caller>>();
  #known = 0;
  #isDraining = false;
  inFlight = 0;

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** From now on nobody gets a place; those who have one keep it. */
  drain(): void {
    this.#isDraining = true;
  }

  /** A place for one request of a caller, not taken yet. */
  of(principal: Principal): Place {
    const known = this.#callers.get(principal.tenant)?.get(principal.id);
    return new Place(this, known ?? this.#meet(principal));
  }

  #meet(principal: Principal): Caller {
    if (this.#known >= MAX_CALLERS) this.#forgetIdle();
    const caller: Caller = { inFlight: 0 };
    const ofTenant = this.#callers.get(principal.tenant) ?? new Map<string, Caller>();
    this.#callers.set(principal.tenant, ofTenant.set(principal.id, caller));
    this.#known++;
    return caller;
  }

  #forgetIdle(): void {
    for (const [tenant, callers] of this.#callers) {
      for (const [id, caller] of callers) {
        if (caller.inFlight > 0) continue;
        callers.delete(id);
        this.#known--;
      }
      if (callers.size === 0) this.#callers.delete(tenant);
    }
  }

  /** @throws PlatformError `SHUTTING_DOWN`, `TOO_MANY_REQUESTS`, `OVERLOADED`. */
  check(caller: Caller): void {
    const { inFlight, inFlightPerPrincipal } = this.#limits;
    if (this.#isDraining) throw refused('SHUTTING_DOWN', 'The gateway is shutting down. Connect again in a moment.');
    if (caller.inFlight >= inFlightPerPrincipal) {
      const text = `You have ${caller.inFlight} requests in flight, the most allowed. Wait for some to end.`;
      throw refused('TOO_MANY_REQUESTS', text);
    }
    if (this.inFlight >= inFlight) {
      throw refused('OVERLOADED', 'The gateway has as many requests in flight as it takes. Try again in a moment.');
    }
  }
}

function refused(code: 'SHUTTING_DOWN' | 'TOO_MANY_REQUESTS' | 'OVERLOADED', text: string): PlatformError {
  return new PlatformError(code, text, { retryAfterSeconds: 1 });
}
