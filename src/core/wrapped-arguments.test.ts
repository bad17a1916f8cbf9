import { expect, test } from 'vitest';

import { rawMembers, scan } from './json.ts';
import { withoutWrapper } from './wrapped-arguments.ts';

function callOf(args: string) {
  const text = `{"name":"crm","arguments":${args}}`;
  const { value, object } = scan(text);
  if (object === undefined) throw new Error('no object');
  return { params: rawMembers(text, object), parsed: value as Record<string, unknown>, more: 1 };
}

test.each([
  ['{"parameters":{"n": 1.0}}', '{"n": 1.0}'],
  ['{ "parameters" : {} }', '{}'],
  ['{"parameters":{"parameters":{"parameters":{"n":12345678901234567890}}}}', '{"n":12345678901234567890}'],
  ['{"parameters":{"parameters":{"n":1},"m":2}}', '{"parameters":{"n":1},"m":2}'],
])('%s stands for %s, as the text that arrived', (args, expected) => {
  const call = withoutWrapper(callOf(args), 'parameters');
  expect(call.params).toEqual([
    { key: 'name', text: '"crm"' },
    { key: 'arguments', text: expected },
  ]);
  expect(call.parsed).toEqual({ name: 'crm', arguments: JSON.parse(expected) });
  expect(call.more).toBe(1);
});

test.each(['{"parameters":[1]}', '{"parameters":{"n":1},"m":2}', '{"other":{"n":1}}', '{}', '[]', '"parameters"'])(
  '%s stays as it is',
  (args) => {
    const call = callOf(args);
    expect(withoutWrapper(call, 'parameters')).toBe(call);
  },
);
