import { expect, test } from 'vitest';
import type { StoredEvent } from './history-log.ts';
import { packEvents, unpackEvents } from './packed-events.ts';

const whole = { truncated: false };
const ENTERED: StoredEvent = {
  i: 7,
  p: 6,
  t: 'TaskStateEntered',
  at: 100,
  m: 'stateEnteredEventDetails',
  d: { name: 'A', input: '{}', inputDetails: whole },
  k: 'A#1/1/TaskStateEntered',
};

test.each<[string, readonly StoredEvent[]]>([
  ['none', []],
  ['one as most are', [ENTERED]],
  ['one without details', [{ i: 1, p: 0, t: 'ParallelStateStarted', at: 5 }]],
  ['no details and a key', [{ i: 1, p: 0, t: 'MapStateStarted', at: 5, k: 'redriven/1/' }]],
  ['a key of its own', [{ ...ENTERED, k: 'TaskStateEntered' }]],
  ['a member of its own', [{ ...ENTERED, m: 'otherEventDetails' }]],
  ['details without a member', [{ i: 1, p: 0, t: 'X', at: 5, d: { a: 1 } }]],
  ['a member without details', [{ i: 1, p: 0, t: 'X', at: 5, m: 'xEventDetails' }]],
  ['details that say other things', [{ ...ENTERED, d: { inputDetails: { truncated: true }, outputDetails: null } }]],
  ['details that say more', [{ ...ENTERED, d: { inputDetails: { truncated: false, more: 1 } } }]],
  [
    'several, with another before them and other times',
    [ENTERED, { i: 8, p: 3, t: 'WaitStateExited', at: 90, m: 'stateExitedEventDetails', d: { outputDetails: whole } }],
  ],
])('%s comes back from a record as it was', (_title, events) => {
  const text = JSON.stringify({ h: packEvents(events) });
  expect(unpackEvents((JSON.parse(text) as { h?: ReturnType<typeof packEvents> }).h)).toEqual(events);
});

test('what follows from the type and the event before takes no room', () => {
  const next: StoredEvent = {
    ...ENTERED,
    i: 8,
    p: 7,
    t: 'LambdaFunctionStarted',
    m: 'lambdaFunctionStartedEventDetails',
    d: {},
  };
  expect(packEvents([ENTERED, { ...next, k: 'A#1/1/LambdaFunctionStarted' }])).toEqual([
    7,
    100,
    ['TaskStateEntered', { name: 'A', input: '{}', inputDetails: 0 }, ['A#1/1']],
    ['LambdaFunctionStarted', {}, ['A#1/1']],
  ]);
});
