/**
 * A control plane that sees a list of jobs to their end on a data folder, or is killed. Bundled by `jobs-crash.test.ts`
 * and run as `node jobs-process.js FOLDER PLAN KILL`, PLAN a file with a {@link JobsPlan}, KILL a {@link KillPoint} as JSON.
 * Each body is submitted under a key of its own, so a process that comes later finds the jobs of the one before.
 *
 * Says, a line each: `ready`; `accepted NAME ID`; `refused NAME CODE WORDS`; `event ID TYPE WHAT`; `begin KEY` and `end KEY` of
 * each step's effect on the cloud; `done`.
 */

import { readFileSync, writeSync } from 'node:fs';
import { createEgress } from '../../src/adapters/embedded/egress.ts';
import { openEmbeddedStore } from '../../src/adapters/embedded/store/store.ts';
import { systemClock } from '../../src/adapters/embedded/system.ts';
import { awsServices } from '../../src/adapters/aws/services.ts';
import { PlatformError } from '../../src/core/errors.ts';
import type { FunctionInvoker, Logger, Queue, StoreRoot, Table, TenantStore } from '../../src/core/ports.ts';
import { webStack } from '../../src/provisioning/composites/web-stack.ts';
import type { CloudPlace, StepAttempt, Steps } from '../../src/provisioning/provisioner.ts';
import type { ServiceDefinition } from '../../src/provisioning/service.ts';
import { DELIVERIES } from '../../src/provisioning/webhooks.ts';
import { aslKind } from '../../src/workflows/asl/asl-kind.ts';
import { createTaskRunner } from '../../src/workflows/task-runner.ts';
import { ADA, contextOf, startControlPlane, type Started } from '../fixtures/control-plane.ts';

export interface JobsPlan {
  readonly tenant: string;
  readonly endpoint: string;
  readonly secret: string;
  /** Bodies of a chain are submitted one after the other's end, chains side by side. */
  readonly chains: readonly (readonly object[])[];
  /** Told of the end of each job. */
  readonly webhook: string;
  /** The first job of this chain is cancelled when it has told so many events. */
  readonly cancel?: { readonly chain: number; readonly afterEvents: number };
}

/** The process ends at the `at`-th commit or effect, before it takes place or before anybody hears of it. */
export interface KillPoint {
  readonly at: number;
  readonly what: 'commit' | 'effect';
  readonly side: 'before' | 'after';
}

const [folder = '', planFile = '', killText = 'null'] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(planFile, 'utf8')) as JobsPlan;
const kill = JSON.parse(killText) as KillPoint | null;

const say = (line: string): void => void writeSync(1, `${line}\n`);
const counts = { commit: 0, effect: 0 };

/** Runs it, and ends the process where the kill point is. */
async function mortal<T>(what: KillPoint['what'], body: () => Promise<T>): Promise<T> {
  const isHere = kill?.what === what && ++counts[what] === kill.at;
  if (isHere && kill.side === 'before') process.kill(process.pid, 'SIGKILL');
  const result = await body();
  if (isHere) process.kill(process.pid, 'SIGKILL');
  return result;
}

const commit = <T>(body: () => Promise<T>): Promise<T> => mortal('commit', body);

function mortalStore(root: StoreRoot): StoreRoot {
  const table = (inner: Table): Table => ({
    spec: inner.spec,
    get: (key) => inner.get(key),
    query: (query) => inner.query(query),
    put: (item, condition) => commit(() => inner.put(item, condition)),
    delete: (key, condition) => commit(() => inner.delete(key, condition)),
  });
  const queue = (inner: Queue): Queue => ({
    send: (body, options) => commit(() => inner.send(body, options)),
    receive: (options) => inner.receive(options),
    ack: (receipt) => commit(() => inner.ack(receipt)),
    extend: (receipt, visibilityMs) => inner.extend(receipt, visibilityMs),
    release: (receipt, options) => commit(() => inner.release(receipt, options)),
    deadLetters: () => inner.deadLetters(),
    redrive: (id) => inner.redrive(id),
  });
  const tenant = (inner: TenantStore): TenantStore => ({
    tenant: inner.tenant,
    table: (spec) => table(inner.table(spec)),
    transact: (writes) => commit(() => inner.transact(writes)),
    queue: (name, options) => queue(inner.queue(name, options)),
    blobs: inner.blobs,
    changes: inner.changes,
  });
  return {
    label: root.label,
    store: (name) => tenant(root.store(name)),
    systemStore: () => tenant(root.systemStore()),
    check: () => root.check(),
    close: () => root.close(),
  };
}

/** The same service, whose effects are told of. */
function observed(definition: ServiceDefinition): ServiceDefinition {
  const told =
    <Result>(effect: (attempt: StepAttempt) => Promise<Result>) =>
    (attempt: StepAttempt): Promise<Result> => {
      say(`begin ${attempt.key}`);
      return mortal('effect', async () => {
        const result = await effect(attempt);
        say(`end ${attempt.key}`);
        return result;
      });
    };
  const stepsOver = (inner: Steps): Steps => ({
    run: (name, effect) => inner.run(name, told(effect)),
    until: (name, ask, options) => inner.until(name, told(ask), options),
  });
  return {
    ...definition,
    nameOf: (params, requestId) => definition.nameOf(params, requestId),
    load: async () => {
      const module = await definition.load();
      return { create: (context) => module.create({ ...context, steps: stepsOver(context.steps) }) };
    },
  };
}

const stderrLog: Logger = {
  log: (level, message, fields) => {
    if (level === 'error' || level === 'warn') writeSync(2, `${level} ${message} ${JSON.stringify(fields)}\n`);
  },
  with: () => stderrLog,
};
const noFunctions = { label: 'embedded', list: () => [] } as unknown as FunctionInvoker;

const egress = createEgress({ clock: systemClock, allow: ['127.0.0.1'] });

function start(store: StoreRoot): Promise<Started> {
  const place: CloudPlace = {
    endpoint: plan.endpoint,
    label: 'simulated',
    egress,
    secrets: { get: () => Promise.resolve(undefined) },
    env: { AWS_ACCESS_KEY_ID: 'zeroplane', AWS_SECRET_ACCESS_KEY: plan.secret },
  };
  return startControlPlane({
    store,
    log: stderrLog,
    egress,
    secrets: { get: () => Promise.resolve('the secret') },
    services: awsServices.map(observed),
    composites: [webStack],
    placeOf: () => Promise.resolve(place),
    retries: { attempts: 6, firstMs: 5, longestMs: 50 },
    everyMs: 200,
    kinds: ({ handlers }) => [aslKind({ runTask: createTaskRunner({ handlers, invoker: noFunctions }) })],
  });
}

const owner = { ...ADA, tenant: plan.tenant };

async function runChain(at: Started, chain: number): Promise<void> {
  for (const [n, body] of (plan.chains[chain] ?? []).entries()) {
    const name = `${chain}.${n}`;
    try {
      const { requestId } = await at.submit(
        { ...body, webhook: { url: plan.webhook, secretRef: 'hook' } },
        name,
        owner,
      );
      say(`accepted ${name} ${requestId}`);
      const isCancelled = n === 0 && plan.cancel?.chain === chain;
      tell(at, requestId, isCancelled ? plan.cancel.afterEvents : Infinity);
      await at.plane.wait(requestId, 120_000, contextOf(owner));
    } catch (error) {
      say(`refused ${name} ${error instanceof PlatformError ? `${error.code} ${error.message}` : String(error)}`);
    }
  }
}

function tell(at: Started, requestId: string, cancelAfter: number): void {
  let events = 0;
  at.plane.watch(requestId, plan.tenant, ({ type, data }) => {
    const { step, status = '' } = data as { readonly step?: string; readonly status?: string };
    say(`event ${requestId} ${type} ${step ?? status}`);
    // What has ended, or is undone already, is not cancelled any more.
    if (++events === cancelAfter) at.plane.cancel(requestId, contextOf(owner)).catch(() => undefined);
  });
}

// Held: the clock of the product keeps nothing alive.
const hold = setInterval(() => undefined, 60_000);
const store = await openEmbeddedStore({ folder, clock: systemClock });
const at = await start(mortalStore(store));
say('ready');
await Promise.all(plan.chains.map((_bodies, chain) => runChain(at, chain)));
for (let left = 500; left > 0; left--) {
  const { items } = await store.systemStore().table(DELIVERIES).query({ index: 'due', partition: 'webhooks' });
  if (items.length === 0) break;
  await new Promise((resolve) => setTimeout(resolve, 20));
}
say('done');
await at.stop();
await store.close();
clearInterval(hold);
process.exit(0);
