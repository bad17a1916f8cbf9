/** A network's parameters as Azure takes them, and what Azure has as parameters. */

import type { NetworkSecurityGroup, SecurityRule, Subnet, VirtualNetwork } from '@azure/arm-network';
import type { JsonValue } from '../../../../core/ports.ts';
import type { Outputs } from '../../../../provisioning/resource-provisioner.ts';
import type { VnetParams } from './definition.ts';

type Params = Partial<VnetParams>;

/** Azure's own rules come after these: what the network's parts send each other passes, the rest does not. */
const FIRST_PRIORITY = 100;

export function securityGroupBody({ inbound = [] }: Params): NetworkSecurityGroup {
  const securityRules = inbound.map(({ name, port, protocol, from }, index): SecurityRule => ({
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
export function networkBody(params: Params, securityGroupId: string, there?: VirtualNetwork): VirtualNetwork {
  const { subnets = [], addressSpace = [] } = params;
  const wanted = subnets.map(({ name, prefix }): Subnet => ({
    name,
    addressPrefix: prefix,
    networkSecurityGroup: { id: securityGroupId },
    // Nothing of a subnet reaches the internet unless a way is made for it.
    defaultOutboundAccess: false,
  }));
  const names = new Set(wanted.map(({ name }) => name));
  const others = (there?.subnets ?? []).filter(({ name = '' }) => !names.has(name));
  return { addressSpace: { addressPrefixes: [...addressSpace] }, subnets: [...wanted, ...others] };
}

/** Subnets that are not among the parameters are somebody else's affair. */
export function settingsOf(
  params: Params,
  network: VirtualNetwork,
  securityGroup: NetworkSecurityGroup | undefined,
): Outputs {
  const subnets = (params.subnets ?? []).map(({ name }) => {
    const there = network.subnets?.find((each) => each.name === name);
    return { name, prefix: there?.addressPrefix ?? null };
  });
  const inbound = (securityGroup?.securityRules ?? []).map(ruleOf);
  return { addressSpace: [...(network.addressSpace?.addressPrefixes ?? [])], subnets, inbound };
}

function ruleOf({ name, protocol, sourceAddressPrefix, destinationPortRange }: SecurityRule): JsonValue {
  return {
    name: name ?? null,
    port: Number(destinationPortRange),
    protocol: protocol ?? null,
    from: sourceAddressPrefix ?? null,
  };
}
