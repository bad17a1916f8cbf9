import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JsonValue } from '../../core/ports.ts';
import { expressionOf, inspectExpression } from './jsonata-inspect.ts';
import type { JsonataAnswer } from './jsonata-sandbox.ts';
import { evaluateTemplate } from './jsonata-sandbox.ts';

function evaluate(expression: string, bindings: Record<string, JsonValue> = {}): JsonataAnswer {
  return evaluateTemplate({ template: `{% ${expression} %}`, bindings, field: 'Output' });
}

test('only a string that begins with {% and ends with %} is an expression', () => {
  expect([
    expressionOf('{% 1 %}'),
    expressionOf('{%1%}'),
    expressionOf(' {% 1 %}'),
    expressionOf('{%'),
    expressionOf('a'),
  ]).toEqual(['1', '1', undefined, undefined, undefined]);
});

test.each([
  ['name', /the name "name" stands alone/],
  ['$', /\$ has no meaning at the top level/],
  ['$$', /\$\$ is not available/],
  ['$.a', /\$ has no meaning/],
  ['*', /stands alone/],
  ["$eval('1')", /\$eval is not available/],
  ['$map($states.input, function($v){ price })', /the name "price" stands alone/],
  ['foo()', /the name "foo" stands alone/],
  ['1 +', /no valid JSONata/],
  [`'${'x'.repeat(10_001)}'`, /longer than 10000/],
  [`${'('.repeat(5000)}1`, /no valid JSONata/],
])('%s is refused', (expression, problem) => {
  expect(inspectExpression(expression).problems.join()).toMatch(problem);
});

test.each([
  '$states.input.a[x > 1].b',
  '$states.input.items{name: $sum(price)}',
  '$states.input.a^(>price)',
  '$v ~> |$|{"b": c}|',
  '$map($states.input, function($v){ $v.price })',
  '$states.input.a.$sum(b)',
  '$v.{"k": name}',
  '$v#$i[$i = 1]',
  '$v.b.%.c',
])('%s is accepted', (expression) => {
  expect(inspectExpression(expression).problems).toEqual([]);
});

test('what an expression looks at is known', () => {
  const facts = inspectExpression('($y := 2; $y + $z + $states.input.a + $count($states.result))');
  expect([...facts.variables]).toEqual(['z']);
  expect([...facts.states].toSorted()).toEqual(['input', 'result']);
  expect(facts).toMatchObject({ isRandom: false, usesEnteredTime: false });
});

test('chance and time are noticed, and what is steady is not', () => {
  const of = (expression: string): [boolean, boolean] => {
    const { isRandom, usesEnteredTime } = inspectExpression(expression);
    return [isRandom, usesEnteredTime];
  };
  for (const random of ['$uuid()', '$now()', '$millis()', '$random()', '$shuffle($v)', '$map($v, $uuid)']) {
    expect(of(random)).toEqual([true, false]);
  }
  for (const timed of [
    '$states.context.State.EnteredTime',
    '$states.context',
    '$states',
    '$states.context.State',
    '$states.*',
  ]) {
    expect(of(timed)).toEqual([false, true]);
  }
  for (const steady of ['$random(3)', '$states.context.Execution.Id', '$states.context.State.Name', '$states.input']) {
    expect(of(steady)).toEqual([false, false]);
  }
});

test('a regular expression that never ends is cut off, and the next evaluation is well', () => {
  const started = performance.now();
  const answer = evaluate(`$match('${'a'.repeat(40)}!', /^(a+)+$/)`);
  expect(answer).toMatchObject({ failed: { message: expect.stringMatching(/longer than 2000 ms/) } });
  expect(performance.now() - started).toBeLessThan(6000);
  expect(evaluate('1 + 1')).toEqual({ value: 2 });
});

test.each([
  ['($f := function($x, $n){ $n = 0 ? $x : $f({"a": $x, "b": $x}, $n - 1) }; $f(1, 60))', 'a value whose text doubles'],
  ["$replace('aaaaaaaaaaaaaaaaaaaa', 'a', $pad('', 500000, 'b'))", 'a replacement that multiplies'],
  ["$join($map([1..1000], function($x){ $pad('', 10000) }))", 'a join of much'],
  ["$formatNumber(1, $pad('', 100000, '0'))", 'a picture without end'],
  ["$fromMillis(0, '[Y,99999999]')", 'a picture of many digits'],
  ['$range(1, 100000000)', 'a range without end'],
  ['$string($map([1..90000], function($x){ "aaaaaaaaaaaa" }))', 'a text of many'],
])('%s ends with an error (%s)', (expression) => {
  const answer = evaluate(expression);
  expect('failed' in answer || 'isTooLarge' in answer).toBe(true);
});

test('nothing of this realm can be reached', () => {
  for (const expression of [
    '$host',
    '$process',
    '$hash.constructor',
    '$uuid.constructor.name',
    '$states.constructor',
  ]) {
    expect(evaluate(expression, { states: {} })).toMatchObject({ failed: { isUndefined: true } });
  }
  const polluted = evaluate(`$merge([$parse('{"__proto__": {"polluted": 1}}'), {"a": 1}])`);
  expect(JSON.stringify(polluted)).not.toContain('polluted":1,');
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

test('a message names expression and field', () => {
  const template = { a: [{ b: "{% $states.input.n + 'x' %}" }] };
  const answer = evaluateTemplate({ template, bindings: { states: { input: { n: 1 } } }, field: 'Output' });
  expect(answer).toEqual({
    failed: {
      expression: "$states.input.n + 'x'",
      field: 'Output/a[0]/b',
      message: expect.stringContaining('must evaluate to a number'),
    },
  });
});

test('whatever the expression, evaluation ends with an answer', () => {
  const piece = fc.constantFrom(
    '$states',
    '.input',
    '.a',
    '[0]',
    '[x>1]',
    '$map(',
    '$sum(',
    '$string(',
    'function($x){',
    '}',
    ')',
    ',',
    '+',
    '&',
    '..',
    '1',
    "'s'",
    '$x',
    '$uuid()',
    '{"a":',
    '[',
    ']',
    '?',
    ':',
    '~>',
    ':=',
    ';',
    '(',
    '^(',
    '@$v',
    '#$i',
    '*',
    '**',
    '%',
    '|',
    '/a+/',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join(' ');
      inspectExpression(text);
      const answer = evaluate(text, { states: { input: { a: [1, { x: 2 }] } }, x: 3 });
      expect('value' in answer || 'failed' in answer || 'isTooLarge' in answer).toBe(true);
    }),
    { numRuns: 400 },
  );
});
