import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { publicUri, splitUri } from './uris.ts';

const targetId = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,10}[a-z0-9])?$/);

test('a public URI leads back to its target and its own form', () => {
  const uri = fc.oneof(
    fc.string(),
    fc.string().map((rest) => `ui://${rest}`),
    fc.webUrl().map((url) => `x+${url}`),
  );
  fc.assert(
    fc.property(targetId, uri, (target, own) => {
      fc.pre(!own.startsWith('zeroplane:') && !/^https?:/i.test(own));
      expect(splitUri(publicUri(target, own))).toEqual({ target, uri: own });
    }),
  );
});

test.each([
  ['https://a.example/x', 'https://a.example/x'],
  ['HTTP://a.example/x', 'HTTP://a.example/x'],
  ['zeroplane://results/1', 'zeroplane://results/1'],
  ['ui://app/main.html', 'ui://docs/app/main.html'],
  ['memo:x', 'docs+memo:x'],
  ['git+ssh://h/p', 'docs+git+ssh://h/p'],
  ['file:///{path}', 'docs+file:///{path}'],
])('%s is shown as %s', (own, shown) => {
  expect(publicUri('docs', own)).toBe(shown);
});

test.each(['memo:x', '', '+x', 'A+x', 'a_b+x', 'ui://', 'ui:///x', 'ui://A/x', '__proto__+x'.replace('_', '-')])(
  '%j names no target',
  (uri) => {
    expect(splitUri(uri)).toBeUndefined();
  },
);
