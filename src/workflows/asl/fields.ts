/** Evaluates the fields of a state, in the language that the state speaks. */

import { isObject, textOf } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import { callIntrinsic } from './intrinsics.ts';
import { compilePath } from './json-path.ts';
import { applyPath, PathFailure } from './json-path-apply.ts';
import { expressionsIn, inspectExpression } from './jsonata-inspect.ts';
import { evaluateTemplate } from './jsonata-sandbox.ts';
import type { JsonataFailure } from './jsonata-sandbox.ts';
import type { StateFields } from './machine.ts';
import { compileDynamic, fillTemplate, isRandomTemplate } from './payload-template.ts';
import type { StateRun } from './state-run.ts';
import { CHANCE } from './state-run.ts';
import type { StatesError } from './states-error.ts';
import { STATES } from './states-error.ts';

// ----------------------------------------------------------------------------------------------- JSONPath

/**
 * What a path field selects: all of it when the field is absent, `{}` when it is null.
 *
 * @throws StatesError `States.Runtime` when the path leads nowhere.
 */
export function selectField(run: StateRun, field: string, from: JsonValue, fields?: StateFields): JsonValue {
  const text = (fields ?? run.state.fields)[field];
  if (text === undefined) return from;
  return text === null ? {} : selectPath(run, field, { text: textOf(text), from });
}

/** @throws StatesError `States.Runtime` when the path leads nowhere. */
export function selectPath(run: StateRun, field: string, { text, from }: { text: string; from: JsonValue }): JsonValue {
  try {
    return applyPath(compilePath(text), run.sources(from));
  } catch (error) {
    if (!(error instanceof PathFailure)) throw error;
    throw run.failure(STATES.runtime, `The path '${text}' in the field '${field}' is invalid here. ${error.message}`);
  }
}

/** As {@link selectPath}; `undefined` when the path leads nowhere. */
export function trySelectPath(run: StateRun, text: string, from: JsonValue): JsonValue | undefined {
  try {
    return applyPath(compilePath(text), run.sources(from));
  } catch (error) {
    if (error instanceof PathFailure) return undefined;
    throw error;
  }
}

/** A path, or an intrinsic function: what ErrorPath and CausePath may be. */
export async function dynamicField(run: StateRun, field: string, text: string): Promise<JsonValue> {
  const compiled = compileDynamic(text);
  if ('path' in compiled) return selectPath(run, field, { text, from: run.input });
  const { call } = compiled;
  const isRandom = isRandomTemplate({ [`${field}.$`]: text });
  return run.steady(field, isRandom, () => callIntrinsic(call, run.sources(run.input), CHANCE));
}

/** What a payload template makes of `input`. */
export async function fillField(
  run: StateRun,
  field: string,
  { template, input, purpose = field }: { template: JsonValue; input: JsonValue; purpose?: string },
): Promise<JsonValue> {
  const isRandom = isRandomTemplate(template);
  return run.steady(purpose, isRandom, () =>
    fillTemplate(template, { sources: run.sources(input), chance: CHANCE, field }),
  );
}

// ------------------------------------------------------------------------------------------------ JSONata

/** What `$states` has beside the input and the context, depending on where an expression stands. */
export interface Extras {
  readonly result?: JsonValue;
  readonly errorOutput?: JsonValue;
}

interface TemplateFacts {
  readonly hasExpressions: boolean;
  readonly isRandom: boolean;
  readonly variables: readonly string[];
  readonly states: ReadonlySet<string>;
}

const objects = new WeakMap<object, TemplateFacts>();

function factsOf(template: JsonValue): TemplateFacts {
  const known = isObject(template) ? objects.get(template) : undefined;
  if (known !== undefined) return known;
  const facts = expressionsIn(template, '').map(({ expression }) => inspectExpression(expression));
  const found: TemplateFacts = {
    hasExpressions: facts.length > 0,
    isRandom: facts.some((each) => each.isRandom),
    variables: [...new Set(facts.flatMap((each) => [...each.variables]))],
    states: new Set(facts.flatMap((each) => [...each.states])),
  };
  if (isObject(template)) objects.set(template, found);
  return found;
}

/**
 * A field with every expression in it evaluated.
 *
 * @param purpose - Names the recorded step, when one is needed.
 * @throws StatesError `States.QueryEvaluationError` naming expression and field.
 */
export async function evaluateField(
  run: StateRun,
  field: string,
  { template, extras = {}, purpose = field }: { template: JsonValue; extras?: Extras; purpose?: string },
): Promise<JsonValue> {
  const facts = factsOf(template);
  if (!facts.hasExpressions) return template;
  return run.steady(purpose, facts.isRandom, () => {
    const answer = evaluateTemplate({ template, bindings: bindingsFor(run, facts, extras), field });
    if ('value' in answer) return answer.value;
    throw 'failed' in answer ? queryFailure(run, answer.failed) : run.tooLarge(`The value of the field '${field}'`);
  });
}

/** Only what the expressions look at crosses into their realm. */
function bindingsFor(run: StateRun, facts: TemplateFacts, extras: Extras): Record<string, JsonValue> {
  const bindings: Record<string, JsonValue> = {};
  for (const name of facts.variables) {
    const value = run.lane.scope.get(name);
    if (value !== undefined) bindings[name] = value;
  }
  if (facts.states.size === 0) return bindings;
  const sees = (member: string): boolean => facts.states.has(member) || facts.states.has('*');
  bindings['states'] = {
    ...(sees('input') ? { input: run.input } : {}),
    ...(sees('result') && extras.result !== undefined ? { result: extras.result } : {}),
    ...(sees('errorOutput') && extras.errorOutput !== undefined ? { errorOutput: extras.errorOutput } : {}),
    ...(sees('context') ? { context: run.contextObject() } : {}),
  };
  return bindings;
}

function queryFailure(run: StateRun, failed: JsonataFailure): StatesError {
  const expression = failed.expression === undefined ? '' : ` '${failed.expression.slice(0, 300)}'`;
  const why = failed.isUndefined === true ? 'returned nothing (undefined)' : `failed: ${failed.message ?? ''}`;
  return run.failure(
    STATES.query,
    `The JSONata expression${expression} specified for the field '${failed.field}' ${why}.`,
  );
}

// -------------------------------------------------------------------------------------------- both of them

/**
 * A number that a field, its `…Path` twin or its expression gives.
 *
 * @returns `undefined` when the state has neither.
 * @throws StatesError when the value is no whole number from `least` to `most`.
 */
export async function numberField(
  run: StateRun,
  field: string,
  [least, most]: readonly [number, number],
): Promise<number | undefined> {
  const { fields, language } = run.state;
  const path = fields[`${field}Path`];
  const given = fields[field];
  if (typeof path !== 'string' && given === undefined) return undefined;
  const value =
    typeof path === 'string'
      ? selectPath(run, `${field}Path`, { text: path, from: selectField(run, 'InputPath', run.input) })
      : await evaluateField(run, field, { template: given ?? null });
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw run.failure(
    language === 'JSONata' ? STATES.query : STATES.runtime,
    `The field '${field}' must be a whole number from ${least} to ${most}, not ${JSON.stringify(value).slice(0, 100)}.`,
  );
}

/** Bytes that the variables of one Assign may have together. */
export async function assignField(
  run: StateRun,
  { template, input, extras }: { template: JsonValue; input: JsonValue; extras?: Extras },
): Promise<Readonly<Record<string, JsonValue>>> {
  const values =
    run.state.language === 'JSONata'
      ? await evaluateField(run, 'Assign', { template, ...(extras === undefined ? {} : { extras }) })
      : await fillField(run, 'Assign', { template, input });
  run.data(values, 'What the state assigns to variables');
  return values as Record<string, JsonValue>;
}
