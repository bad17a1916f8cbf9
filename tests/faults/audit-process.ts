/**
 * An administrator who never rests: registers, replaces and removes tools, registers workflows, stops and redrives
 * executions on a data folder, until the process is killed. Bundled by `audit-crash.test.ts` and run as
 * `node audit-process.mjs FOLDER LIFE KILL`, LIFE a number of its own, KILL a {@link CommitPoint} as JSON or `null`.
 *
 * Says `ready`, then `did ACTION ID` for each change that was acknowledged.
 */

import { writeSync } from 'node:fs';
import { openEmbeddedStore } from '../../src/adapters/embedded/store/store.ts';
import { systemClock, systemIds } from '../../src/adapters/embedded/system.ts';
import type { AuditTrail } from '../../src/audit/audit-trail.ts';
import type { Logger, StoreRoot } from '../../src/core/ports.ts';
import { lazyAudit } from '../../src/entry/lazy-audit.ts';
import { RegistrationStore } from '../../src/registry/registration-store.ts';
import { aslKind } from '../../src/workflows/asl/asl-kind.ts';
import { createEmbeddedEngine } from '../../src/workflows/engine/embedded-engine.ts';
import type { JsonValue } from '../../src/core/ports.ts';
import { AUDIT_KEY, BY_ADA as by } from '../fixtures/audit.ts';

/** The process ends at the `at`-th commit of a change with its record, before it takes place or before anybody hears of it. */
export interface CommitPoint {
  readonly at: number;
  readonly side: 'before' | 'after';
}

export const TENANT = 'team-x';
export const WORKFLOW = 'nightly';
const LANES = 4;

function mortalStore(root: StoreRoot, kill: CommitPoint | null): StoreRoot {
  let commits = 0;
  return {
    label: root.label,
    systemStore: () => root.systemStore(),
    check: () => root.check(),
    close: () => root.close(),
    store: (name) => {
      const inner = root.store(name);
      return {
        tenant: inner.tenant,
        table: (spec) => inner.table(spec),
        transact: async (writes) => {
          const isHere = writes.some(({ table }) => table.name === 'AuditRecords') && ++commits === kill?.at;
          if (isHere && kill?.side === 'before') process.kill(process.pid, 'SIGKILL');
          try {
            await inner.transact(writes);
          } finally {
            // Also where the store refused it, since some of these race.
            if (isHere) process.kill(process.pid, 'SIGKILL');
          }
        },
        queue: (queue, options) => inner.queue(queue, options),
        blobs: inner.blobs,
        changes: inner.changes,
      };
    },
  };
}

const say = (line: string): void => void writeSync(1, `${line}\n`);
const quiet: Logger = { log: () => undefined, with: () => quiet };

interface Parts {
  readonly store: StoreRoot;
  readonly audit: AuditTrail;
  readonly life: string;
}

/** Tools of this lane are its own, but one, which all lanes fight for. */
async function registers({ store, audit, life }: Parts, lane: number): Promise<never> {
  const registrations = new RegistrationStore({ store, clock: systemClock, ids: systemIds, audit });
  const lambdaArn = 'arn:aws:lambda:us-east-1:000000000000:function:f';
  for (let n = 0; ; n++) {
    const tool = (name: string) =>
      ({ type: 'tool', name, description: `${life} ${lane} ${n}`, lambdaArn, parameters: {} }) as const;
    const { id } = await registrations.create(TENANT, tool(`t${life}-${lane}-${n}`), { by });
    say(`did registration-created ${id}`);
    await registrations.replace(TENANT, id, { ...tool(`t${life}-${lane}-${n}`), description: 'other' }, { by });
    say(`did registration-replaced ${id}`);
    if (n % 2 === 0) {
      await registrations.remove(TENANT, id, { by });
      say(`did registration-removed ${id}`);
    }
    // Who loses the race is told so, and that is no change.
    await registrations.create(TENANT, tool('contested'), { by, upsert: true }).catch(() => undefined);
  }
}

async function runsWorkflows({ store, audit, life }: Parts): Promise<never> {
  const log = quiet;
  const kinds = [aslKind({ runTask: () => Promise.reject(new Error('no tasks here')) })];
  const parts = { store, clock: systemClock, ids: systemIds, log, tokenKey: AUDIT_KEY, drainMs: 0 };
  const engine = createEmbeddedEngine({ ...parts, audit, kinds });
  await engine.boot();
  const principal = { id: by.principal, tenant: TENANT, roles: [], scopes: [] };
  for (let n = 0; ; n++) {
    const States = { Nap: { Type: 'Wait', Seconds: 3600, Comment: `${life} ${n}`, End: true } };
    const definition: JsonValue = { StartAt: 'Nap', States };
    await engine.register(TENANT, { name: WORKFLOW, kind: 'asl', definition }, by);
    say(`did workflow-registered ${WORKFLOW}`);
    const { id } = await engine.start(principal, { workflow: WORKFLOW, name: `${life}-${n}` });
    await engine.stop(TENANT, id, {}, by);
    say(`did execution-stopped ${id}`);
    await engine.redrive(TENANT, id, by);
    say(`did execution-redriven ${id}`);
  }
}

const [folder = '', life = '', killText = 'null'] = process.argv.slice(2);
if (folder !== '') {
  const root = await openEmbeddedStore({ folder, clock: systemClock });
  const store = mortalStore(root, JSON.parse(killText) as CommitPoint | null);
  const audit = lazyAudit({ store, clock: systemClock, ids: systemIds, key: AUDIT_KEY });
  const parts = { store, audit, life };
  // Held: the clock of the product keeps nothing alive.
  setInterval(() => undefined, 60_000);
  say('ready');
  await Promise.all([runsWorkflows(parts), ...Array.from({ length: LANES }, (_none, lane) => registers(parts, lane))]);
}
