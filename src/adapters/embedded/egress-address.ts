/**
 * Which addresses a URL from outside may reach: the public internet and what the operator allowed by name or
 * network. Decides on addresses alone; names are resolved by the caller, once, and every address is asked here.
 *
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry
 * @see https://www.iana.org/assignments/iana-ipv6-special-registry
 */

import { BlockList, isIP } from 'node:net';

/** Special-purpose IPv4 networks: nothing in them is a public host. */
const CLOSED_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32', // Azure's host agent, a public number that never leaves the host
  '169.254.0.0/16', // link-local, with the metadata services of AWS, Azure and Google
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

/** Within 2000::/3: protocol assignments with Teredo, documentation, 6to4. What is outside it is closed anyway. */
const CLOSED_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const CLOSED = blockList([...CLOSED_IPV4, ...CLOSED_IPV6]);
const GLOBAL_UNICAST = blockList(['2000::/3']);

/** What an operator opened: host names compared exactly, networks by containment. */
export interface AllowList {
  readonly hosts: ReadonlySet<string>;
  readonly networks: BlockList;
}

/**
 * Reads `egress.allow`.
 *
 * @param entries - Host names (`git.example.com`), addresses, or networks in CIDR notation (`10.1.0.0/16`).
 * @throws RangeError naming the entry that is none of these.
 */
export function parseAllowList(entries: readonly string[]): AllowList {
  const hosts = new Set<string>();
  const networks = new BlockList();
  for (const entry of entries) {
    const text = entry.trim();
    if (isIP(text) > 0) networks.addAddress(text, family(text));
    else if (text.includes('/')) addNetwork(networks, text);
    else if (/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?\.?$/i.test(text)) hosts.add(bareHost(text));
    else throw new RangeError(`"${entry}" is neither a host name nor a network. Write git.example.com or 10.1.0.0/16.`);
  }
  return { hosts, networks };
}

/** Lower case, without the root's dot and without the brackets of an IPv6 literal. */
export function bareHost(host: string): string {
  const name = host.toLowerCase();
  if (name.startsWith('[') && name.endsWith(']')) return name.slice(1, -1);
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

/** Whether a URL from outside may be answered by `address`. Anything that is not a plain address is not. */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address);
  if (version === 4) return !CLOSED.check(address, 'ipv4');
  // A zone (`fe80::1%eth0`) only exists for addresses of this machine's own links.
  if (version !== 6 || address.includes('%')) return false;
  return GLOBAL_UNICAST.check(address, 'ipv6') && !CLOSED.check(address, 'ipv6');
}

export function isAllowedAddress(address: string, allow: AllowList): boolean {
  return isPublicAddress(address) || (isIP(address) > 0 && allow.networks.check(address, family(address)));
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) addNetwork(list, network);
  return list;
}

function addNetwork(list: BlockList, text: string): void {
  const [address = '', bits = ''] = text.split('/');
  const size = Number(bits);
  const limit = isIP(address) === 4 ? 32 : 128;
  if (isIP(address) === 0 || !/^\d{1,3}$/.test(bits) || size > limit) {
    throw new RangeError(`"${text}" is not a network in CIDR notation. Write 10.1.0.0/16 or fd00::/8.`);
  }
  list.addSubnet(address, size, family(address));
}
