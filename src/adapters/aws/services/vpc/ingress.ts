/** What a security group lets in: as parameters say it, and as EC2 does. */

import type { IpPermission, SecurityGroup } from '@aws-sdk/client-ec2';
import type { VpcParams } from './definition.ts';

export type Rule = VpcParams['ingress'][number];

/** In a form in which the same rules are the same text. */
export function ruleKey({ protocol, port, toPort = port, cidr }: Rule): string {
  return `${protocol} ${port}-${toPort} ${cidr}`;
}

export function rulesOf({ IpPermissions = [] }: SecurityGroup): Rule[] {
  return IpPermissions.flatMap(({ IpProtocol, FromPort = 0, ToPort = FromPort, IpRanges = [] }) =>
    IpRanges.map(({ CidrIp = '' }) => ({
      protocol: IpProtocol === 'udp' ? ('udp' as const) : ('tcp' as const),
      port: FromPort,
      ...(ToPort === FromPort ? {} : { toPort: ToPort }),
      cidr: CidrIp,
    })),
  );
}

export function permissionsOf(rules: readonly Rule[]): IpPermission[] {
  return rules.map(({ protocol, port, toPort = port, cidr }) => ({
    IpProtocol: protocol,
    FromPort: port,
    ToPort: toPort,
    IpRanges: [{ CidrIp: cidr }],
  }));
}

/** EC2 keeps no order; where nothing but the order differs it is that of the parameters. */
export function inOrderOf(found: readonly Rule[], wanted: readonly Rule[]): readonly Rule[] {
  const keys = new Set(found.map(ruleKey));
  return found.length === wanted.length && wanted.every((rule) => keys.has(ruleKey(rule))) ? wanted : found;
}
