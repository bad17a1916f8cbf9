/** Intrinsic functions, most with the examples of the language's appendix B. */

import type { JsonValue } from '../../../src/core/ports.ts';
import type { Golden } from './golden.ts';
import { single } from './golden.ts';

const call = (text: string, [input, expected]: readonly [JsonValue, JsonValue]): Golden => ({
  name: text,
  fact: 'spec appendix B',
  machine: single({ Type: 'Pass', Parameters: { 'v.$': text } }),
  input,
  expect: { output: { v: expected } },
  operations: [],
});

const refused = (text: string, input: JsonValue = {}): Golden => ({
  name: `${text} is refused`,
  fact: 'spec States.IntrinsicFailure',
  machine: single({ Type: 'Pass', Parameters: { 'v.$': text } }),
  input,
  expect: { error: 'States.IntrinsicFailure' },
});

const ONE_TO_NINE = [1, 2, 3, 4, 5, 6, 7, 8, 9];

export const INTRINSICS: readonly Golden[] = [
  call("States.Format('Your name is {}, we are in the year {}', $.name, 2020)", [
    { name: 'Foo' },
    'Your name is Foo, we are in the year 2020',
  ]),
  call("States.Format('\\{\\} and {} of \\'it\\'', null)", [{}, "{} and null of 'it'"]),
  call('States.Format($.template, $.n)', [{ template: 'n={}', n: 1.5 }, 'n=1.5']),
  call('States.StringToJson($.s)', [{ s: '{"number": 20}' }, { number: 20 }]),
  call('States.JsonToString($.j)', [{ j: { name: 'Foo', year: 2020 } }, '{"name":"Foo","year":2020}']),
  call("States.Array('Foo', 2020, $.j, null, true)", [
    { j: { random: 'abcdefg' } },
    ['Foo', 2020, { random: 'abcdefg' }, null, true],
  ]),
  call('States.Array()', [{}, []]),
  call('States.ArrayPartition($.a, 4)', [{ a: ONE_TO_NINE }, [[1, 2, 3, 4], [5, 6, 7, 8], [9]]]),
  call('States.ArrayContains($.a, $.x)', [{ a: ONE_TO_NINE, x: 5 }, true]),
  call('States.ArrayContains($.a, $.x)', [{ a: [{ k: [1] }], x: { k: [1] } }, true]),
  call('States.ArrayRange(1, 9, 2)', [{}, [1, 3, 5, 7, 9]]),
  call('States.ArrayRange(5, 1, -2)', [{}, [5, 3, 1]]),
  call('States.ArrayGetItem($.a, 5)', [{ a: ONE_TO_NINE }, 6]),
  call('States.ArrayLength($.a)', [{ a: ONE_TO_NINE }, 9]),
  call('States.ArrayUnique($.a)', [{ a: [1, 2, 3, 3, 3, 4, { x: 1 }, { x: 1 }] }, [1, 2, 3, 4, { x: 1 }]]),
  call('States.Base64Encode($.input)', [{ input: 'Data to encode' }, 'RGF0YSB0byBlbmNvZGU=']),
  call('States.Base64Decode($.base64)', [{ base64: 'RGVjb2RlZCBkYXRh' }, 'Decoded data']),
  call("States.Hash($.data, 'MD5')", [{ data: 'abc' }, '900150983cd24fb0d6963f7d28e17f72']),
  call("States.Hash($.data, 'SHA-256')", [
    { data: 'abc' },
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  ]),
  call('States.JsonMerge($.json1, $.json2, false)', [
    { json1: { a: { a1: 1, a2: 2 }, b: 2 }, json2: { a: { a3: 1, a4: 2 }, c: 3 } },
    { a: { a3: 1, a4: 2 }, b: 2, c: 3 },
  ]),
  call('States.MathAdd($.value1, $.step)', [{ value1: 111, step: -1 }, 110]),
  call('States.MathAdd(States.MathRandom(1, 10, 7), States.MathAdd(0, 0))', [{}, 9]),
  call('States.MathAdd($.a, $.b)', [{ a: 1.5, b: -0.5 }, 2]),
  call('States.MathAdd($.a, 0)', [{ a: -2.6 }, -3]),
  call('States.ArrayRange($.a, 3, $.step)', [{ a: 0.6, step: 1.4 }, [1, 2, 3]]),
  call('States.ArrayPartition($.a, $.size)', [{ a: ONE_TO_NINE, size: 3.7 }, [[1, 2, 3, 4], [5, 6, 7, 8], [9]]]),
  call("States.StringSplit($.s, ',')", [{ s: '1,2,3,4,5' }, ['1', '2', '3', '4', '5']]),
  call("States.StringSplit('This.is+a,test=string', '.+,=')", [{}, ['This', 'is', 'a', 'test', 'string']]),
  {
    name: 'States.UUID is recorded',
    fact: 'spec States.UUID; our own: what differs is recorded',
    machine: {
      StartAt: 'A',
      States: {
        A: { Type: 'Pass', Parameters: { 'id.$': 'States.UUID()' }, Next: 'B' },
        B: { Type: 'Choice', Choices: [{ Variable: '$.id', StringMatches: '*-*-4*-*-*', Next: 'C' }] },
        C: { Type: 'Pass', Result: 'a version 4 UUID', End: true },
      },
    },
    expect: { output: 'a version 4 UUID' },
    operations: ['A#1/Parameters'],
  },
  refused("States.MathAdd('1', 1)"),
  refused('States.ArrayGetItem($.a, 3)', { a: [1] }),
  refused('States.ArrayRange(0, 1000, 1)'),
  refused('States.ArrayPartition($.a, 0)', { a: [1] }),
  refused("States.Hash('x', 'CRC32')"),
  refused("States.Base64Decode('%%%')"),
  refused("States.StringToJson('no json')"),
  refused("States.Format('{} {}', 1)"),
  refused("States.Format('{}', $.o)", { o: {} }),
  refused('States.JsonMerge($.a, $.a, true)', { a: {} }),
  refused('States.ArrayLength($.nope)'),
];
