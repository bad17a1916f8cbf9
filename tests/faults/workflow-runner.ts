/**
 * A process that runs workflows on a data folder until all have ended or it is killed. Run as
 * `node --import tsx workflow-runner.ts FOLDER [COUNT]`; prints `ready`, then `done`.
 *
 * What its steps do to the world is a line each in `effects.log` beside the folder: `begin` when one is called, `end`
 * when it returns.
 */

import { appendFileSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { DurableContext } from '@aws/durable-execution-sdk-js';
import { openEmbeddedStore } from '../../src/adapters/embedded/store/store.ts';
import { systemIds } from '../../src/adapters/embedded/system.ts';
import type { Principal } from '../../src/core/context.ts';
import type { JsonValue, Logger } from '../../src/core/ports.ts';
import { defineWorkflow } from '../../src/workflows/engine/code-workflow.ts';
import { createEmbeddedEngine } from '../../src/workflows/engine/embedded-engine.ts';
import type { EmbeddedEngine, EmbeddedEngineOptions } from '../../src/workflows/engine/embedded-engine.ts';
import { systemClock } from './store-writer.ts';

export const OWNER: Principal = { id: 'ada', tenant: 'crash', roles: ['requester'], scopes: ['zeroplane:use'] };
export const KEY = new Uint8Array(32).fill(3);

export const quiet: Logger = { log: () => undefined, with: () => quiet };

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Everything a workflow is made of: steps, a retry, a wait, a map, a task token, a child, and an undo. `effect` does
 * something to the world under a name that is the same whenever the step is.
 */
export function busy(effect: (name: string) => Promise<void>, onToken: (token: string) => void) {
  const step = (context: DurableContext, name: string, result: JsonValue = name) =>
    context.step(name, async () => {
      await effect(name);
      return result;
    });
  const once = { retryStrategy: () => ({ shouldRetry: false }) };
  const child = defineWorkflow({ name: 'child', version: 1 }, async (context, input) =>
    context.step('child', async () => {
      await effect(`child of ${(input as { of: string }).of}`);
      return 'grown';
    }),
  );
  const parent = defineWorkflow({ name: 'busy', version: 1 }, async (context, input) => {
    const { id } = input as { id: string };
    await step(context, `${id} one`);
    await context.wait('nap', { seconds: 1 });
    await context.step(
      `${id} flaky`,
      async ({ attempt }) => {
        await effect(`${id} flaky ${attempt}`);
        if (attempt < 2) throw new Error('not yet');
        return attempt;
      },
      { retryStrategy: () => ({ shouldRetry: true, delay: { seconds: 1 } }) },
    );
    const all = await context.map('all', [1, 2, 3], async (each, n) => {
      await step(each, `${id} map ${n} a`);
      return step(each, `${id} map ${n} b`, n * n);
    });
    const answer = await context.waitForCallback('ask', async (token) => onToken(token));
    const grown = await context.invoke<JsonValue, JsonValue>('grow', 'child', { of: id });
    const made: string[] = [];
    try {
      for (const name of ['network', 'disk', 'machine']) {
        if (name === 'machine') {
          await context.step(
            `${id} make machine`,
            async () => {
              await effect(`${id} make machine`);
              throw new Error('no capacity');
            },
            once,
          );
        }
        await step(context, `${id} make ${name}`);
        made.unshift(name);
      }
    } catch {
      for (const name of made) await step(context, `${id} undo ${name}`);
    }
    return { squares: all.getResults(), answer: JSON.parse(answer) as JsonValue, grown, undone: made };
  });
  return [parent, child];
}

export const EXPECTED = { squares: [1, 4, 9], answer: 'yes', grown: 'grown', undone: ['disk', 'network'] };

export async function openEngine(
  folder: string,
  options: Partial<EmbeddedEngineOptions>,
): Promise<{ readonly engine: EmbeddedEngine; readonly close: () => Promise<void> }> {
  const store = await openEmbeddedStore({ folder, clock: systemClock });
  const parts = { store, clock: systemClock, ids: systemIds, log: quiet, tokenKey: KEY };
  const engine = createEmbeddedEngine({ ...parts, ...options });
  const close = async (): Promise<void> => {
    await engine.close();
    await store.close();
  };
  return { engine, close };
}

async function main([folder = '', count = '6']: readonly string[]): Promise<void> {
  const log = join(folder, '..', 'effects.log');
  const effect = async (name: string): Promise<void> => {
    appendFileSync(log, `begin ${name}\n`);
    await pause(Math.random() * 12);
    appendFileSync(log, `end ${name}\n`);
  };
  const tokens = join(folder, '..', 'tokens.log');
  const onToken = (token: string): void => appendFileSync(tokens, `${token}\n`);
  const { engine, close } = await openEngine(folder, { workflows: busy(effect, onToken) });
  await engine.boot();
  const ids = Array.from({ length: Number(count) }, (_unused, n) => `w${n}`);
  await Promise.all(ids.map(async (id) => engine.start(OWNER, { workflow: 'busy', name: id, input: { id } })));
  writeSync(1, 'ready\n');
  for (;;) {
    const { items } = await engine.list('crash', { workflow: 'busy' });
    if (items.every(({ status }) => status !== 'RUNNING')) break;
    // Whoever was given a token answers, perhaps more than once: the answer counts once.
    for (const token of read(tokens)) await engine.sendTaskSuccess('crash', token, 'yes').catch(() => undefined);
    await pause(20);
  }
  await close();
  writeSync(1, 'done\n');
}

function read(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(0, -1);
  } catch {
    return [];
  }
}

if (process.argv[1] === import.meta.filename) await main(process.argv.slice(2));
