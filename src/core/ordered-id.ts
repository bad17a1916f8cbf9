/** Ids that sort by the time they were made, so that what is active together lies together in the store's indexes. */

import type { Clock, IdSource } from './ports.ts';

/** A UUID of version 7 (RFC 9562, 5.7): 48 bits of milliseconds since 1970, 74 random ones. */
export function orderedId(ids: IdSource, clock: Pick<Clock, 'nowMs'>): string {
  const time = Math.max(0, Math.floor(clock.nowMs())).toString(16).padStart(12, '0').slice(-12);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${ids.uuid().slice(15)}`;
}
