/**
 * Processes that end between two requests to a cloud. The finest crash there is: whatever one request changed, the next
 * process has to find, although nothing was written down since.
 */

import { expect } from 'vitest';
import type { Egress, EgressRequest, EgressResponse, JsonValue } from '../../src/core/ports.ts';
import type { CloudProvisioner, NameRecord } from '../../src/provisioning/provisioner.ts';
import { nameRecord } from '../fixtures/name-record.ts';
import type { CloudOf, It, Job, StartJob } from './cloud-provisioner.ts';

const TENANT = 'team-x';

/** A process that ends with its request of one number, once the cloud has done what was asked. */
class Mortal implements Egress {
  readonly #egress: Egress;
  readonly #diesWith: number;
  /** Of requests that change something: the others leave nothing to be found. */
  changes = 0;
  readonly died: Promise<'died'>;
  #die: () => void = () => undefined;
  #isDead = false;

  constructor(egress: Egress, diesWith = Infinity) {
    this.#egress = egress;
    this.#diesWith = diesWith;
    this.died = new Promise((resolve) => (this.#die = () => resolve('died')));
  }

  async request(request: EgressRequest): Promise<EgressResponse> {
    if (this.#isDead) return await never();
    const isLast = !isReading(request) && this.changes++ === this.#diesWith;
    const answer = await this.#egress.request(request);
    if (isLast) {
      this.#isDead = true;
      // oxlint-disable-next-line no-empty -- read to its end, so that its connection is free
      for await (const _chunk of answer.body) {
      }
      this.#die();
    }
    return this.#isDead ? await never() : answer;
  }
}

/** Nobody is there any more who could hear of it. */
const never = (): Promise<never> => new Promise(() => undefined);

function isReading({ method, headers, body = '' }: EgressRequest): boolean {
  if (method === 'GET' || method === 'HEAD') return true;
  const target = Object.entries(headers).find(([name]) => name.toLowerCase() === 'x-amz-target')?.[1];
  const operation = target?.split('.').at(-1) ?? new URLSearchParams(body).get('Action') ?? '';
  return /^(?:Describe|Get|List|Scan|Query)/.test(operation);
}

type Run = (job: Job) => Promise<unknown>;
const provision: Run = ({ provisioner, input }) => provisioner.provision(input);
const destroy = ({ provisioner, id }: Job): ReturnType<CloudProvisioner['destroy']> => provisioner.destroy(id);

/** Runs until the request of this number. @returns whether it came that far, and how many there were. */
async function dying(
  start: StartJob,
  cloud: CloudOf,
  options: {
    readonly run: Run;
    readonly at: number;
    readonly record: Map<string, JsonValue>;
    readonly names: NameRecord;
  },
): Promise<{ readonly isDead: boolean; readonly changes: number }> {
  const { run, at, record, names } = options;
  const { place } = cloud();
  const mortal = new Mortal(place.egress, at);
  const job = start({ record, names, place: { ...place, egress: mortal } });
  const isDead = (await Promise.race([run(job), mortal.died])) === 'died';
  return { isDead, changes: mortal.changes };
}

export function requestDeathTests(it: It, cloud: CloudOf): void {
  it('a process that dies with any request leaves one resource once the job has gone on, and none after removal', async (start) => {
    await provision(start());
    const wanted = (await cloud().owned(TENANT)).length;
    await destroy(start());
    for (let at = 0; ; at++) {
      const [record, names] = [new Map<string, JsonValue>(), nameRecord()];
      const { isDead } = await dying(start, cloud, { run: provision, at, record, names });
      if (isDead) await provision(start({ record, names }));
      expect([at, await cloud().owned(TENANT)]).toEqual([at, expect.objectContaining({ length: wanted })]);
      const removal = new Map<string, JsonValue>();
      const gone = await dying(start, cloud, { run: destroy, at, record: removal, names: nameRecord() });
      if (gone.isDead) await destroy(start({ record: removal }));
      expect([at, await cloud().owned(TENANT)]).toEqual([at, []]);
      if (!isDead && !gone.isDead) return expect(at).toBeGreaterThan(0);
    }
  });

  it('what a process that died with a request has left is removed by the undo, and its name is free', async (start) => {
    for (let at = 0; ; at++) {
      const [record, names] = [new Map<string, JsonValue>(), nameRecord()];
      const { isDead } = await dying(start, cloud, { run: provision, at, record, names });
      await destroy(start({ isRollback: true, names }));
      expect([at, await cloud().owned(TENANT)]).toEqual([at, []]);
      // Nor is there anything that carries no tags.
      const { provisioner, id } = start({ requestId: 'another' });
      expect([at, await provisioner.read(id)]).toEqual([at, undefined]);
      if (!isDead) return expect(at).toBeGreaterThan(0);
    }
  });
}
