import { isAbsolute } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ModelSealError } from '../../errors.ts'

/** The content of a PKCS#11 URI: the key, the token, the module and the PIN. */
export interface Pkcs11Uri {
  /** Required names of the library, the slot and the token, by attribute. */
  labels: Readonly<Partial<Record<LabelAttribute, string>>>
  slotId?: bigint
  /** CKA_LABEL of the key. */
  object?: string
  /** CKA_ID of the key. */
  id?: Buffer
  /** Absolute path of the module, or of a directory in which to search for `moduleName`. */
  modulePath?: string
  moduleName?: string
  /** Must never be shown. */
  pin?: { value: string } | { file: string }
}

/** RFC 7512 2.3: the attributes that are compared with text from the module. */
export const LABEL_ATTRIBUTES = [
  'token',
  'manufacturer',
  'serial',
  'model',
  'slot-manufacturer',
  'slot-description',
  'library-manufacturer',
  'library-description',
  'library-version',
] as const

export type LabelAttribute = (typeof LABEL_ATTRIBUTES)[number]

const PATH_ATTRIBUTES: readonly string[] = [...LABEL_ATTRIBUTES, 'slot-id', 'object', 'id', 'type']
const QUERY_ATTRIBUTES: readonly string[] = ['module-path', 'module-name', 'pin-value', 'pin-source']

/** Far longer than any real URI. */
const MAX_URI_LENGTH = 8 * 1024

/**
 * Parses the URI of a private key strictly (RFC 7512 2.3). Messages never quote the URI, because a typo can put the PIN
 * anywhere in it.
 *
 * @throws {@link ModelSealError} `PKCS11_URI_INVALID`
 */
export function parsePkcs11Uri(uri: string): Pkcs11Uri {
  if (uri.length > MAX_URI_LENGTH) throw invalid(`is longer than ${MAX_URI_LENGTH} characters`)
  // RFC 3986 3.1: schemes are case-insensitive.
  if (!/^pkcs11:/i.test(uri)) throw invalid('does not begin with "pkcs11:"')
  const [, path = '', query] = /^[^:]*:([^?]*)(?:\?(.*))?$/s.exec(uri) ?? []
  const inPath = attributes(path, PATH)
  const inQuery = query === undefined ? new Map<string, Buffer>() : attributes(query, QUERY)
  return { ...keyOf(inPath), ...moduleOf(inQuery), ...pinOf(inQuery) }
}

/** RFC 7512 2.3: the syntax of the two halves of a URI. */
interface Component {
  name: string
  separator: string
  known: readonly string[]
  value: RegExp
  /** Whether vendor attributes may be ignored. */
  vendorIgnored: boolean
}

const PATH: Component = {
  name: 'the path',
  separator: ';',
  known: PATH_ATTRIBUTES,
  value: /^(?:[A-Za-z0-9\-._~:[\]@!$'()*+,=&]|%[0-9A-Fa-f]{2})*$/,
  // Path attributes narrow down the key, so ignoring one could select another key.
  vendorIgnored: false,
}

const QUERY: Component = {
  name: 'the query',
  separator: '&',
  known: QUERY_ATTRIBUTES,
  value: /^(?:[A-Za-z0-9\-._~:[\]@!$'()*+,=/?|]|%[0-9A-Fa-f]{2})*$/,
  vendorIgnored: true,
}

function attributes(text: string, { name, separator, known, value: allowed, vendorIgnored }: Component) {
  const found = new Map<string, Buffer>()
  if (text === '') return found
  for (const [index, part] of text.split(separator).entries()) {
    const which = `attribute ${index + 1} of ${name}`
    const equals = part.indexOf('=')
    if (equals < 0) throw invalid(`has no "=" in ${which}`)
    const attribute = part.slice(0, equals)
    if (!known.includes(attribute)) {
      if (vendorIgnored && /^(?:x|vendor)-[A-Za-z0-9_-]+$/.test(attribute)) continue
      throw invalid(`has an unknown ${which}`, `Known attributes: ${known.join(', ')}.`)
    }
    if (found.has(attribute)) throw invalid(`names ${attribute} twice`)
    const value = part.slice(equals + 1)
    if (!allowed.test(value)) {
      throw invalid(
        `has a character in ${attribute} that must be written as %XX, or a "%" without two hex digits after it`,
      )
    }
    const bytes = percentDecoded(value)
    if (/pin-(?:value|source)=/i.test(bytes.toString('latin1'))) {
      throw invalid(`has a PIN inside ${attribute}`, 'PIN attributes follow "?" and are separated by "&".')
    }
    found.set(attribute, bytes)
  }
  return found
}

function percentDecoded(value: string): Buffer {
  return Buffer.from(
    value.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
    'latin1',
  )
}

function keyOf(path: ReadonlyMap<string, Buffer>): Pick<Pkcs11Uri, 'labels' | 'slotId' | 'object' | 'id'> {
  const labels: Partial<Record<LabelAttribute, string>> = {}
  for (const name of LABEL_ATTRIBUTES) {
    const label = text(path, name)
    if (label !== undefined) labels[name] = label
  }
  const version = labels['library-version']
  if (version !== undefined && !/^\d+(?:\.\d+)?$/.test(version)) {
    throw invalid('has a library-version that is not in the form 1 or 1.2')
  }
  // A listing without a PIN shows only the public key of a pair, whose URI also identifies the private key.
  const type = text(path, 'type')
  if (type !== undefined && !['private', 'public', 'cert'].includes(type)) {
    throw invalid('has a type that does not identify a key pair', 'Use type=private, or omit it.')
  }
  const slotId = text(path, 'slot-id')
  if (slotId !== undefined && !/^\d{1,19}$/.test(slotId)) throw invalid('has a slot-id that is not a number')
  const object = text(path, 'object')
  const id = path.get('id')
  if (object === undefined && id === undefined) {
    throw invalid('does not say which key on the token to sign with', 'Add object=LABEL or id=%01.')
  }
  return {
    labels,
    ...(slotId === undefined ? {} : { slotId: BigInt(slotId) }),
    ...(object === undefined ? {} : { object }),
    ...(id === undefined ? {} : { id }),
  }
}

function moduleOf(query: ReadonlyMap<string, Buffer>): Pick<Pkcs11Uri, 'modulePath' | 'moduleName'> {
  const modulePath = text(query, 'module-path')
  // RFC 7512 2.4 does not define what relative paths are relative to.
  if (modulePath !== undefined && !isAbsolute(modulePath)) throw invalid('has a module-path that is not absolute')
  const moduleName = text(query, 'module-name')
  if (moduleName !== undefined && !/^[^/\\]+$/.test(moduleName)) {
    throw invalid('has a module-name that is empty or a path', 'Use module-path for a path.')
  }
  return {
    ...(modulePath === undefined ? {} : { modulePath }),
    ...(moduleName === undefined ? {} : { moduleName }),
  }
}

function pinOf(query: ReadonlyMap<string, Buffer>): Pick<Pkcs11Uri, 'pin'> {
  const value = text(query, 'pin-value')
  const source = text(query, 'pin-source')
  // RFC 7512 2.4: a URI with both must be refused.
  if (value !== undefined && source !== undefined) throw invalid('has both a pin-value and a pin-source')
  if (value === '') throw invalid('has an empty pin-value')
  if (value !== undefined) return { pin: { value } }
  return source === undefined ? {} : { pin: { file: pinFile(source) } }
}

/** RFC 7512 2.4 does not define the format. Tools write paths and `file:` URIs. */
function pinFile(source: string): string {
  try {
    const path = /^file:\//i.test(source) ? fileURLToPath(source) : source
    if (isAbsolute(path) && !path.includes('\0')) return path
  } catch {
    // Not the URI of a local file. Refused below without a cause, which would quote it.
  }
  throw invalid('has a pin-source that is neither an absolute path nor a file: URI')
}

/** RFC 7512 2.3: all values except `id` are text in UTF-8. */
function text(from: ReadonlyMap<string, Buffer>, name: string): string | undefined {
  const bytes = from.get(name)
  if (bytes === undefined) return undefined
  const value = bytes.toString('utf8')
  if (!Buffer.from(value, 'utf8').equals(bytes) || value.includes('\0')) {
    throw invalid(`has a value of ${name} that is not valid UTF-8 text`)
  }
  return value
}

function invalid(what: string, hint?: string): ModelSealError {
  return new ModelSealError('PKCS11_URI_INVALID', `Invalid PKCS#11 URI: it ${what}.`, {
    hint: hint ?? 'A URI looks like "pkcs11:token=release;object=signing?module-name=softhsm2&pin-source=/run/pin".',
  })
}
