import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { localFunctionArn, parseFunctionArn, parseFunctionReference } from './lambda-arn.ts';

test.each([
  ['arn:aws:lambda:region:account:function:name', { name: 'name' }],
  ['arn:aws:lambda:ap-southeast-2:522814717816:function:data', { name: 'data' }],
  ['arn:aws-cn:lambda:cn-north-1:123456789012:function:data:PROD', { name: 'data', qualifier: 'PROD' }],
  ['arn:aws-us-gov:lambda:::function:data:$LATEST', { name: 'data', qualifier: '$LATEST' }],
  ['arn:aws:lambda:${region}:${account}:function:${stack-id}-mcp', { name: '${stack-id}-mcp' }],
])('%s is the ARN of a function', (arn, reference) => {
  expect(parseFunctionArn(arn)).toEqual(reference);
});

test.each([
  '',
  'name',
  'arn:aws:s3:::bucket',
  'arn:aws:lambda:region:account:function',
  'arn:aws:lambda:region:account:function:',
  'arn::lambda:r:a:function:n',
  'ARN:aws:lambda:r:a:function:n',
  'arn:aws:lambda:r:a:layer:n',
  'arn:aws:lambda:r:a:function:a b',
  'arn:aws:lambda:r:a:function:a\u200B',
  'arn:aws:lambda:r:a:function:a\n',
  `arn:aws:lambda:r:a:function:${'x'.repeat(600)}`,
])('%j is not', (arn) => {
  expect(parseFunctionArn(arn)).toBeUndefined();
});

const part = fc.stringMatching(/^[A-Za-z0-9_$-]{1,20}$/);

test('what is put together as an ARN comes apart as it was', () => {
  fc.assert(
    fc.property(
      fc.record({
        partition: part,
        region: fc.option(part, { nil: '' }),
        account: fc.option(part, { nil: '' }),
        name: part,
        qualifier: fc.option(part, { nil: undefined }),
      }),
      (made) => {
        const tail = made.qualifier === undefined ? '' : `:${made.qualifier}`;
        const expected = { name: made.name, ...(made.qualifier === undefined ? {} : { qualifier: made.qualifier }) };
        expect(
          parseFunctionArn(`arn:${made.partition}:lambda:${made.region}:${made.account}:function:${made.name}${tail}`),
        ).toEqual(expected);
        if (made.name !== 'arn') expect(parseFunctionReference(`${made.name}${tail}`)).toEqual(expected);
      },
    ),
  );
});

test('no text makes the parser throw, and what it accepts has seven parts and a name', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(fc.constantFrom('arn', 'aws', 'lambda', 'function', '', 'x', ' ')).map((parts) => parts.join(':')),
      ),
      (text) => {
        const found = parseFunctionArn(text);
        if (found === undefined) return;
        expect(text.split(':').length).toBeGreaterThanOrEqual(7);
        expect(text.split(':').slice(2, 3).concat(text.split(':').slice(5, 6))).toEqual(['lambda', 'function']);
        expect(found.name).not.toBe('');
      },
    ),
  );
});

test('a local ARN names its function', () => {
  expect(parseFunctionReference(localFunctionArn('hello'))).toEqual({ name: 'hello' });
});
