import { expect, test } from 'vitest';
import { checkQuestions } from './input-rounds.ts';

const asking = (method: string, params: object = {}): string =>
  JSON.stringify({ resultType: 'input_required', inputRequests: { q: { method, params } } });

test('a target may ask what its caller declared', () => {
  expect(() => checkQuestions(asking('elicitation/create', { message: 'x' }), { elicitation: {} })).not.toThrow();
  expect(() => checkQuestions(asking('roots/list'), { roots: {} })).not.toThrow();
  expect(() => checkQuestions('{"resultType":"input_required","requestState":"s"}', {})).not.toThrow();
});

test('a target that waits for nothing that it names is at fault', () => {
  expect(() => checkQuestions('{"resultType":"input_required"}', { elicitation: {} })).toThrow(
    /without inputRequests and without requestState/,
  );
});

test.each([
  ['sampling/createMessage', {}, { elicitation: {} }],
  ['elicitation/create', { mode: 'url', url: 'https://example.com' }, { elicitation: {} }],
  ['tools/call', {}, { elicitation: {}, sampling: {}, roots: {} }],
])('a target that asks for %s undeclared is not let through', (method, params, capabilities) => {
  expect(() => checkQuestions(asking(method, params), capabilities)).toThrow(/did not declare/);
});
