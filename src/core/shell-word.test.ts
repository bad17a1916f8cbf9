import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { shellWord } from './shell-word.ts';

test('a plain word stays as it is', () => {
  expect(shellWord('nightly:monday-1.2_x')).toBe('nightly:monday-1.2_x');
});

test.each(['', "it's", 'a b', '$HOME', '`id`', '(x)!', '"', 'ä', '*'])('a shell reads %j back as it was', (text) => {
  expect(execFileSync('sh', ['-c', `printf %s ${shellWord(text)}`], { encoding: 'utf8' })).toBe(text);
});
