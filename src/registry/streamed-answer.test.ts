import { expect, test } from 'vitest';

import type { StreamEnding, StreamedInvocation } from '../core/ports.ts';
import { readStreamed } from './function-reply.ts';
import { toolResult } from './function-result.ts';
import { readStream, type StreamedAnswer } from './streamed-answer.ts';

const HTTP = 'application/vnd.awslambda.http-integration-response';
const never = new Promise<never>(() => undefined);

function streamOf(
  pieces: readonly (string | Uint8Array)[],
  contentType = 'application/octet-stream',
  ending: StreamEnding = {},
): StreamedInvocation {
  async function* body(): AsyncGenerator<Uint8Array> {
    for (const piece of pieces) yield typeof piece === 'string' ? Buffer.from(piece) : piece;
  }
  return { contentType, executedVersion: '$LATEST', body: body(), ending: Promise.resolve(ending) };
}

const read = (stream: StreamedInvocation) => readStream(stream, { onBytes: () => undefined, abandoned: never });

const RUN = { executedVersion: '$LATEST', durationMs: 1, coldStart: false, payload: '' };

const resultOf = (answer: StreamedAnswer) => {
  const { text, ...rest } = toolResult('find', { ...RUN, streamed: answer }, 'r1');
  return { ...rest, result: JSON.parse(text) };
};

test('pieces are put together wherever they were cut, the prelude too', async () => {
  const prelude = JSON.stringify({ statusCode: 201, headers: { 'Content-Type': 'text/html; charset=utf-8' } });
  const whole = Buffer.concat([Buffer.from(prelude), Buffer.alloc(8), Buffer.from('<p>\u00e9</p>')]);
  for (let size = 1; size < whole.length; size += 7) {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < whole.length; at += size) pieces.push(whole.subarray(at, at + size));
    const { answer } = await read(streamOf(pieces, HTTP));
    expect(answer).toMatchObject({ statusCode: 201, contentType: 'text/html' });
    expect(answer?.bytes.toString()).toBe('<p>\u00e9</p>');
  }
});

test.each([
  ['no prelude', ['<p>'], HTTP, 'no readable prelude'],
  ['a status that is no number', [`{"statusCode":"200"}${'\0'.repeat(8)}`], HTTP, 'status that is no number'],
])('an HTTP answer with %s is an error', async (_title, pieces, contentType, message) => {
  const { functionError, errorPayload } = await read(streamOf(pieces, contentType));
  expect(functionError).toBe('Unhandled');
  expect(errorPayload).toContain(message);
});

test('a function that fails in the middle has failed, whatever it had sent', async () => {
  const reading = await read(
    streamOf(['{"rows":['], 'application/json', {
      functionError: 'Unhandled',
      errorPayload: '{"errorType":"Error","errorMessage":"database gone"}',
      logTail: 'END',
    }),
  );
  expect(reading).toEqual({
    functionError: 'Unhandled',
    errorPayload: '{"errorType":"Error","errorMessage":"database gone"}',
    logTail: 'END',
  });
});

test('reading ends when nobody waits any longer, and the rest is let go', async () => {
  let leave: (error: Error) => void = () => undefined;
  const abandoned = new Promise<never>((_, reject) => (leave = reject));
  let isReleased = false;
  const body: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise(() => undefined),
      return: () => {
        isReleased = true;
        return Promise.resolve({ done: true as const, value: undefined });
      },
    }),
  };
  const stream = { ...streamOf([]), body };
  const reading = readStream(stream, { onBytes: () => undefined, abandoned });
  leave(new Error('gone'));
  await expect(reading).rejects.toThrow('gone');
  expect(isReleased).toBe(true);
});

test('more than 200 MB end the reading with an error', async () => {
  const megabyte = new Uint8Array(1024 * 1024);
  const { functionError, errorPayload } = await read(streamOf(Array.from({ length: 201 }, () => megabyte)));
  expect(functionError).toBe('Unhandled');
  expect(errorPayload).toMatch(/ResponseSizeTooLarge.*larger than 209715200 bytes/);
});

const bytesOf = (text: string): Buffer => Buffer.from(text);

test.each<[string, StreamedAnswer, object]>([
  [
    'text',
    { bytes: bytesOf('a line\nand one'), contentType: 'text/plain' },
    { result: { content: [{ type: 'text', text: 'a line\nand one' }] }, isError: false },
  ],
  [
    'JSON of no declared type',
    { bytes: bytesOf('{"n":1}'), contentType: 'application/octet-stream' },
    { result: { content: [{ type: 'text', text: '{"n":1}' }], structuredContent: { n: 1 } }, structured: { n: 1 } },
  ],
  [
    'lines of JSON',
    { bytes: bytesOf('{"n":1}\n{"n":2}\n'), contentType: 'application/x-ndjson' },
    {
      result: {
        content: [{ type: 'text', text: '{"n":1}\n{"n":2}\n' }],
        structuredContent: { items: [{ n: 1 }, { n: 2 }] },
      },
    },
  ],
  [
    'lines that are not all JSON',
    { bytes: bytesOf('{"n":1}\nno\n'), contentType: 'application/x-ndjson' },
    { result: { content: [{ type: 'text', text: '{"n":1}\nno\n' }] } },
  ],
  [
    'lines that would break out of their list',
    { bytes: bytesOf('1],"x":[2\n'), contentType: 'application/x-ndjson' },
    { result: { content: [{ type: 'text', text: '1],"x":[2\n' }] } },
  ],
  [
    'a ready result',
    { bytes: bytesOf('{"content":[{"type":"text","text":"hi"}]}'), contentType: 'application/json' },
    { result: { content: [{ type: 'text', text: 'hi' }] } },
  ],
  [
    'the envelope of functions that do not stream',
    { bytes: bytesOf('{"statusCode":404,"body":"none"}'), contentType: 'application/json' },
    { result: { content: [{ type: 'text', text: 'none' }], isError: true }, isError: true },
  ],
  [
    'an HTTP answer that refuses',
    { bytes: bytesOf('none'), contentType: 'text/plain', statusCode: 404 },
    { result: { content: [{ type: 'text', text: 'none' }], isError: true }, isError: true },
  ],
  [
    'a picture',
    { bytes: Buffer.from([137, 80, 78, 71, 255]), contentType: 'image/png' },
    { result: { content: [{ type: 'image', data: 'iVBOR/8=', mimeType: 'image/png' }] } },
  ],
  [
    'sound',
    { bytes: Buffer.from([1, 2]), contentType: 'audio/wav' },
    { result: { content: [{ type: 'audio', data: 'AQI=', mimeType: 'audio/wav' }] } },
  ],
  ['nothing', { bytes: bytesOf(''), contentType: 'text/plain' }, { result: { content: [{ type: 'text', text: '' }] } }],
])('%s becomes a result', (_title, answer, expected) => {
  expect(resultOf(answer)).toMatchObject(expected);
});

test('bytes that are no text are refused with their kind and number', () => {
  const { result, isError } = resultOf({ bytes: Buffer.from([255, 254]), contentType: 'application/pdf' });
  expect(isError).toBe(true);
  expect(result.content[0].text).toContain('2 bytes of application/pdf that are no text, picture or sound');
});

test('a text beyond 6 MB is handed on without being taken apart', () => {
  const text = `{"rows":"${'x'.repeat(7 * 1024 * 1024)}"}`;
  const reply = readStreamed({ bytes: bytesOf(text), contentType: 'application/json' });
  expect(reply.isJson).toBe(false);
  expect(reply.text).toHaveLength(text.length);
});
