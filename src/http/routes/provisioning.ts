/** Every route of the control plane. */

import type { Clock, StoreRoot } from '../../core/ports.ts';
import { isObject } from '../../core/json.ts';
import { PlatformError } from '../../core/errors.ts';
import type { Policy } from '../../policy/decide.ts';
import { RESOURCE_STATUSES, type ControlPlane, type OfferedService } from '../../provisioning/control-plane.ts';
import type { WorkflowEngine } from '../../workflows/engine/workflow-engine.ts';
import { auditRoutes } from './audit.ts';
import { checkTenant, jobRoutes } from './jobs.ts';
import { jsonRoutes, limitIn, oneOf, onlyIn, reply, textIn, type JsonRoute } from './json-route.ts';
import { openApiRoutes } from './openapi.ts';
import { workflowRoutes } from './workflows.ts';

export interface ProvisioningRoutesParts {
  readonly plane: ControlPlane;
  readonly engine: WorkflowEngine;
  readonly policy: Policy;
  readonly store: StoreRoot;
  readonly sealingKey: Uint8Array;
  readonly clock: Clock;
  /** Of the product. */
  readonly version: string;
}

export function provisioningRoutes(parts: ProvisioningRoutesParts) {
  return jsonRoutes(controlPlaneRoutes(parts));
}

export function controlPlaneRoutes(parts: ProvisioningRoutesParts): readonly JsonRoute[] {
  const { plane, clock } = parts;
  return [
    ...jobRoutes(plane, clock),
    ...resourceRoutes(plane),
    ...catalogRoutes(plane),
    ...workflowRoutes(parts),
    ...auditRoutes(parts),
    ...openApiRoutes(plane, parts.version),
  ];
}

function resourceRoutes(plane: ControlPlane): readonly JsonRoute[] {
  return [
    {
      method: 'GET',
      pattern: /^\/v2\/resources$/,
      handle: async ({ query, context }) => {
        onlyIn(query, ['tenant', 'env', 'cloud', 'service', 'status', 'limit', 'cursor']);
        checkTenant(query, context);
        const wanted = {
          env: textIn(query, 'env'),
          cloud: textIn(query, 'cloud'),
          service: textIn(query, 'service'),
          status: oneOf(query, 'status', RESOURCE_STATUSES),
        };
        const page = { limit: limitIn(query), cursor: textIn(query, 'cursor') };
        const { items, next } = await plane.resources({ ...wanted, ...page }, context);
        return reply(200, { resources: items, next });
      },
    },
    {
      method: 'GET',
      pattern: /^\/v2\/resources\/([^/]+)$/,
      handle: async ({ parts, context }) => reply(200, await plane.resource(parts[0] ?? '', context)),
    },
  ];
}

function catalogRoutes(plane: ControlPlane): readonly JsonRoute[] {
  return [
    {
      method: 'GET',
      pattern: /^\/v1\/catalog$/,
      handle: async ({ context }) => reply(200, { services: await plane.catalogue(context) }),
    },
    {
      method: 'POST',
      pattern: /^\/v1\/catalog$/,
      handle: async (asked) => {
        const entry = await plane.offer(offered(await asked.body()), asked.context);
        return reply(201, entry);
      },
    },
  ];
}

function offered(body: unknown): OfferedService {
  const names = ['service', 'cloud', 'title', 'version'] as const;
  if (!isObject(body) || names.some((name) => typeof body[name] !== 'string') || body['definition'] === undefined)
    throw new PlatformError(
      'PROVISION_INVALID',
      'A service needs service, cloud, title and version as texts, params as JSON Schema, and a definition in ASL.',
    );
  return body as unknown as OfferedService;
}
