import { expect, test } from 'vitest';
import { oneLine, printable, table } from './style.ts';
import { wantsColour } from './terminal.ts';

test('text from a server cannot move the cursor or turn around what follows', () => {
  expect(printable('a\u001b[2Jb\u202ec\r\u0007\n\td')).toBe('a\\u001b[2Jb\\u202ec\\u000d\\u0007\n\td');
});

test('a description is one line of at most the width', () => {
  expect(oneLine('  one\n two\tthree ', 9)).toBe('one two …');
  expect(oneLine('short', 9)).toBe('short');
});

test('columns are as wide as their widest cell, paint not counted', () => {
  const red = (text: string): string => `<${text}>`;
  expect(
    table([
      [{ text: 'a', paint: red }, 'x'],
      ['long', 'y'],
    ]),
  ).toBe('  <a>     x\n  long  y');
});

test.each([
  [{}, true, true],
  [{}, false, false],
  [{ NO_COLOR: '1' }, true, false],
  [{ NO_COLOR: '' }, true, true],
  [{ CI: 'true' }, true, false],
  [{ CI: 'false' }, true, true],
  [{ FORCE_COLOR: '1', CI: '1' }, false, true],
  [{ FORCE_COLOR: '1', NO_COLOR: '1' }, true, false],
  [{ TERM: 'dumb' }, true, false],
])('with %j and a terminal %j colours are %j', (env, isTerminal, expected) => {
  expect(wantsColour(env, isTerminal)).toBe(expected);
});
