import { EventStreamCodec } from '@smithy/eventstream-codec';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventFrame } from './event-stream.ts';

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
);

test('the official codec reads every frame, headers and bytes', () => {
  const name = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme-ascii' });
  fc.assert(
    fc.property(
      fc.dictionary(name, fc.string({ maxLength: 50 }), { maxKeys: 5 }),
      fc.uint8Array({ maxLength: 5_000 }),
      (headers, payload) => {
        fc.pre(!Object.hasOwn(headers, '__proto__'));
        const read = codec.decode(eventFrame(headers, payload));
        expect(Object.fromEntries(Object.entries(read.headers).map(([key, { value }]) => [key, value]))).toEqual({
          ...headers,
        });
        expect(Buffer.from(read.body)).toEqual(Buffer.from(payload));
      },
    ),
  );
});
