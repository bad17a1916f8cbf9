import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { OversizedLine } from './line-reader.ts';
import { LineReader, oversizedOwner } from './line-reader.ts';
import { StderrTail } from './stderr-tail.ts';

function collect(maxBytes = 1_000) {
  const lines: string[] = [];
  const invalid: string[] = [];
  const oversized: OversizedLine[] = [];
  const reader = new LineReader(
    {
      line: (text) => void lines.push(text),
      invalid: (text) => void invalid.push(text),
      oversized: (line) => void oversized.push(line),
    },
    maxBytes,
  );
  return { reader, lines, invalid, oversized };
}

/** Cuts a buffer at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  const parts: Buffer[] = [];
  let start = 0;
  for (const end of [...ends, bytes.length]) {
    parts.push(Buffer.from(bytes.subarray(start, end)));
    start = end;
  }
  return parts;
}

describe('cutting lines', () => {
  test('gives the same lines however the bytes arrive, multi-byte characters included', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 40 }).map((line) => line.replace(/[\r\n]/g, ''));
    fc.assert(
      fc.property(fc.array(text), fc.array(fc.nat()), (lines, places) => {
        const { reader, lines: got, invalid } = collect();
        for (const part of cut(Buffer.from(lines.map((line) => `${line}\n`).join('')), places)) reader.push(part);
        expect(got).toEqual(lines.filter((line) => line !== ''));
        expect(invalid).toEqual([]);
      }),
    );
  });

  test('a carriage return before the line end is not part of the line, and empty lines are none', () => {
    const { reader, lines } = collect();
    reader.push(Buffer.from('a\r\n\r\n\nb\n'));
    expect(lines).toEqual(['a', 'b']);
  });

  test('a byte order mark before the first line belongs to no line, anywhere else it stays', () => {
    const { reader, lines } = collect();
    reader.push(Buffer.from('\uFEFF{"a":"\uFEFF"}\n'));
    reader.push(Buffer.from('\uFEFFb\n'));
    expect(lines).toEqual(['{"a":"\uFEFF"}', '\uFEFFb']);
  });

  test('a last line without an end counts when the stream ends', () => {
    const { reader, lines } = collect();
    reader.push(Buffer.from('a\nb'));
    expect(lines).toEqual(['a']);
    reader.end();
    expect(lines).toEqual(['a', 'b']);
  });

  test('bytes that are not UTF-8 are told from a replacement character that was sent', () => {
    const { reader, lines, invalid } = collect();
    reader.push(Buffer.concat([Buffer.from('real \uFFFD\n'), Buffer.from([0x61, 0xff, 0x0a])]));
    expect(lines).toEqual(['real \uFFFD']);
    expect(invalid).toEqual(['a\uFFFD']);
  });

  test('a line over the limit is reported once with its ends, and the next line is whole, however the bytes arrive', () => {
    fc.assert(
      fc.property(fc.integer({ min: 101, max: 900 }), fc.array(fc.nat()), (length, places) => {
        const { reader, lines, oversized } = collect(100);
        for (const part of cut(Buffer.from(`before\n${'x'.repeat(length)}END\nafter\n`), places)) reader.push(part);
        expect(lines).toEqual(['before', 'after']);
        expect(oversized).toHaveLength(1);
        expect(oversized[0]).toMatchObject({ bytes: length + 3, ended: true });
        expect(oversized[0]?.head.startsWith('xxx')).toBe(true);
        expect(oversized[0]?.tail.endsWith('xEND')).toBe(true);
      }),
    );
  });

  test('a line of exactly the limit is kept', () => {
    const { reader, lines, oversized } = collect(100);
    reader.push(Buffer.from(`${'x'.repeat(100)}\n`));
    expect(lines).toHaveLength(1);
    expect(oversized).toEqual([]);
  });
});

test.each([
  ['{"jsonrpc":"2.0","id":7,"result":{"content":[', 'xx"}]}}', 7],
  ['{"id":7,"jsonrpc":"2.0","result":{', '}}', 7],
  ['{"result":{"content":[{"id":9,', 'xx"}]},"jsonrpc":"2.0","id":7}', 7],
  ['{"result":{"content":[', 'xx"}]},"id":7,"jsonrpc":"2.0"}', 7],
  ['{"result":{"id":9,"content":[', '"x":{"id":9}}}', 'unknown'],
  ['{"jsonrpc":"2.0","id":"7","result":{', '}}', 7],
  ['{"result":{', '},"id":"12","jsonrpc":"2.0"}', 12],
  ['{"jsonrpc":"2.0","id":"7,"result":{', '}}', 'unknown'],
  ['{"jsonrpc":"2.0","method":"notifications/message","params":{', '}}', 'notification'],
  ['Segmentation fault ', ' core dumped', 'unknown'],
])('the request that an unread line answers is found at its ends: %s … %s', (head, tail, owner) => {
  expect(oversizedOwner({ head, tail, bytes: 1, ended: true })).toBe(owner);
});

describe('the last words on stderr', () => {
  test('are the last bytes, however they arrive', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 40 })), (chunks) => {
        const tail = new StderrTail(16);
        for (const chunk of chunks) tail.push(Buffer.from(chunk));
        expect(tail.text()).toBe(chunks.join('').slice(-16).trim());
      }),
    );
  });

  test('hide nothing from the reader and obey nothing in a terminal', () => {
    const tail = new StderrTail();
    tail.push(Buffer.from('a\u001b[2Jb\u202Ec\u0000\td\u200B'));
    expect(tail.text()).toBe('a?[2Jb?c?\td?');
  });
});
