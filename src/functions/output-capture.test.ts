import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';

import { OutputCapture } from './output-capture.ts';

function capture(): { output: OutputCapture; stream: PassThrough; lines: string[] } {
  const lines: string[] = [];
  const output = new OutputCapture((text) => lines.push(text));
  const stream = new PassThrough();
  output.attach(stream);
  return { output, stream, lines };
}

const MORE = '(more output of this invocation is not logged)';

test('lines are records, however the bytes arrive, and the last one needs no end', async () => {
  const { output, stream, lines } = capture();
  for (const byte of Buffer.from('één\n\ntwo\nthr')) stream.write(Buffer.from([byte]));
  stream.end('ee');
  await new Promise((resolve) => stream.once('end', resolve));
  expect(lines).toEqual(['één', '', 'two', 'three']);
  expect(output.tail).toBe('één\n\ntwo\nthree\n');
});

test.each([
  ['empty lines', '\n'.repeat(1_000_000)],
  ['short lines', 'y\n'.repeat(500_000)],
  ['one line', 'x'.repeat(8_000_000)],
])('a flood of %s is logged up to a limit, once said so, and the next invocation is logged again', (_what, flood) => {
  const { output, stream, lines } = capture();
  for (let at = 0; at < flood.length; at += 65_536) stream.write(flood.slice(at, at + 65_536));
  stream.write('last words\n');
  expect(lines.length).toBeLessThan(6_000);
  expect(lines.filter((line) => line === MORE)).toHaveLength(1);
  expect(output.tail.length).toBeLessThanOrEqual(4_096);
  expect(output.tail.endsWith('last words\n')).toBe(true);
  output.reset();
  stream.write('next\n');
  expect(lines.at(-1)).toBe('next');
  expect(output.tail).toBe('next\n');
});
