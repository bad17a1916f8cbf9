/**
 * One long operation of Azure as two recorded steps: it is begun once and its poller's state kept, then it is asked for
 * until it has ended, also by another process than the one that began it. The SDKs have two kinds of pollers; both are
 * {@link Poller} here.
 */

import type { JsonValue } from '../../core/ports.ts';
import type { ProvisionContext } from '../../provisioning/provisioner.ts';
import type { AzureTransport } from './azure-transport.ts';
import { azureError } from './azure-errors.ts';

export interface Poller {
  readonly isDone: boolean;
  /** What another process goes on from. */
  serialize(): Promise<string>;
}

/** What an operation's beginning says: a poller, or none where there was nothing to do. */
export interface Begun<Value extends JsonValue> {
  readonly poller?: Poller | undefined;
  /** Recorded with the poller's state. */
  readonly value: Value;
}

export interface LongOperation<Value extends JsonValue> {
  /** Of the first step; the second one is called `NAME-done`. */
  readonly name: string;
  /** In Azure's words, for errors: `VirtualNetworks.createOrUpdate`. */
  readonly operation: string;
  begin(signal: AbortSignal): Promise<Begun<Value>>;
  /** Asks once how it is. */
  resume(state: string, signal: AbortSignal): Promise<Poller>;
}

/** Where Azure does not say how long to wait. */
const DEFAULT_PAUSE_MS = 5_000;
const MAX_PAUSE_MS = 60_000;
/** Azure gives up on most of its operations within an hour. */
const TIMEOUT_MS = 3_600_000;

/** States name the endpoint, which has another port after a restart. */
const ENDPOINT = '{endpoint}';

export async function azureLro<Value extends JsonValue>(
  { steps, place }: Pick<ProvisionContext, 'steps' | 'place'>,
  transport: AzureTransport,
  operation: LongOperation<Value>,
): Promise<Value> {
  const detach = (state: string): string =>
    place.endpoint === undefined ? state : state.replaceAll(place.endpoint, ENDPOINT);
  const attach = (state: string): string =>
    place.endpoint === undefined ? state : state.replaceAll(ENDPOINT, place.endpoint);
  const begun = await steps.run(operation.name, async ({ signal }) => {
    const { poller, value } = await translated(operation, () => operation.begin(signal));
    const state = poller === undefined || poller.isDone ? null : detach(await poller.serialize());
    const pauseMs = Math.min(transport.retryAfterMs ?? DEFAULT_PAUSE_MS, MAX_PAUSE_MS);
    return { state, pauseMs, value };
  });
  const { state, pauseMs, value } = begun;
  if (state === null) return value;
  await steps.until(
    `${operation.name}-done`,
    async ({ signal }) => {
      const poller = await translated(operation, () => operation.resume(attach(state), signal));
      return poller.isDone || undefined;
    },
    { everyMs: pauseMs, timeoutMs: TIMEOUT_MS },
  );
  return value;
}

async function translated<Result>({ operation }: { operation: string }, ask: () => Promise<Result>): Promise<Result> {
  try {
    return await ask();
  } catch (thrown) {
    throw azureError(thrown, operation);
  }
}

/** Pollers of `arm-resources` and `arm-network`, which are asked once by being made. */
export function pollerOf(of: { isDone(): boolean; toString(): string }): Poller {
  return { isDone: of.isDone(), serialize: () => Promise.resolve(of.toString()) };
}

/**
 * Pollers of `arm-storage`. They are promises too, and whoever awaits one by mistake waits for the whole operation; so
 * what is handed on is not.
 */
export function plainPoller(of: { readonly isDone: boolean; serialize(): Promise<string> }): Poller {
  return { isDone: of.isDone, serialize: () => of.serialize() };
}
