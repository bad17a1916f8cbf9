/**
 * One measurement of workflows, as a JSON document on standard output. argv[2] is `{job, folder, …}`:
 *
 * - `rate`: a ten-state machine, one at a time and a hundred in flight, beside the bare database's own commits;
 * - `sleepers`: leaves `count` suspended executions in the folder;
 * - `rearm`: opens that folder, and says how long it took and what it takes;
 * - `life`: `count` executions from their start to their end, and what is left on the heap.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openDriver, prepareConnection } from '../../src/adapters/embedded/store/open-driver.ts';
import { openEmbeddedStore } from '../../src/adapters/embedded/store/store.ts';
import { systemClock, systemIds } from '../../src/adapters/embedded/system.ts';
import { orderedId } from '../../src/core/ordered-id.ts';
import { aslKind } from '../../src/workflows/asl/asl-kind.ts';
import { defineWorkflow } from '../../src/workflows/engine/code-workflow.ts';
import { createEmbeddedEngine } from '../../src/workflows/engine/embedded-engine.ts';
const OWNER = { id: 'bench', tenant: 'bench', roles: ['requester'], scopes: ['zeroplane:use'] };
const quiet = { log: () => undefined, with: () => quiet };
const STATES = 10;
/** Ten tasks in a row. */
const MACHINE = {
  StartAt: 'S1',
  States: Object.fromEntries(
    Array.from({ length: STATES }, (_unused, n) => [
      `S${n + 1}`,
      {
        Type: 'Task',
        Resource: 'work',
        TimeoutSeconds: 60,
        ...(n + 1 === STATES ? { End: true } : { Next: `S${n + 2}` }),
      },
    ]),
  ),
};
let naps = 0;
const nap = defineWorkflow({ name: 'nap' }, async (context) => {
  naps += 1;
  await context.wait('long', { hours: 10 });
  return 1;
});
const short = defineWorkflow({ name: 'short' }, async (context, input) => context.step('only', async () => input));
/** Counts what is written in one transaction. */
function counting(store, onCommit) {
  const wrap = (inner) => ({
    ...inner,
    table: (spec) => inner.table(spec),
    transact: (writes) => {
      onCommit();
      return inner.transact(writes);
    },
    queue: (name, options) => inner.queue(name, options),
  });
  return {
    label: store.label,
    store: (tenant) => wrap(store.store(tenant)),
    systemStore: () => store.systemStore(),
    check: () => store.check(),
    close: () => store.close(),
  };
}
async function open(folder, onCommit = () => undefined) {
  const disk = await openEmbeddedStore({ folder, clock: systemClock });
  const store = counting(disk, onCommit);
  const kinds = [aslKind({ runTask: async ({ input }) => input })];
  const engine = createEmbeddedEngine({
    store,
    clock: systemClock,
    ids: systemIds,
    log: quiet,
    tokenKey: new Uint8Array(32).fill(1),
    kinds,
    workflows: [nap, short],
  });
  return { store: disk, engine };
}
/** Starts `count` executions, `inFlight` at a time, and waits for the end of each. @returns seconds. */
async function run(engine, of) {
  const ended = new Map();
  const stop = engine.onEnd(({ id, status }) => {
    if (status !== 'SUCCEEDED') throw new Error(`${id} is ${status}`);
    ended.get(id)?.();
    ended.delete(id);
  });
  let left = of.count;
  const began = performance.now();
  const lane = async () => {
    while (left > 0) {
      left -= 1;
      const name = orderedId(systemIds, systemClock);
      const over = new Promise((resolve) => ended.set(`${of.workflow}:${name}`, resolve));
      await engine.start(OWNER, { workflow: of.workflow, name, input: { n: left } });
      await over;
    }
  };
  await Promise.all(Array.from({ length: of.inFlight }, lane));
  stop();
  return (performance.now() - began) / 1000;
}
/** Commits of one row each per second, one after the other. */
async function bareRate(folder, commits) {
  const driver = await openDriver(join(folder, `bare-${commits}-${Date.now()}.db`));
  prepareConnection(driver);
  driver.exec('CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT)');
  const body = 'x'.repeat(400);
  const began = performance.now();
  for (let n = 0; n < commits; n += 1) {
    driver.exec('BEGIN IMMEDIATE');
    driver.run('INSERT INTO rows (body) VALUES (?)', [body]);
    driver.exec('COMMIT');
  }
  const seconds = (performance.now() - began) / 1000;
  driver.close();
  return commits / seconds;
}
async function rate({ folder, count, rounds }) {
  let commits = 0;
  const { store, engine } = await open(join(folder, 'data'), () => (commits += 1));
  await engine.boot();
  await engine.register('bench', { name: 'ten', kind: 'asl', definition: MACHINE });
  await run(engine, { workflow: 'ten', count: 200, inFlight: 50 });
  const figures = [];
  let perRun = 0;
  let cpuMs = 0;
  for (let round = 0; round < rounds; round += 1) {
    const bare = await bareRate(folder, 300);
    commits = 0;
    const alone = count / (await run(engine, { workflow: 'ten', count, inFlight: 1 }));
    perRun = commits / count;
    const before = process.cpuUsage();
    const many = count * 10;
    const together = many / (await run(engine, { workflow: 'ten', count: many, inFlight: 100 }));
    const { user, system } = process.cpuUsage(before);
    cpuMs = (user + system) / 1000 / (many * STATES);
    figures.push({ bare, alone, together });
  }
  await engine.close();
  await store.close();
  return { figures, commits: perRun, cpuMs };
}
async function sleepers({ folder, count }) {
  const { store, engine } = await open(folder);
  await engine.boot();
  const lane = async () => {
    for (let n = 0; n < count / 100; n += 1) await engine.start(OWNER, { workflow: 'nap' });
  };
  await Promise.all(Array.from({ length: 100 }, lane));
  const areAsleep = () => naps >= count;
  while (!areAsleep()) await new Promise((resolve) => setTimeout(resolve, 50));
  await new Promise((resolve) => setTimeout(resolve, 500));
  await engine.close();
  await store.close();
  return { naps };
}
async function rearm({ folder }) {
  const began = performance.now();
  const { store, engine } = await open(folder);
  await engine.boot();
  const seconds = (performance.now() - began) / 1000;
  await new Promise((resolve) => setTimeout(resolve, 500));
  const mib = process.memoryUsage().rss / 2 ** 20;
  const { items } = await engine.list('bench', { status: 'RUNNING', limit: 1000 });
  await engine.close();
  await store.close();
  return { seconds, mib, naps, listed: items.length };
}
async function life({ folder, count }) {
  const { store, engine } = await open(folder);
  await engine.boot();
  const heap = () => {
    for (let n = 0; n < 4; n += 1) globalThis.gc?.();
    return process.memoryUsage().heapUsed / 2 ** 20;
  };
  const part = Math.ceil(count / 5);
  await run(engine, { workflow: 'short', count: part, inFlight: 100 });
  // What the SDK's timers of half a second hold is let go.
  await new Promise((resolve) => setTimeout(resolve, 800));
  const before = heap();
  const seconds = await run(engine, { workflow: 'short', count: count - part, inFlight: 100 });
  await new Promise((resolve) => setTimeout(resolve, 800));
  const after = heap();
  await engine.close();
  await store.close();
  return { grownMib: after - before, perSecond: (count - part) / seconds };
}
const JOBS = { rate, sleepers, rearm, life };
const job = JSON.parse(process.argv[2] ?? '{}');
mkdirSync(job.folder, { recursive: true });
console.log(JSON.stringify(await JOBS[job.job](job)));
