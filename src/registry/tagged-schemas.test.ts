import { expect, test } from 'vitest';

import { fakeClock } from '../../tests/contract/fake-clock.ts';
import { PlatformError } from '../core/errors.ts';
import type { Logger } from '../core/ports.ts';
import { TaggedSchemas } from './tagged-schemas.ts';

const ARN = 'arn:aws:schemas:eu-west-1:1:schema/tools/customer';
const OTHER = 'arn:aws:schemas:eu-west-1:1:schema/tools/other';
const TAG = 'schema';
const crm = { name: 'crm', tags: { [TAG]: ARN } };

function setUp(schema: (arn: string) => Promise<string>) {
  const clock = fakeClock();
  const asked: string[] = [];
  const warned: unknown[] = [];
  const log: Logger = { log: (_level, _message, fields) => void warned.push(fields), with: () => log };
  const source = {
    schema: (arn: string) => {
      asked.push(arn);
      return schema(arn);
    },
  };
  return { clock, asked, warned, schemas: new TaggedSchemas({ source, clock, log }) };
}

const text = (name: string): string => JSON.stringify({ type: 'object', properties: { [name]: {} } });

test('2.12: a function gets the schema that its tag names, which is read again after five minutes', async () => {
  let current = 'first';
  const { clock, asked, schemas } = setUp(() => Promise.resolve(text(current)));
  const [found] = await schemas.of([crm], TAG);
  expect(found?.taggedSchema).toEqual({ type: 'object', properties: { first: {} } });
  current = 'second';
  await schemas.of([crm, crm], TAG);
  expect(asked).toEqual([ARN]);
  expect(schemas.dueAtMs([crm], TAG)).toBe(clock.monotonicMs() + 300_000);
  clock.advance(300_000);
  expect((await schemas.of([crm], TAG))[0]?.taggedSchema).toMatchObject({ properties: { second: {} } });
});

test('2.12: a bad ARN is logged once and costs its function the schema alone', async () => {
  const { clock, warned, schemas } = setUp((arn) =>
    arn === ARN
      ? Promise.resolve(text('a'))
      : Promise.reject(new PlatformError('INVALID_ARGUMENTS', '"nonsense" is not the ARN of a schema.')),
  );
  const bad = { name: 'bad', tags: { [TAG]: 'nonsense' } };
  const found = await schemas.of([bad, crm], TAG);
  expect(found.map((each) => each.taggedSchema !== undefined)).toEqual([false, true]);
  clock.advance(30_000);
  await schemas.of([bad, crm], TAG);
  expect(warned).toEqual([{ schema: 'nonsense', reason: '"nonsense" is not the ARN of a schema.' }]);
});

test('what was read before stays when it cannot be read now', async () => {
  let isDown = false;
  const { clock, schemas } = setUp(() => (isDown ? Promise.reject(new Error('down')) : Promise.resolve(text('a'))));
  await schemas.of([crm], TAG);
  isDown = true;
  clock.advance(300_000);
  expect((await schemas.of([crm], TAG))[0]?.taggedSchema).toMatchObject({ properties: { a: {} } });
});

test('a list waits two seconds for a slow registry, and the next one has what came', async () => {
  let answer: (schema: string) => void = () => undefined;
  const { clock, asked, schemas } = setUp(() => new Promise((resolve) => (answer = resolve)));
  const first = schemas.of([crm], TAG);
  clock.advance(2_000);
  expect((await first)[0]?.taggedSchema).toBeUndefined();
  const second = schemas.of([crm], TAG);
  answer(text('late'));
  expect((await second)[0]?.taggedSchema).toMatchObject({ properties: { late: {} } });
  expect(asked).toEqual([ARN]);
});

test("the operator's own schema comes first, and functions without the tag ask for nothing", async () => {
  const { asked, schemas } = setUp(() => Promise.resolve(text('a')));
  const own = { ...crm, schema: { type: 'object' } };
  const functions = [own, { name: 'bare' }, { name: 'other', tags: { owner: OTHER } }];
  expect(await schemas.of(functions, TAG)).toEqual(functions);
  expect(asked).toEqual([]);
  expect(schemas.dueAtMs(functions, TAG)).toBe(Infinity);
});

test('a hundred schemas are read a few at a time', async () => {
  let running = 0;
  let most = 0;
  const { schemas } = setUp(async () => {
    most = Math.max(most, ++running);
    await new Promise((done) => setImmediate(done));
    running--;
    return text('a');
  });
  const functions = Array.from({ length: 100 }, (_, index) => ({
    name: `f${index}`,
    tags: { [TAG]: `${ARN}${index}` },
  }));
  const found = await schemas.of(functions, TAG);
  expect(found.filter((each) => each.taggedSchema !== undefined)).toHaveLength(100);
  expect(most).toBeLessThanOrEqual(8);
});
