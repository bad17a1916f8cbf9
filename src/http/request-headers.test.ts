import { expect, test } from 'vitest';
import { readHeaders } from './request-headers.ts';

test('names come in lower case, the first of two values counts, and the second is told', () => {
  const { headers, duplicates } = readHeaders(['Host', 'a', 'AUTHORIZATION', 'Bearer 1', 'authorization', 'Bearer 2']);
  expect(headers['host']).toBe('a');
  expect(headers['authorization']).toBe('Bearer 1');
  expect(duplicates).toEqual(['authorization']);
});

test('a header may be called like a member of every object', () => {
  const { headers, duplicates } = readHeaders(['__proto__', 'x', 'constructor', 'y']);
  expect(headers['constructor']).toBe('y');
  expect(headers['__proto__']).toBe('x');
  expect(headers['toString']).toBeUndefined();
  expect(duplicates).toEqual([]);
});
