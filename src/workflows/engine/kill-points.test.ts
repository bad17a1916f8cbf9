/** Random workflows whose process ends at random commits: whatever happens, they end as if nothing had. */

import type { DurableContext } from '@aws/durable-execution-sdk-js';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FakeClock } from '../../../tests/contract/fake-clock.ts';
import { fakeClock } from '../../../tests/contract/fake-clock.ts';
import { openMemoryStore } from '../../adapters/embedded/store/store.ts';
import { systemIds } from '../../adapters/embedded/system.ts';
import type { JsonValue, StoreRoot } from '../../core/ports.ts';
import type { StoredOperation } from '../durable/operation.ts';
import { joinTexts } from '../durable/parts.ts';
import { JOURNAL } from '../durable/tables.ts';
import { EXECUTIONS } from './tables.ts';
import type { CodeWorkflow } from './code-workflow.ts';
import { defineWorkflow } from './code-workflow.ts';
import type { EmbeddedEngine } from './embedded-engine.ts';
import { createEmbeddedEngine } from './embedded-engine.ts';
import { ADA, TOKEN_KEY, collectLog, turn } from './engine-for-test.ts';
import { mortal } from './mortal-store-for-test.ts';

type Part =
  | { readonly do: 'step'; readonly size: number }
  | { readonly do: 'wait'; readonly seconds: number }
  | { readonly do: 'flaky'; readonly failures: number }
  | { readonly do: 'map'; readonly items: number }
  | { readonly do: 'child'; readonly parts: readonly Part[] };

const leaf: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ do: fc.constant('step' as const), size: fc.integer({ min: 0, max: 150_000 }) }),
  fc.record({ do: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 100 }) }),
  fc.record({ do: fc.constant('flaky' as const), failures: fc.integer({ min: 1, max: 2 }) }),
  fc.record({ do: fc.constant('map' as const), items: fc.integer({ min: 1, max: 4 }) }),
);
const part: fc.Arbitrary<Part> = fc.oneof(
  { weight: 4, arbitrary: leaf },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('child' as const), parts: fc.array(leaf, { maxLength: 3 }) }) },
);

/** Runs the parts; every effect has a name that is the same in every life. */
async function perform(
  context: DurableContext,
  parts: readonly Part[],
  at: { readonly path: string; readonly effect: (name: string) => void },
): Promise<JsonValue[]> {
  const done: JsonValue[] = [];
  for (const [n, each] of parts.entries()) {
    const name = `${at.path}/${n}`;
    done.push(await performOne(context, each, { name, effect: at.effect }));
  }
  return done;
}

async function performOne(
  context: DurableContext,
  each: Part,
  { name, effect }: { readonly name: string; readonly effect: (name: string) => void },
): Promise<JsonValue> {
  switch (each.do) {
    case 'step':
      return (
        await context.step(name, async () => {
          effect(name);
          return 'x'.repeat(each.size);
        })
      ).length;
    case 'wait':
      await context.wait(name, { seconds: each.seconds });
      return 'waited';
    case 'flaky':
      return context.step(
        name,
        async ({ attempt }) => {
          effect(`${name} attempt ${attempt}`);
          if (attempt <= each.failures) throw new Error('not yet');
          return attempt;
        },
        { retryStrategy: () => ({ shouldRetry: true, delay: { seconds: 3 } }) },
      );
    case 'map': {
      const items = Array.from({ length: each.items }, (_unused, n) => n);
      const result = await context.map(name, items, async (child, item) => {
        await child.step(`${name}[${item}]`, async () => effect(`${name}[${item}]`));
        await child.wait(`${name} pause ${item}`, { seconds: item + 1 });
        return item;
      });
      return result.getResults();
    }
    case 'child':
      return context.runInChildContext(name, async (child) => perform(child, each.parts, { path: name, effect }));
  }
}

function expected(parts: readonly Part[]): JsonValue[] {
  return parts.map((each) => {
    if (each.do === 'step') return each.size;
    if (each.do === 'wait') return 'waited';
    if (each.do === 'flaky') return each.failures + 1;
    return each.do === 'map' ? Array.from({ length: each.items }, (_unused, n) => n) : expected(each.parts);
  });
}

interface World {
  readonly store: StoreRoot;
  readonly clock: FakeClock;
  readonly workflow: CodeWorkflow;
  readonly effects: string[];
}

function open({ clock, workflow }: World, store: StoreRoot): EmbeddedEngine {
  const parts = { store, clock, ids: systemIds, log: collectLog(), tokenKey: TOKEN_KEY, drainMs: 0 };
  return createEmbeddedEngine({ ...parts, workflows: [workflow] });
}

/** Names of the effects whose steps the journal knows to have succeeded. */
async function completed(store: StoreRoot): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  const query = { partition: 'random:it', prefix: 'c' };
  const table = store.store('team-x').table(JOURNAL);
  for (let page = await table.query(query); ; page = await table.query({ ...query, cursor: page.cursor ?? '' })) {
    for (const found of joinTexts(page.items)) {
      const { o } = JSON.parse(found?.text ?? '{"o":[]}') as { readonly o: readonly StoredOperation[] };
      for (const { type, status, name = '', attempt = 0 } of o) {
        if (type !== 'STEP') continue;
        if (status === 'SUCCEEDED') names.add(name);
        for (let n = 1; n <= attempt; n += 1) names.add(`${name} attempt ${n}`);
      }
    }
    if (page.cursor === undefined) return names;
  }
}

/** Lets time pass until it is over. @returns false when the process died first. */
async function live({ store, clock }: World, isDead: () => boolean): Promise<boolean> {
  for (let n = 0; n < 4000; n += 1) {
    if (isDead()) return false;
    const row = await store.store('team-x').table(EXECUTIONS).get({ id: 'random:it' });
    if (row?.['status'] !== 'RUNNING') return true;
    await turn(3);
    clock.advance(1000);
  }
  throw new Error('the execution is never over');
}

test('a workflow that loses its process at any commit ends as if it had not, and repeats nothing that was stored', async () => {
  let deaths = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(part, { minLength: 1, maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 14 }), { maxLength: 3 }),
      async (parts, kills) => {
        const clock = fakeClock();
        const store = await openMemoryStore({ clock });
        const effects: string[] = [];
        const effect = (name: string): void => void effects.push(name);
        const workflow = defineWorkflow({ name: 'random', version: 1 }, async (context) =>
          perform(context, parts, { path: '', effect }),
        );
        const world: World = { store, clock, workflow, effects };
        // The first start is made by a process that lives.
        const first = open(world, store);
        await first.start(ADA, { workflow: 'random', name: 'it' });
        await closed(first, clock);
        for (const writes of [...kills, Number.POSITIVE_INFINITY]) {
          const before = await completed(store);
          const seen = effects.length;
          const { root, isDead } = mortal(store, writes);
          const engine = open(world, root);
          // A process may die while it starts.
          void engine.boot().catch(() => undefined);
          const isOver = await live(world, isDead);
          expect(effects.slice(seen).filter((name) => before.has(name))).toEqual([]);
          if (!isOver) deaths += 1;
          else {
            await closed(engine, clock);
            break;
          }
        }
        const last = open(world, store);
        const ended = await last.describe('team-x', 'random:it');
        expect({ status: ended.status, output: ended.output }).toEqual({
          status: 'SUCCEEDED',
          output: expected(parts),
        });
        const { items } = await last.history('team-x', 'random:it', { limit: 1000 });
        expect(items.map(({ id }) => id)).toEqual(items.map((_event, at) => at + 1));
        expect(items.filter(({ type }) => type === 'ExecutionSucceeded')).toHaveLength(1);
        await store.close();
      },
    ),
    { numRuns: 20, seed: 7 },
  );
  expect(deaths).toBeGreaterThan(5);
}, 60_000);

async function closed(engine: EmbeddedEngine, clock: FakeClock): Promise<void> {
  const closing = engine.close();
  clock.advance(1);
  await closing;
}
