/** From the text of an intrinsic function, `States.Format('{}', $.name)`, to its call. */

import type { JsonPath } from './json-path.ts';
import { Lexer } from './json-path-lexer.ts';
import { readPath } from './json-path-parser.ts';

export type Argument =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  /** The text between the apostrophes with its backslashes, which `States.Format` gives a meaning of its own. */
  | { readonly kind: 'text'; readonly raw: string }
  | { readonly kind: 'path'; readonly path: JsonPath }
  | { readonly kind: 'call'; readonly call: IntrinsicCall };

export interface IntrinsicCall {
  /** `Format`, without `States.`. */
  readonly name: string;
  readonly arguments: readonly Argument[];
}

interface Arity {
  readonly least: number;
  readonly most: number;
}

const arity = (least: number, most = least): Arity => ({ least, most });
const ANY = 1000;

/** Every function of the language and how many arguments it takes. */
const FUNCTIONS: ReadonlyMap<string, Arity> = new Map([
  ['Format', arity(1, ANY)],
  ['StringToJson', arity(1)],
  ['JsonToString', arity(1)],
  ['Array', arity(0, ANY)],
  ['ArrayPartition', arity(2)],
  ['ArrayContains', arity(2)],
  ['ArrayRange', arity(3)],
  ['ArrayGetItem', arity(2)],
  ['ArrayLength', arity(1)],
  ['ArrayUnique', arity(1)],
  ['Base64Encode', arity(1)],
  ['Base64Decode', arity(1)],
  ['Hash', arity(2)],
  ['JsonMerge', arity(3)],
  ['MathRandom', arity(2, 3)],
  ['MathAdd', arity(2)],
  ['StringSplit', arity(2)],
  ['UUID', arity(0)],
]);

/** Calls in one another that the service allows. */
const DEEPEST = 10;

const isNameCharacter = (character: string): boolean => /[A-Za-z0-9_.]/.test(character);

const MOST_KEPT = 2000;
const kept = new Map<string, IntrinsicCall>();

/** @throws PathSyntaxError naming the place. */
export function compileIntrinsic(text: string): IntrinsicCall {
  const known = kept.get(text);
  if (known !== undefined) return known;
  const lexer = new Lexer(text);
  const call = readCall(lexer, 1);
  lexer.skipSpaces();
  if (!lexer.isAtEnd) lexer.fail(`"${lexer.next}" is not expected here`);
  if (kept.size >= MOST_KEPT) kept.clear();
  kept.set(text, call);
  return call;
}

/** Whether two evaluations may differ: `UUID`, and `MathRandom` without a seed. */
export function isRandomCall(call: IntrinsicCall): boolean {
  if (call.name === 'UUID') return true;
  if (call.name === 'MathRandom' && call.arguments.length < 3) return true;
  return call.arguments.some((argument) => argument.kind === 'call' && isRandomCall(argument.call));
}

/** Every path that the call and the calls in it mention. */
export function pathsOf(call: IntrinsicCall): JsonPath[] {
  return call.arguments.flatMap((argument) => {
    if (argument.kind === 'path') return [argument.path];
    return argument.kind === 'call' ? pathsOf(argument.call) : [];
  });
}

function readCall(lexer: Lexer, depth: number): IntrinsicCall {
  if (depth > DEEPEST) lexer.fail(`Intrinsic functions are nested deeper than ${DEEPEST}`);
  lexer.skipSpaces();
  const start = lexer.position;
  const full = lexer.word(isNameCharacter);
  const name = full.startsWith('States.') ? full.slice('States.'.length) : '';
  const takes = FUNCTIONS.get(name);
  if (takes === undefined) {
    lexer.position = start;
    return lexer.fail(full === '' ? 'A path or an intrinsic function is missing' : `There is no function ${full}`);
  }
  lexer.expect('(');
  const args = readArguments(lexer, depth);
  if (args.length < takes.least || args.length > takes.most) {
    const count = takes.least === takes.most ? `${takes.least}` : `${takes.least} to ${takes.most}`;
    lexer.fail(`${full} takes ${count} arguments, not ${args.length}`);
  }
  return { name, arguments: args };
}

function readArguments(lexer: Lexer, depth: number): Argument[] {
  const found: Argument[] = [];
  lexer.skipSpaces();
  if (lexer.take(')')) return found;
  do {
    lexer.skipSpaces();
    found.push(readArgument(lexer, depth));
    lexer.skipSpaces();
  } while (lexer.take(','));
  lexer.expect(')');
  return found;
}

function readArgument(lexer: Lexer, depth: number): Argument {
  if (lexer.next === "'") return { kind: 'text', raw: readText(lexer) };
  if (lexer.next === '$') return { kind: 'path', path: readPath(lexer) };
  if (lexer.take('null')) return { kind: 'literal', value: null };
  if (lexer.take('true')) return { kind: 'literal', value: true };
  if (lexer.take('false')) return { kind: 'literal', value: false };
  const number = lexer.number();
  if (number !== undefined) return { kind: 'literal', value: number };
  return { kind: 'call', call: readCall(lexer, depth + 1) };
}

/** The text up to the closing apostrophe, backslashes kept: `\'`, `\{`, `\}` and `\\` stand for what follows. */
function readText(lexer: Lexer): string {
  lexer.position++;
  const start = lexer.position;
  while (!lexer.isAtEnd && lexer.next !== "'") lexer.position += lexer.next === '\\' ? 2 : 1;
  if (lexer.isAtEnd) {
    lexer.position = lexer.text.length;
    lexer.fail('A string is not closed');
  }
  const raw = lexer.text.slice(start, lexer.position);
  lexer.position++;
  return raw;
}

/** The value of a text argument: each backslash gone, what follows it kept. */
export function unescapeText(raw: string): string {
  return raw.includes('\\') ? raw.replaceAll(/\\([\s\S])/g, '$1') : raw;
}
