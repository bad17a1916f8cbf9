import { expect, test } from 'vitest';
import type { Principal } from '../core/context.ts';
import type { Clock } from '../core/ports.ts';
import type { Target } from '../core/target.ts';
import type { Catalogue, CatalogueChange } from './catalogue.ts';
import { Announcer } from './listen.ts';
import type { Subscriptions } from './subscriptions.ts';

const principal: Principal = { id: 'a', tenant: 't', roles: [], scopes: [] };
const target = { id: 'docs' } as Target;

/** An announcer whose catalogue changes, and whose waiting ends, when the test says so. */
function announcer() {
  let change: (change: CatalogueChange) => void = () => undefined;
  let due: () => void = () => undefined;
  const clock: Clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    after: (_delayMs, run) => {
      due = run;
      return () => undefined;
    },
  };
  const catalogue = {
    onChange: (listener: (change: CatalogueChange) => void) => {
      change = listener;
      return () => undefined;
    },
  } as unknown as Catalogue;
  const made = new Announcer({ catalogue, clock, serverInfo: '{}', subscriptions: {} as Subscriptions });
  const listen = (): string[] => {
    const told: string[] = [];
    made.add({ principal, endpoint: '', wants: () => true, tell: ({ method }) => void told.push(method) });
    return told;
  };
  return {
    listen,
    changed: (kind: 'tools' | 'prompts') => change({ tenant: undefined, target, kinds: [kind] }),
    wait: () => due(),
  };
}

test('a client is told of the changes since it came, once each, and of none before', () => {
  const { listen, changed, wait } = announcer();
  const early = listen();
  changed('tools');
  const late = listen();
  changed('prompts');
  changed('prompts');
  wait();
  expect(early).toEqual(['notifications/tools/list_changed', 'notifications/prompts/list_changed']);
  expect(late).toEqual(['notifications/prompts/list_changed']);
  changed('tools');
  wait();
  expect(late.at(-1)).toBe('notifications/tools/list_changed');
});
