/** The intrinsic functions of the language, with the limits that its appendix B gives them. */

import { createHash } from 'node:crypto';
import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import type { Argument, IntrinsicCall } from './intrinsic-parser.ts';
import { unescapeText } from './intrinsic-parser.ts';
import { LARGEST } from './data.ts';
import type { PathSources } from './json-path-apply.ts';
import { isLargerThan, isSameJson } from './json-size.ts';
import { applyPath, PathFailure } from './json-path-apply.ts';
import { seededRandom } from './seeded-random.ts';
import { STATES, StatesError } from './states-error.ts';
import type { Work } from './work.ts';

/** Where chance comes from: whoever calls sees to it that the outcome is recorded. */
export interface Chance {
  uuid(): string;
  /** From 0 up to, not including, 1. */
  random(): number;
}

const LONGEST_TEXT = 10_000;
const MOST_ITEMS = 1000;

const HASHES: ReadonlyMap<string, string> = new Map([
  ['MD5', 'md5'],
  ['SHA-1', 'sha1'],
  ['SHA-256', 'sha256'],
  ['SHA-384', 'sha384'],
  ['SHA-512', 'sha512'],
]);

/** @throws StatesError `States.IntrinsicFailure` saying which function refuses what. */
export function callIntrinsic(call: IntrinsicCall, sources: PathSources, chance: Chance): JsonValue {
  const run = FUNCTIONS[call.name];
  const refuse: Refuse = (why) => {
    throw new StatesError(STATES.intrinsic, `States.${call.name} cannot be evaluated: ${why}`);
  };
  if (run === undefined) return refuse('there is no such function.');
  if (call.name === 'Format') {
    const text = format(call.arguments, (argument) => valueOf(argument, sources, chance), refuse);
    sources.work?.text(text.length);
    return text;
  }
  const values = call.arguments.map((argument) => valueOf(argument, sources, chance));
  return run(values, refuse, { chance, work: sources.work });
}

function valueOf(argument: Argument, sources: PathSources, chance: Chance): JsonValue {
  if (argument.kind === 'literal') return argument.value;
  if (argument.kind === 'text') return unescapeText(argument.raw);
  if (argument.kind === 'call') return callIntrinsic(argument.call, sources, chance);
  try {
    return applyPath(argument.path, sources);
  } catch (error) {
    if (error instanceof PathFailure) throw new StatesError(STATES.intrinsic, error.message);
    throw error;
  }
}

type Refuse = (why: string) => never;
interface Tools {
  readonly chance: Chance;
  readonly work: Work | undefined;
}

type Run = (values: readonly JsonValue[], refuse: Refuse, tools: Tools) => JsonValue;

const FUNCTIONS: Readonly<Record<string, Run>> = {
  // Its template is read with its backslashes, so it takes its arguments unevaluated; see `format`.
  Format: () => null,
  StringToJson: ([text], refuse) => {
    try {
      return JSON.parse(asText(text, refuse)) as JsonValue;
    } catch (error) {
      if (error instanceof SyntaxError) return refuse('the string is not JSON.');
      throw error;
    }
  },
  JsonToString: ([value], refuse, tools) => asJson(value, refuse, tools),
  Array: (values) => values,
  ArrayPartition: ([values, size], refuse) => {
    const items = asArray(values, refuse);
    const length = asRounded(size, refuse);
    if (length < 1) refuse('the size of a part is at least 1.');
    return Array.from({ length: Math.ceil(items.length / length) }, (_, index) =>
      items.slice(index * length, (index + 1) * length),
    );
  },
  ArrayContains: ([values, value], refuse, { work }) =>
    asArray(values, refuse).some((each) => isSameJson(each, value ?? null, work)),
  ArrayRange: ([first, last, step], refuse) =>
    range(asRounded(first, refuse), asRounded(last, refuse), {
      step: asRounded(step, refuse),
      refuse,
    }),
  ArrayGetItem: ([values, index], refuse) => {
    const place = asInteger(index, refuse);
    const found = place < 0 ? undefined : asArray(values, refuse)[place];
    return found ?? (found === null ? null : refuse(`the array has no item ${place}.`));
  },
  ArrayLength: ([values], refuse) => asArray(values, refuse).length,
  ArrayUnique: ([values], refuse, { work }) => {
    const items = asArray(values, refuse);
    if (isLargerThan(items as JsonValue, LARGEST, work)) refuse('the array is too large.');
    return unique(items);
  },
  Base64Encode: ([text], refuse) => Buffer.from(asShortText(text, refuse), 'utf8').toString('base64'),
  Base64Decode: ([text], refuse) => {
    const encoded = asShortText(text, refuse);
    if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(encoded)) refuse('the string is not Base64.');
    return Buffer.from(encoded, 'base64').toString('utf8');
  },
  Hash: ([data, name], refuse, tools) => {
    const algorithm = HASHES.get(asText(name, refuse));
    if (algorithm === undefined) return refuse(`the algorithm is one of ${[...HASHES.keys()].join(', ')}.`);
    const text = typeof data === 'string' ? data : asJson(data, refuse, tools);
    return createHash(algorithm).update(asShortText(text, refuse)).digest('hex');
  },
  JsonMerge: ([first, second, isDeep], refuse) => {
    if (!isObject(first) || !isObject(second)) return refuse('it merges two objects.');
    if (isDeep !== false) return refuse('the third argument must be false: the service merges shallowly only.');
    return { ...first, ...second } as JsonValue;
  },
  MathRandom: ([start, end, seed], refuse, { chance }) => {
    const least = asRounded(start, refuse);
    const most = asRounded(end, refuse);
    if (most <= least) refuse('the end is greater than the start.');
    const share = seed === undefined ? chance.random() : seededRandom(asInteger(seed, refuse));
    return least + Math.floor(share * (most - least));
  },
  MathAdd: ([first, second], refuse) => asRounded(first, refuse) + asRounded(second, refuse),
  StringSplit: ([text, splitter], refuse, { work }) => {
    const [whole, separators] = [asText(text, refuse), asText(splitter, refuse)];
    work?.values(whole.length + separators.length);
    return split(whole, separators);
  },
  UUID: (_, __, { chance }) => chance.uuid(),
};

/** JSON text, of a value that a state could put out. */
function asJson(value: JsonValue | undefined, refuse: Refuse, { work }: Tools): string {
  if (isLargerThan(value ?? null, LARGEST, work)) refuse(`its text is longer than ${LARGEST} characters.`);
  const text = JSON.stringify(value ?? null);
  work?.text(text.length);
  return text;
}

function asText(value: JsonValue | undefined, refuse: Refuse): string {
  return typeof value === 'string' ? value : refuse('a string is needed.');
}

function asShortText(value: JsonValue | undefined, refuse: Refuse): string {
  const text = asText(value, refuse);
  return text.length <= LONGEST_TEXT ? text : refuse(`the string is longer than ${LONGEST_TEXT} characters.`);
}

function asArray(value: JsonValue | undefined, refuse: Refuse): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : refuse('an array is needed.');
}

function asInteger(value: JsonValue | undefined, refuse: Refuse): number {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : refuse('an integer is needed.');
}

/** The nearest integer, halves upwards, as the service rounds where its guide says that it does. */
function asRounded(value: JsonValue | undefined, refuse: Refuse): number {
  return asInteger(typeof value === 'number' ? Math.round(value) : value, refuse);
}

function range(first: number, last: number, { step, refuse }: { step: number; refuse: Refuse }): number[] {
  if (step === 0) refuse('the step is not zero.');
  const count = Math.floor((last - first) / step) + 1;
  if (count > MOST_ITEMS) refuse(`an array has at most ${MOST_ITEMS} items.`);
  return count < 1 ? [] : Array.from({ length: count }, (_, index) => first + index * step);
}

/** By JSON text first: comparing every pair of a long array would take for ever. */
function unique(values: readonly JsonValue[]): JsonValue[] {
  const seen = new Map<string, JsonValue>();
  for (const value of values) {
    const text = canonical(value);
    if (!seen.has(text)) seen.set(text, value);
  }
  return [...seen.values()];
}

/** JSON text with the members of objects in order. */
function canonical(value: JsonValue): string {
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(canonical).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const entries = Object.entries(value as { [key: string]: JsonValue }).sort(([one], [other]) =>
    one < other ? -1 : 1,
  );
  return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(',')}}`;
}

/** Every character of the splitter splits, and empty pieces are dropped, as the service does. */
function split(text: string, splitter: string): string[] {
  const separators = new Set(splitter);
  const pieces: string[] = [];
  let piece = '';
  for (const character of text) {
    if (!separators.has(character)) piece += character;
    else {
      if (piece !== '') pieces.push(piece);
      piece = '';
    }
  }
  return piece === '' ? pieces : [...pieces, piece];
}

function format(args: readonly Argument[], value: (argument: Argument) => JsonValue, refuse: Refuse): string {
  const [first, ...rest] = args;
  if (first === undefined) return refuse('a template is needed.');
  const template = first.kind === 'text' ? first.raw : asText(value(first), refuse);
  const values = rest.map((argument) => asWord(value(argument), refuse));
  const length = values.reduce((sum, each) => sum + each.length, template.length);
  if (length > 2 * LARGEST) refuse(`the text is longer than ${LARGEST} characters.`);
  let used = 0;
  let text = '';
  for (let index = 0; index < template.length; index++) {
    const character = template.charAt(index);
    if (character === '\\') {
      if (index + 1 >= template.length) refuse('a backslash stands at the end of the template.');
      text += template.charAt(++index);
    } else if (character === '{' && template.charAt(index + 1) === '}') {
      text += values[used++] ?? '';
      index++;
    } else text += character;
  }
  if (used !== values.length) refuse(`the template has ${used} places for ${values.length} values.`);
  return text;
}

function asWord(value: JsonValue, refuse: Refuse): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null) return refuse('a value is a string, a number, a boolean or null.');
  return String(value);
}
