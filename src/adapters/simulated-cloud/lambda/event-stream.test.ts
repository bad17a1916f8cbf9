import { EventStreamCodec } from '@smithy/eventstream-codec';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventFrame } from './event-stream.ts';

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
);

test('3.10: the official codec reads and writes the same frames', () => {
  const name = fc
    .string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 60 })
    .filter((text) => text !== '__proto__');
  fc.assert(
    fc.property(
      fc.dictionary(name, fc.string({ unit: 'grapheme', maxLength: 200 }), { maxKeys: 5, noNullPrototype: true }),
      fc.uint8Array({ maxLength: 5000 }),
      (headers, payload) => {
        const frame = eventFrame(headers, payload);
        const { headers: read, body } = codec.decode(frame);
        const values = Object.fromEntries(Object.entries(read).map(([key, { value }]) => [key, value]));
        expect(values).toEqual(headers);
        expect(Buffer.from(body)).toEqual(Buffer.from(payload));
        const typed = Object.entries(headers).map(([key, value]) => [key, { type: 'string', value }] as const);
        expect(Buffer.from(codec.encode({ headers: Object.fromEntries(typed), body: payload }))).toEqual(frame);
      },
    ),
  );
});

test('a frame that was changed on the way is refused by the official codec', () => {
  const frame = eventFrame({ ':event-type': 'PayloadChunk' }, Buffer.from('abc'));
  for (const at of [0, 5, 9, 13, frame.length - 6, frame.length - 1]) {
    const changed = Buffer.from(frame);
    changed.writeUInt8((changed.readUInt8(at) + 1) % 256, at);
    expect(() => codec.decode(changed)).toThrow();
  }
});
