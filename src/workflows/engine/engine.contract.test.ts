import { workflowEngineContract } from '../../../tests/contract/workflow-engine.ts';
import { fakeClock } from '../../../tests/contract/fake-clock.ts';
import { openMemoryStore } from '../../adapters/embedded/store/store.ts';
import { systemIds } from '../../adapters/embedded/system.ts';
import { WorkflowFailure } from '../failure.ts';
import { defineWorkflow } from './code-workflow.ts';
import { createEmbeddedEngine } from './embedded-engine.ts';
import { TOKEN_KEY, collectLog } from './engine-for-test.ts';

workflowEngineContract('the embedded store', async () => {
  const clock = fakeClock();
  const store = await openMemoryStore({ clock });
  const tokens: string[] = [];
  const wanted: ((token: string) => void)[] = [];
  const calls = { first: 0, second: 0 };
  let isHappy = false;
  const handOut = (token: string): void => {
    const waiting = wanted.shift();
    if (waiting === undefined) tokens.push(token);
    else waiting(token);
  };
  const never = { retryStrategy: () => ({ shouldRetry: false }) };
  const workflows = [
    defineWorkflow({ name: 'echo' }, async (_context, input) => input),
    defineWorkflow({ name: 'nap' }, async (context, input) => {
      await context.wait('sleep', { seconds: (input as { seconds: number }).seconds });
      return 'rested';
    }),
    defineWorkflow({ name: 'ask' }, async (context) => {
      const limits = { timeout: { seconds: 60 }, heartbeatTimeout: { seconds: 20 } };
      return JSON.parse(await context.waitForCallback('answer', async (token) => handOut(token), limits));
    }),
    defineWorkflow({ name: 'moody' }, async (context) => {
      await context.step('first', async () => void (calls.first += 1), never);
      return context.step(
        'second',
        async () => {
          calls.second += 1;
          if (!isHappy) throw new WorkflowFailure('Moody', 'not today');
          return 'happy';
        },
        never,
      );
    }),
  ];
  const engine = createEmbeddedEngine({
    store,
    clock,
    ids: systemIds,
    log: collectLog(),
    tokenKey: TOKEN_KEY,
    workflows,
    drainMs: 0,
  });
  await engine.boot();
  return {
    engine,
    advance: clock.advance,
    nextToken: async () => tokens.shift() ?? new Promise((resolve) => wanted.push(resolve)),
    cheerUp: () => void (isHappy = true),
    calls: (task) => calls[task],
    dispose: async () => {
      const closing = engine.close();
      clock.advance(1);
      await closing;
      await store.close();
    },
  };
});
