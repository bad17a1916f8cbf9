import { expect, test } from 'vitest';

import { fakeClock } from '../../tests/contract/fake-clock.ts';
import { scriptedTarget } from '../../tests/fixtures/instance.ts';
import { PlatformError } from '../core/errors.ts';
import type { Logger } from '../core/ports.ts';
import { Catalogue } from './catalogue.ts';
import { TargetSet } from './target-set.ts';

const log: Logger = { log: () => undefined, with: () => log };

test.each([
  ['the pause that it asked for', 120_000, 121_000],
  ['ten minutes at most', 86_400_000, 601_000],
  ['a pause of our own where it asks for none', undefined, 1_500],
])('a target that cannot be listed is left alone for %s', async (_what, retryAfterMs, laterMs) => {
  const clock = fakeClock();
  let lists = 0;
  const target = scriptedTarget('busy', [], () => '{}', {
    list: () => {
      lists++;
      return Promise.reject(new PlatformError('TARGET_UNAVAILABLE', 'busy', { retryAfterMs }));
    },
  });
  const targets = new TargetSet();
  targets.add(target);
  const catalogue = new Catalogue({ targets, clock, ids: { uuid: () => 'id' }, log });
  await catalogue.view('t', '');
  expect(lists).toBe(1);
  clock.advance(laterMs / 2);
  await catalogue.view('t', '');
  expect(lists).toBe(1);
  clock.advance(laterMs / 2);
  await catalogue.view('t', '');
  expect(lists).toBe(2);
});
