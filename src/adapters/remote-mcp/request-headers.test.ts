import { describe, expect, test } from 'vitest';

import { Context } from '../../core/context.ts';
import type { Trace } from '../../core/context.ts';
import type { Definition } from '../../core/target.ts';
import type { PeerRequest } from '../../upstream/peer.ts';
import { ModernHeaders } from './request-headers.ts';

const clock = { nowMs: () => 0, monotonicMs: () => 0, after: () => () => undefined };
const log = { log: () => undefined, with: () => log };
const principal = { id: 'you', tenant: 't', roles: [], scopes: [] };

function contextWith(parts: { readonly trace?: Trace; readonly hops?: number } = {}): Context {
  return new Context({ principal, requestId: 'r', clock, timeoutMs: 1000, log, ...parts });
}

function tool(name: string, properties: Readonly<Record<string, unknown>> = {}): Definition {
  const value = { name, inputSchema: { type: 'object', properties } };
  return { kind: 'tool', key: name, text: JSON.stringify(value), value };
}

function requestOf(more: Partial<PeerRequest> = {}): PeerRequest {
  return {
    method: 'tools/call',
    params: [
      { key: 'name', text: '"echo"' },
      { key: 'arguments', text: '{"region":"eu"}' },
    ],
    meta: [],
    context: contextWith(),
    timeoutMs: 1000,
    ...more,
  };
}

describe('the headers of a request', () => {
  const plain = { 'X-Base': 'b', 'Mcp-Method': 'tools/call', 'Mcp-Name': 'echo', 'zeroplane-hops': '1' };

  test('are made once for calls of a tool that bring nothing of their own', () => {
    const headers = new ModernHeaders({ 'X-Base': 'b' });
    const definition = tool('echo');
    const first = headers.of(requestOf({ definition }));
    expect(first).toEqual(plain);
    expect(headers.of(requestOf({ definition }))).toBe(first);
    expect(headers.of(requestOf())).toEqual(plain);
  });

  test.each<[string, Partial<PeerRequest>, Readonly<Record<string, string>>]>([
    [
      'another name',
      { params: [{ key: 'name', text: '"caf\\u00e9"' }] },
      { ...plain, 'Mcp-Name': '=?base64?Y2Fmw6k=?=' },
    ],
    ['more hops', { context: contextWith({ hops: 2 }) }, { ...plain, 'zeroplane-hops': '3' }],
    [
      'a trace',
      { context: contextWith({ trace: { traceparent: '00-a-b-01', tracestate: 'c=d' } }) },
      { ...plain, traceparent: '00-a-b-01', tracestate: 'c=d' },
    ],
    ['a key', { meta: [{ key: 'io.zeroplane/idempotencyKey', text: '"k"' }] }, { ...plain, 'Idempotency-Key': 'k' }],
    [
      'another method',
      { method: 'completion/complete', params: [{ key: 'ref', text: '{}' }] },
      { 'X-Base': 'b', 'Mcp-Method': 'completion/complete', 'zeroplane-hops': '1' },
    ],
    [
      'a name that is no string',
      { params: [{ key: 'name', text: '7' }] },
      { 'X-Base': 'b', 'Mcp-Method': 'tools/call', 'zeroplane-hops': '1' },
    ],
  ])('say what differs: %s', (_what, more, expected) => {
    const headers = new ModernHeaders({ 'X-Base': 'b' });
    const definition = tool('echo');
    expect(headers.of(requestOf({ definition }))).toEqual(plain);
    expect(headers.of(requestOf({ definition, ...more }))).toEqual(expected);
    expect(headers.of(requestOf({ definition }))).toEqual(plain);
  });

  test('mirror the arguments of each call', () => {
    const headers = new ModernHeaders({});
    const definition = tool('echo', { region: { type: 'string', 'x-mcp-header': 'Region' } });
    const inRegion = (region: string): PeerRequest =>
      requestOf({
        definition,
        params: [
          { key: 'name', text: '"echo"' },
          { key: 'arguments', text: JSON.stringify({ region }) },
        ],
      });
    expect(headers.of(inRegion('eu'))['Mcp-Param-Region']).toBe('eu');
    expect(headers.of(inRegion('us'))['Mcp-Param-Region']).toBe('us');
  });
});
