/** From the text of a JSONPath to its segments. */

import type { Comparison, Filter, JsonPath, Operand, PathFunction, PathRoot, Segment } from './json-path.ts';
import { Lexer } from './json-path-lexer.ts';

const FUNCTIONS: readonly string[] = ['length', 'min', 'max', 'avg', 'sum', 'keys'] satisfies PathFunction[];
const COMPARISONS: readonly Comparison[] = ['==', '!=', '<=', '<', '>=', '>', 'nin', 'in', 'contains', 'size', 'empty'];

/** What ends a name behind a dot. */
const isNameCharacter = (character: string): boolean => !/[.[\]()\s,'"]/.test(character);
const isWordCharacter = (character: string): boolean => /[\p{L}\p{N}_]/u.test(character);

export function parsePath(text: string): JsonPath {
  const lexer = new Lexer(text);
  const path = readPath(lexer);
  if (!lexer.isAtEnd) lexer.fail(`"${lexer.next}" is not expected here`);
  return path;
}

/** Reads a path that ends where it can go on no more; intrinsic functions have theirs inside a list of arguments. */
export function readPath(lexer: Lexer): JsonPath {
  const start = lexer.position;
  const root = readRoot(lexer);
  const segments = readSegments(lexer);
  return {
    text: lexer.text.slice(start, lexer.position),
    root,
    segments,
    isDefinite: segments.every(isDefinite),
    isReference: segments.every(isReference),
  };
}

function isDefinite(segment: Segment, index: number, all: readonly Segment[]): boolean {
  if (segment.kind === 'names') return index === all.length - 1;
  return segment.kind === 'name' || segment.kind === 'index' || segment.kind === 'function';
}

function isReference(segment: Segment): boolean {
  return segment.kind === 'name' || (segment.kind === 'index' && segment.index >= 0);
}

function readRoot(lexer: Lexer): PathRoot {
  if (!lexer.take('$')) lexer.fail('A path begins with "$"');
  if (lexer.take('$')) return { kind: 'context' };
  const name = isWordCharacter(lexer.next) ? lexer.word(isWordCharacter) : '';
  return name === '' ? { kind: 'input' } : { kind: 'variable', name };
}

function readSegments(lexer: Lexer): Segment[] {
  const segments: Segment[] = [];
  for (;;) {
    if (lexer.take('..')) {
      segments.push({ kind: 'descend' });
      if (!lexer.looksAt('[')) segments.push(readDotted(lexer));
    } else if (lexer.take('.')) segments.push(readDotted(lexer));
    else if (lexer.take('[')) segments.push(readBracket(lexer));
    else return segments;
    const last = segments.at(-2);
    if (last?.kind === 'function') lexer.fail('A function ends a path');
  }
}

function readDotted(lexer: Lexer): Segment {
  if (lexer.take('*')) return { kind: 'wildcard' };
  const name = lexer.word(isNameCharacter);
  if (name === '') return lexer.fail('A name is missing');
  if (!lexer.take('()')) return { kind: 'name', name };
  if (FUNCTIONS.includes(name)) return { kind: 'function', name: name as PathFunction };
  return lexer.fail(`There is no function ${name}()`);
}

function readBracket(lexer: Lexer): Segment {
  lexer.skipSpaces();
  const segment = readSelection(lexer);
  lexer.skipSpaces();
  lexer.expect(']');
  return segment;
}

function readSelection(lexer: Lexer): Segment {
  if (lexer.take('*')) return { kind: 'wildcard' };
  if (lexer.take('?')) return { kind: 'filter', test: readFilter(lexer) };
  if (lexer.next === "'" || lexer.next === '"') return readNames(lexer);
  return readNumbers(lexer);
}

function readNames(lexer: Lexer): Segment {
  const names: string[] = [];
  do {
    lexer.skipSpaces();
    if (lexer.next !== "'" && lexer.next !== '"') lexer.fail('A name in quotes is missing');
    names.push(lexer.quoted());
    lexer.skipSpaces();
  } while (lexer.take(','));
  const [name = ''] = names;
  return names.length === 1 ? { kind: 'name', name } : { kind: 'names', names };
}

function readNumbers(lexer: Lexer): Segment {
  const first = lexer.integer();
  lexer.skipSpaces();
  if (lexer.take(':')) return readSlice(lexer, first);
  if (first === undefined) return lexer.fail('An index, a name in quotes, "*" or "?" is missing');
  if (!lexer.looksAt(',')) return { kind: 'index', index: first };
  const indexes = [first];
  while (lexer.take(',')) {
    lexer.skipSpaces();
    const index = lexer.integer();
    if (index === undefined) return lexer.fail('An index is missing');
    indexes.push(index);
    lexer.skipSpaces();
  }
  return { kind: 'indexes', indexes };
}

function readSlice(lexer: Lexer, from: number | undefined): Segment {
  lexer.skipSpaces();
  const to = lexer.integer();
  lexer.skipSpaces();
  if (!lexer.take(':')) return { kind: 'slice', from, to, step: 1 };
  lexer.skipSpaces();
  const step = lexer.integer() ?? 1;
  if (step < 1) return lexer.fail('The step of a slice is at least 1');
  return { kind: 'slice', from, to, step };
}

function readFilter(lexer: Lexer): Filter {
  lexer.expect('(');
  const test = readOr(lexer);
  lexer.skipSpaces();
  lexer.expect(')');
  return test;
}

function readOr(lexer: Lexer): Filter {
  return readJoined(lexer, '||', 'or', () => readJoined(lexer, '&&', 'and', () => readUnary(lexer)));
}

function readJoined(lexer: Lexer, word: string, kind: 'and' | 'or', read: () => Filter): Filter {
  const first = read();
  const parts = [first];
  for (lexer.skipSpaces(); lexer.take(word); lexer.skipSpaces()) parts.push(read());
  return parts.length === 1 ? first : { kind, parts };
}

function readUnary(lexer: Lexer): Filter {
  lexer.skipSpaces();
  if (lexer.take('!')) return { kind: 'not', part: lexer.nested(() => readUnary(lexer)) };
  if (lexer.take('(')) {
    const inner = lexer.nested(() => readOr(lexer));
    lexer.skipSpaces();
    lexer.expect(')');
    return inner;
  }
  const left = readOperand(lexer);
  lexer.skipSpaces();
  const comparison = COMPARISONS.find((word) => lexer.take(word));
  if (comparison === undefined) {
    if (lexer.looksAt('=~')) lexer.fail('Regular expressions are not available in paths; use JSONata');
    return { kind: 'exists', operand: left };
  }
  lexer.skipSpaces();
  return { kind: 'compare', left, comparison, right: readOperand(lexer) };
}

function readOperand(lexer: Lexer): Operand {
  if (lexer.take('@')) return { kind: 'path', from: 'element', segments: lexer.nested(() => readSegments(lexer)) };
  if (lexer.take('$')) return { kind: 'path', from: 'document', segments: lexer.nested(() => readSegments(lexer)) };
  return { kind: 'literal', value: readLiteral(lexer) };
}

function readLiteral(lexer: Lexer): string | number | boolean | null | readonly unknown[] {
  if (lexer.next === "'" || lexer.next === '"') return lexer.quoted();
  if (lexer.take('true')) return true;
  if (lexer.take('false')) return false;
  if (lexer.take('null')) return null;
  if (lexer.take('[')) return readList(lexer);
  return lexer.number() ?? lexer.fail('A value is missing: a path, a string in quotes, a number, true, false or null');
}

function readList(lexer: Lexer): unknown[] {
  const values: unknown[] = [];
  lexer.skipSpaces();
  if (lexer.take(']')) return values;
  do {
    lexer.skipSpaces();
    values.push(lexer.nested(() => readLiteral(lexer)));
    lexer.skipSpaces();
  } while (lexer.take(','));
  lexer.expect(']');
  return values;
}
