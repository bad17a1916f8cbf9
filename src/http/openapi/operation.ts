/** One operation of the API, and how OpenAPI writes it. */

import { ref, text, type Schema } from './json-schema.ts';

export interface Parameter {
  readonly in: 'query' | 'header' | 'path';
  readonly name: string;
  readonly description: string;
  readonly schema: Schema;
}

export interface Answer {
  readonly description: string;
  readonly schema: Schema;
  /** @default application/json */
  readonly type?: string;
  readonly headers?: Readonly<Record<string, Schema>>;
}

export interface Operation {
  readonly id: string;
  readonly tag: string;
  readonly method: 'get' | 'post';
  /** With `{name}` for each parameter. */
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  /** But for those of the path. */
  readonly parameters?: readonly Parameter[];
  readonly body?: { readonly schema: Schema; readonly isOptional?: boolean };
  readonly answers: Readonly<Record<string, Answer>>;
}

const PATH_WORDS: Readonly<Record<string, string>> = {
  requestId: 'The job.',
  id: 'The resource.',
  name: 'Name of the schema.',
  workflow: 'Name of the workflow.',
  execution: 'Id of the execution.',
};

function pathParameters(path: string): readonly object[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    in: 'path',
    name,
    required: true,
    description: PATH_WORDS[name] ?? name,
    schema: text,
  }));
}

const content = (schema: Schema, type = 'application/json'): object => ({ [type]: { schema } });

function answerObject({ description, schema, type, headers }: Answer): object {
  const named = Object.entries(headers ?? {}).map(([name, { description: words, ...rest }]): [string, object] => [
    name,
    { description: words, schema: rest },
  ]);
  return {
    description,
    content: content(schema, type),
    ...(named.length === 0 ? {} : { headers: Object.fromEntries(named) }),
  };
}

const PROBLEM = {
  description: 'What is wrong, and what to do next. Nothing was changed.',
  content: content(ref('Problem'), 'application/problem+json'),
};

/** The operation object. */
export function operationObject(operation: Operation): object {
  const { id, tag, path, summary, description, parameters = [], body, answers } = operation;
  const all = [...pathParameters(path), ...parameters];
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(all.length === 0 ? {} : { parameters: all }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: body.isOptional !== true, content: content(body.schema) } }),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, answerObject(answer)])),
      default: PROBLEM,
    },
  };
}
