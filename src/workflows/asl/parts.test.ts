import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { globMatches, timeOf } from './choice.ts';
import { dataOf, LARGEST } from './data.ts';
import { belongsToVisit, operationName, pathPart } from '../operation-name.ts';
import { Retries } from './retry.ts';
import { namesError, StatesError } from './states-error.ts';

describe('operation names', () => {
  test('begin with path and visit', () => {
    expect(operationName('Net[3]/Create#1')).toBe('Net[3]/Create#1');
    expect(operationName('Net[3]/Create#1', 'backoff')).toBe('Net[3]/Create#1/backoff');
  });

  test('never exceed what the service takes, and long ones differ', () => {
    const [one, other] = ['a', 'b'].map((letter) =>
      operationName(`${'x/'.repeat(200)}${letter}#2.1`, 'attempt-3/Parameters'),
    );
    expect(one?.length).toBeLessThanOrEqual(256);
    expect(one).not.toBe(other);
    expect(one).toMatch(/#2\.1\/attempt-3\/Parameters$/);
  });

  test('a redrive finds the operations of a visit and of no other', () => {
    const names = [
      'Create#1',
      'Create#1/backoff',
      'Create#1/attempt-2',
      'Create#10',
      'Create#1.2',
      'Create',
      'CreateMore#1',
    ];
    expect(names.filter((name) => belongsToVisit(name, 'Create#1'))).toEqual([
      'Create#1',
      'Create#1/backoff',
      'Create#1/attempt-2',
    ]);
    const long = `${'x/'.repeat(200)}a#1`;
    expect(belongsToVisit(operationName(long, 'backoff'), long)).toBe(true);
  });

  test('of states with other names differ, whatever the names', () => {
    const name = fc.string({
      minLength: 1,
      maxLength: 8,
      unit: fc.constantFrom('a', '/', '#', '%', '[', ']', 'é', '😀', '2', '3'),
    });
    fc.assert(
      fc.property(name, name, (one, other) => {
        expect(pathPart(one) === pathPart(other)).toBe(one === other);
        expect(pathPart(one)).toMatch(/^[\x20-\x7e]+$/);
        expect(pathPart(one)).not.toMatch(/[/#[\]]/);
      }),
    );
  });
});

describe('error names', () => {
  test.each([
    [['States.ALL'], 'Anything', true],
    [['States.ALL'], 'States.Timeout', true],
    [['States.ALL'], 'States.Runtime', false],
    [['States.ALL'], 'States.DataLimitExceeded', false],
    [['States.Runtime'], 'States.Runtime', false],
    [['States.DataLimitExceeded'], 'States.DataLimitExceeded', true],
    [['States.TaskFailed'], 'Custom', true],
    [['States.TaskFailed'], 'States.Timeout', false],
    [['States.TaskFailed'], 'States.HeartbeatTimeout', false],
    [['States.TaskFailed'], 'States.DataLimitExceeded', false],
    [['States.Timeout'], 'States.HeartbeatTimeout', true],
    [['States.HeartbeatTimeout'], 'States.Timeout', false],
    [['A', 'B'], 'B', true],
    [['A'], 'a', false],
  ])('%j names %s: %s', (names, error, expected) => {
    expect(namesError(names, error)).toBe(expected);
  });
});

describe('retries', () => {
  const retrier = {
    errorEquals: ['E'],
    intervalSeconds: 3,
    maxAttempts: 4,
    backoffRate: 1.5,
    maxDelaySeconds: 6,
    hasJitter: false,
  };

  test('wait whole seconds, growing to the cap', () => {
    const retries = new Retries([retrier]);
    const waits = [1, 2, 3, 4, 5].map(() => retries.secondsUntilNext(new StatesError('E', ''), 'seed'));
    expect(waits).toEqual([3, 5, 6, 6, undefined]);
  });

  test('jitter follows from the attempt, between nothing and the whole delay', () => {
    const wait = (seed: string): number | undefined =>
      new Retries([{ ...retrier, intervalSeconds: 100, maxDelaySeconds: 1000, hasJitter: true }]).secondsUntilNext(
        new StatesError('E', ''),
        seed,
      );
    expect(wait('a')).toBe(wait('a'));
    const waits = Array.from({ length: 200 }, (_, index) => wait(`seed ${index}`) ?? -1);
    expect(new Set(waits).size).toBeGreaterThan(50);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...waits)).toBeLessThanOrEqual(100);
  });
});

describe('data', () => {
  test('is counted in bytes of UTF-8', () => {
    expect(dataOf('é'.repeat((LARGEST - 2) / 2), 'It')).toHaveLength(LARGEST / 2 + 1);
    for (const text of ['é'.repeat(LARGEST / 2), 'x'.repeat(LARGEST - 1), '😀'.repeat(LARGEST / 4)]) {
      expect(() => dataOf(text, 'It')).toThrow(expect.objectContaining({ error: 'States.DataLimitExceeded' }));
    }
  });
});

describe('choices', () => {
  test.each([
    ['log-1.txt', 'log-*.txt', true],
    ['log-1.csv', 'log-*.txt', false],
    ['ab', 'a*b*', true],
    ['aba', 'a*a*a', false],
    ['aXaXa', 'a*a*a', true],
    ['', '*', true],
    ['a*b', 'a\\*b', true],
    ['a\\b', 'a\\\\b', true],
    ['a', 'a*a', false],
  ])('%s matches %s: %s', (text, pattern, expected) => {
    expect(globMatches(text, pattern)).toBe(expected);
  });

  test('a pattern of many asterisks takes no time', () => {
    const started = performance.now();
    expect(globMatches('a'.repeat(100_000), `${'a*'.repeat(5000)}b`)).toBe(false);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  test('only timestamps with date, time and zone are times', () => {
    expect(timeOf('2016-03-14T01:59:00Z')).toBe(Date.UTC(2016, 2, 14, 1, 59));
    expect(
      ['2016-03-14', '2016-03-14T01:59:00', '2016-13-14T01:59:00Z', 'x', 1, null].map((value) => timeOf(value)),
    ).toEqual(Array.from({ length: 6 }, () => undefined));
  });
});
