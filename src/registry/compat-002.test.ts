import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { compatResult, indented } from './compat-002.ts';

const RUN = { executedVersion: '$LATEST', durationMs: 1, coldStart: false };

const textOf = (result: string): unknown => JSON.parse(result).content[0].text;

test('JSON is indented as the earlier servers did, for every value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(indented(JSON.stringify(value))).toBe(JSON.stringify(value, null, 2));
    }),
  );
});

test('numbers and strings stay as they are written', () => {
  expect(indented('{"n":12345678901234567890.10,"s":"a\\u00e9 \\" {"}')).toBe(
    '{\n  "n": 12345678901234567890.10,\n  "s": "a\\u00e9 \\" {"\n}',
  );
});

test('a long string is no trouble', () => {
  const text = JSON.stringify('a\\'.repeat(1_000_000));
  expect(indented(text)).toBe(text);
});

test.each([
  ['an object', '{"id":[1,{}]}', 'Function crm returned: {\n  "id": [\n    1,\n    {}\n  ]\n}'],
  [
    'an envelope, which is not opened',
    '{"statusCode":200,"body":"x"}',
    'Function crm returned: {\n  "statusCode": 200,\n  "body": "x"\n}',
  ],
  ['text that is no JSON', '<p>', 'Function crm returned payload: <p>'],
])('%s is told in a sentence', (_title, payload, expected) => {
  const result = compatResult('crm', { ...RUN, payload });
  expect(textOf(result)).toBe(expected);
  expect(JSON.parse(result).isError).toBeUndefined();
});

test('an error is told in a sentence and marked as one', () => {
  const payload = '{"errorType":"KeyError","errorMessage":"email"}';
  const result = compatResult('crm', { ...RUN, payload, functionError: 'Unhandled' });
  expect(textOf(result)).toBe(
    'Function crm returned with error: Unhandled (Function "crm" failed with KeyError: email)',
  );
  expect(JSON.parse(result).isError).toBe(true);
  expect(JSON.parse(compatResult('crm', { ...RUN, payload: '{"statusCode":404,"body":"none"}' })).isError).toBe(true);
});
