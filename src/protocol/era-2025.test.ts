import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeLegacyResult, passesLogLevel } from './era-2025.ts';

const VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;
const [NEWEST, , , OLDEST] = VERSIONS;
const link = '{"type":"resource_link","uri":"memo:x","title":"T","name":"n"}';
const audio = '{"type":"audio","data":"AA","mimeType":"audio/wav"}';
const text = '{"type":"text","text":"x","n":1.0}';

test.each([
  ['nothing to do', '{"content":[]}', '{"content":[]}', '{"content":[]}'],
  [
    'members of the newest revision',
    '{"resultType":"complete","ttlMs":1,"a":1.0,"cacheScope":"public"}',
    '{"a":1.0}',
    '{"a":1.0}',
  ],
  ['an unknown result type', '{"resultType":"task","taskId":"t"}', '{"taskId":"t"}', '{"taskId":"t"}'],
  [
    'structured content that is an object',
    '{"structuredContent":{"a":1.0}}',
    '{"structuredContent":{"a":1.0}}',
    '{"structuredContent":{"a":1.0}}',
  ],
  ['structured content that is none', '{"content":[],"structuredContent":[1]}', '{"content":[]}', '{"content":[]}'],
  ['structured content that is null', '{"structuredContent":null}', '{}', '{}'],
  [
    'keys of the protocol',
    '{"_meta":{"io.modelcontextprotocol/x":{},"b":1.0}}',
    '{"_meta":{"b":1.0}}',
    '{"_meta":{"b":1.0}}',
  ],
  ['only keys of the protocol', '{"a":1.0,"_meta":{"io.modelcontextprotocol/x":{}}}', '{"a":1.0}', '{"a":1.0}'],
  [
    'the same words deeper',
    '{"content":[{"resultType":1.0,"ttlMs":2}]}',
    '{"content":[{"resultType":1.0,"ttlMs":2}]}',
    '{"content":[{"resultType":1.0,"ttlMs":2}]}',
  ],
  [
    'a link',
    `{"content":[${text},${link}]}`,
    `{"content":[${text},${link}]}`,
    `{"content":[${text},{"type":"text","text":"T: memo:x"}]}`,
  ],
  [
    'audio',
    `{"content":[${audio}]}`,
    `{"content":[${audio}]}`,
    '{"content":[{"type":"resource","resource":{"uri":"audio:inline","mimeType":"audio/wav","blob":"AA"}}]}',
  ],
  [
    'a link in a prompt',
    `{"messages":[{"role":"user","content":${link},"x":1.0}]}`,
    `{"messages":[{"role":"user","content":${link},"x":1.0}]}`,
    '{"messages":[{"role":"user","content":{"type":"text","text":"T: memo:x"},"x":1.0}]}',
  ],
  [
    'text that mentions a link',
    `{"content":[{"type":"text","text":"\\"resource_link\\""}]}`,
    `{"content":[{"type":"text","text":"\\"resource_link\\""}]}`,
    `{"content":[{"type":"text","text":"\\"resource_link\\""}]}`,
  ],
  ['__proto__', '{"ttlMs":1,"__proto__":{"a":1.0}}', '{"__proto__":{"a":1.0}}', '{"__proto__":{"a":1.0}}'],
])('%s', (_, result, newest, oldest) => {
  expect(encodeLegacyResult(result, NEWEST)).toBe(newest);
  expect(encodeLegacyResult(result, OLDEST)).toBe(oldest);
});

test('any result becomes valid JSON without the members of the newest revision, and the rest is equal', () => {
  const result = fc.record(
    {
      resultType: fc.constantFrom('complete', 'x'),
      ttlMs: fc.integer(),
      structuredContent: fc.jsonValue(),
      content: fc.jsonValue(),
      messages: fc.jsonValue(),
      _meta: fc.jsonValue(),
      other: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(result, fc.constantFrom(...VERSIONS), (value, version) => {
      const encoded = JSON.parse(encodeLegacyResult(JSON.stringify(value), version)) as Record<string, unknown>;
      expect(encoded).not.toHaveProperty('resultType');
      expect(encoded).not.toHaveProperty('ttlMs');
      expect(JSON.stringify(encoded['other'])).toBe(JSON.stringify(value.other));
    }),
  );
});

test.each([
  ['error', 'warning', true],
  ['info', 'warning', false],
  ['warning', 'warning', true],
  ['debug', undefined, true],
  ['loud', 'emergency', true],
])('level %s passes a threshold of %s: %s', (level, threshold, passes) => {
  expect(passesLogLevel(level, threshold)).toBe(passes);
});
