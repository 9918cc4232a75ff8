import type * as asn1js from 'asn1js'
import type { Certificate } from './certificate.ts'
import { distinguishedName } from './distinguished-name.ts'

/** A subject alternative name, read in the one way that rules, revocations, verdicts and thresholds share. */
export interface AlternativeName {
  kind: 'email' | 'DNS' | 'URI' | 'IP' | 'DirName' | 'RID' | 'otherName' | 'unreadable'
  /** Object identifier of the kind of an `otherName`. */
  type: string | undefined
  /** Without its kind. Of an unreadable name: the beginning of its DER, in hex. */
  value: string
}

const SUBJECT_ALT_NAME = '2.5.29.17'

/** Of an unreadable name: enough to tell it from others. */
const MAX_SHOWN_BYTES = 64

/** RFC 5280 4.2.1.6, by the tag of the choice; the labels are those of OpenSSL. */
const TEXT_KINDS: Readonly<Record<number, 'email' | 'DNS' | 'URI'>> = { 1: 'email', 2: 'DNS', 6: 'URI' }

/**
 * Reads the subject alternative names of a certificate from their bytes: libraries take them for ASCII, and leave out the
 * kinds that they do not know. A name that is no text, or has control characters in it, is `unreadable`: no rule may
 * accept it, and no revocation can be sure not to mean it.
 */
export async function alternativeNames({ fields }: Certificate): Promise<AlternativeName[]> {
  const extension = fields.extensions?.find(({ extnID }) => extnID === SUBJECT_ALT_NAME)
  if (!extension) return []
  const [{ fromBER }, { RelativeDistinguishedNames }] = await Promise.all([import('asn1js'), import('pkijs')])
  const der = extension.extnValue.valueBlock.valueHexView
  const { offset, result } = fromBER(der)
  // One that is not read to its end has names that nobody sees.
  if (offset !== der.length || children(result).length === 0) return [unreadable(der)]
  const directoryName = (name: asn1js.AsnType) =>
    distinguishedName(new RelativeDistinguishedNames({ schema: children(name)[0] }))
  return children(result).map((name) => {
    const read = readName(name, directoryName)
    return read && read.value !== '' && !/\p{Cc}|\p{Cs}/u.test(read.value) ? read : unreadable(bytesOf(name))
  })
}

/** As policies and verdicts write it: `email:a@b.org`, `URI:…`, `otherName:1.3.6.1.4.1.57264.1.7:a!b.org`. */
export function writtenName({ kind, type, value }: AlternativeName): string {
  return type === undefined ? `${kind}:${value}` : `${kind}:${type}:${value}`
}

/** True for what {@link writtenName} makes of a name that cannot be read. */
export function isUnreadable(written: string): boolean {
  return written.startsWith('unreadable:')
}

/** Undefined for what is no name of a kind that has a text. */
function readName(name: asn1js.AsnType, directoryName: (name: asn1js.AsnType) => string): AlternativeName | undefined {
  const { tagClass, tagNumber, isConstructed } = name.idBlock
  if (tagClass !== 3) return undefined
  try {
    if (tagNumber === 0) return otherName(name)
    if (tagNumber === 4) return { kind: 'DirName', type: undefined, value: directoryName(name) }
    if (isConstructed) return undefined
    const content = contentOf(name)
    if (tagNumber === 7) return { kind: 'IP', type: undefined, value: address(content) }
    const kind = TEXT_KINDS[tagNumber]
    return kind && { kind, type: undefined, value: utf8(content) }
  } catch {
    return undefined
  }
}

/** RFC 5280 4.2.1.6: an object identifier, and a value in a context tag of its own. */
function otherName(name: asn1js.AsnType): AlternativeName | undefined {
  const [type, wrapped, ...more] = children(name)
  const values = wrapped ? children(wrapped) : []
  const [value] = values
  if (!type || !value || values.length !== 1 || more.length > 0) return undefined
  const { tagClass, tagNumber } = value.idBlock
  const decode = tagClass === 1 ? DECODERS[tagNumber] : undefined
  return (
    decode && { kind: 'otherName', type: (type as asn1js.ObjectIdentifier).getValue(), value: decode(contentOf(value)) }
  )
}

/** Of the string types of ASN.1, by their universal tags, those whose characters are certain. */
const DECODERS: Readonly<Record<number, (bytes: Uint8Array) => string>> = {
  12: utf8,
  18: ascii,
  19: ascii,
  20: ascii,
  22: utf8,
  26: ascii,
  30: (bytes) => new TextDecoder('utf-16be', { fatal: true, ignoreBOM: true }).decode(bytes),
}

/** RFC 5280 asks for ASCII in most kinds; issuers also write UTF-8. */
function utf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
}

function ascii(bytes: Uint8Array): string {
  if (bytes.some((byte) => byte > 0x7f)) throw new RangeError('not ASCII')
  return utf8(bytes)
}

function address(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) throw new RangeError('no address')
  const groups = Buffer.from(bytes).toString('hex').match(/.{4}/g) ?? []
  return groups.join(':')
}

function children(value: asn1js.AsnType): asn1js.AsnType[] {
  const inner = (value.valueBlock as { value?: unknown }).value
  return Array.isArray(inner) ? (inner as asn1js.AsnType[]) : []
}

function contentOf(value: asn1js.AsnType): Uint8Array {
  return (value.valueBlock as { valueHexView?: Uint8Array }).valueHexView ?? new Uint8Array()
}

function bytesOf({ valueBeforeDecodeView }: asn1js.AsnType): Uint8Array {
  return valueBeforeDecodeView
}

function unreadable(der: Uint8Array): AlternativeName {
  const value = `#${Buffer.from(der.subarray(0, MAX_SHOWN_BYTES)).toString('hex')}`
  return { kind: 'unreadable', type: undefined, value }
}
