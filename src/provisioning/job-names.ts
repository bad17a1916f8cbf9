/**
 * Names of the executions that jobs run as: `<requestId>-<part>-<mac>`. Only who has the instance's key can make one, so
 * a workflow that somebody else starts under the name of a job is not taken for the job's own.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';

const MAC_LENGTH = 16;

export class JobNames {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** @param part - `r1` for a first run, `u1` for its undo, or what tells parts of one run apart; at most 20 characters. */
  of(workflow: string, requestId: string, part: string): string {
    const base = `${requestId}-${part}`;
    return `${base}-${this.#mac(workflow, base)}`;
  }

  /** The job that an execution belongs to; `undefined` for a name that was not made here. */
  jobOf({ workflow, name }: { readonly workflow: string; readonly name: string }): string | undefined {
    const [, base = '', requestId = '', mac = ''] = /^((.+)-[a-z0-9]{1,20})-([0-9a-f]{16})$/.exec(name) ?? [];
    const expected = Buffer.from(this.#mac(workflow, base));
    const given = Buffer.from(mac);
    return given.length === expected.length && timingSafeEqual(given, expected) ? requestId : undefined;
  }

  #mac(workflow: string, base: string): string {
    return createHmac('sha256', this.#key).update(`execution\0${workflow}\0${base}`).digest('hex').slice(0, MAC_LENGTH);
  }
}
