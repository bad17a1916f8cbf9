import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { SseError, SseParser } from './sse-parser.ts';
import type { SseEvent, SseParserOptions } from './sse-parser.ts';

function parse(
  chunks: readonly (string | Uint8Array)[],
  options?: SseParserOptions,
): { events: SseEvent[]; parser: SseParser } {
  const events: SseEvent[] = [];
  const parser = new SseParser((event) => events.push(event), options);
  for (const chunk of chunks) parser.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  return { events, parser };
}

describe('an event stream', () => {
  test.each([
    ['line feeds', 'data: a\n\n', [{ event: 'message', data: 'a' }]],
    ['carriage returns', 'data: a\r\r', [{ event: 'message', data: 'a' }]],
    ['both', 'data: a\r\n\r\n', [{ event: 'message', data: 'a' }]],
    ['mixed ends', 'data: a\rdata: b\ndata: c\r\n\n', [{ event: 'message', data: 'a\nb\nc' }]],
    ['a byte order mark', '\uFEFFdata: a\n\n', [{ event: 'message', data: 'a' }]],
    ['a name', 'event: endpoint\ndata: /m\n\n', [{ event: 'endpoint', data: '/m' }]],
    ['no space after the colon', 'data:a\n\n', [{ event: 'message', data: 'a' }]],
    ['two spaces after the colon', 'data:  a\n\n', [{ event: 'message', data: ' a' }]],
    ['comments', ': hello\ndata: a\n:\n\n', [{ event: 'message', data: 'a' }]],
    ['unknown fields', 'foo: bar\nbaz\ndata: a\n\n', [{ event: 'message', data: 'a' }]],
    ['empty lines of data', 'data\ndata\n\n', [{ event: 'message', data: '\n' }]],
    ['an event without data', 'event: x\n\ndata: a\n\n', [{ event: 'message', data: 'a' }]],
    ['an event with empty data', 'id: 1\ndata:\n\n', []],
    ['an unfinished event', 'data: a\n\ndata: b\n', [{ event: 'message', data: 'a' }]],
  ])('reads %s', (_name, text, expected) => {
    expect(parse([text]).events).toEqual(expected);
  });

  test('remembers the id of the last event that ended, even of one without data', () => {
    expect(parse(['id: 1\ndata: a\n\nid: 2\ndata:\n\nid: 3\ndata: c\n']).parser.lastEventId).toBe('2');
    expect(parse(['id: a\0b\ndata: a\n\n']).parser.lastEventId).toBe('');
    expect(parse(['id: 1\ndata: a\n\ndata: b\n\n']).parser.lastEventId).toBe('1');
  });

  test('takes a retry time of digits only', () => {
    expect(parse(['retry: 250\n']).parser.retryMs).toBe(250);
    expect(parse(['retry: 2.5\n', 'retry: -1\n', 'retry:\n']).parser.retryMs).toBeUndefined();
  });

  test('refuses bytes that are not UTF-8', () => {
    expect(() => parse([new Uint8Array([0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0x0a])])).toThrow(SseError);
  });

  test('refuses a line over the limit before it has ended, and data over the limit', () => {
    expect(() => parse(['data: ', 'x'.repeat(95)], { maxLine: 100 })).toThrow(/longer than 100/);
    expect(parse(['data: ', 'x'.repeat(94), '\n\n'], { maxLine: 100 }).events).toHaveLength(1);
    expect(() => parse(['data: 12345\n'.repeat(4)], { maxData: 20 })).toThrow(/longer than 20/);
  });

  test('is the same however its bytes are cut', () => {
    const line = fc.oneof(
      fc.constantFrom('data', 'event: x', 'id: 7', 'retry: 10', ':', '', '', 'data:', 'data: {"a":"é☃😀"}'),
      fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => `data: ${text.replaceAll(/[\r\n]/g, '')}`),
    );
    const ended = fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n')).map(([text, end]) => text + end);
    const stream = fc.array(ended, { maxLength: 30 }).map((lines) => Buffer.from(lines.join('')));
    fc.assert(
      fc.property(stream, fc.array(fc.nat(400), { maxLength: 40 }), (bytes, cuts) => {
        const sorted = [...new Set(cuts)].filter((cut) => cut < bytes.length).toSorted((a, b) => a - b);
        const chunks = [...sorted, bytes.length].map((cut, index) => bytes.subarray(sorted[index - 1] ?? 0, cut));
        const single = [...bytes].map((byte) => new Uint8Array([byte]));
        const whole = parse([bytes]);
        for (const other of [parse(chunks), parse(single)]) {
          expect(other.events).toEqual(whole.events);
          expect(other.parser.lastEventId).toBe(whole.parser.lastEventId);
          expect(other.parser.retryMs).toBe(whole.parser.retryMs);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('reads six megabytes in one-kilobyte pieces in linear time', () => {
    const piece = 'x'.repeat(1024);
    const chunks = ['data: ', ...Array.from({ length: 6000 }, () => piece), '\n\n'];
    const started = performance.now();
    expect(parse(chunks).events[0]?.data.length).toBe(6000 * 1024);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
