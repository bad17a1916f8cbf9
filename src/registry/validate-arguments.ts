/**
 * Holds arguments against the schema of a registered tool, before its function runs. The answer is a sentence that
 * names the parameter, for the model to correct its call.
 *
 * Schemas come from outside, so a validation has a budget: references, patterns and comparisons spend from it, and a
 * schema that would run for seconds is refused instead.
 */

import type { ErrorObject, Options, ValidateFunction } from 'ajv';

import { canonicalJson } from './digest.ts';
import { LinearPattern } from './linear-pattern.ts';
import { DIALECT_7 } from './parameters.ts';
import { visitSchemas, type SchemaObject } from './schema-bounds.ts';

/** About a second of work on a slow machine, a hundred times what an honest schema needs. */
const BUDGET = 20_000_000;
const REFERENCE_COST = 500;
const MAX_CACHED = 1000;

class BudgetSpent extends Error {}

/** Work left in the validation that runs now; validations are synchronous, so one counter serves all. */
let budget = BUDGET;

function spend(units: number): void {
  budget -= units;
  if (budget < 0) throw new BudgetSpent();
}

const compilePattern = Object.assign((pattern: string) => new LinearPattern(pattern, spend), { code: 'linear' });

const OPTIONS: Options = {
  strict: false,
  validateFormats: false,
  // Names are what an error is about; the values may be large or private.
  verbose: false,
  inlineRefs: false,
  addUsedSchema: false,
  logger: false,
  code: { regExp: compilePattern },
};

/** Keyword that marks a subschema whose evaluation costs. */
const STEP = 'zeroplaneStep';

async function newAjv(schema: SchemaObject) {
  const dialect = schema['$schema'];
  const isOld = typeof dialect === 'string' && dialect.startsWith(DIALECT_7);
  const ajv = isOld ? new (await import('ajv')).Ajv(OPTIONS) : new (await import('ajv/dist/2020.js')).Ajv2020(OPTIONS);
  ajv.addKeyword({ keyword: STEP, errors: false, validate: () => (spend(REFERENCE_COST), true) });
  ajv.removeKeyword('uniqueItems');
  ajv.addKeyword({ keyword: 'uniqueItems', type: 'array', schemaType: 'boolean', errors: false, validate: areUnique });
  return ajv;
}

/** The built-in one compares every pair. */
function areUnique(wanted: boolean, items: readonly unknown[]): boolean {
  if (!wanted) return true;
  const seen = new Set<string>();
  for (const item of items) {
    const text = canonicalJson(item);
    spend(text.length);
    if (seen.has(text)) return false;
    seen.add(text);
  }
  return true;
}

/** Loops and explosions can only run through references, so each counts. */
function withSteps(schema: SchemaObject): SchemaObject {
  const copy = structuredClone(schema) as Record<string, unknown>;
  const marked: Record<string, unknown>[] = [];
  visitSchemas(copy, (at) => {
    const own = at.schema as Record<string, unknown>;
    if (typeof own === 'object' && own !== null && typeof own['$ref'] === 'string') marked.push(own);
    return true;
  });
  for (const own of marked) own[STEP] = true;
  return copy;
}

/** Compiling holds the schema against its dialect, whose patterns spend too: it has a budget of its own. */
function compileWith(ajv: Awaited<ReturnType<typeof newAjv>>, schema: SchemaObject): ValidateFunction {
  budget = BUDGET;
  return ajv.compile(withSteps(schema));
}

const compiled = new Map<string, Promise<ValidateFunction>>();

function compile(digest: string, schema: SchemaObject): Promise<ValidateFunction> {
  const known = compiled.get(digest);
  if (known !== undefined) return known;
  const made = newAjv(schema).then((ajv) => compileWith(ajv, schema));
  compiled.set(digest, made);
  if (compiled.size > MAX_CACHED) compiled.delete(compiled.keys().next().value ?? '');
  return made;
}

/** What is wrong with a schema itself, or `undefined` when it compiles. */
export async function schemaProblem(schema: SchemaObject): Promise<string | undefined> {
  try {
    compileWith(await newAjv(schema), schema);
    return undefined;
  } catch (error) {
    return notValid(error);
  }
}

function notValid(error: unknown): string {
  return `is not a valid JSON Schema: ${(error as Error).message.slice(0, 300)}`;
}

/**
 * @param digest - Identifies the schema; equal digests share one compiled validator.
 * @returns `undefined` when the arguments conform, else a sentence that names the parameter.
 */
export async function argumentProblem(
  digest: string,
  schema: SchemaObject,
  args: unknown,
): Promise<string | undefined> {
  return problemOf(digest, schema, { value: args, words: ARGUMENTS });
}

/** What is wrong with the arguments: where, as a JSON pointer, and what is said of it: `must be integer`. */
export interface ArgumentFault {
  readonly pointer: string;
  readonly says: string;
}

/** The same as {@link argumentProblem}, for answers that point to the place. */
export async function argumentFault(
  digest: string,
  schema: SchemaObject,
  args: unknown,
): Promise<ArgumentFault | undefined> {
  const found = await faultOf(digest, schema, args);
  return found?.kind === 'wrong' ? faultIn(found.error) : found && { pointer: '', says: found.says };
}

/** The same for what a function answered. @param digest - Of the tool, as for its arguments. */
export async function answerProblem(
  digest: string,
  schema: SchemaObject,
  answer: unknown,
): Promise<string | undefined> {
  return problemOf(`${digest} answer`, schema, { value: answer, words: ANSWER });
}

interface Words {
  readonly whole: string;
  readonly part: string;
}

const ARGUMENTS: Words = { whole: 'The arguments', part: 'Parameter' };
const ANSWER: Words = { whole: 'The answer', part: 'Member' };

async function problemOf(
  digest: string,
  schema: SchemaObject,
  { value, words }: { readonly value: unknown; readonly words: Words },
): Promise<string | undefined> {
  const found = await faultOf(digest, schema, value);
  if (found === undefined) return undefined;
  return found.kind === 'wrong' ? sentence(found.error, schema, words) : `${words.whole} ${found.says}`;
}

type Found =
  | { readonly kind: 'wrong'; readonly error: ErrorObject | undefined }
  | { readonly kind: 'unchecked'; readonly says: string };

async function faultOf(digest: string, schema: SchemaObject, value: unknown): Promise<Found | undefined> {
  let validate: ValidateFunction;
  try {
    validate = await compile(digest, schema);
  } catch (error) {
    const says = `cannot be checked, because the schema ${notValid(error)}. The owner of the tool must correct it.`;
    return { kind: 'unchecked', says };
  }
  budget = BUDGET;
  try {
    return validate(value) ? undefined : { kind: 'wrong', error: validate.errors?.[0] };
  } catch (error) {
    if (!(error instanceof BudgetSpent || error instanceof RangeError)) throw error;
    return { kind: 'unchecked', says: 'cannot be checked against the schema within its limits. Send smaller values.' };
  }
}

function faultIn(error: ErrorObject | undefined): ArgumentFault {
  if (error === undefined) return { pointer: '', says: 'is not what the schema asks for' };
  const { keyword, instancePath: pointer, message = 'does not conform' } = error;
  const { missingProperty, additionalProperty } = error.params as Readonly<Record<string, unknown>>;
  const inside = (name: unknown): string => `${pointer}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;
  if (keyword === 'required') return { pointer: inside(missingProperty), says: 'is required' };
  if (keyword === 'additionalProperties') return { pointer: inside(additionalProperty), says: 'is not known here' };
  return { pointer, says: wordsOf(error) ?? message.slice(0, 300) };
}

/** What is better said than in the validator's own words. */
function wordsOf({ keyword, params }: ErrorObject): string | undefined {
  if (keyword === 'uniqueItems') return 'must not hold the same element twice';
  const { allowedValues } = params as Readonly<Record<string, unknown>>;
  return keyword === 'enum' ? `must be one of ${JSON.stringify(allowedValues).slice(0, 300)}` : undefined;
}

function sentence(error: ErrorObject | undefined, schema: SchemaObject, { whole, part }: Words): string {
  if (error === undefined) return `${whole} object is not what the schema asks for.`;
  const parameters = error.params as Readonly<Record<string, unknown>>;
  const path = pathOf(error.instancePath);
  const inside = (name: unknown): string => quote(path === '' ? String(name) : `${path}.${String(name)}`);
  if (error.keyword === 'required') return `${part} ${inside(parameters['missingProperty'])} is missing.`;
  if (error.keyword === 'additionalProperties') {
    return `${part} ${inside(parameters['additionalProperty'])} is not known.${path === '' ? knownParameters(schema) : ''}`;
  }
  const subject = path === '' ? `${whole} object` : `${part} ${quote(path)}`;
  return `${subject} ${wordsOf(error) ?? (error.message ?? 'does not conform').slice(0, 300)}.`;
}

function knownParameters(schema: SchemaObject): string {
  const names = Object.keys((schema['properties'] as object | undefined) ?? {});
  return names.length === 0 ? '' : ` Known parameters: ${names.slice(0, 30).join(', ')}.`;
}

function pathOf(pointer: string): string {
  return pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .join('.');
}

function quote(name: string): string {
  return JSON.stringify(name.slice(0, 120));
}
