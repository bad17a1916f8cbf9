import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Principal } from './context.ts';
import { Sealer } from './seal.ts';

const person = (id: string, tenant: string): Principal => ({ id, tenant, roles: [], scopes: [] });
const ada = person('ada', 'a');
const sealer = new Sealer(new Uint8Array(32).fill(7));

test('a token says nothing, fits a header, and opens for its owner', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
      const token = sealer.seal('cursor', ada, value);
      expect(token).toMatch(/^[A-Za-z0-9_-]+$/);
      expect(sealer.open('cursor', ada, token)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('two tokens for the same are not alike', () => {
  expect(sealer.seal('cursor', ada, 1)).not.toBe(sealer.seal('cursor', ada, 1));
});

test.each([
  ['another purpose', 'session', ada],
  ['another person', 'cursor', person('ann', 'a')],
  ['another tenant', 'cursor', person('ada', 'b')],
  ['a name that joins the two otherwise', 'cursor', person('', 'a\0ada')],
] as const)('a token does not open for %s', (_, purpose, principal) => {
  expect(sealer.open(purpose, principal, sealer.seal('cursor', ada, { x: 1 }))).toBeUndefined();
});

test('a token that was changed anywhere does not open', () => {
  const bytes = Buffer.from(sealer.seal('cursor', ada, { index: 1 }), 'base64url');
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(sealer.open('cursor', ada, changed.toString('base64url'))).toBeUndefined();
  }
  for (let length = 0; length < bytes.length; length++)
    expect(sealer.open('cursor', ada, bytes.subarray(0, length).toString('base64url'))).toBeUndefined();
});

test('whatever comes as a token is refused without an error', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (token) => {
      expect(sealer.open('session', ada, token)).toBeUndefined();
    }),
  );
  expect(sealer.open('session', ada, 'A'.repeat(1_000_000))).toBeUndefined();
});

test('another key opens nothing', () => {
  const other = new Sealer(new Uint8Array(32).fill(8));
  expect(other.open('cursor', ada, sealer.seal('cursor', ada, 1))).toBeUndefined();
  expect(() => new Sealer(new Uint8Array(31))).toThrow('32 bytes');
});
