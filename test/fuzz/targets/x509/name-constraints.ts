import type { GeneralName } from 'pkijs'
import { readConstraint, readName } from '../../../../packages/core/src/verification/chain/constrained-names.ts'
import { mustEqual, texts, textOf, type Target } from '../../target.ts'

// On three lines: the kind of a name (RFC 5280 4.2.1.6), the name, and the base of a subtree of that kind. Whether the name is
// within the subtree is determined a second time, by labels instead of by text.

const [EMAIL, DNS, URI, IP] = [1, 2, 6, 7]

const target: Target = {
  longest: 128,
  dictionary: [
    '1\n',
    '2\n',
    '6\n',
    '7\n',
    'https://',
    '*.',
    '.',
    '@',
    'b.org',
    '0a000001',
    'ffffff00',
    ':443',
    '0x7f.1',
  ],
  seeds: () =>
    texts(
      '1\na@b.org\nb.org',
      '1\na@x.b.org\n.b.org',
      '1\nA@B.org\nA@b.org',
      '2\nx.b.org\nb.org',
      '2\nB.ORG.\n.b.org',
      '2\n*.b.org\nx.b.org',
      '6\nhttps://x.b.org:443/y\n.b.org',
      '6\nhttps://b.org@c.org/y\nc.org',
      '7\n0a000001\n0a000000ff000000',
      '7\n00000000000000000000ffff0a000001\n0a000000ff000000',
    ),
  check(input) {
    const [digit, name = '', base] = textOf(input)?.split('\n') ?? []
    const type = Number(digit)
    if (base === undefined || ![EMAIL, DNS, URI, IP].includes(type)) return
    const [read, constraint] = [readName(generalName(type, name)), readConstraint(generalName(type, base))]
    if (read && type === URI) checkHost(name, 'host' in read ? read.host : '')
    if (!read || !constraint) return
    const [permits, excludes] = [constraint.covers(read, false), constraint.covers(read, true)]
    mustEqual(permits, isWithin(type, name, base), 'Whether it is permitted')
    if (permits && !excludes) throw new Error('It is permitted by a subtree that does not exclude it.')
  },
}
export default target

function generalName(type: number, text: string): GeneralName {
  const value = type === IP ? { valueBlock: { valueHexView: Buffer.from(text, 'hex') } } : text
  return { type, value } as unknown as GeneralName
}

/** A reader of URIs must not see another host. */
function checkHost(uri: string, host: string): void {
  const url = URL.parse(uri)
  if (url) mustEqual(host, url.hostname.toLowerCase().replace(/\.$/, ''), 'The host of the URI')
}

function isWithin(type: number, name: string, base: string): boolean {
  if (type === IP) return isInRange(Buffer.from(name, 'hex'), Buffer.from(base, 'hex'))
  if (type === EMAIL && base.includes('@')) return mailbox(name) === mailbox(base)
  const host =
    type === EMAIL
      ? name.slice(name.lastIndexOf('@') + 1)
      : type === URI
        ? (URL.parse(name)?.host ?? hostIn(name))
        : name
  const [labels, wanted] = [labelsOf(host.replace(/:\d*$/, '')), labelsOf(base.replace(/^\./, ''))]
  const below = labels.length - wanted.length
  const isBelow = below >= 0 && wanted.every((label, index) => labels[below + index] === label)
  if (base.startsWith('.')) return isBelow && below > 0
  return isBelow && (type === DNS || below === 0)
}

function hostIn(uri: string): string {
  return uri.replace(/^[^:]*:\/\/(?:[^/?#]*@)?/, '').replace(/[/?#].*$/s, '')
}

function labelsOf(host: string): string[] {
  return host === '' ? [] : host.toLowerCase().replace(/\.$/, '').split('.')
}

function mailbox(address: string): string {
  const [local = '', host = ''] = address.split('@')
  return `${local}@${labelsOf(host).join('.')}`
}

function isInRange(address: Buffer, range: Buffer): boolean {
  if (range.length !== 2 * address.length) return false
  return address.every((byte, index) => {
    const mask = range[address.length + index] ?? 0
    return (byte & mask) === ((range[index] ?? 0) & mask)
  })
}
