import { createHash } from 'node:crypto'
import { ModelSealError, shown } from '../errors.ts'
import { decodeBase64 } from './base64.ts'
import { IN_TOTO_PAYLOAD_TYPE, type Envelope } from './dsse.ts'
import { Fields } from './fields.ts'
import { parseStrictJson } from './json.ts'

/** How a bundle was signed (OMS 4.1). */
export type SigningMethod = 'key' | 'certificate' | 'sigstore'

/** What the bundle says about its signer: a claim, until verified. */
export type VerificationMaterial =
  | {
      method: 'key'
      /** Hex SHA-256 of the PEM. */ hint?: string
      /** The PEM itself (before v1.1.0). */ rawBytes?: Buffer
    }
  | { method: 'certificate'; /** DER, leaf first. */ certificates: readonly Buffer[] }
  | { method: 'sigstore'; /** DER. */ certificate: Buffer }

/** A bundle that is well-formed, and not yet verified: nothing in it is to be believed. */
export interface UnverifiedBundle {
  material: VerificationMaterial
  envelope: Envelope
  /** RFC 3161 responses (DER) over the signature. */
  timestamps: readonly Buffer[]
  /** SHA-256 of the file, lowercase hex. */
  digest: string
  /** Of the file, in bytes. */
  size: number
  /** Where it was read from. */
  path?: string | undefined
  /** The parsed JSON of a keyless bundle, whose verifier needs all of it. */
  json?: unknown
}

export const BUNDLE_MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json'

/** A manifest of a million files is about 200 MB; nothing real is larger. */
export const MAX_BUNDLE_BYTES = 256 * 1024 * 1024
/** Outside of its payload, a bundle holds a few certificates and log entries. */
const MAX_VALUES = 100_000

/** One is usual; a second authority is a spare. */
const MAX_TIMESTAMPS = 8

/** The leaf, and as many as a chain is searched with. */
const MAX_CERTIFICATES = 33

const FETCH_AGAIN = 'Fetch the bundle again from the publisher of the model.'

const METHOD_FIELDS = { publicKey: 'key', x509CertificateChain: 'certificate', certificate: 'sigstore' } as const

/**
 * Parses a signature bundle strictly (OMS 8.1). The statement inside stays unread: that waits for
 * the signature to be verified.
 *
 * @throws {@link ModelSealError} `BUNDLE_TOO_LARGE`, `JSON_*`, `BUNDLE_MEDIA_TYPE`,
 * `BUNDLE_MALFORMED`, `PAYLOAD_TYPE`, `SIGNATURE_COUNT`, `BASE64_INVALID`
 */
export function parseBundle(input: Uint8Array, path?: string): UnverifiedBundle {
  if (input.length > MAX_BUNDLE_BYTES) {
    throw new ModelSealError('BUNDLE_TOO_LARGE', `The bundle is larger than any real one.`, {
      file: path,
      expected: `at most ${MAX_BUNDLE_BYTES} bytes`,
      found: `${input.length} bytes`,
    })
  }
  // Copied once, before the first check, so that nothing can change under the checks.
  return parseOwnBundle(Buffer.from(input), path)
}

/** As {@link parseBundle}, of bytes that nobody else holds. */
export function parseOwnBundle(bytes: Buffer, path?: string): UnverifiedBundle {
  const { json, material, timestamps, envelope } = parseWithoutPayload(bytes, path)
  return {
    material,
    timestamps,
    envelope: { ...envelope, payload: decodeBase64(envelope.payload, 'payload', path) },
    digest: createHash('sha256').update(bytes).digest('hex'),
    size: bytes.length,
    path,
    ...(material.method === 'sigstore' ? { json } : {}),
  }
}

/** A bundle whose payload, nearly all of it, is still base64. */
interface UndecodedBundle extends Pick<UnverifiedBundle, 'material' | 'timestamps' | 'json'> {
  envelope: Omit<Envelope, 'payload'> & { payload: string }
}

/** As {@link parseOwnBundle}, for a caller who asks no more than whether it is a bundle. */
export function parseWithoutPayload(bytes: Buffer, path?: string): UndecodedBundle {
  const what = path === undefined ? 'bundle' : `bundle ${shown(path)}`
  const json = parseStrictJson(bytes, { what, file: path, maxValues: MAX_VALUES, hint: FETCH_AGAIN })
  const bundle = new Fields(json, '', 'BUNDLE_MALFORMED', path).only(
    'mediaType',
    'verificationMaterial',
    'dsseEnvelope',
  )
  const mediaType = bundle.string('mediaType')
  if (mediaType !== BUNDLE_MEDIA_TYPE) {
    throw new ModelSealError('BUNDLE_MEDIA_TYPE', 'The file is not a signature bundle of a known kind.', {
      file: path,
      expected: BUNDLE_MEDIA_TYPE,
      found: shown(mediaType),
    })
  }
  const material = bundle.object('verificationMaterial')
  return {
    json,
    material: parseMaterial(material, path),
    timestamps: parseTimestamps(material, path),
    envelope: parseEnvelope(bundle.object('dsseEnvelope'), path),
  }
}

/** OMS 4.1: exactly one kind of material, which names the method. */
function parseMaterial(material: Fields, path: string | undefined): VerificationMaterial {
  material.only(...Object.keys(METHOD_FIELDS), 'tlogEntries', 'timestampVerificationData')
  const kinds = Object.entries(METHOD_FIELDS).filter(([field]) => material.has(field))
  if (kinds.length !== 1) {
    throw new ModelSealError('BUNDLE_MALFORMED', 'The bundle does not say in one way how it was signed.', {
      file: path,
      expected: `one of ${Object.keys(METHOD_FIELDS).join(', ')}`,
      found: kinds.map(([field]) => field).join(', ') || 'none',
    })
  }
  const entries = material.has('tlogEntries') ? material.objects('tlogEntries') : []

  switch (kinds[0]?.[1]) {
    case 'certificate': {
      const chain = material.object('x509CertificateChain').only('certificates')
      const count = chain.array('certificates').length
      if (count < 1 || count > MAX_CERTIFICATES)
        throw chain.fault('certificates', `1 to ${MAX_CERTIFICATES} certificates`)
      const certificates = chain.objects('certificates').map((item) => rawBytes(item.only('rawBytes'), path))
      return { method: 'certificate', certificates }
    }
    case 'sigstore':
      // OMS 4.1: at least one transparency log entry.
      if (entries.length === 0) throw material.fault('tlogEntries', 'one log entry at least')
      return { method: 'sigstore', certificate: rawBytes(material.object('certificate').only('rawBytes'), path) }
    default:
      return parseKey(material.object('publicKey'), path)
  }
}

/** Sigstore bundle v0.3, `TimestampVerificationData`: each is a whole response, not the token alone. */
function parseTimestamps(material: Fields, path: string | undefined): Buffer[] {
  if (!material.has('timestampVerificationData')) return []
  const data = material.object('timestampVerificationData').only('rfc3161Timestamps')
  const timestamps = data.has('rfc3161Timestamps') ? data.objects('rfc3161Timestamps') : []
  if (timestamps.length > MAX_TIMESTAMPS) throw data.fault('rfc3161Timestamps', `at most ${MAX_TIMESTAMPS} timestamps`)
  return timestamps.map((item) =>
    decodeBase64(item.only('signedTimestamp').string('signedTimestamp'), 'signedTimestamp', path),
  )
}

/** OMS 11.2 (1): `hint`, or `rawBytes` in bundles made before v1.1.0. */
function parseKey(key: Fields, path: string | undefined): VerificationMaterial {
  key.only('hint', 'rawBytes', 'keyDetails')
  if (key.has('keyDetails')) key.string('keyDetails')
  const hint = key.has('hint') ? { hint: key.string('hint') } : {}
  const raw = key.has('rawBytes') ? { rawBytes: rawBytes(key, path) } : {}
  if (!key.has('hint') && !key.has('rawBytes')) throw key.fault('hint', 'the fingerprint of a key')
  return { method: 'key', ...hint, ...raw }
}

function rawBytes(item: Fields, path: string | undefined): Buffer {
  return decodeBase64(item.string('rawBytes'), 'rawBytes', path)
}

function parseEnvelope(envelope: Fields, path: string | undefined): UndecodedBundle['envelope'] {
  envelope.only('payload', 'payloadType', 'signatures')
  const payloadType = envelope.string('payloadType')
  if (payloadType !== IN_TOTO_PAYLOAD_TYPE) {
    throw new ModelSealError('PAYLOAD_TYPE', 'The envelope does not carry an in-toto statement.', {
      file: path,
      expected: IN_TOTO_PAYLOAD_TYPE,
      found: shown(payloadType),
    })
  }
  const signatures = envelope.objects('signatures')
  const [signature] = signatures
  if (signature === undefined || signatures.length !== 1) {
    throw new ModelSealError('SIGNATURE_COUNT', 'The envelope does not hold exactly one signature.', {
      file: path,
      expected: '1',
      found: String(signatures.length),
    })
  }
  signature.only('sig', 'keyid')
  // OMS 4.1: absent, empty and null are the same. A key id is not authenticated, so any other is refused.
  const keyid = signature.raw('keyid')
  if (keyid !== undefined && keyid !== null && keyid !== '') throw signature.fault('keyid', 'no key id')
  return {
    payloadType,
    payload: envelope.string('payload'),
    signature: decodeBase64(signature.string('sig'), 'sig', path),
  }
}

/**
 * Writes a bundle in its canonical form: the JSON of OMS 4, UTF-8, without white space.
 *
 * @param verificationMaterial the method's JSON, as OMS 4.1 lists it
 */
export function writeBundle(verificationMaterial: object, envelope: Envelope): Buffer {
  const { payloadType, signature } = envelope
  const json = JSON.stringify({
    mediaType: BUNDLE_MEDIA_TYPE,
    verificationMaterial,
    dsseEnvelope: { payload: '', payloadType, signatures: [{ sig: signature.toString('base64'), keyid: '' }] },
  })
  // The payload is put in afterwards: megabytes of base64 in which JSON has nothing to escape.
  const place = json.lastIndexOf(EMPTY_PAYLOAD) + EMPTY_PAYLOAD.length - 1
  return Buffer.from(`${json.slice(0, place)}${envelope.payload.toString('base64')}${json.slice(place)}`)
}

const EMPTY_PAYLOAD = '"dsseEnvelope":{"payload":""'
