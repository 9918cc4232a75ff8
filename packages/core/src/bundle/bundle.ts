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

/** A well-formed bundle that has not been verified: nothing in it can be trusted. */
export interface UnverifiedBundle {
  material: VerificationMaterial
  envelope: Envelope
  /** RFC 3161 responses (DER) for the signature. */
  timestamps: readonly Buffer[]
  /** SHA-256 of the file in lowercase hex. */
  digest: string
  /** Size of the file in bytes. */
  size: number
  /** Path that it was read from. */
  path?: string | undefined
  /** The parsed JSON of a keyless bundle. Its verifier needs all of it. */
  json?: unknown
  /** True for an attestation. No release before 1.0 made any, so their defective encoding is not accepted. */
  isAttestation?: true
}

/** The media type of the bundles that modelseal writes. */
export const BUNDLE_MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json'

/** Includes the older name of version 0.3. */
const V03_MEDIA_TYPES: readonly string[] = [BUNDLE_MEDIA_TYPE, 'application/vnd.dev.sigstore.bundle+json;version=0.3']
/** What sigstore-js writes for certificate chains. The single certificate of keyless bundles came with version 0.3. */
const V02_MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle+json;version=0.2'

/** A manifest of 100,000 files makes a bundle of 17 MiB. Calls and rules can raise the limit with `maxBundleBytes`. */
export const MAX_BUNDLE_BYTES = 32 * 1024 * 1024
/** Upper bound for `maxBundleBytes`: a longer text does not fit into a string. */
export const LARGEST_BUNDLE_BYTES = 512_000_000

/** Apart from its payload, a bundle contains a few certificates and log entries. */
const MAX_VALUES = 10_000

/** A bundle file that was found: parsed, with its bytes if the load keeps them, or the reason why it could not be. */
export type FoundBundle = { path: string } & ({ bundle: UnverifiedBundle; bytes?: Buffer } | { error: ModelSealError })

/** One timestamp is usual, and a second is a spare. */
const MAX_TIMESTAMPS = 8

const FETCH_AGAIN = 'Fetch the bundle again from the publisher of the model.'

/**
 * Parses a signature bundle strictly (OMS 8.1). Does not read the statement inside, which must wait until
 * the signature is verified.
 *
 * @throws {@link ModelSealError} `BUNDLE_TOO_LARGE`, `JSON_*`, `BUNDLE_MEDIA_TYPE`,
 * `BUNDLE_MALFORMED`, `PAYLOAD_TYPE`, `SIGNATURE_COUNT`, `BASE64_INVALID`
 */
export function parseBundle(input: Uint8Array, path?: string): UnverifiedBundle {
  if (input.length > MAX_BUNDLE_BYTES) throw bundleTooLarge(path, MAX_BUNDLE_BYTES, { found: `${input.length} bytes` })
  // Copied before the first check, so that the bytes cannot change during the checks.
  return atOnce(bundleSteps(Buffer.from(input), path))
}

/**
 * Like {@link parseBundle}, for bytes of any size that no other code can change. Yields to the event loop every few milliseconds.
 *
 * @throws {@link ModelSealError} as {@link parseBundle}, and `ABORTED`
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

/** Number of bytes that are hashed between two steps. */
const PIECE = 512 * 1024

function* digestSteps(bytes: Buffer): Steps<string> {
  const hash = createHash('sha256')
  for (let start = 0; start < bytes.length; start += PIECE) {
    hash.update(bytes.subarray(start, start + PIECE))
    yield
  }
  return hash.digest('hex')
}

/** A bundle whose payload, which is nearly all of it, is still base64: a string, or the raw content of a JSON string. */
interface UndecodedBundle extends Pick<UnverifiedBundle, 'material' | 'timestamps' | 'json'> {
  envelope: Omit<Envelope, 'payload'> & { payload: string | Buffer }
}

/**
 * Like {@link parseOwnBundle}, for a caller that only needs to know whether it is a bundle.
 *
 * @throws {@link ModelSealError} as {@link parseOwnBundle}
 */
export async function checkIsBundle(bytes: Buffer, path?: string): Promise<void> {
  await inTurns(undecodedSteps(bytes, path))
}

function* undecodedSteps(bytes: Buffer, path: string | undefined): Steps<UndecodedBundle> {
  const what = path === undefined ? 'bundle' : `bundle ${shown(path)}`
  const cut = yield* cutPayload(bytes, path)
  const json = yield* strictJsonSteps(cut.json, { what, file: path, maxValues: MAX_VALUES, hint: FETCH_AGAIN })
  const bundle = new Fields(json, { code: 'BUNDLE_MALFORMED', file: path }).only(
    'mediaType',
    'verificationMaterial',
    'dsseEnvelope',
    'messageSignature',
  )
  // Sigstore's other kind of content, which some JSON writers set to null.
  if (bundle.isSet('messageSignature')) throw bundle.fault('messageSignature', 'no such field')
  const mediaType = bundle.string('mediaType')
  if (mediaType !== V02_MEDIA_TYPE && !V03_MEDIA_TYPES.includes(mediaType)) {
    throw new ModelSealError(
      'BUNDLE_MEDIA_TYPE',
      'Cannot read the signature bundle: its media type is not supported.',
      {
        file: path,
        expected: BUNDLE_MEDIA_TYPE,
        found: shown(mediaType),
      },
    )
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

/** Sigstore bundle v0.3, `TimestampVerificationData`: each item is a complete response, not only the token. */
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
    throw new ModelSealError(
      'PAYLOAD_TYPE',
      'Cannot use the signature bundle: its payload is not an in-toto statement.',
      {
        file: path,
        expected: IN_TOTO_PAYLOAD_TYPE,
        found: shown(payloadType),
      },
    )
  }
  const signatures = envelope.objects('signatures')
  const [signature] = signatures
  if (signature === undefined || signatures.length !== 1) {
    throw new ModelSealError(
      'SIGNATURE_COUNT',
      'Cannot use the signature bundle: its envelope must have exactly one signature.',
      {
        file: path,
        expected: '1',
        found: String(signatures.length),
      },
    )
  }
  signature.only('sig', 'keyid')
  // OMS 4.1, DSSE 1.0: a key id is an unauthenticated hint. It is not used here, so any value is accepted.
  if (signature.isSet('keyid') && typeof signature.raw('keyid') !== 'string') throw signature.fault('keyid', 'a string')
  return {
    payloadType,
    payload: envelope.string('payload'),
    signature: decodeBase64(signature.string('sig'), 'sig', path),
  }
}

/** @param found what is known about its size */
export function bundleTooLarge(
  file: string | undefined,
  maxBytes: number,
  { found, cause }: { found?: string | undefined; cause?: unknown } = {},
): ModelSealError {
  const which = file === undefined ? '' : ` ${shown(file)}`
  return new ModelSealError('BUNDLE_TOO_LARGE', `Cannot read the signature bundle${which}: it is too large.`, {
    file,
    expected: `at most ${maxBytes} bytes`,
    found,
    hint: 'If the model really has that many files, raise "maxBundleBytes" in the options (--max-bundle-bytes) or under "require" in the rule.',
    cause,
  })
}

/**
 * Writes a bundle in canonical form: the JSON of OMS 4 in UTF-8, without white space.
 *
 * @param verificationMaterial the JSON of the signing method, as in OMS 4.1
 */
export function writeBundle(verificationMaterial: object, envelope: Envelope): Buffer {
  const { payloadType, signature } = envelope
  const json = JSON.stringify({
    mediaType: BUNDLE_MEDIA_TYPE,
    verificationMaterial,
    dsseEnvelope: { payload: '', payloadType, signatures: [{ sig: signature.toString('base64'), keyid: '' }] },
  })
  // The payload is inserted afterwards: it is megabytes of base64, in which JSON has nothing to escape.
  const place = json.lastIndexOf(EMPTY_PAYLOAD) + EMPTY_PAYLOAD.length - 1
  return Buffer.from(`${json.slice(0, place)}${envelope.payload.toString('base64')}${json.slice(place)}`)
}

const EMPTY_PAYLOAD = '"dsseEnvelope":{"payload":""'
