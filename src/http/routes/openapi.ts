/** The API's own description: an OpenAPI document, and its schemas by themselves. */

import { PlatformError } from '../../core/errors.ts';
import type { ControlPlane } from '../../provisioning/control-plane.ts';
import { openApiDocument, schemaByItself, schemaNames } from '../openapi/document.ts';
import { reply, type JsonRoute } from './json-route.ts';

export function openApiRoutes(plane: ControlPlane, version: string): readonly JsonRoute[] {
  return [
    {
      method: 'GET',
      pattern: /^\/v1\/openapi\.json$/,
      handle: async ({ context }) => reply(200, openApiDocument({ services: await plane.catalogue(context), version })),
    },
    {
      method: 'GET',
      pattern: /^\/v1\/schemas$/,
      handle: async ({ context }) => {
        const names = schemaNames(await plane.catalogue(context));
        return reply(200, { schemas: names.map((name) => ({ name, href: `/v1/schemas/${name}.json` })) });
      },
    },
    {
      method: 'GET',
      pattern: /^\/v1\/schemas\/([^/]+)\.json$/,
      handle: async ({ context, parts }) => {
        const [name = ''] = parts;
        const schema = schemaByItself(name, await plane.catalogue(context));
        if (schema !== undefined) return reply(200, schema);
        throw new PlatformError('NOT_FOUND', `There is no schema "${name.slice(0, 100)}". /v1/schemas lists them.`);
      },
    },
  ];
}
