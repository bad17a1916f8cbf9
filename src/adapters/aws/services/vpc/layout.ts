/** How a network is divided. */

export interface SubnetCounts {
  readonly publicSubnets: number;
  readonly privateSubnets: number;
}

/** `subnet-public-1`, `subnet-private-1`, …: as steps and tags call them. */
export function subnetNames({ publicSubnets, privateSubnets }: SubnetCounts): readonly string[] {
  const names = (kind: string, count: number): string[] =>
    Array.from({ length: count }, (_none, index) => `subnet-${kind}-${index + 1}`);
  return [...names('public', publicSubnets), ...names('private', privateSubnets)];
}

export function isPublic(subnetName: string): boolean {
  return subnetName.startsWith('subnet-public-');
}

/** The sixteenth of this number, from 0, of a network's addresses. */
export function sixteenth(cidr: string, index: number): string {
  const [address = '', bits = '16'] = cidr.split('/');
  const size = 2 ** (32 - Number(bits));
  const whole = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const first = Math.floor(whole / size) * size + (size / 16) * index;
  const parts = [24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256);
  return `${parts.join('.')}/${Number(bits) + 4}`;
}

/** Zones are taken in turn, by public and private subnets alike. */
export function zoneFor(subnetName: string, zones: readonly string[]): string | undefined {
  const number = Number(subnetName.split('-').at(-1));
  return zones[(number - 1) % Math.max(1, zones.length)];
}
