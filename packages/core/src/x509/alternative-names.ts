import type * as asn1js from 'asn1js'
import type { Certificate } from './certificate.ts'
import { distinguishedName } from './distinguished-name.ts'

/** A subject alternative name, in the form that rules, revocations, verdicts and thresholds share. */
export interface AlternativeName {
  kind: 'email' | 'DNS' | 'URI' | 'IP' | 'DirName' | 'RID' | 'otherName' | 'unreadable'
  /** Object identifier of the kind of an `otherName`. */
  type: string | undefined
  /** The value without its kind. For an unreadable name, the beginning of its DER in hex. */
  value: string
}

const SUBJECT_ALT_NAME = '2.5.29.17'

/** Number of bytes shown of an unreadable name: enough to distinguish it from others. */
const MAX_SHOWN_BYTES = 64

/** RFC 5280 4.2.1.6, by the tag of the choice; the labels are those of OpenSSL. */
const TEXT_KINDS: Readonly<Record<number, 'email' | 'DNS' | 'URI'>> = { 1: 'email', 2: 'DNS', 6: 'URI' }

/**
 * Reads the subject alternative names of a certificate from their bytes, because libraries take them for ASCII and drop
 * unknown kinds. A name that is not text or contains control characters is `unreadable`: no rule may accept it, and any
 * revocation might mean it.
 */
export async function alternativeNames({ fields }: Certificate): Promise<AlternativeName[]> {
  const extension = fields.extensions?.find(({ extnID }) => extnID === SUBJECT_ALT_NAME)
  if (!extension) return []
  const [{ fromBER }, { RelativeDistinguishedNames }] = await Promise.all([import('asn1js'), import('pkijs')])
  const der = extension.extnValue.valueBlock.valueHexView
  const { offset, result } = fromBER(der)
  // If the extension is not read to its end, there are names that nothing checks.
  if (offset !== der.length || children(result).length === 0) return [unreadable(der)]
  const directoryName = (name: asn1js.AsnType) =>
    distinguishedName(new RelativeDistinguishedNames({ schema: children(name)[0] }))
  return children(result).map((name) => {
    const read = readName(name, directoryName)
    return read && read.value !== '' && !/\p{Cc}|\p{Cs}/u.test(read.value) ? read : unreadable(bytesOf(name))
  })
}

/** The form used in policies and verdicts: `email:a@b.org`, `URI:…`, `otherName:1.3.6.1.4.1.57264.1.7:a!b.org`. */
export function writtenName({ kind, type, value }: AlternativeName): string {
  return type === undefined ? `${kind}:${value}` : `${kind}:${type}:${value}`
}

/** Whether {@link writtenName} wrote this for an unreadable name. */
export function isUnreadable(written: string): boolean {
  return written.startsWith('unreadable:')
}

/** Returns undefined unless the kind of the name has a textual form. */
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

/** RFC 5280 4.2.1.6: an object identifier, then a value in its own context tag. */
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

/** Decoders for the ASN.1 string types whose character set is certain, by universal tag. */
const DECODERS: Readonly<Record<number, (bytes: Uint8Array) => string>> = {
  12: utf8,
  18: ascii,
  19: ascii,
  20: ascii,
  22: utf8,
  26: ascii,
  30: (bytes) => new TextDecoder('utf-16be', { fatal: true, ignoreBOM: true }).decode(bytes),
}

/** RFC 5280 requires ASCII for most kinds, but issuers also write UTF-8. */
function utf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
}

function ascii(bytes: Uint8Array): string {
  if (bytes.some((byte) => byte > 0x7f)) throw new RangeError('not ASCII')
  return utf8(bytes)
}

function address(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) throw new RangeError('not an IP address')
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
