import { describe, expect, test } from 'vitest';
import type { Revision, Sender } from './check-wire.ts';
import { checkWire, REVISIONS } from './check-wire.ts';

const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'add', arguments: {} } };
const envelope = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'c', version: '1' },
};
const modern = { ...call, params: { ...call.params, _meta: envelope } };
const content = [{ type: 'text', text: 'x' }];
const result = (value: object) => ({ jsonrpc: '2.0', id: 1, result: value });
const error = (code: number, id: unknown = 1) => ({ jsonrpc: '2.0', id, error: { code, message: 'm' } });

const check = (version: Revision, sender: Sender, message: unknown, method?: string) =>
  checkWire({ version, sender, message, ...(method === undefined ? {} : { method }) });

describe('what each revision accepts', () => {
  test.each(REVISIONS)('%s accepts a call and its result', (version) => {
    const isModern = version === '2026-07-28';
    expect(check(version, 'client', isModern ? modern : call)).toEqual([]);
    expect(
      check(version, 'server', result(isModern ? { resultType: 'complete', content } : { content }), 'tools/call'),
    ).toEqual([]);
  });

  test.each(REVISIONS)('%s accepts an error whose request could not be read', (version) => {
    expect(check(version, 'server', error(-32700, null))).toEqual([]);
  });

  test('questions, sessions and batches belong to the revisions that have them', () => {
    const roots = { jsonrpc: '2.0', id: 1, method: 'roots/list' };
    expect(check('2025-11-25', 'server', roots)).toEqual([]);
    expect(check('2025-03-26', 'client', [call])).toEqual([]);
    expect(check('2025-11-25', 'client', { jsonrpc: '2.0', method: 'notifications/initialized' })).toEqual([]);
  });

  test('a result that only an extension defines keeps the general form', () => {
    expect(check('2026-07-28', 'server', result({ resultType: 'task', taskId: 't' }), 'tools/call')).toEqual([]);
    expect(check('2026-07-28', 'client', { ...modern, method: 'vendor/thing' })).toEqual([]);
  });
});

describe('what the oracle refuses', () => {
  const cases: [string, Revision, Sender, unknown, string?][] = [
    ['a modern request without its envelope', '2026-07-28', 'client', call],
    [
      'a request from a modern server',
      '2026-07-28',
      'server',
      { jsonrpc: '2.0', id: 1, method: 'roots/list', params: {} },
    ],
    ['a result without resultType', '2026-07-28', 'server', result({ content }), 'tools/call'],
    ['a list without cache hints', '2026-07-28', 'server', result({ resultType: 'complete', tools: [] }), 'tools/list'],
    [
      'a question in answer to a list',
      '2026-07-28',
      'server',
      result({ resultType: 'input_required', requestState: 's' }),
      'tools/list',
    ],
    ['a reserved code', '2026-07-28', 'server', error(-32050)],
    ['-32002 under 2026-07-28', '2026-07-28', 'server', error(-32002)],
    ['a batch after 2025-03-26', '2025-06-18', 'client', [call]],
    [
      'a client that sends what servers send',
      '2025-11-25',
      'client',
      { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 1 } },
    ],
    ['a tool without a schema', '2025-11-25', 'server', result({ tools: [{ name: 'a' }] }), 'tools/list'],
    ['content without a type', '2025-06-18', 'server', result({ content: [{ text: 'x' }] }), 'tools/call'],
    ['a request without jsonrpc', '2025-11-25', 'client', { id: 1, method: 'ping' }],
    ['an error without a code', '2025-11-25', 'server', { jsonrpc: '2.0', id: 1, error: { message: 'x' } }],
    ['text', '2025-11-25', 'client', 'ping'],
  ];
  test.each(cases)('%s (%s)', (_title, version, sender, message, method) => {
    expect(check(version, sender, message, method)).not.toEqual([]);
  });
});
