/** A network's parameters as Azure takes them, and what an update would change. */

import type { NetworkSecurityGroup, SecurityRule, Subnet, VirtualNetwork } from '@azure/arm-network';
import type { JsonValue } from '../../../../core/ports.ts';
import type { PlannedChange } from '../../../../provisioning/provisioner.ts';
import type { VnetParams } from './definition.ts';

/** Azure's own rules come after these: what the network's parts send each other passes, the rest does not. */
const FIRST_PRIORITY = 100;

export function securityGroupBody(params: VnetParams | undefined): NetworkSecurityGroup {
  const securityRules = (params?.inbound ?? []).map(({ name, port, protocol, from }, index): SecurityRule => ({
    name,
    protocol,
    access: 'Allow',
    direction: 'Inbound',
    priority: FIRST_PRIORITY + index,
    sourceAddressPrefix: from,
    sourcePortRange: '*',
    destinationAddressPrefix: '*',
    destinationPortRange: String(port),
  }));
  return { securityRules };
}

/** A network is put as a whole, so subnets that somebody else has added since are put too. */
export function networkBody(
  params: VnetParams | undefined,
  securityGroupId: string,
  there: VirtualNetwork | undefined,
): VirtualNetwork {
  const wanted = (params?.subnets ?? []).map(({ name, prefix }): Subnet => ({
    name,
    addressPrefix: prefix,
    networkSecurityGroup: { id: securityGroupId },
    // Nothing of a subnet reaches the internet unless a way is made for it.
    defaultOutboundAccess: false,
  }));
  const names = new Set(wanted.map(({ name }) => name));
  const others = (there?.subnets ?? []).filter(({ name }) => !names.has(name));
  return { addressSpace: { addressPrefixes: [...(params?.addressSpace ?? [])] }, subnets: [...wanted, ...others] };
}

export function differencesOf(
  params: VnetParams,
  network: VirtualNetwork,
  securityGroup: NetworkSecurityGroup | undefined,
): NonNullable<PlannedChange['differences']> {
  const pairs: readonly (readonly [string, JsonValue, JsonValue])[] = [
    ['addressSpace', [...(network.addressSpace?.addressPrefixes ?? [])], [...params.addressSpace]],
    ...params.subnets.map(({ name, prefix }) => {
      const there = network.subnets?.find((each) => each.name === name);
      return [`subnets.${name}`, there?.addressPrefix ?? null, prefix] as const;
    }),
    ['inbound', rulesOf(securityGroup), rulesOf(securityGroupBody(params))],
  ];
  const different = pairs.filter(([, from, to]) => JSON.stringify(from) !== JSON.stringify(to));
  return Object.fromEntries(different.map(([key, from, to]) => [key, { from, to }]));
}

function rulesOf(securityGroup: NetworkSecurityGroup | undefined): JsonValue {
  return (securityGroup?.securityRules ?? []).map(
    ({ name, protocol, sourceAddressPrefix, destinationPortRange }) =>
      `${name ?? ''} ${protocol ?? ''} ${destinationPortRange ?? ''} from ${sourceAddressPrefix ?? ''}`,
  );
}
