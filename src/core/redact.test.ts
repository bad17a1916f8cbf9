import { expect, test } from 'vitest';
import { MASK, Redactor } from './redact.ts';

test('a known secret is masked, plain and as JSON writes it', () => {
  const redactor = new Redactor();
  redactor.set(['pa"ss\\word-1']);
  expect(redactor.text('x pa"ss\\word-1 y')).toBe(`x ${MASK} y`);
  expect(redactor.text(JSON.stringify({ key: 'pa"ss\\word-1' }))).toBe(`{"key":"${MASK}"}`);
});

test('values too short to be secrets mask nothing', () => {
  const redactor = new Redactor();
  redactor.set(['short']);
  expect(redactor.text('a short word')).toBe('a short word');
});

test('bytes are masked too, and bytes found clean are looked at again when the secrets change', () => {
  const redactor = new Redactor();
  const bytes = Buffer.from('a list with long-secret in it');
  redactor.set(['something-else']);
  expect(redactor.bytes(bytes)).toBe(bytes);
  redactor.set(['long-secret']);
  expect(Buffer.from(redactor.bytes(bytes)).toString()).toBe(`a list with ${MASK} in it`);
});

test('the longest secret is masked first, so that no part of it remains', () => {
  const redactor = new Redactor();
  redactor.set(['abcdefgh', 'abcdefgh-and-more']);
  expect(redactor.text('abcdefgh-and-more')).toBe(MASK);
});

test('what was looked up while running is masked, also after the configuration has changed, in every form', () => {
  const redactor = new Redactor();
  redactor.learn(['wJalr/XUtn+FEMI=']);
  redactor.set(['another-secret']);
  for (const form of ['wJalr/XUtn+FEMI=', 'wJalr%2FXUtn%2BFEMI%3D', Buffer.from('wJalr/XUtn+FEMI=').toString('base64')])
    expect(redactor.text(`x ${form} y`)).toMatch(/^x \[redacted\]=* y$/);
  expect(redactor.text('another-secret')).toBe(MASK);
});

test('half a character in a secret is no reason to fail', () => {
  const redactor = new Redactor();
  redactor.set(['\ud800 is half a character']);
  expect(redactor.text('it \ud800 is half a character.')).toBe(`it ${MASK}.`);
});
