/** From the result of a state to its output and its variables, in both languages. */

import { textOf } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import type { Extras } from './fields.ts';
import { assignField, evaluateField, fillField, selectField } from './fields.ts';
import { compilePath } from './json-path.ts';
import type { StateFields } from './machine.ts';
import { placeResult } from './result-path.ts';
import type { StateRun } from './state-run.ts';

/** How a state ends. */
export interface StateEnd {
  readonly output: JsonValue;
  /** `undefined` when it is the last. */
  readonly next: string | undefined;
  /** Takes effect when the state has ended. */
  readonly assigned?: Readonly<Record<string, JsonValue>>;
}

/** The end that `Next` and `End` say. */
export function endOf(run: StateRun, output: JsonValue, assigned: StateEnd['assigned']): StateEnd {
  const { Next: next } = run.state.fields;
  return { output, next: typeof next === 'string' ? next : undefined, ...(assigned === undefined ? {} : { assigned }) };
}

/** Of a state with a result: Task, Parallel, Map. */
export async function endWithResult(run: StateRun, result: JsonValue): Promise<StateEnd> {
  if (run.state.language === 'JSONata') return endInJsonata(run, { result }, result);
  const { ResultSelector: selector } = run.state.fields;
  const selected =
    selector === undefined ? result : await fillField(run, 'ResultSelector', { template: selector, input: result });
  const output = selectField(run, 'OutputPath', withResult(run, run.state.fields, selected));
  return endOf(run, output, await assignedBy(run, run.state.fields, { input: result }));
}

/** @param fallback - What the state puts out when it has no `Output`. */
export async function endInJsonata(run: StateRun, extras: Extras, fallback: JsonValue): Promise<StateEnd> {
  const { Output: template } = run.state.fields;
  const output = template === undefined ? fallback : await evaluateField(run, 'Output', { template, extras });
  return endOf(run, output, await assignedBy(run, run.state.fields, { input: fallback, extras }));
}

/** The raw input with the result where ResultPath says: in its place when absent, left alone when null. */
export function withResult(run: StateRun, fields: StateFields, result: JsonValue): JsonValue {
  const { ResultPath: path } = fields;
  if (path === undefined) return result;
  return path === null ? run.input : placeResult(run.input, compilePath(textOf(path)), result);
}

/** What `Assign` says, evaluated with the variables as they were. `input` is `$` in JSONPath. */
export async function assignedBy(
  run: StateRun,
  fields: StateFields,
  { input, extras }: { input: JsonValue; extras?: Extras },
): Promise<StateEnd['assigned']> {
  const { Assign: template } = fields;
  if (template === undefined) return undefined;
  return assignField(run, { template, input, ...(extras === undefined ? {} : { extras }) });
}
