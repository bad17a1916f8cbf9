/** What each type of resource is like: how it is made, what Azure adds to it, what must be there before and gone after. */

import { RestError, isJsonObject, merged, objectAt, textAt } from '../rest-routes.ts';
import type { JsonObject } from '../rest-routes.ts';
import type { JsonValue } from '../../../core/ports.ts';

/** How an operation goes on after its first answer. */
export type Ending =
  /** Done with the first answer. */
  | 'sync'
  /** 202 with `Location`, which answers with the thing itself. */
  | 'location'
  /** 201 with the thing and `Azure-AsyncOperation`, which answers with a status. */
  | 'async-operation';

export interface ArmType {
  /** In Azure's own spelling. */
  readonly namespace: string;
  readonly type: string;
  readonly creating: Ending;
  readonly deleting: Ending;
  /** One name for all subscriptions. */
  readonly isGlobal: boolean;
  /** @throws RestError. */
  check(name: string, body: JsonObject): void;
  /** Properties as Azure shows them, of those that were sent. */
  complete(properties: JsonObject, at: Placed): JsonObject;
  /** Lower-case ids that must exist. */
  references(properties: JsonObject): readonly string[];
  /** Code of the refusal to remove what others still refer to. */
  readonly inUse: string;
}

export interface Placed {
  readonly id: string;
  readonly name: string;
  readonly location: string;
  /** RFC 3339. */
  readonly createdAt: string;
}

const storageAccounts: ArmType = {
  namespace: 'Microsoft.Storage',
  type: 'storageAccounts',
  creating: 'location',
  deleting: 'sync',
  isGlobal: true,
  check(name, body) {
    if (!/^[a-z0-9]{3,24}$/.test(name))
      throw new RestError(400, 'AccountNameInvalid', `${name} is not a valid storage account name.`);
    if (textAt(objectAt(body, 'sku'), 'name') === undefined)
      throw new RestError(400, 'AccountPropertyIsMissing', 'The property sku.name was not specified.');
  },
  complete: (properties, { name, location, createdAt }) => ({
    minimumTlsVersion: 'TLS1_0',
    allowBlobPublicAccess: false,
    supportsHttpsTrafficOnly: true,
    encryption: {
      keySource: 'Microsoft.Storage',
      services: { blob: { enabled: true, keyType: 'Account' }, file: { enabled: true, keyType: 'Account' } },
    },
    networkAcls: { bypass: 'AzureServices', defaultAction: 'Allow', ipRules: [], virtualNetworkRules: [] },
    ...properties,
    creationTime: createdAt,
    primaryLocation: location,
    statusOfPrimary: 'available',
    primaryEndpoints: Object.fromEntries(
      ['blob', 'dfs', 'file', 'queue', 'table', 'web'].map((part) => [
        part,
        `https://${name}.${part}.core.windows.net/`,
      ]),
    ),
  }),
  references: () => [],
  inUse: 'StorageAccountInUse',
};

const networkSecurityGroups: ArmType = {
  namespace: 'Microsoft.Network',
  type: 'networkSecurityGroups',
  creating: 'async-operation',
  deleting: 'async-operation',
  isGlobal: false,
  check: () => {},
  complete: (properties, { id }) => ({
    resourceGuid: guidOf(id),
    ...properties,
    securityRules: withIds(properties['securityRules'], `${id}/securityRules`),
    defaultSecurityRules: [
      defaultRule(id, { name: 'AllowVnetInBound', direction: 'Inbound', access: 'Allow', from: 'VirtualNetwork' }),
      defaultRule(id, { name: 'DenyAllInBound', direction: 'Inbound', access: 'Deny', from: '*' }),
      defaultRule(id, { name: 'DenyAllOutBound', direction: 'Outbound', access: 'Deny', from: '*' }),
    ],
  }),
  references: () => [],
  inUse: 'InUseNetworkSecurityGroupCannotBeDeleted',
};

const virtualNetworks: ArmType = {
  namespace: 'Microsoft.Network',
  type: 'virtualNetworks',
  creating: 'async-operation',
  deleting: 'async-operation',
  isGlobal: false,
  check(_name, body) {
    const properties = objectAt(body, 'properties');
    const spaces = listOf(objectAt(properties, 'addressSpace')['addressPrefixes']);
    if (spaces.length === 0)
      throw new RestError(400, 'InvalidRequestFormat', 'The address space of a virtual network has no prefix.');
    for (const subnet of subnetsOf(properties)) checkSubnet(subnet, spaces);
  },
  complete: (properties, { id }) => ({
    resourceGuid: guidOf(id),
    enableDdosProtection: false,
    virtualNetworkPeerings: [],
    ...properties,
    subnets: withIds(properties['subnets'], `${id}/subnets`),
  }),
  references: (properties) =>
    subnetsOf(properties).flatMap((subnet) => {
      const id = textAt(objectAt(objectAt(subnet, 'properties'), 'networkSecurityGroup'), 'id');
      return id === undefined ? [] : [id.toLowerCase()];
    }),
  inUse: 'InUseVirtualNetworkCannotBeDeleted',
};

const TYPES: readonly ArmType[] = [storageAccounts, networkSecurityGroups, virtualNetworks];

/** @throws RestError for what is not simulated. */
export function armType(namespace: string, type: string): ArmType {
  const [wanted, within] = [type.toLowerCase(), namespace.toLowerCase()];
  const found = TYPES.find((each) => each.type.toLowerCase() === wanted && each.namespace.toLowerCase() === within);
  if (found !== undefined) return found;
  throw new RestError(404, 'InvalidResourceType', `The resource type ${namespace}/${type} is not simulated here.`);
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

function subnetsOf(properties: JsonObject): readonly JsonObject[] {
  return listOf(properties['subnets']).filter(isJsonObject);
}

/** Named parts of a resource, each with an id of its own. */
function withIds(parts: JsonValue | undefined, below: string): JsonValue {
  return listOf(parts)
    .filter(isJsonObject)
    .map((part) =>
      merged(part, { id: `${below}/${textAt(part, 'name') ?? ''}`, properties: { provisioningState: 'Succeeded' } }),
    );
}

function defaultRule(
  id: string,
  rule: { readonly name: string; readonly direction: string; readonly access: string; readonly from: string },
): JsonObject {
  const { name, direction, access, from } = rule;
  return {
    id: `${id}/defaultSecurityRules/${name}`,
    name,
    properties: {
      direction,
      access,
      priority: access === 'Allow' ? 65_000 : 65_500,
      protocol: '*',
      sourceAddressPrefix: from,
      sourcePortRange: '*',
      destinationAddressPrefix: from,
      destinationPortRange: '*',
      provisioningState: 'Succeeded',
    },
  };
}

function checkSubnet(subnet: JsonObject, spaces: readonly JsonValue[]): void {
  const properties = objectAt(subnet, 'properties');
  const prefixes = [textAt(properties, 'addressPrefix'), ...listOf(properties['addressPrefixes'])];
  for (const prefix of prefixes) {
    if (typeof prefix !== 'string') continue;
    if (spaces.some((space) => typeof space === 'string' && isWithin(prefix, space))) continue;
    const name = textAt(subnet, 'name') ?? '';
    throw new RestError(
      400,
      'NetcfgSubnetRangeOutsideVnet',
      `Subnet '${name}' is not valid because its IP address range is outside the IP address range of virtual network.`,
    );
  }
}

/** Networks of IPv4; others are taken as they are. */
function isWithin(inner: string, outer: string): boolean {
  const [a, b] = [readNetwork(inner), readNetwork(outer)];
  if (a === undefined || b === undefined) return inner.includes(':');
  return a.bits >= b.bits && a.address >>> (32 - b.bits || 0) === b.address >>> (32 - b.bits || 0);
}

function readNetwork(text: string): { readonly address: number; readonly bits: number } | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(text);
  if (match === null) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, bits = 0] = match.slice(1).map(Number);
  if ([a, b, c, d].some((part) => part > 255) || bits < 1 || bits > 32) return undefined;
  return { address: ((a << 24) | (b << 16) | (c << 8) | d) >>> 0, bits };
}

/** The same for the same id. */
function guidOf(id: string): string {
  let hash = 17;
  for (const sign of id) hash = (hash * 31 + (sign.codePointAt(0) ?? 0)) >>> 0;
  return `00000000-0000-4000-8000-0000${hash.toString(16).padStart(8, '0')}`;
}
