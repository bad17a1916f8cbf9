/** The `parameters` of a resource: its URI template, and the values that complete its variables. */

import { isObject } from '../core/json.ts';
import { parseFunctionArn } from '../core/lambda-arn.ts';
import type { ProblemList } from './problem-list.ts';
import type { SchemaObject } from './schema-bounds.ts';

const MAX_TEMPLATE = 2048;
const MAX_VALUES = 1000;
const MAX_VALUE = 256;

export interface ResourceParameters {
  readonly uriTemplate: string;
  /** Names in `{…}`, in order; none makes it a plain resource. */
  readonly variables: readonly string[];
  /** A list of values, or the ARN of a function that answers them. */
  readonly completions: ReadonlyMap<string, readonly string[] | string>;
}

/** Adds what is wrong. Only `{name}` expressions are taken (RFC 6570, level 1, and `{+name}`), each name once. */
export function checkResourceParameters(value: unknown, problems: ProblemList): void {
  if (!isObject(value)) {
    problems.add('parameters', 'must be an object with uriTemplate');
    return;
  }
  for (const key of Object.keys(value)) {
    if (key !== 'uriTemplate' && key !== 'completions')
      problems.add(`parameters.${key}`, 'is not known; a resource takes uriTemplate and completions');
  }
  const variables = checkTemplate(value['uriTemplate'], problems);
  const completions = value['completions'];
  if (completions === undefined) return;
  if (!isObject(completions))
    problems.add('parameters.completions', 'must be a map of variable to a list of values or a Lambda ARN');
  else for (const [name, values] of Object.entries(completions)) checkCompletion(name, values, { variables, problems });
}

function checkTemplate(value: unknown, problems: ProblemList): readonly string[] {
  const at = 'parameters.uriTemplate';
  const fail = (message: string): readonly string[] => {
    problems.add(at, message);
    return [];
  };
  if (typeof value !== 'string' || value === '') return fail('is required and must be a string');
  if (value.length > MAX_TEMPLATE || /[\s\p{Cc}\p{Cf}]/u.test(value))
    return fail(`must have at most ${MAX_TEMPLATE} characters and no white space`);
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:/.test(value)) return fail('must begin with a scheme, such as docs://');
  if (value.toLowerCase().startsWith('zeroplane:')) return fail('must not use the scheme zeroplane:, which is our own');
  const variables = variablesOf(value);
  if (variables === undefined) return fail('must hold only expressions like {name}, with text between two of them');
  if (new Set(variables).size < variables.length) return fail('names a variable twice');
  return variables;
}

/** `undefined` when the braces are not all of the form `{name}`, or two expressions touch. */
function variablesOf(template: string): readonly string[] | undefined {
  const names = [...template.matchAll(/\{\+?([A-Za-z0-9_.]{1,64})\}/g)].map((match) => match[1] ?? '');
  const literal = template.replaceAll(/\{\+?[A-Za-z0-9_.]{1,64}\}/g, '\0');
  return /[{}]/.test(literal) || literal.includes('\0\0') ? undefined : names;
}

function checkCompletion(
  name: string,
  values: unknown,
  at: { readonly variables: readonly string[]; readonly problems: ProblemList },
): void {
  const path = `parameters.completions.${name}`;
  if (!at.variables.includes(name)) at.problems.add(path, 'names no variable of uriTemplate');
  if (typeof values === 'string') {
    if (parseFunctionArn(values) === undefined)
      at.problems.add(path, 'must be a list of values or the ARN of a Lambda function');
    return;
  }
  const isList =
    Array.isArray(values) &&
    values.length <= MAX_VALUES &&
    values.every((text) => typeof text === 'string' && text.length <= MAX_VALUE);
  if (!isList)
    at.problems.add(
      path,
      `must be a list of at most ${MAX_VALUES} texts of up to ${MAX_VALUE} characters, or the ARN of a Lambda function`,
    );
}

/** Reads parameters that {@link checkResourceParameters} has passed. */
export function resourceParameters(parameters: SchemaObject): ResourceParameters {
  const uriTemplate = String(parameters['uriTemplate']);
  const completions = parameters['completions'];
  return {
    uriTemplate,
    variables: variablesOf(uriTemplate) ?? [],
    completions: new Map(isObject(completions) ? (Object.entries(completions) as [string, string[] | string][]) : []),
  };
}
