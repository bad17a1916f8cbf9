/** An engine on a store in memory, and what its tests need around it. */

import type { Principal } from '../../core/context.ts';
import type { Logger, StoreRoot } from '../../core/ports.ts';
import type { FakeClock } from '../../../tests/contract/fake-clock.ts';
import { fakeClock } from '../../../tests/contract/fake-clock.ts';
import { openMemoryStore } from '../../adapters/embedded/store/store.ts';
import { systemIds } from '../../adapters/embedded/system.ts';
import type { EmbeddedEngine, EmbeddedEngineOptions } from './embedded-engine.ts';
import { createEmbeddedEngine } from './embedded-engine.ts';
import type { ExecutionDescription } from './workflow-engine.ts';

export const ADA: Principal = { id: 'ada', tenant: 'team-x', roles: ['requester'], scopes: ['zeroplane:use'] };
export const TOKEN_KEY = new Uint8Array(32).fill(7);

export interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: unknown;
}

export function collectLog(lines: Line[] = []): Logger {
  const log: Logger = { log: (level, message, fields) => void lines.push({ level, message, fields }), with: () => log };
  return log;
}

export interface Opened {
  readonly engine: EmbeddedEngine;
  readonly store: StoreRoot;
  readonly clock: FakeClock;
  readonly lines: readonly Line[];
  /** Another engine on the same store, as after a restart or in another process; not booted. */
  readonly again: (options?: Partial<EmbeddedEngineOptions>) => EmbeddedEngine;
}

/** Opens an engine, and closes all that was opened after `body`. */
export async function withEngine(
  options: Partial<EmbeddedEngineOptions>,
  body: (opened: Opened) => Promise<void>,
): Promise<void> {
  const clock = fakeClock();
  const store = await openMemoryStore({ clock });
  const lines: Line[] = [];
  const engines: EmbeddedEngine[] = [];
  const again = (more: Partial<EmbeddedEngineOptions> = {}): EmbeddedEngine => {
    const parts = { store, clock, ids: systemIds, log: collectLog(lines), tokenKey: TOKEN_KEY, drainMs: 0 };
    const engine = createEmbeddedEngine({ ...parts, ...options, ...more });
    engines.push(engine);
    return engine;
  };
  const engine = again();
  try {
    await engine.boot();
    await body({ engine, store, clock, lines, again });
  } finally {
    const closing = Promise.all(engines.map((each) => each.close()));
    // Lets drains end.
    clock.advance(1);
    await closing;
    await store.close();
  }
}

/** The end of an execution, as soon as it has one. */
export async function endOf(engine: EmbeddedEngine, id: string, tenant = 'team-x'): Promise<ExecutionDescription> {
  return new Promise((resolve, reject) => {
    const stop = engine.onEnd((ended) => {
      if (ended.id !== id || ended.tenant !== tenant) return;
      stop();
      resolve(ended);
    });
    engine.describe(tenant, id).then((now) => {
      if (now.status === 'RUNNING') return;
      stop();
      resolve(now);
    }, reject);
  });
}

/** Real time, for what the SDK does on its own timers. */
export function turn(ms = 40): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
