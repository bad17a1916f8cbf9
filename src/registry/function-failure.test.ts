import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { failureOf } from './function-failure.ts';

const error = (errorType: string, errorMessage: string, more: object = {}): string =>
  JSON.stringify({ errorType, errorMessage, ...more });

test.each([
  [
    'an exception',
    error('TypeError', 'bad colour', { stackTrace: ['at secret.mjs:1:1'] }),
    'FUNCTION_FAILED',
    'Function "find" failed with TypeError: bad colour. If the arguments are right, its owner finds the stack in its log.',
  ],
  [
    'an end before the handler ran',
    error('Runtime.ImportModuleError', "Cannot find module 'x'"),
    'FUNCTION_FAILED',
    `Function "find" failed with Runtime.ImportModuleError: Cannot find module 'x'. Other arguments will not help: its owner finds the reason in its log.`,
  ],
  [
    'the end of its time in AWS',
    '{"errorMessage":"2026-11-01T00:00:00Z 1b2c Task timed out after 3.01 seconds"}',
    'FUNCTION_TIMEOUT',
    'Function "find" timed out after 3010 ms and may have run. Look at its effect before you call again, or raise its timeout.',
  ],
  ['the same by its type', error('Sandbox.Timedout', ''), 'FUNCTION_TIMEOUT', expect.stringContaining('may have run')],
  [
    'a stream that was cut off',
    error('FUNCTION_TIMEOUT', 'Function "find" timed out after 3000 ms and may have run. Raise it.'),
    'FUNCTION_TIMEOUT',
    'Function "find" timed out after 3000 ms and may have run. Raise it.',
  ],
  [
    'an answer beyond 6 MB',
    error('Function.ResponseSizeTooLarge', 'too large'),
    'PAYLOAD_TOO_LARGE',
    expect.stringMatching(/has run, and its answer is larger than Lambda hands on: 6 MB.* stream its answer\./),
  ],
  ['no JSON', 'boom', 'FUNCTION_FAILED', expect.stringContaining('failed with Error: boom.')],
  ['nothing', '', 'FUNCTION_FAILED', expect.stringContaining('failed with Error: no message.')],
  ['JSON that is no error', '[1]', 'FUNCTION_FAILED', expect.stringContaining('failed with Error: [1].')],
  [
    'members of other kinds',
    '{"errorType":1,"errorMessage":{}}',
    'FUNCTION_FAILED',
    expect.stringContaining('no message'),
  ],
] as const)('%s is told with its code and what to do', (_title, payload, code, message) => {
  const failure = failureOf('find', payload);
  expect(failure.code).toBe(code);
  expect(failure.message).toEqual(message);
});

test.each([
  'bad colour\n    at paint (/var/task/index.mjs:3:9)\n    at process.processTicksAndRejections (node:internal:1:2)',
  'bad colour\nTraceback (most recent call last):\n  File "/var/task/app.py", line 3, in handler',
  'bad colour\n  File "/var/task/app.py", line 3, in handler\n    paint()',
])('a stack inside the message stays in the log', (text) => {
  expect(failureOf('find', error('Error', text)).message).toBe(
    'Function "find" failed with Error: bad colour. If the arguments are right, its owner finds the stack in its log.',
  );
});

test('whatever a function answers as its error makes one sentence of bounded length', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.string().map((text) => error(text, text.repeat(500))),
      ),
      (payload) => {
        const { message } = failureOf('find', payload);
        expect(message).toMatch(/^Function "find" /);
        expect(message.length).toBeLessThan(2_200);
      },
    ),
  );
});
