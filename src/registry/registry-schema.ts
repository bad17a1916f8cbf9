/**
 * From a schema of the EventBridge schema registry to the JSON Schema of a tool. The registry holds JSON Schema of
 * draft 4, and OpenAPI 3.0 documents with the event under `components.schemas`.
 *
 * @see https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-schema.html
 */

import { isObject } from '../core/json.ts';
import { DIALECT_7 } from './parameters.ts';
import { visitSchemas, type SchemaObject } from './schema-bounds.ts';

const DRAFT_4 = /^https?:\/\/json-schema\.org\/draft-04\/schema#?$/;
const COMPONENTS = '#/components/schemas/';
/** What a schema of its own document may carry and a part of a tool may not, or what says nothing about values. */
const DROPPED = /^(?:id|\$id|xml|externalDocs|discriminator|example|x-.*)$/;

/**
 * @param name - The schema's name in the registry; it tells which of several components is meant.
 * @returns `undefined` when the text is no schema of an object.
 */
export function schemaFromRegistry(text: string, name: string): SchemaObject | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(document)) return undefined;
  if (typeof document['openapi'] === 'string') return fromOpenApi(document, name);
  return typeof document['$schema'] === 'string' && DRAFT_4.test(document['$schema'])
    ? { ...translated(document), $schema: DIALECT_7 }
    : translated(document);
}

function fromOpenApi(document: SchemaObject, name: string): SchemaObject | undefined {
  const { components } = document;
  const schemas = isObject(components) && isObject(components['schemas']) ? components['schemas'] : {};
  const root = rootOf(document, schemas, name);
  if (root === undefined) return undefined;
  const { [root]: chosen, ...others } = schemas;
  if (!isObject(chosen)) return undefined;
  // A component may refer to the chosen one as well, so that one stays a definition too where anybody does.
  const isNeeded = JSON.stringify(schemas).includes(`"${COMPONENTS}${root}"`);
  const definitions = Object.entries(isNeeded ? schemas : others).map(([key, schema]) => [key, translatedPart(schema)]);
  const whole = {
    ...translated(chosen),
    ...(definitions.length > 0 ? { definitions: Object.fromEntries(definitions) } : {}),
  };
  return { $schema: DIALECT_7, ...whole };
}

/** The only component, the event of AWS, or the one that the schema or the document is called after. */
function rootOf(document: SchemaObject, schemas: SchemaObject, name: string): string | undefined {
  const names = Object.keys(schemas);
  if (names.length <= 1) return names[0];
  const { info } = document;
  const title = isObject(info) ? info['title'] : undefined;
  const wanted = ['AWSEvent', title, name, name.split('@').at(-1)];
  return wanted.find((each): each is string => typeof each === 'string' && names.includes(each)) ?? names[0];
}

function translatedPart(schema: unknown): unknown {
  return isObject(schema) ? translated(schema) : schema;
}

/** Draft 4 and OpenAPI 3.0 differ from draft 7 in exclusive bounds, nullable types and where references point. */
function translated(schema: SchemaObject): SchemaObject {
  const copy = structuredClone(schema) as Record<string, unknown>;
  visitSchemas(copy, ({ schema: own }) => {
    if (isObject(own)) translate(own);
    return isObject(own);
  });
  return copy;
}

function translate(schema: Record<string, unknown>): void {
  for (const key of Object.keys(schema)) if (DROPPED.test(key)) delete schema[key];
  exclusive(schema, 'exclusiveMinimum', 'minimum');
  exclusive(schema, 'exclusiveMaximum', 'maximum');
  const { type, nullable, $ref } = schema;
  if (nullable === true && typeof type === 'string') schema['type'] = [type, 'null'];
  delete schema['nullable'];
  if (typeof $ref === 'string' && $ref.startsWith(COMPONENTS))
    schema['$ref'] = `#/definitions/${$ref.slice(COMPONENTS.length)}`;
}

/** Draft 4 has the bound in one keyword and whether it is exclusive in another. */
function exclusive(schema: Record<string, unknown>, flag: string, bound: string): void {
  if (typeof schema[flag] !== 'boolean') return;
  const isExclusive = schema[flag];
  delete schema[flag];
  if (!isExclusive || typeof schema[bound] !== 'number') return;
  schema[flag] = schema[bound];
  delete schema[bound];
}
