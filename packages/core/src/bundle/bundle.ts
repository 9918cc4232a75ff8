import { createHash } from 'node:crypto'
import { ModelSealError, shown } from '../errors.ts'
import { atOnce, inTurns, type Steps } from '../source/turns.ts'
import { base64Steps, decodeBase64 } from './base64.ts'
import { cutPayload, longString } from './cut-payload.ts'
import { IN_TOTO_PAYLOAD_TYPE, type Envelope } from './dsse.ts'
import { withoutPrototype } from '../snapshot.ts'
import { Fields } from './fields.ts'
import { strictJsonSteps } from './json.ts'
import { checkBefore03, parseMaterial, type VerificationMaterial } from './materials/materials.ts'

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

/** What is written. */
export const BUNDLE_MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json'

/** Version 0.3 by its older name means the same. */
const V03_MEDIA_TYPES: readonly string[] = [BUNDLE_MEDIA_TYPE, 'application/vnd.dev.sigstore.bundle+json;version=0.3']
/** What sigstore-js writes for chains of certificates; the single certificate of keyless bundles came with version 0.3. */
const V02_MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle+json;version=0.2'

/** A manifest of 100,000 files makes a bundle of 17 MiB. Who needs more says so: `maxBundleBytes`, of a call or of a rule. */
export const MAX_BUNDLE_BYTES = 32 * 1024 * 1024
/** The most that can be asked for: more fits into no string. */
export const LARGEST_BUNDLE_BYTES = 512_000_000

/** Outside of its payload, a bundle holds a few certificates and log entries. */
const MAX_VALUES = 10_000

/** One is usual; a second authority is a spare. */
const MAX_TIMESTAMPS = 8

const FETCH_AGAIN = 'Fetch the bundle again from the publisher of the model.'

/**
 * Parses a signature bundle strictly (OMS 8.1). The statement inside stays unread: that waits for
 * the signature to be verified.
 *
 * @throws {@link ModelSealError} `BUNDLE_TOO_LARGE`, `JSON_*`, `BUNDLE_MEDIA_TYPE`,
 * `BUNDLE_MALFORMED`, `PAYLOAD_TYPE`, `SIGNATURE_COUNT`, `BASE64_INVALID`
 */
export function parseBundle(input: Uint8Array, path?: string): UnverifiedBundle {
  if (input.length > MAX_BUNDLE_BYTES) throw bundleTooLarge(path, MAX_BUNDLE_BYTES, { found: `${input.length} bytes` })
  // Copied once, before the first check, so that nothing can change under the checks.
  return atOnce(bundleSteps(Buffer.from(input), path))
}

/**
 * As {@link parseBundle}, of bytes that nobody else holds, and of any size. Other work of the process runs every few milliseconds.
 *
 * @throws {@link ModelSealError} as there, and `ABORTED`
 */
export function parseOwnBundle(bytes: Buffer, path?: string, signal?: AbortSignal): Promise<UnverifiedBundle> {
  return inTurns(bundleSteps(bytes, path), signal)
}

function* bundleSteps(bytes: Buffer, path: string | undefined): Steps<UnverifiedBundle> {
  const { json, material, timestamps, envelope } = yield* undecodedSteps(bytes, path)
  const { payload } = envelope
  return withoutPrototype({
    material,
    timestamps,
    envelope: {
      ...envelope,
      payload:
        typeof payload === 'string'
          ? decodeBase64(payload, 'payload', path)
          : yield* base64Steps(payload, 'payload', path),
    },
    digest: yield* digestSteps(bytes),
    size: bytes.length,
    path,
    ...(json === undefined ? {} : { json }),
  })
}

/** Bytes that are hashed between two steps. */
const PIECE = 512 * 1024

function* digestSteps(bytes: Buffer): Steps<string> {
  const hash = createHash('sha256')
  for (let start = 0; start < bytes.length; start += PIECE) {
    hash.update(bytes.subarray(start, start + PIECE))
    yield
  }
  return hash.digest('hex')
}

/** A bundle whose payload, nearly all of it, is still base64: a string, or what stands in a JSON string. */
interface UndecodedBundle extends Pick<UnverifiedBundle, 'material' | 'timestamps' | 'json'> {
  envelope: Omit<Envelope, 'payload'> & { payload: string | Buffer }
}

/**
 * As {@link parseOwnBundle}, for a caller who asks no more than whether it is a bundle.
 *
 * @throws {@link ModelSealError} as there
 */
export async function checkIsBundle(bytes: Buffer, path?: string): Promise<void> {
  await inTurns(undecodedSteps(bytes, path))
}

function* undecodedSteps(bytes: Buffer, path: string | undefined): Steps<UndecodedBundle> {
  const what = path === undefined ? 'bundle' : `bundle ${shown(path)}`
  const cut = yield* cutPayload(bytes, path)
  const json = yield* strictJsonSteps(cut.json, { what, file: path, maxValues: MAX_VALUES, hint: FETCH_AGAIN })
  const bundle = new Fields(json, '', 'BUNDLE_MALFORMED', path).only(
    'mediaType',
    'verificationMaterial',
    'dsseEnvelope',
    'messageSignature',
  )
  // Sigstore's other kind of content, which some writers of JSON give as null.
  if (bundle.isSet('messageSignature')) throw bundle.fault('messageSignature', 'no such field')
  const mediaType = bundle.string('mediaType')
  if (mediaType !== V02_MEDIA_TYPE && !V03_MEDIA_TYPES.includes(mediaType)) {
    throw new ModelSealError('BUNDLE_MEDIA_TYPE', 'The file is not a signature bundle of a known kind.', {
      file: path,
      expected: BUNDLE_MEDIA_TYPE,
      found: shown(mediaType),
    })
  }
  const material = bundle.object('verificationMaterial')
  if (mediaType === V02_MEDIA_TYPE) checkBefore03(material)
  const fields = bundle.object('dsseEnvelope')
  if (cut.payload && fields.raw('payload') !== cut.placeholder) throw longString(path)
  const envelope = parseEnvelope(fields, path)
  const { keepsJson, ...parsed } = parseMaterial(material, path)
  return {
    ...parsed,
    json: keepsJson ? json : undefined,
    timestamps: parseTimestamps(material, path),
    envelope: { ...envelope, payload: cut.payload ?? envelope.payload },
  }
}

/** Sigstore bundle v0.3, `TimestampVerificationData`: each is a whole response, not the token alone. */
function parseTimestamps(material: Fields, path: string | undefined): Buffer[] {
  if (!material.isSet('timestampVerificationData')) return []
  const data = material.object('timestampVerificationData').only('rfc3161Timestamps')
  const timestamps = data.isSet('rfc3161Timestamps') ? data.objects('rfc3161Timestamps') : []
  if (timestamps.length > MAX_TIMESTAMPS) throw data.fault('rfc3161Timestamps', `at most ${MAX_TIMESTAMPS} timestamps`)
  return timestamps.map((item) =>
    decodeBase64(item.only('signedTimestamp').string('signedTimestamp'), 'signedTimestamp', path),
  )
}

function parseEnvelope(envelope: Fields, path: string | undefined): Omit<Envelope, 'payload'> & { payload: string } {
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
  // OMS 4.1, DSSE 1.0: a key id is a hint that nothing authenticates. Nothing here goes by it, so any will do.
  if (signature.isSet('keyid') && typeof signature.raw('keyid') !== 'string') throw signature.fault('keyid', 'a string')
  return {
    payloadType,
    payload: envelope.string('payload'),
    signature: decodeBase64(signature.string('sig'), 'sig', path),
  }
}

/** @param found what is known of its size */
export function bundleTooLarge(
  file: string | undefined,
  maxBytes: number,
  { found, cause }: { found?: string | undefined; cause?: unknown } = {},
): ModelSealError {
  const which = file === undefined ? '' : ` ${shown(file)}`
  return new ModelSealError('BUNDLE_TOO_LARGE', `The signature bundle${which} is too large.`, {
    file,
    expected: `at most ${maxBytes} bytes`,
    found,
    hint: 'If the model really has that many files, raise "maxBundleBytes": the option (--max-bundle-bytes), or under "require" in the rule.',
    cause,
  })
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
