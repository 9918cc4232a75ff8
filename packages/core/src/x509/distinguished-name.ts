import type { GeneralName, RelativeDistinguishedNames } from 'pkijs'

/** One attribute of a name, with its value as text if it is text. */
interface NameAttribute {
  type: string
  text: string | undefined
  /** DER of the value. */
  der: Buffer
}

/** RFC 4514 section 3. */
const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['2.5.4.6', 'C'],
  ['2.5.4.9', 'STREET'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
])

/** RFC 5280 4.2.1.6, by the tag of the choice; the labels are those of OpenSSL. */
const TEXT_NAMES: Readonly<Record<number, string>> = { 1: 'email', 2: 'DNS', 6: 'URI' }

/**
 * Formats a distinguished name as text (RFC 4514), last attribute first: `CN=...,O=...,C=...`.
 *
 * @param printed the same name as printed by `X509Certificate`, with a line for each relative name. It shows
 * which attributes belong together, which pkijs does not keep
 */
export function distinguishedName(name: RelativeDistinguishedNames, printed?: string): string {
  const attributes = name.typesAndValues.map((attribute) => written(attributeOf(attribute)))
  const sizes = printed === undefined ? attributes.map(() => 1) : sizesOf(printed)
  return sizes
    .map((size) => attributes.splice(0, size).join('+'))
    .concat(attributes)
    .filter((relative) => relative !== '')
    .reverse()
    .join(',')
}

/** OpenSSL escapes plus signs and line breaks in values, so unescaped ones are separators. */
function sizesOf(printed: string): number[] {
  return printed.split('\n').map((line) => line.split(' + ').length)
}

function written({ type, text, der }: NameAttribute): string {
  const label = SHORT_NAMES.get(type)
  return label !== undefined && text !== undefined ? `${label}=${escaped(text)}` : `${type}=#${der.toString('hex')}`
}

export function attributeOf({ type, value }: RelativeDistinguishedNames['typesAndValues'][number]): NameAttribute {
  const der = Buffer.from(value.valueBeforeDecodeView)
  const text: unknown = value.valueBlock.value
  return { type, der, text: typeof text === 'string' ? text : undefined }
}

/** Formats a subject alternative name as parsed by a library, for messages only. To identify a signer, use `alternative-names.ts`. */
export function alternativeName({ type, value }: GeneralName): string {
  const label = TEXT_NAMES[type]
  if (label !== undefined) return `${label}:${String(value)}`
  if (type === 4) return `DirName:${distinguishedName(value as RelativeDistinguishedNames)}`
  if (type === 7)
    return `IP:${address((value as { valueBlock: { valueHexView: Uint8Array } }).valueBlock.valueHexView)}`
  return `other:${type}`
}

function address(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  return (
    Buffer.from(bytes)
      .toString('hex')
      .match(/.{1,4}/g) ?? []
  ).join(':')
}

/** RFC 4514 section 2.4. */
function escaped(text: string): string {
  return text
    .replace(/[\\"+,;<>=]/g, '\\$&')
    .replace(/\0/g, '\\00')
    .replace(/^[ #]/, '\\$&')
    .replace(/ $/, '\\ ')
}
