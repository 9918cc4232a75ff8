import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'

/** IANA's registries of special-purpose addresses: everything that is not reachable from the whole internet. */
const PRIVATE_IPV4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
]
/** The only IPv6 addresses of the internet are in 2000::/3, and the translated IPv4 addresses of NAT64. */
const PUBLIC_IPV6 = ranges([['2000::', 3]], 'ipv6')
const NAT64 = ranges([['64:ff9b::', 96]], 'ipv6')
/** 6to4, which also leads to IPv4 addresses, and Teredo. Nothing serves models there. */
const TUNNELS = ranges(
  [
    ['2002::', 16],
    ['2001::', 32],
  ],
  'ipv6',
)
const PRIVATE = ranges(PRIVATE_IPV4, 'ipv4')

/**
 * True if a host is, or resolves to, an address of this machine or of a private network. A host that resolves to several
 * addresses is private if one of them is. One that does not resolve is not: either the request fails, or a proxy resolves it.
 *
 * The connection resolves the name once more, so whoever controls its DNS can still answer differently then.
 *
 * @param hostname as in `URL.hostname`
 */
export async function isPrivate(hostname: string): Promise<boolean> {
  const literal = hostname.replace(/^\[(.*)\]$/s, '$1')
  if (isIP(literal) !== 0) return isPrivateAddress(literal)
  try {
    const found = await lookup(literal, { all: true })
    return found.some(({ address }) => isPrivateAddress(address))
  } catch {
    return false
  }
}

function isPrivateAddress(address: string): boolean {
  if (isIP(address) === 4) return PRIVATE.check(address, 'ipv4')
  // A zone ("%eth0") exists only on link-local addresses.
  if (address.includes('%')) return true
  const embedded = NAT64.check(address, 'ipv6') ? embeddedIpv4(address) : undefined
  if (embedded !== undefined) return PRIVATE.check(embedded, 'ipv4')
  return !PUBLIC_IPV6.check(address, 'ipv6') || TUNNELS.check(address, 'ipv6')
}

/** The last 32 bits of an IPv6 address. */
function embeddedIpv4(address: string): string {
  // The parser of URLs writes each group in full.
  const { hostname } = new URL(`http://[${address}]`)
  const groups = hostname.slice(1, -1).split(':')
  const [high = 0, low = 0] = groups.slice(-2).map((group) => Number.parseInt(group === '' ? '0' : group, 16))
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

function ranges(of: readonly (readonly [string, number])[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList()
  for (const [address, prefix] of of) list.addSubnet(address, prefix, family)
  return list
}
