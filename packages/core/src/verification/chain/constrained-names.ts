import type { GeneralName, RelativeDistinguishedNames } from 'pkijs'
import { attributeOf } from '../../x509/distinguished-name.ts'

/** RFC 5280 4.2.1.6, the tags of the choice. */
export const EMAIL = 1
export const DIRECTORY = 4
const OTHER = 0
const DNS = 2
const URI = 6
const IP = 7

/** RFC 9598: an e-mail address in UTF-8, which constraints of the kind {@link EMAIL} cover, too. */
const UTF8_MAILBOX = '1.3.6.1.5.5.7.8.9'

/** A name in a form that can be compared. */
type Name =
  | { kind: typeof EMAIL; local: string; host: string }
  | { kind: typeof DNS | typeof URI; host: string }
  | { kind: typeof IP; bytes: Uint8Array }
  | { kind: typeof DIRECTORY; attributes: readonly string[] }

/** Names of one kind that an authority may certify, or may not. */
export interface Constraint {
  kind: number
  /** @param excluding if true, names that might be meant are covered, too */
  covers: (name: Name, excluding: boolean) => boolean
}

const HOST = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/
const SUBTREE = /^\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/
const LOCAL = /^[\x21-\x7e]+$/

/** The kind of constraints that apply to a name. */
export function constrainedType({ type, value }: GeneralName): number {
  if (type !== OTHER) return type
  const id = (value as { valueBlock?: { value?: { getValue?: () => unknown }[] } }).valueBlock?.value?.[0]
  return id?.getValue?.() === UTF8_MAILBOX ? EMAIL : OTHER
}

/** Undefined if the name is malformed or of a kind that cannot be compared. */
export function readName({ type, value }: GeneralName): Name | undefined {
  switch (type) {
    case EMAIL:
      return mailbox(String(value))
    case DNS: {
      const host = lower(String(value))
      return HOST.test(host.replace(/^\*\./, '')) ? { kind: DNS, host } : undefined
    }
    case URI: {
      const host = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@\\]*@)?([a-z0-9_.-]+)(?::\d*)?(?:[/?#]|$)/i.exec(String(value))?.[1]
      // RFC 5280 4.2.1.10: a URI without a host name, or with an address, must be refused.
      return host === undefined || /^[\d.]+$/.test(host) ? undefined : { kind: URI, host: lower(host) }
    }
    case IP: {
      const bytes = bytesOf(value)
      return bytes.length === 4 || bytes.length === 16 ? { kind: IP, bytes } : undefined
    }
    case DIRECTORY:
      return { kind: DIRECTORY, attributes: attributesOf(value) }
    default:
      return undefined
  }
}

/**
 * Reads the base of a subtree (RFC 5280 4.2.1.10); undefined if it is malformed. A constraint of a kind that cannot be
 * compared covers no name, because every name of that kind is refused under it.
 */
export function readConstraint({ type, value }: GeneralName): Constraint | undefined {
  if (!Object.hasOwn(READERS, type)) return { kind: type, covers: () => false }
  const covers = READERS[type]?.(value)
  return covers && { kind: type, covers: (name, excluding) => name.kind === type && covers(name, excluding) }
}

const READERS: Readonly<Record<number, (value: unknown) => Constraint['covers'] | undefined>> = {
  [EMAIL](value) {
    const text = String(value)
    if (!text.includes('@')) return hostReader(text)
    const one = mailbox(text)
    return one && ((name) => name.kind === EMAIL && name.local === one.local && name.host === one.host)
  },
  [URI]: (value) => hostReader(String(value)),
  [DNS](value) {
    const text = lower(String(value))
    if (text !== '' && !SUBTREE.test(text)) return undefined
    const base = text.replace(/^\./, '')
    return (name, excluding) => {
      if (!('host' in name)) return false
      const { host } = name
      // A leading dot means hosts below the base; in an exclusion, the base itself may be meant, too.
      if (base === '' || host.endsWith(`.${base}`) || (host === base && (excluding || text === base))) return true
      // A wildcard covers the excluded name, too.
      return excluding && host.startsWith('*.') && base.endsWith(host.slice(1))
    }
  },
  [IP](value) {
    const range = bytesOf(value)
    const half = range.length / 2
    if (half !== 4 && half !== 16) return undefined
    const [address, mask] = [range.subarray(0, half), range.subarray(half)]
    // RFC 4632: ones, then zeros.
    if (!/^1*0*$/.test([...mask].map((byte) => byte.toString(2).padStart(8, '0')).join(''))) return undefined
    return (name, excluding) => {
      const bytes = name.kind === IP ? asRanged(name.bytes, half, excluding) : undefined
      return bytes?.every((byte, i) => ((byte ^ (address[i] ?? 0)) & (mask[i] ?? 0)) === 0) ?? false
    }
  },
  [DIRECTORY](value) {
    const base = attributesOf(value)
    return (name) => name.kind === DIRECTORY && base.every((attribute, i) => attribute === name.attributes[i])
  },
}

/** RFC 5280 4.2.1.10, e-mail and URI: `.b.org` means every host below `b.org`; `b.org` means only that host. */
function hostReader(text: string): Constraint['covers'] | undefined {
  const base = lower(text)
  if (!SUBTREE.test(base)) return undefined
  return (name) => 'host' in name && (base.startsWith('.') ? name.host.endsWith(base) : name.host === base)
}

function mailbox(text: string): Extract<Name, { kind: typeof EMAIL }> | undefined {
  const [local = '', host = '', ...more] = text.split('@')
  const known = more.length === 0 && LOCAL.test(local) && HOST.test(lower(host))
  return known ? { kind: EMAIL, local, host: lower(host) } : undefined
}

function lower(host: string): string {
  return host.toLowerCase().replace(/\.$/, '')
}

function bytesOf(value: unknown): Uint8Array {
  return (value as { valueBlock: { valueHexView: Uint8Array } }).valueBlock.valueHexView
}

/** An IPv4-mapped IPv6 address (RFC 4291 2.5.5.2) reaches the same host. */
function asRanged(bytes: Uint8Array, length: number, excluding: boolean): Uint8Array | undefined {
  if (bytes.length === length) return bytes
  const mapped = bytes.length === 16 && bytes.subarray(0, 12).every((byte, i) => byte === (i < 10 ? 0 : 0xff))
  return excluding && mapped ? bytes.subarray(12) : undefined
}

/** RFC 5280 7.1: letter case and the length of white space do not matter. */
function attributesOf(name: unknown): string[] {
  return (name as RelativeDistinguishedNames).typesAndValues.map((attribute) => {
    const { type, text, der } = attributeOf(attribute)
    return text === undefined ? `${type} ${der.toString('hex')}` : `${type}=${prepared(text)}`
  })
}

function prepared(text: string): string {
  return text.normalize('NFKC').trim().replace(/\s+/g, ' ').toLowerCase()
}
