import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { readHeaders } from './request-headers.ts';

/** A message as Node's parser leaves it. */
function message(raw: string[]): IncomingMessage {
  const made = new IncomingMessage(new Socket()) as IncomingMessage & {
    _addHeaderLines(headers: string[], count: number): void;
  };
  made._addHeaderLines(raw, raw.length);
  return made;
}

test('names come in lower case', () => {
  const { headers, duplicates } = readHeaders(message(['Host', 'a', 'MCP-Protocol-Version', '2026-07-28']));
  expect(headers['host']).toBe('a');
  expect(headers['mcp-protocol-version']).toBe('2026-07-28');
  expect(duplicates).toEqual([]);
});

test('of two values the first counts, and the second is told', () => {
  const raw = ['Host', 'a', 'AUTHORIZATION', 'Bearer 1', 'authorization', 'Bearer 2', 'Mcp-Name', 'x', 'mcp-name', 'y'];
  const { headers, duplicates } = readHeaders(message(raw));
  expect(headers['authorization']).toBe('Bearer 1');
  expect(headers['mcp-name']).toBe('x');
  expect(duplicates).toEqual(['authorization', 'mcp-name']);
});

test('a header may be called like a member of every object', () => {
  const { headers, duplicates } = readHeaders(message(['__proto__', 'x', 'constructor', 'y']));
  expect(headers['constructor']).toBe('y');
  expect(headers['__proto__']).toBe('x');
  expect(headers['toString']).toBeUndefined();
  expect(duplicates).toEqual([]);
});
