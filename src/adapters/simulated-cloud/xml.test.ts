import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { childOf, childText, childrenOf, membersToXml, readXml, toXml } from './xml.ts';

describe('XML', () => {
  test('what is written is read back', () => {
    const text = fc.string({ unit: 'grapheme' }).filter((each) => !each.includes('\r'));
    fc.assert(
      fc.property(fc.array(text), fc.record({ a: text, b: text }), (list, members) => {
        const root = readXml(toXml('root', { item: list, pair: members }));
        expect(childrenOf(root, 'item').map((child) => child.text)).toEqual(list);
        expect([childText(childOf(root, 'pair'), 'a'), childText(childOf(root, 'pair'), 'b')]).toEqual([
          members.a,
          members.b,
        ]);
      }),
    );
  });

  test('any text at all is read or refused, and nothing is thrown', () => {
    const part = fc.constantFrom(
      '<a>',
      '</a>',
      '<b/>',
      '&lt;',
      '&#x41;',
      '&#99999999;',
      '<!--',
      '-->',
      '<![CDATA[',
      ']]>',
      '<?x?>',
      'text',
      '<',
      '>',
      '<a b="c">',
    );
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const read = readXml(parts.join(''));
        expect(read === undefined || read.name !== '').toBe(true);
      }),
    );
  });

  test('what is undefined is left out, and lists repeat their element', () => {
    expect(membersToXml({ a: undefined, b: [1, 2], c: { d: true }, e: [] })).toBe('<b>1</b><b>2</b><c><d>true</d></c>');
  });

  test.each([
    ['<?xml version="1.0"?>\n<a x="1"><!-- no --><b>1 &amp; &#65;</b><![CDATA[<c>]]></a>', '<c>', '1 & A'],
    ['<a><b/></a>', '', ''],
  ])('%s', (document, text, b) => {
    const root = readXml(document);
    expect([root?.text.trim(), childText(root, 'b')]).toEqual([text, b]);
  });

  test.each([
    ['nothing', ''],
    ['an element that does not end', '<a>'],
    ['an end that nothing began', '</a>'],
    ['ends in the wrong order', '<a><b></a></b>'],
    ['two roots', '<a/><b/>'],
    ['text around the root', '<a/>more'],
    ['a document type', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
    ['great depth', '<a>'.repeat(100) + '</a>'.repeat(100)],
  ])('%s is refused', (_what, document) => {
    expect(readXml(document)).toBeUndefined();
  });
});
