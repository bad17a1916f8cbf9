/** Requests over HTTP whose answer has not come: how to close the stream of each, and whether it is still wanted. */

import { IdMap } from '../../upstream/id-map.ts';

export interface Open {
  close: (() => void) | undefined;
  wanted: boolean;
}

export class OpenRequests extends IdMap<Open> {
  /** Closes the stream of a request that nobody waits for any more. @returns whether there was one. */
  end(id: number): boolean {
    const open = this.take(id);
    if (open === undefined) return false;
    open.wanted = false;
    open.close?.();
    return true;
  }

  endAll(): void {
    for (const id of this.ids()) this.end(id);
  }
}
