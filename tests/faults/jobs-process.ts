/**
 * A control plane that runs a list of jobs on a data folder until all have ended or it is killed. Run as
 * `node --import tsx jobs-process.ts FOLDER ENDPOINT SECRET PLAN`, PLAN a JSON file of request bodies. Each body is
 * submitted under a key of its own, so a process that comes later finds the jobs of the one before.
 *
 * Says, a line each: `ready`; `accepted N ID`; `event ID TYPE WHAT`; `done`.
 */

import { readFileSync, writeSync } from 'node:fs';
import { createEgress } from '../../src/adapters/embedded/egress.ts';
import { openEmbeddedStore } from '../../src/adapters/embedded/store/store.ts';
import { systemClock } from '../../src/adapters/embedded/system.ts';
import type { FunctionInvoker } from '../../src/core/ports.ts';
import { cloudServices, shippedComposites } from '../../src/entry/cloud-services.ts';
import type { JobEvent } from '../../src/provisioning/control-plane.ts';
import type { CloudPlace } from '../../src/provisioning/provisioner.ts';
import { aslKind } from '../../src/workflows/asl/asl-kind.ts';
import { createTaskRunner } from '../../src/workflows/task-runner.ts';
import { contextOf, startControlPlane } from '../fixtures/control-plane.ts';

const [folder = '', endpoint = '', secret = '', planFile = ''] = process.argv.slice(2);
const bodies = JSON.parse(readFileSync(planFile, 'utf8')) as readonly object[];

const say = (line: string): void => void writeSync(1, `${line}\n`);
const noFunctions = { label: 'embedded', list: () => [] } as unknown as FunctionInvoker;

const place: CloudPlace = {
  endpoint,
  label: 'simulated',
  egress: createEgress({ clock: systemClock }),
  secrets: { get: () => Promise.resolve(undefined) },
  env: { AWS_ACCESS_KEY_ID: 'zeroplane', AWS_SECRET_ACCESS_KEY: secret },
};

// Held: the clock of the product keeps nothing alive.
const hold = setInterval(() => undefined, 60_000);
const store = await openEmbeddedStore({ folder, clock: systemClock });
const at = await startControlPlane({
  store,
  services: cloudServices,
  composites: shippedComposites,
  placeOf: () => Promise.resolve(place),
  retries: { attempts: 6, firstMs: 5, longestMs: 50 },
  concurrency: 4,
  kinds: (provisioning) => [
    aslKind({ runTask: createTaskRunner({ handlers: provisioning.handlers, invoker: noFunctions }) }),
  ],
});
say('ready');

const ended: Promise<void>[] = [];
for (const [n, body] of bodies.entries()) {
  const job = await at.submit(body as Record<string, unknown>, `job-${n}`);
  say(`accepted ${n} ${job.requestId}`);
  const tell = ({ type, data }: JobEvent): void => {
    const { step, status = '' } = data as { readonly step?: string; readonly status?: string };
    say(`event ${job.requestId} ${type} ${step ?? status}`);
  };
  at.plane.watch(job.requestId, job.tenant, tell);
  ended.push(at.plane.wait(job.requestId, 120_000, contextOf()).then(() => undefined));
}
await Promise.all(ended);
say('done');
await at.stop();
await store.close();
clearInterval(hold);
process.exit(0);
