/**
 * Where the schema of a configured or discovered function comes from, the first that there is of: its entry in the
 * configuration, a tag that names a schema of the EventBridge registry, a file beside its code, its own description. A
 * registration brings its own.
 *
 * What the operator wrote into the configuration must be good. Any other source that cannot be used is told, and the
 * next one is asked.
 */

import { isObject } from '../core/json.ts';
import { describedSchema } from './described-format.ts';
import { PERMISSIVE_SCHEMA, toInputSchema } from './parameters.ts';
import { ProblemList } from './problem-list.ts';
import type { ConfiguredFunction } from './published-functions.ts';
import type { SchemaObject } from './schema-bounds.ts';

export interface ChosenSchemas {
  readonly input: SchemaObject;
  /** Of the answer, where somebody described it. */
  readonly output?: SchemaObject;
  /** Sources that could not be used, each with its reason. */
  readonly notes: readonly string[];
  /** The function cannot be published, and why. */
  readonly refusal?: string;
}

interface Source {
  readonly what: string;
  readonly value: unknown;
  /** Written by the operator for this function. */
  readonly isGiven?: boolean;
}

export function chooseSchemas(candidate: ConfiguredFunction): ChosenSchemas {
  const notes: string[] = [];
  const of = `of function "${candidate.name}"`;
  const given = checked(candidate.outputSchema);
  if (given.problem !== undefined)
    return { input: PERMISSIVE_SCHEMA, notes, refusal: `outputSchema ${of} ${given.problem}` };
  for (const { what, value, isGiven } of sourcesOf(candidate)) {
    const { input, output } = partsOf(value);
    const made = checked(input);
    const answer = given.schema === undefined ? checked(output) : given;
    const problem = made.problem ?? answer.problem;
    if (problem === undefined) return { ...chosen(made.schema, answer.schema), notes };
    const reason = `${what} ${of} ${problem}`;
    if (isGiven === true) return { input: PERMISSIVE_SCHEMA, notes, refusal: reason };
    notes.push(reason);
  }
  return { ...chosen(undefined, given.schema), notes };
}

function chosen(
  input: SchemaObject | undefined,
  output: SchemaObject | undefined,
): Pick<ChosenSchemas, 'input' | 'output'> {
  return { input: input ?? PERMISSIVE_SCHEMA, ...(output === undefined ? {} : { output }) };
}

function sourcesOf(candidate: ConfiguredFunction): readonly Source[] {
  const { schema, taggedSchema, sidecar, description } = candidate;
  const sources: readonly Source[] = [
    { what: 'schema', value: schema, isGiven: true },
    { what: 'the schema that the tag names', value: taggedSchema },
    { what: 'the schema file beside the code', value: schema === undefined ? sidecar?.() : undefined },
    { what: 'the description', value: describedSchema(description) },
  ];
  return sources.filter(({ value }) => value !== undefined);
}

/** A file may hold the schema of the arguments, or that and the answer's under these names. */
function partsOf(value: unknown): { readonly input: unknown; readonly output: unknown } {
  if (isObject(value) && isObject(value['inputSchema']))
    return { input: value['inputSchema'], output: value['outputSchema'] };
  return { input: value, output: undefined };
}

interface Checked {
  readonly schema?: SchemaObject;
  readonly problem?: string;
}

function checked(value: unknown): Checked {
  if (value === undefined) return {};
  const problems = new ProblemList();
  const schema = toInputSchema(value, 'schema', problems);
  const [first] = problems.problems;
  if (first === undefined) return { schema };
  return { problem: `cannot be used: ${first.path} ${first.message}` };
}
