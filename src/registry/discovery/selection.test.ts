import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { freeName, publishedName, toolDescription } from './naming.ts';
import { asksForTags, isNamed, isSelected, type Discovery } from './selection.ts';

describe('which functions are selected', () => {
  const tagged = { name: 'mcp-info', tags: { MCP_Support: 'true', owner: 'ada', visibility: 'internal' } };

  test.each<[string, Discovery, boolean]>([
    ['nothing asked for', {}, true],
    ['its prefix', { prefix: 'mcp-' }, true],
    ['another prefix', { prefix: 'x-' }, false],
    ['its name', { list: ['mcp-info'] }, true],
    ['other names', { list: ['a', 'b'] }, false],
    ['an empty list', { list: [] }, false],
    ['its name beside another prefix', { prefix: 'x-', list: ['mcp-info'] }, true],
    ['its prefix beside other names', { prefix: 'mcp-', list: ['a'] }, true],
    ['its tag', { lambdaTags: { MCP_Support: 'true' } }, true],
    ['another value of its tag', { lambdaTags: { MCP_Support: 'false' } }, false],
    ['a value in other letters', { lambdaTags: { MCP_Support: 'True' } }, false],
    ['two tags of which it has one', { lambdaTags: { MCP_Support: 'true', team: 'x' } }, false],
    ['its prefix and another tag', { prefix: 'mcp-', lambdaTags: { MCP_Support: 'no' } }, false],
    ['a tag that it must not have', { excludeTags: { owner: 'ada' } }, false],
    ['another value of a tag that it must not have', { excludeTags: { owner: 'bob' } }, true],
    ['its owner', { owner: 'ada' }, true],
    ['another owner', { owner: 'bob' }, false],
    ['its visibility', { visibility: 'internal' }, true],
    ['another visibility', { visibility: 'external' }, false],
  ])('2.7, 2.9: %s', (_, rule, expected) => {
    expect(isSelected(tagged, rule)).toBe(expected);
  });

  test('2.9: a function without tags has no tag, also none of the prototype', () => {
    expect(isSelected({ name: 'a' }, { lambdaTags: { MCP_Support: 'true' } })).toBe(false);
    expect(isSelected({ name: 'a', tags: {} }, { lambdaTags: { constructor: 'Object' } })).toBe(false);
    expect(isSelected({ name: 'a' }, { excludeTags: { experimental: 'true' } })).toBe(true);
  });

  test('what a rule says about names is part of what it says at all', () => {
    const text = fc.string({ maxLength: 4 });
    const rule = fc.record(
      {
        prefix: text,
        list: fc.array(text, { maxLength: 3 }),
        owner: text,
        lambdaTags: fc.dictionary(text, text, { maxKeys: 2 }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(text, fc.dictionary(text, text, { maxKeys: 3 }), rule, (name, tags, asked) => {
        const isTaken = isSelected({ name, tags }, asked);
        if (isTaken) expect(isNamed(name, asked)).toBe(true);
        if (!asksForTags(asked)) expect(isTaken).toBe(isNamed(name, asked));
      }),
    );
  });
});

describe('2.10: what a function is called as a tool', () => {
  test.each([
    ['mcp-customer-info', 'mcp-', 'customer_info'],
    ['customer.info', '', 'customer_info'],
    ['mcp-2fa', 'mcp-', '_2fa'],
    ['mcp-', 'mcp-', 'mcp_'],
    ['a___b', '', 'a__b'],
    ['other', 'mcp-', 'other'],
  ])('%s without %s is %s', (name, prefix, expected) => {
    expect(publishedName(name, prefix)).toBe(expected);
  });

  test('every name is legal, and none reads as target and tool', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), fc.string({ maxLength: 3 }), (name, prefix) => {
        const published = publishedName(name, prefix);
        expect(published).toMatch(/^[A-Za-z_][A-Za-z0-9_]*$/);
        expect(published).not.toContain('___');
      }),
    );
  });

  test('two functions never get one name, whatever their letters', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'A', 'a_2', 'b', 'B_2')), (names) => {
        const taken = new Set<string>();
        const free = names.map((name) => freeName(name, taken).toLowerCase());
        expect(new Set(free).size).toBe(names.length);
      }),
    );
  });
});

describe('2.11: what is said of a function', () => {
  test.each([
    [undefined, 'AWS Lambda function: f'],
    ['', 'AWS Lambda function: f'],
    ['Finds a customer.', 'Finds a customer.'],
    ['Finds. Expected format: {"id": "text"}', 'Finds. Expected format: {"id": "text"}\n\nParameters: {"id": "text"}'],
    ['Finds. Expected format:', 'Finds. Expected format:'],
  ])('%j', (description, expected) => {
    expect(toolDescription('f', description)).toBe(expected);
  });
});
