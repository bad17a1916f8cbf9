/** Things of EC2 as they are kept. */

import type { Value } from '../simulated-state.ts';
import { AwsError } from '../aws-service.ts';
import type { Form } from '../query-operations.ts';

export interface Thing extends Value {
  /** `vpc-0123456789abcdef0`. */
  readonly id: string;
  readonly tags: { readonly [key: string]: string };
}

export interface Vpc extends Thing {
  readonly cidr: string;
  readonly isDefault: boolean;
  readonly dnsSupport: boolean;
  readonly dnsHostnames: boolean;
}

export interface Subnet extends Thing {
  readonly vpcId: string;
  readonly cidr: string;
  readonly zone: string;
  readonly isDefault: boolean;
  readonly givesPublicAddress: boolean;
}

export interface InternetGateway extends Thing {
  /** Empty while it is attached to none. */
  readonly vpcId: string;
}

export interface Route extends Value {
  readonly destination: string;
  /** `local`, or a gateway's id. */
  readonly gatewayId: string;
}

export interface Association extends Value {
  readonly id: string;
  /** Empty for the one that makes a table the main one. */
  readonly subnetId: string;
}

export interface RouteTable extends Thing {
  readonly vpcId: string;
  readonly routes: readonly Route[];
  readonly associations: readonly Association[];
}

export interface Permission extends Value {
  readonly protocol: string;
  /** -1 for all. */
  readonly fromPort: number;
  readonly toPort: number;
  readonly cidr: string;
  readonly description: string;
}

export interface SecurityGroup extends Thing {
  readonly vpcId: string;
  readonly name: string;
  readonly description: string;
  readonly ingress: readonly Permission[];
  readonly egress: readonly Permission[];
}

export interface Instance extends Thing {
  readonly vpcId: string;
  readonly subnetId: string;
  readonly zone: string;
  readonly imageId: string;
  readonly type: string;
  readonly keyName: string;
  readonly groupIds: readonly string[];
  readonly privateAddress: string;
  /** Given by the subnet; empty for none. */
  readonly publicAddress: string;
  /** `required` or `optional`. */
  readonly httpTokens: string;
  readonly isVolumeEncrypted: boolean;
  readonly token: string;
  readonly launchedAt: string;
  /** Until then it is pending. */
  readonly readyAtMs: number;
  /** From then on it is terminated, and an hour later no more to be seen; 0 while nobody terminates it. */
  readonly goneAtMs: number;
}

export interface Address extends Thing {
  readonly address: string;
  /** Both empty while it is associated with none. */
  readonly associationId: string;
  readonly instanceId: string;
}

export interface Kinds {
  readonly vpc: Vpc;
  readonly subnet: Subnet;
  readonly igw: InternetGateway;
  readonly rtb: RouteTable;
  readonly sg: SecurityGroup;
  readonly i: Instance;
  readonly eipalloc: Address;
}
export type Prefix = keyof Kinds;

/** By the beginning of their ids: the kind under which they are kept, and EC2's words for the thing. */
export const KINDS: Readonly<
  Record<Prefix, { readonly kind: string; readonly type: string; readonly absent: string }>
> = {
  vpc: { kind: 'ec2-vpc', type: 'vpc', absent: 'InvalidVpcID.NotFound' },
  subnet: { kind: 'ec2-subnet', type: 'subnet', absent: 'InvalidSubnetID.NotFound' },
  igw: { kind: 'ec2-internet-gateway', type: 'internet-gateway', absent: 'InvalidInternetGatewayID.NotFound' },
  rtb: { kind: 'ec2-route-table', type: 'route-table', absent: 'InvalidRouteTableID.NotFound' },
  sg: { kind: 'ec2-security-group', type: 'security-group', absent: 'InvalidGroup.NotFound' },
  i: { kind: 'ec2-instance', type: 'instance', absent: 'InvalidInstanceID.NotFound' },
  eipalloc: { kind: 'ec2-address', type: 'elastic-ip', absent: 'InvalidAllocationID.NotFound' },
};

export const ALL_TRAFFIC: Permission = { protocol: '-1', fromPort: -1, toPort: -1, cidr: '0.0.0.0/0', description: '' };

export type InstanceState = 'pending' | 'running' | 'shutting-down' | 'terminated';

export function stateOf({ readyAtMs, goneAtMs }: Instance, nowMs: number): InstanceState {
  if (goneAtMs > 0) return nowMs >= goneAtMs ? 'terminated' : 'shutting-down';
  return nowMs >= readyAtMs ? 'running' : 'pending';
}

export function required(form: Form, name: string): string {
  const text = form.text(name);
  if (text !== undefined) return text;
  throw new AwsError('MissingParameter', `The request must contain the parameter ${name}`);
}

export function dependency(id: string, because: string): AwsError {
  return new AwsError('DependencyViolation', `The resource '${id}' has dependencies and cannot be deleted: ${because}`);
}

/** First and last address of a network, as numbers. @throws AwsError `InvalidParameterValue`. */
export function rangeOf(cidr: string): { readonly first: number; readonly last: number; readonly bits: number } {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr);
  const [a = 256, b = 256, c = 256, d = 256, bits = 33] = (match ?? []).slice(1).map(Number);
  if ([a, b, c, d].some((part) => part > 255) || bits > 32)
    throw new AwsError('InvalidParameterValue', `Value (${cidr.slice(0, 40)}) for parameter cidrBlock is invalid.`);
  const size = 2 ** (32 - bits);
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  const first = Math.floor(address / size) * size;
  return { first, last: first + size - 1, bits };
}

export function addressText(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
}
