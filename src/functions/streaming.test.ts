import { readFile } from 'node:fs/promises';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { spec, TestRuntime, until } from './runtime-for-test.ts';

let it: TestRuntime;

beforeEach(async () => {
  it = await TestRuntime.create();
});

afterEach(() => it.close());

/** `body` may use `event`, `stream`, `sleep` and `awslambda`. */
async function serve(body: string, runtime = 'nodejs24.x'): Promise<void> {
  await it.write({
    'index.mjs': `import { setTimeout as sleep } from 'node:timers/promises';
      export const handler = awslambda.streamifyResponse(async (event, stream, context) => { ${body} });`,
  });
  it.start([spec({ runtime })]);
}

async function read(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString('latin1');
}

test('the first piece arrives while the handler still runs', async () => {
  await serve(`const { existsSync } = await import('node:fs');
    stream.write('first'); while (!existsSync(event.file)) await sleep(5); stream.end('last');`);
  const streamed = await it.stream('hello', { file: `${it.folder}/go` });
  const pieces = streamed.body[Symbol.asyncIterator]();
  const first = await pieces.next();
  expect(Buffer.from(first.value as Uint8Array).toString()).toBe('first');
  await it.write({ go: '' });
  expect(Buffer.from((await pieces.next()).value as Uint8Array).toString()).toBe('last');
  expect((await pieces.next()).done).toBe(true);
  expect(streamed).toMatchObject({ contentType: 'application/octet-stream', executedVersion: '$LATEST' });
  expect(await streamed.ending).toEqual({ logTail: expect.stringContaining('REPORT RequestId:') });
});

test('HttpResponseStream sends status and headers before the body', async () => {
  await serve(`const http = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { a: 'b' } });
    http.write('body'); http.end();`);
  const streamed = await it.stream('hello');
  expect(streamed.contentType).toBe('application/vnd.awslambda.http-integration-response');
  expect(await read(streamed.body)).toBe(`{"statusCode":201,"headers":{"a":"b"}}${'\0'.repeat(8)}body`);
});

test.each([
  ['text', `stream.end('é');`, Buffer.from('é').toString('latin1')],
  ['bytes', `stream.write(new Uint8Array([0, 255])); stream.end();`, '\u0000\u00ff'],
  ['an object, as JSON', `stream.write({ n: 1 }); stream.end();`, '{"n":1}'],
  ['nothing', `stream.end();`, ''],
  ['a type of its own', `stream.setContentType('text/plain'); stream.end('x');`, 'x'],
  [
    'a pipeline',
    `const { pipeline } = await import('node:stream/promises'); await pipeline((async function* () { yield 'a'; yield 'b'; })(), stream);`,
    'ab',
  ],
])('a handler may stream %s, and its process stays warm', async (_title, body, expected) => {
  await serve(body);
  for (let n = 0; n < 2; n++) {
    const streamed = await it.stream('hello');
    expect(await read(streamed.body)).toBe(expected);
    expect((await streamed.ending).functionError).toBeUndefined();
  }
  expect(it.runtime.processCount()).toBe(1);
});

test('invoke of a streaming function waits for the whole answer, up to 6 MB', async () => {
  await serve(`stream.write('{"size":'); await sleep(1); stream.end(event.size + '}' + ' '.repeat(event.size));`);
  expect(await it.invoke('hello', { size: 5_000_000 })).toMatchObject({ value: { size: 5_000_000 } });
  expect(await it.invoke('hello', { size: 7_000_000 })).toMatchObject({
    functionError: 'Unhandled',
    value: { errorType: 'Function.ResponseSizeTooLarge' },
  });
  expect(await it.invoke('hello', { size: 1 })).toMatchObject({ value: { size: 1 }, coldStart: false });
});

test.each([
  ['throws', `stream.write('some'); throw new TypeError('midway');`, 'TypeError', 'midway'],
  [
    'throws with much unread',
    `stream.write('some'); stream.write(Buffer.alloc(3e6)); throw new TypeError('midway');`,
    'TypeError',
    'midway',
  ],
  ['returns without ending its stream', `stream.write('some');`, 'Error', 'Response stream is not finished.'],
  ['destroys its stream', `stream.write('some'); stream.destroy();`, 'Error', 'Response stream is not finished.'],
  ['exits', `stream.write('some'); await sleep(20); process.exit(4);`, 'Runtime.ExitError', 'exit status 4'],
  [
    'fails outside of the handler',
    `stream.write('some'); setTimeout(() => { throw new RangeError('late'); }, 5); await sleep(5000);`,
    'RangeError',
    'late',
  ],
])('a handler that %s in the middle ends its stream with the error', async (_title, body, errorType, message) => {
  await serve(body);
  const streamed = await it.stream('hello');
  expect(await read(streamed.body)).toMatch(/^some/);
  const ending = await streamed.ending;
  expect(ending.functionError).toBe('Unhandled');
  expect(JSON.parse(ending.errorPayload ?? '')).toMatchObject({
    errorType,
    errorMessage: expect.stringContaining(message),
  });
});

test.each([
  ['a failure before the first write', `throw new TypeError('early');`, 'TypeError'],
  ['a handler that is not async', undefined, 'Error'],
])('%s is an error without a body', async (_title, body, errorType) => {
  await serve(body ?? '');
  if (body === undefined)
    await it.write({ 'index.mjs': `export const handler = awslambda.streamifyResponse((event, stream) => 1);` });
  const streamed = await it.stream('hello');
  expect(await read(streamed.body)).toBe('');
  const ending = await streamed.ending;
  expect(JSON.parse(ending.errorPayload ?? '')).toMatchObject({ errorType });
});

test('a stream that times out ends with the error, and its process is gone', async () => {
  await serve(`stream.write('some'); await sleep(60_000);`);
  const streamed = await it.stream('hello');
  const pieces = streamed.body[Symbol.asyncIterator]();
  expect(Buffer.from((await pieces.next()).value as Uint8Array).toString()).toBe('some');
  it.clock.fire(3000);
  expect((await pieces.next()).done).toBe(true);
  expect(JSON.parse((await streamed.ending).errorPayload ?? '')).toMatchObject({
    errorType: 'FUNCTION_TIMEOUT',
    errorMessage: expect.stringContaining('timed out after 3000 ms'),
  });
  await until(() => it.runtime.processCount() === 0);
});

test('a function that writes faster than it is read has to wait', async () => {
  await serve(`const { writeFileSync } = await import('node:fs');
    for (let n = 1; n <= 60; n++) { if (!stream.write(Buffer.alloc(1e6))) await new Promise((r) => stream.once('drain', r)); writeFileSync(event.file, String(n)); }
    stream.end();`);
  const file = `${it.folder}/written`;
  const streamed = await it.stream('hello', { file });
  let before = '';
  await until(async () => {
    const now = await readFile(file, 'utf8').catch(() => '');
    await new Promise((done) => setTimeout(done, 100));
    const isStill = now !== '' && now === before;
    before = now;
    return isStill;
  });
  expect(Number(before)).toBeLessThan(40);
  expect((await read(streamed.body)).length).toBe(60e6);
  expect(await readFile(file, 'utf8')).toBe('60');
});

test('a reader who stops early lets the function finish, and its process stays warm', async () => {
  await serve(`for (let n = 0; n < (event.n ?? 0); n++) stream.write(Buffer.alloc(1e6)); stream.end('x');`);
  const streamed = await it.stream('hello', { n: 20 });
  for await (const _chunk of streamed.body) break;
  expect(await streamed.ending).toMatchObject({ logTail: expect.stringContaining('END RequestId') });
  expect(await it.invoke('hello').catch((error: unknown) => error)).toBeInstanceOf(SyntaxError);
  expect(it.runtime.processCount()).toBe(1);
});

test('a caller who leaves before the first piece keeps nobody waiting', async () => {
  await serve(`await sleep(50); stream.write(Buffer.alloc(5e6)); stream.end('x');`);
  const caller = it.context();
  const outcome = it.runtime.invokeStream({ functionName: 'hello', payload: '{}' }, caller);
  await until(() => it.clock.pending.some((timer) => timer.ms === 3000));
  caller.abort(new Error('gone'));
  await expect(outcome).rejects.toMatchObject({ code: 'CALL_CANCELLED' });
  await until(() => it.clock.pending.some((timer) => timer.ms === 5 * 60_000));
});

test('more than 200 MB end the stream with the error', async () => {
  await serve(
    `for (let n = 0; n < 220; n++) if (!stream.write(Buffer.alloc(1e6))) await new Promise((r) => stream.once('drain', r)); stream.end();`,
  );
  const streamed = await it.stream('hello');
  let bytes = 0;
  for await (const chunk of streamed.body) bytes += chunk.length;
  expect(bytes).toBeLessThanOrEqual(200 * 1024 * 1024);
  expect(JSON.parse((await streamed.ending).errorPayload ?? '')).toMatchObject({
    errorType: 'Function.ResponseSizeTooLarge',
  });
});

test('a function that does not stream answers a streamed invocation in one piece', async () => {
  await it.write({
    'index.mjs': `export const handler = async (event) => { if (event.fail) throw new Error('no'); return event; };`,
  });
  it.start([spec()]);
  const streamed = await it.stream('hello', { a: 1 });
  expect(streamed.contentType).toBe('application/json');
  expect(await read(streamed.body)).toBe('{"a":1}');
  const failed = await it.stream('hello', { fail: true });
  expect(await read(failed.body)).toBe('');
  expect(await failed.ending).toMatchObject({ functionError: 'Unhandled' });
  await expect(it.stream('absent')).rejects.toMatchObject({ code: 'FUNCTION_NOT_FOUND' });
});
