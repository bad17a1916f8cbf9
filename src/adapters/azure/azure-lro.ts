/**
 * Long operations of Azure in recorded steps: each is begun once and its poller's state kept, then asked for until it has
 * ended, also by another process than the one that began it. The SDKs have two kinds of pollers; both are {@link Poller}
 * here.
 */

import type { JsonValue } from '../../core/ports.ts';
import type { ProvisionContext } from '../../provisioning/provisioner.ts';
import type { Begun } from '../../provisioning/resource-provisioner.ts';
import { azureError } from './azure-errors.ts';
import type { AzureTransport } from './azure-transport.ts';

export interface Poller {
  readonly isDone: boolean;
  /** What another process goes on from. */
  serialize(): Promise<string>;
}

export interface LongOperation {
  /** In Azure's words, for errors: `VirtualNetworks.createOrUpdate`. */
  readonly operation: string;
  begin(): Promise<Poller | undefined>;
  /** Asks once how it is. @param state - What {@link Poller.serialize} gave. */
  resume(state: string): Promise<Poller>;
}

/** Where Azure does not say how long to wait. */
const DEFAULT_PAUSE_MS = 5_000;
const MAX_PAUSE_MS = 60_000;
/** Azure gives up on most of its operations within an hour. */
const TIMEOUT_MS = 3_600_000;
/** States name the endpoint, which has another port after a restart. */
const ENDPOINT = '{endpoint}';

type Parts = Pick<ProvisionContext, 'steps' | 'place'>;

/** @returns `undefined` when it is over already. @throws PlatformError `CLOUD_*`. */
export async function beginLong(
  { place }: Pick<Parts, 'place'>,
  transport: AzureTransport,
  { operation, begin }: Pick<LongOperation, 'operation' | 'begin'>,
): Promise<Begun | undefined> {
  const poller = await translated(operation, begin);
  if (poller === undefined || poller.isDone) return undefined;
  const state = await poller.serialize();
  const handle = place.endpoint === undefined ? state : state.replaceAll(place.endpoint, ENDPOINT);
  return { handle, everyMs: Math.min(transport.retryAfterMs ?? DEFAULT_PAUSE_MS, MAX_PAUSE_MS) };
}

/** @param handle - Of {@link beginLong}. @returns `undefined` while it goes on. @throws PlatformError `CLOUD_*`. */
export async function askLong(
  { place }: Pick<Parts, 'place'>,
  handle: JsonValue,
  { operation, resume }: Pick<LongOperation, 'operation' | 'resume'>,
): Promise<true | undefined> {
  const state = typeof handle === 'string' ? handle : '';
  const whole = place.endpoint === undefined ? state : state.replaceAll(ENDPOINT, place.endpoint);
  const { isDone } = await translated(operation, () => resume(whole));
  return isDone || undefined;
}

/** Two steps: `NAME`, and `NAME-done`. @throws PlatformError `CLOUD_*`. */
export async function azureLro(
  parts: Parts,
  transport: AzureTransport,
  long: LongOperation & { readonly name: string },
): Promise<void> {
  const { steps } = parts;
  const begun = await steps.run(long.name, async () => {
    const { handle, everyMs } = (await beginLong(parts, transport, long)) ?? { handle: null, everyMs: 0 };
    return { handle, everyMs };
  });
  await steps.until(
    `${long.name}-done`,
    async () => (begun.handle === null ? true : askLong(parts, begun.handle, long)),
    { everyMs: begun.everyMs, timeoutMs: TIMEOUT_MS },
  );
}

async function translated<Result>(operation: string, ask: () => Promise<Result>): Promise<Result> {
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
