import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PlatformError } from '../../../core/errors.ts';
import type { SqlValue } from './driver.ts';
import { assertBindable } from './driver.ts';
import { hasNodeSqlite, openDriver } from './open-driver.ts';
import { afterPrefix } from './item-query.ts';

const engines = hasNodeSqlite() ? (['libsql', 'node:sqlite'] as const) : (['libsql'] as const);

const bindable = fc.oneof(
  fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
  // SQLite has no negative zero in a column of integers.
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0)),
  fc.maxSafeInteger(),
  fc.constant(null),
  fc.uint8Array(),
);

function refusal(values: readonly unknown[]): unknown {
  try {
    assertBindable(values);
    return undefined;
  } catch (thrown) {
    return thrown;
  }
}

describe('binding', () => {
  test.each<[string, unknown]>([
    ['true', true],
    ['false', false],
    ['undefined', undefined],
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['an object', {}],
    ['an array', []],
    ['a date', new Date(0)],
    ['a symbol', Symbol('x')],
    ['a function', () => 1],
    ['an ArrayBuffer', new ArrayBuffer(1)],
    ['a Float64Array', new Float64Array(1)],
    ['a boxed string', new String('x')],
    ['a string with NUL', 'a\0b'],
    ['a bigint over 64 bits', 2n ** 63n],
  ])('%s is refused before it reaches the engine, which it could end', (_title, value) => {
    expect(refusal(['ok', value])).toMatchObject({ code: 'INVALID_ARGUMENTS' });
  });

  test.each(engines)('%s survives whatever anybody binds', async (engine) => {
    const driver = await openDriver(':memory:', engine);
    fc.assert(
      fc.property(fc.array(fc.anything(), { minLength: 1, maxLength: 4 }), (values) => {
        const sql = `SELECT ${values.map(() => '?').join(', ')}`;
        const expected = refusal(values);
        let thrown: unknown;
        try {
          driver.all(sql, values as SqlValue[]);
        } catch (error) {
          thrown = error;
        }
        expect(thrown instanceof PlatformError).toBe(expected !== undefined);
      }),
      { numRuns: 500 },
    );
    driver.close();
  });

  test.each(engines)('%s gives values back as they were bound', async (engine) => {
    const driver = await openDriver(':memory:', engine);
    driver.exec('CREATE TABLE t (v)');
    fc.assert(
      fc.property(bindable, (value) => {
        driver.run('DELETE FROM t');
        driver.run('INSERT INTO t VALUES (?)', [value]);
        const [row] = driver.all('SELECT v FROM t');
        expect(row?.['v']).toEqual(value);
      }),
      { numRuns: 300 },
    );
    driver.close();
  });
});

describe('a driver', () => {
  test.each(engines)('of %s reports changed rows and open transactions', async (engine) => {
    const driver = await openDriver(':memory:', engine);
    driver.exec('CREATE TABLE t (v)');
    driver.exec('BEGIN IMMEDIATE');
    expect(driver.inTransaction()).toBe(true);
    expect(driver.run('INSERT INTO t VALUES (?), (?)', [1, 2])).toBe(2);
    expect(driver.run('UPDATE t SET v=? WHERE v=?', [3, 9])).toBe(0);
    driver.exec('ROLLBACK');
    expect(driver.inTransaction()).toBe(false);
    expect(driver.all('SELECT * FROM t')).toEqual([]);
    driver.close();
  });

  test.each(engines)('of %s refuses everything once closed', async (engine) => {
    const driver = await openDriver(':memory:', engine);
    driver.all('SELECT 1');
    driver.close();
    driver.close();
    expect(() => driver.all('SELECT 1')).toThrow(/closed/u);
    expect(() => driver.exec('SELECT 1')).toThrow(/closed/u);
    expect(driver.inTransaction()).toBe(false);
  });
});

test.each([
  ['a', 'b'],
  ['a\u{10ffff}', 'b'],
  ['\u{10ffff}', undefined],
  ['', undefined],
  ['\ud7ff', '\ue000'],
  ['\uffff', '\u{10000}'],
])('strings that begin with %j end before %j', (prefix, end) => {
  expect(afterPrefix(prefix)).toBe(end);
});
