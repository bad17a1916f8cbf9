/** A service's parameters as Google takes them, and what Google has as parameters. */

import type { JsonValue } from '../../../../core/ports.ts';
import type { Outputs } from '../../../../provisioning/resource-provisioner.ts';
import { listAt, objectAt, textAt } from '../../google-rest.ts';
import type { JsonObject } from '../../google-rest.ts';
import type { CloudRunParams } from './definition.ts';

/** Role of who may call a service; `allUsers` is everybody. */
export const INVOKER = 'roles/run.invoker';

const INGRESS = {
  all: 'INGRESS_TRAFFIC_ALL',
  internal: 'INGRESS_TRAFFIC_INTERNAL_ONLY',
  'internal-and-load-balancer': 'INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER',
} as const;

export function serviceBody(params: Partial<CloudRunParams>): JsonObject {
  const { image = '', port = 8080, cpu = '1', memoryMb = 512, ingress = 'all' } = params;
  const { minInstances = 0, maxInstances = 10, serviceAccount } = params;
  return {
    ingress: INGRESS[ingress],
    template: {
      containers: [
        { image, ports: [{ containerPort: port }], resources: { limits: { cpu, memory: `${memoryMb}Mi` } } },
      ],
      scaling: { minInstanceCount: minInstances, maxInstanceCount: maxInstances },
      ...(serviceAccount === undefined ? {} : { serviceAccount }),
    },
  };
}

export function settingsOf(service: JsonObject, publicAccess: boolean): Outputs {
  const template = objectAt(service, 'template');
  const [container = {}] = listAt(template, 'containers') as readonly JsonObject[];
  const [port = {}] = listAt(container, 'ports') as readonly JsonObject[];
  const limits = objectAt(objectAt(container, 'resources'), 'limits');
  const scaling = objectAt(template, 'scaling');
  const ingress = Object.entries(INGRESS).find(([, value]) => value === service['ingress'])?.[0] ?? null;
  const serviceAccount = textAt(template, 'serviceAccount');
  return {
    image: textAt(container, 'image') ?? null,
    port: port['containerPort'] ?? 8080,
    cpu: textAt(limits, 'cpu') ?? null,
    memoryMb: mebibytes(textAt(limits, 'memory')),
    // Google leaves out what is zero.
    minInstances: scaling['minInstanceCount'] ?? 0,
    maxInstances: scaling['maxInstanceCount'] ?? null,
    ingress,
    publicAccess,
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
  };
}

/** The policy with everybody in it, or not; its etag goes along, so that a change in between is noticed. */
export function withEverybody(policy: JsonObject, isPublic: boolean): JsonObject {
  const bindings = listAt(policy, 'bindings') as readonly JsonObject[];
  const others = bindings.filter(({ role }) => role !== INVOKER);
  const invokers = bindings
    .filter(({ role }) => role === INVOKER)
    .flatMap((binding) => listAt(binding, 'members'))
    .filter((member) => member !== 'allUsers');
  const members = isPublic ? [...invokers, 'allUsers'] : invokers;
  return { ...policy, bindings: [...others, ...(members.length === 0 ? [] : [{ role: INVOKER, members }])] };
}

function mebibytes(text: string | undefined): JsonValue {
  const match = /^(\d+)(Mi|Gi)$/.exec(text ?? '');
  if (match === null) return null;
  return Number(match[1]) * (match[2] === 'Gi' ? 1024 : 1);
}
