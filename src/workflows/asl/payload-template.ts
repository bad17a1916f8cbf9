/** Payload templates of JSONPath states: members whose names end in `.$` are paths or intrinsic functions. */

import { isObject, textOf } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import type { IntrinsicCall } from './intrinsic-parser.ts';
import { compileIntrinsic, isRandomCall } from './intrinsic-parser.ts';
import type { Chance } from './intrinsics.ts';
import { callIntrinsic } from './intrinsics.ts';
import type { JsonPath } from './json-path.ts';
import { compilePath } from './json-path.ts';
import type { PathSources } from './json-path-apply.ts';
import { applyPath, PathFailure } from './json-path-apply.ts';
import { STATES, StatesError } from './states-error.ts';

const SUFFIX = '.$';

/** A dynamic member of a template: its place and its text. */
interface DynamicField {
  /** `Parameters/parts/first.$` */
  readonly field: string;
  readonly value: JsonValue;
}

type Compiled = { readonly path: JsonPath } | { readonly call: IntrinsicCall };

/** @throws PathSyntaxError */
export function compileDynamic(text: string): Compiled {
  return text.startsWith('$') ? { path: compilePath(text) } : { call: compileIntrinsic(text) };
}

/** Every dynamic member of a template, at any depth. */
function dynamicFieldsIn(template: JsonValue, field: string): DynamicField[] {
  if (Array.isArray(template)) {
    return (template as readonly JsonValue[]).flatMap((each, index) => dynamicFieldsIn(each, `${field}[${index}]`));
  }
  if (!isObject(template)) return [];
  return Object.entries(template as { [key: string]: JsonValue }).flatMap(([key, value]) =>
    key.endsWith(SUFFIX) ? [{ field: `${field}/${key}`, value }] : dynamicFieldsIn(value, `${field}/${key}`),
  );
}

const randomness = new WeakMap<object, boolean>();

/** Whether two fillings may differ: the template calls `States.UUID`, or `States.MathRandom` without a seed. */
export function isRandomTemplate(template: JsonValue): boolean {
  if (!isObject(template)) return false;
  const known = randomness.get(template);
  if (known !== undefined) return known;
  const isRandom = dynamicFieldsIn(template as JsonValue, '').some(({ value }) => {
    const compiled = typeof value === 'string' && !value.startsWith('$') ? compileDynamic(value) : undefined;
    return compiled !== undefined && 'call' in compiled && isRandomCall(compiled.call);
  });
  randomness.set(template, isRandom);
  return isRandom;
}

export interface TemplateRun {
  readonly sources: PathSources;
  readonly chance: Chance;
  readonly field: string;
}

/**
 * The payload that a template makes.
 *
 * @throws StatesError `States.ParameterPathFailure` for a path that leads nowhere, `States.IntrinsicFailure`.
 */
export function fillTemplate(template: JsonValue, run: TemplateRun): JsonValue {
  if (Array.isArray(template)) {
    return (template as readonly JsonValue[]).map((each, index) =>
      fillTemplate(each, { ...run, field: `${run.field}[${index}]` }),
    );
  }
  if (!isObject(template)) return template;
  // Made of entries, so that a key such as __proto__ is a member like any other.
  return Object.fromEntries(
    Object.entries(template as { [key: string]: JsonValue }).map(([key, value]) =>
      key.endsWith(SUFFIX)
        ? [key.slice(0, -SUFFIX.length), fillDynamic(textOf(value), run, key)]
        : [key, fillTemplate(value, { ...run, field: `${run.field}/${key}` })],
    ),
  );
}

function fillDynamic(text: string, run: TemplateRun, key: string): JsonValue {
  const compiled = compileDynamic(text);
  if ('call' in compiled) return callIntrinsic(compiled.call, run.sources, run.chance);
  try {
    return applyPath(compiled.path, run.sources);
  } catch (error) {
    if (!(error instanceof PathFailure)) throw error;
    throw new StatesError(
      STATES.parameterPath,
      `The JSONPath '${text}' specified for the field '${key}' in ${run.field} could not be applied. ${error.message}`,
    );
  }
}
