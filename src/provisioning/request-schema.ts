/** The body of `POST /v1/provision` as JSON Schema, made from the schema that checks it. */

import { z } from 'zod';
import type { CatalogEntry } from './control-plane.ts';
import { provisionSchema } from './request.ts';

export type Schema = Readonly<Record<string, unknown>>;

/** An object schema taken apart, for those that add to it. */
export interface ObjectSchema extends Schema {
  readonly type: 'object';
  readonly properties: Readonly<Record<string, Schema>>;
  readonly required: readonly string[];
}

/** Without the member that names the dialect: 2020-12. `params` is any object: what it holds is each service's own. */
export function requestBodySchema(): ObjectSchema {
  const {
    $schema: _dialect,
    $defs: _json,
    ...rest
  } = z.toJSONSchema(provisionSchema, { io: 'input' }) as unknown as ObjectSchema;
  const { propertyNames: _names, additionalProperties: _any, ...params } = rest.properties['params'] ?? {};
  return { ...rest, properties: { ...rest.properties, params } };
}

/** Name of the schema of a service's parameters, as far as names of schemas go: `params.aws.s3`. */
export const paramsName = ({ cloud, service }: Pick<CatalogEntry, 'cloud' | 'service'>): string =>
  `params.${cloud}.${service}`.replaceAll(/[^A-Za-z0-9._-]/g, '_');

/**
 * What a request may say of each service: its parameters, regions and actions.
 *
 * @param isTermination - For the body of `/terminate`, which needs no action.
 * @param refOf - How the schema of that name is referred to.
 */
export function requestSchemaFor(
  services: readonly CatalogEntry[],
  isTermination: boolean,
  refOf: (name: string) => Schema,
): Schema {
  const { properties, required, ...rest } = requestBodySchema();
  const names = (key: 'cloud' | 'service'): readonly string[] => [...new Set(services.map((each) => each[key]))];
  return {
    ...rest,
    properties: {
      ...properties,
      cloud: { ...properties['cloud'], enum: names('cloud') },
      service: { ...properties['service'], enum: names('service') },
      ...(isTermination ? { action: { const: 'destroy' } } : {}),
    },
    required: isTermination ? required.filter((name) => name !== 'action') : required,
    anyOf: services.map((each) => ({ properties: meant(each) })),
    allOf: services.map((each) => ({
      if: { properties: meant(each), required: ['cloud', 'service'] },
      // oxlint-disable-next-line unicorn/no-thenable -- a word of JSON Schema, and nobody awaits it
      then: ruleOf(each, { isTermination, refOf }),
    })),
  };
}

const meant = ({ cloud, service }: CatalogEntry): Schema => ({ cloud: { const: cloud }, service: { const: service } });

function ruleOf(
  entry: CatalogEntry,
  { isTermination, refOf }: { readonly isTermination: boolean; readonly refOf: (name: string) => Schema },
): Schema {
  const { actions, regions, workflow, params } = entry;
  const needed = (params as { readonly required?: readonly string[] }).required ?? [];
  const destroy = { action: { const: 'destroy' } };
  const isRun = workflow !== undefined && !isTermination;
  return {
    properties: {
      ...(isTermination ? {} : { action: { enum: actions } }),
      workflow: isRun ? { properties: { name: { const: workflow.name } } } : false,
      ...(regions === undefined ? (workflow === undefined ? { region: false } : {}) : { region: { enum: regions } }),
    },
    // A resource that is named by its id needs no parameters to be removed.
    if: isTermination ? { required: ['id'] } : { properties: destroy, required: ['action', 'id'] },
    else: {
      properties: { params: refOf(paramsName(entry)) },
      ...(needed.length === 0 ? {} : { required: ['params'] }),
    },
    // A version is what runs, and nothing is run to remove what it made.
    // oxlint-disable unicorn/no-thenable -- a word of JSON Schema, and nobody awaits it
    ...(isRun
      ? { allOf: [{ if: { properties: destroy, required: ['action'] }, then: { properties: { workflow: false } } }] }
      : {}),
    // oxlint-enable unicorn/no-thenable
  };
}
