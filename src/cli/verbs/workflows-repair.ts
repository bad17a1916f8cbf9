/**
 * `workflows repair`: ends an execution whose journal is damaged, in the data folder itself, because no instance starts
 * on such a folder. Nothing is run here: whoever waits for the execution is told by the next start.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock, systemIds } from '../../adapters/embedded/system.ts';
import { openEmbeddedStore } from '../../adapters/embedded/store/store.ts';
import { PlatformError } from '../../core/errors.ts';
import type { Logger } from '../../core/ports.ts';
import { sealingKey } from '../../entry/data-folder.ts';
import { lazyAudit } from '../../entry/lazy-audit.ts';
import type { Repaired } from '../../workflows/engine/embedded-engine.ts';
import { createEmbeddedEngine } from '../../workflows/engine/embedded-engine.ts';
import type { CliContext, CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { dataDirOf } from '../instance.ts';
import type { Style } from '../style.ts';
import { oneLine } from '../style.ts';

const DEVELOPMENT_TENANT = 'team-x';
const SILENT: Logger = { log: () => undefined, with: () => SILENT };

/** @throws PlatformError `NOT_FOUND` for the folder or the execution, `STORE_LOCKED` while an instance has the folder. */
export async function* workflowsRepair(
  invocation: Invocation,
  context: CliContext,
): AsyncGenerator<CliEvent, undefined> {
  const dataDir = dataDirOf(invocation, context);
  const tenant = invocation.text('tenant') ?? DEVELOPMENT_TENANT;
  const repaired = await repairIn(dataDir, tenant, invocation.word);
  const { execution, damage } = repaired;
  const { id, status, error, cause } = execution;
  const value = { id, tenant, repaired: damage !== undefined, damage: damage ?? null, status, error, cause };
  yield result(value, (style) => repairedText(repaired, style));
  return undefined;
}

async function repairIn(dataDir: string, tenant: string, id: string): Promise<Repaired> {
  // Opening would make a store where there is none.
  if (!existsSync(join(dataDir, 'store.db')))
    throw new PlatformError('NOT_FOUND', `${dataDir} is no data folder: there is no store in it.`, {
      next: 'zeroplane workflows repair --help',
    });
  const store = await openEmbeddedStore({ folder: dataDir, clock: systemClock });
  try {
    // Never booted: it continues nothing, and makes and reads no task tokens.
    const parts = { store, clock: systemClock, ids: systemIds, log: SILENT, tokenKey: new Uint8Array(32) };
    const audit = lazyAudit({ ...parts, key: sealingKey(dataDir) });
    const by = { principal: 'operator', requestId: systemIds.uuid() };
    return await createEmbeddedEngine({ ...parts, audit }).repair(tenant, id, by);
  } catch (thrown) {
    if (!(thrown instanceof PlatformError) || thrown.code !== 'NOT_FOUND') throw thrown;
    throw new PlatformError('NOT_FOUND', `Tenant "${tenant}" has no execution "${id}" in ${dataDir}.`);
  } finally {
    await store.close();
  }
}

function repairedText({ execution: { id, status }, damage }: Repaired, style: Style): string {
  const name = oneLine(id, 200);
  if (damage !== undefined)
    return [
      `${style.good('repaired')} ${name}`,
      `  Its journal was damaged: ${oneLine(damage, 200)}. It has ended as ${status}, with the error JOURNAL_CORRUPT.`,
      `  ${style.dim('Its input is kept; what its steps recorded is gone. The instance can be started again.')}`,
    ].join('\n');
  const then = status === 'RUNNING' ? 'It goes on with the next start.' : `It is ${status}.`;
  return `${style.good('nothing to repair')} ${name}\n  Its journal is whole. ${then}`;
}
