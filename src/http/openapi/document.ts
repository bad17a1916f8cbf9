/** The OpenAPI 3.1 document of the control plane, and each of its schemas by itself. */

import type { CatalogEntry } from '../../provisioning/control-plane.ts';
import { withRefs, type Schema } from './json-schema.ts';
import { operationObject } from './operation.ts';
import { OPERATIONS } from './operations.ts';
import { componentSchemas } from './schemas.ts';

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';
const COMPONENT = '#/components/schemas/';

export interface DocumentParts {
  /** Those that the caller may ask for. */
  readonly services: readonly CatalogEntry[];
  /** Of the product. */
  readonly version: string;
}

export function openApiDocument({ services, version }: DocumentParts): Schema {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) (paths[operation.path] ??= {})[operation.method] = operationObject(operation);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Zeroplane control plane',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description: 'Infrastructure of several clouds as durable jobs that undo themselves.',
    },
    // Relative to where the document is.
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      schemas: componentSchemas(services),
    },
  };
}

/** @returns `undefined` when there is none of that name. */
export function schemaByItself(name: string, services: readonly CatalogEntry[]): Schema | undefined {
  const all = new Map(Object.entries(componentSchemas(services)));
  const schema = all.get(name);
  if (schema === undefined) return undefined;
  const needed = new Set<string>();
  const moved = moveRefs(schema, { all, needed });
  const definitions: Record<string, unknown> = {};
  // What is found to be needed on the way comes into the set, and is met by the same loop.
  for (const each of needed) definitions[each] = moveRefs(all.get(each), { all, needed });
  return { $schema: DIALECT, ...moved, ...(needed.size === 0 ? {} : { $defs: definitions }) };
}

interface Moving {
  readonly all: ReadonlyMap<string, Schema>;
  readonly needed: Set<string>;
}

function moveRefs(schema: unknown, { all, needed }: Moving): Schema {
  return withRefs(schema, (reference) => {
    if (!reference.startsWith(COMPONENT)) return reference;
    const [name = '', ...rest] = reference.slice(COMPONENT.length).split('/');
    if (!all.has(name)) return reference;
    needed.add(name);
    return ['#/$defs', name, ...rest].join('/');
  }) as Schema;
}

export const schemaNames = (services: readonly CatalogEntry[]): readonly string[] =>
  Object.keys(componentSchemas(services));
