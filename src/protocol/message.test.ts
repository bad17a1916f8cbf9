import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { joinMembers } from '../core/json.ts';
import { MessageError, decodeMessage } from './message.ts';

const outcome = (text: string): [code: string, idText: string] => {
  try {
    const message = decodeMessage(text);
    return [message.kind, message.idText];
  } catch (error) {
    return error instanceof MessageError ? [error.error.code, error.idText] : ['another error', ''];
  }
};

test.each([
  ['{"jsonrpc":"2.0","id":1,"method":"a"}', ['request', '1']],
  ['{"jsonrpc":"2.0","id":"","method":"a"}', ['request', '""']],
  ['{"jsonrpc":"2.0","id":"\\u0061","method":"a"}', ['request', '"\\u0061"']],
  ['{"jsonrpc":"2.0","id":12345678901234567890,"method":"a"}', ['request', '12345678901234567890']],
  ['{"jsonrpc":"2.0","method":"a"}', ['notification', 'null']],
  ['{"jsonrpc":"2.0","id":1,"result":null}', ['response', '1']],
  ['{"jsonrpc":"2.0","id":1,"error":{"code":1}}', ['response', '1']],
  ['{"jsonrpc":"2.0","id":null,"method":"a"}', ['INVALID_REQUEST', 'null']],
  ['{"jsonrpc":"2.0","id":1.5,"method":"a"}', ['INVALID_REQUEST', '1.5']],
  ['{"jsonrpc":"2.0","id":1e999,"method":"a"}', ['INVALID_REQUEST', 'null']],
  ['{"jsonrpc":"2.0","id":1,"method":"a","params":[]}', ['INVALID_PARAMS', '1']],
  ['{"jsonrpc":"2.0","id":1,"method":"a","params":null}', ['INVALID_PARAMS', '1']],
  ['{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":1}}', ['INVALID_PARAMS', '1']],
  ['{"jsonrpc":"2.0","id":1,"method":"a","error":{}}', ['INVALID_REQUEST', '1']],
  ['{"jsonrpc":"2.0","result":{}}', ['INVALID_REQUEST', 'null']],
  ['{"jsonrpc":"2.0","id":1,"error":"no"}', ['INVALID_REQUEST', '1']],
  ['{"id":1,"method":"a"}', ['INVALID_REQUEST', '1']],
  ['{"jsonrpc":"2.0","id":1,"__proto__":{"method":"a"}}', ['INVALID_REQUEST', '1']],
  ['[]', ['INVALID_REQUEST', 'null']],
  ['', ['PARSE_ERROR', 'null']],
])('%s', (text, expected) => {
  expect(outcome(text)).toEqual(expected);
});

test('whatever the text, a message or a refusal comes out', () => {
  const member = fc.constantFrom('jsonrpc', 'id', 'method', 'params', 'result', 'error', '_meta', '__proto__');
  const value = fc.oneof(fc.constantFrom('2.0', 'ping', null, 1, {}, { _meta: {} }), fc.jsonValue({ maxDepth: 2 }));
  fc.assert(
    fc.property(fc.dictionary(member, value), (message) => {
      expect(outcome(JSON.stringify(message))[0]).not.toBe('another error');
    }),
    { numRuns: 1_000 },
  );
});

test('params and _meta put together again are what came', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.dictionary(fc.string(), fc.jsonValue()),
      (params, meta) => {
        fc.pre(!Object.hasOwn(params, '_meta'));
        const text = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'a', params: { ...params, _meta: meta } });
        const message = decodeMessage(text);
        expect(JSON.parse(joinMembers(message.params))).toEqual(JSON.parse(JSON.stringify(params)));
        expect(JSON.parse(joinMembers(message.meta))).toEqual(JSON.parse(JSON.stringify(meta)));
      },
    ),
  );
});
