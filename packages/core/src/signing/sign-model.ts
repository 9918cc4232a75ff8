import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { writeBundle } from '../bundle/bundle.ts'
import type { ClaimedSigner } from '../bundle/materials/material.ts'
import { isBundle } from '../bundle/read-bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE, preAuthEncoding } from '../bundle/dsse.ts'
import { parseTimestamp } from '../bundle/timestamp.ts'
import { writeStatement } from '../bundle/statement.ts'
import { ModelSealError, shown } from '../errors.ts'
import {
  buildManifest,
  buildManifestKnowing,
  type BuildOptions,
  type BuiltManifest,
  type KnownDigests,
  type RememberedManifest,
} from '../manifest/build.ts'
import { nameWithin } from '../manifest/ignores.ts'
import type { Serialization } from '../manifest/serialization.ts'
import { throwIfAborted } from '../source/aborted.ts'
import { choice, having, path, required, text, type Copy } from '../kinds.ts'
import { knownOptions, type Shape } from '../snapshot.ts'
import { openLocalSource, placeOf, type LocalSource } from '../source/local/local-source.ts'
import { DIGEST_OPTIONS, serializationFor, type DigestOptions } from './digest-model.ts'
import type { CheckedBundle, LoggedAt, MadeSignature, SignedAt, SignedBy, Signer } from './signer.ts'
import { doubtfulFiles, type SigningWarning } from './doubtful-files.ts'
import { ReplacedBundle } from './replaced-bundle.ts'
import { checkTimestampUrl, timestampFrom } from './timestamp.ts'
import { writeFileWhole } from '../source/write-file.ts'
import { BUNDLE_FILE, checkSignaturePlace } from './signature-place.ts'

export interface SignOptions extends DigestOptions {
  signer: Signer
  /** Where the bundle goes. Default: `model.sig` in a model directory, `FILE.sig` beside a file. */
  signature?: string | undefined
  /**
   * `same-model` refuses to replace the bundle of another model (`SIGNATURE_EXISTS`): one with another subject name and
   * without a file in common. `always` replaces any bundle. Default `always`: the default place is beside the model.
   */
  overwrite?: 'always' | 'same-model' | undefined
  /** URL of a timestamp authority (RFC 3161), whose word on the time of the signature goes into the bundle. */
  timestampAuthority?: string | undefined
}

const signer: Copy = having(
  'a signer, such as keySigner() gives',
  (value) => 'sign' in value && typeof value.sign === 'function',
)

export const SIGN_OPTIONS: Shape<SignOptions> = {
  ...DIGEST_OPTIONS,
  signer: required(signer),
  signature: path,
  overwrite: choice('always', 'same-model'),
  timestampAuthority: text,
}

/** What was signed. */
export interface SignedModel {
  /** Absolute path of the bundle. */
  signature: string
  /** SHA-256 in lowercase hex. */
  rootDigest: string
  files: number
  bytes: number
  /** Who signed it. Absent where a signer that the program brings along does not say. */
  signer?: SignedBy
  /** Where a keyless signature is logged. */
  logEntries?: readonly LoggedAt[]
  /** When it was signed: by the word of the log or of a timestamp authority. */
  time?: SignedAt
  /** What the signer should look at, such as pointers of Git LFS that were signed in place of weights. Absent where nothing is. */
  warnings?: readonly SigningWarning[]
  /** With `overwrite: 'same-model'`: who claimed to have signed the bundle that was replaced, where that was somebody else. */
  replaced?: Pick<ClaimedSigner, 'description' | 'fingerprint'>
}

/**
 * Signs a model: hashes its files and writes a signature bundle (OMS 6).
 *
 * @throws {@link ModelSealError} `MODEL_NOT_FOUND`, `MODEL_EMPTY`, `SYMLINK_REFUSED`,
 * `FILE_SPECIAL`, `FILE_NAME`, `FILE_CHANGED`, `FILE_UNREADABLE`, `INVALID_ARGUMENT`,
 * `SIGNATURE_EXISTS`, `SIGNATURE_WRITE_FAILED`, `TSA_UNREACHABLE`, `TSA_REFUSED`, `TSA_RESPONSE`, `ABORTED`
 * @example
 * ```ts
 * const signer = await keySigner({ privateKey: 'release.key' })
 * const { rootDigest } = await signModel('models/vad', { signer })
 * ```
 */
export async function signModel(path: string, options: SignOptions): Promise<SignedModel> {
  return (await signBuilt(path, options, buildManifest)).signed
}

/** A model that was just signed, and the manifest that was built for it. */
export interface JustSigned<Built> {
  signed: SignedModel
  source: LocalSource
  /** SHA-256 of the bundle file, lowercase hex. */
  bundleDigest: string
  built: Built
}

/** As {@link signModel}, for a caller who may know digests already, and wants to know the next time. */
export async function signKnowing(
  path: string,
  options: SignOptions,
  known?: KnownDigests,
): Promise<JustSigned<RememberedManifest>> {
  return signBuilt(path, options, (...model) => buildManifestKnowing(...model, known))
}

async function signBuilt<Built extends BuiltManifest>(
  path: string,
  given: SignOptions,
  build: (source: LocalSource, serialization: Serialization, options: BuildOptions) => Promise<Built>,
): Promise<JustSigned<Built>> {
  const options = knownOptions(given, SIGN_OPTIONS, 'signModel')
  const source = await openLocalSource(path)
  const signature = placeOf(options.signature ?? defaultSignature(source))
  if (source.kind === 'file' && nameWithin(source, signature) === '') throw wouldOverwrite(signature)
  await checkSignaturePlace(signature)
  const { overwrite = 'always', timestampAuthority } = options
  const replaced = overwrite === 'same-model' ? new ReplacedBundle(signature) : undefined
  if (timestampAuthority !== undefined) checkTimestampUrl(timestampAuthority)
  await options.signer.prepare?.()
  const serialization = serializationFor(source, options, [signature, ...(await bundlesInside(source, signature))])
  await replaced?.refuseOtherModel(source, serialization)
  const built = await build(source, serialization, options)
  const { manifest, files, bytes } = built

  await replaced?.refuseOtherManifest(manifest)
  const payload = writeStatement(manifest)
  const encoded = preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload)
  throwIfAborted(options.signal)
  const signed = await options.signer.sign(encoded, options.signal, payload)
  const envelope = { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature: signed.signature } as const
  const timestamp = await timestampOf(signed.signature, options)
  const bundle = writeBundle({ ...signed.verificationMaterial, ...timestamp?.material }, envelope)
  const checked = (await options.signer.check?.(bundle)) ?? undefined
  // Signing may take minutes, in which another model was signed.
  await replaced?.refuseOtherManifest(manifest)
  const told = toldOf(signed, checked, timestamp?.time)
  const other = await replaced?.otherSigner(told.signer)
  const warnings = await doubtfulFiles(source, manifest, options.signal)
  await writeFileWhole(signature, bundle, BUNDLE_FILE)
  return {
    signed: {
      signature,
      rootDigest: manifest.rootDigest,
      files,
      bytes,
      ...told,
      ...(warnings.length > 0 ? { warnings } : {}),
      ...(other ? { replaced: { description: other.description, fingerprint: other.fingerprint } } : {}),
    },
    source,
    bundleDigest: createHash('sha256').update(bundle).digest('hex'),
    built,
  }
}

/** The bundle of another signer is no part of the model, so that both sign the same. */
async function bundlesInside(source: LocalSource, signature: string): Promise<string[]> {
  const path = defaultSignature(source)
  // What is at the place of the signature has been read.
  return source.kind === 'directory' && path !== signature && (await isBundle(path)) ? [path] : []
}

/** Who signed and when, as far as anybody says. */
function toldOf(
  { signer, logEntries }: MadeSignature,
  checked: CheckedBundle | undefined,
  time: SignedAt | undefined,
): Pick<SignedModel, 'signer' | 'logEntries' | 'time'> {
  const who = checked?.signer ?? signer
  const when = checked?.time ?? time
  return {
    ...(who ? { signer: who } : {}),
    ...(logEntries && logEntries.length > 0 ? { logEntries } : {}),
    ...(when ? { time: when } : {}),
  }
}

/** As in Sigstore, the timestamp is over the bytes of the signature. */
async function timestampOf(
  signature: Buffer,
  { timestampAuthority: url, signal }: SignOptions,
): Promise<{ material: object; time: SignedAt } | undefined> {
  if (url === undefined) return undefined
  const response = await timestampFrom({ url, data: signature, signal })
  const rfc3161Timestamps = [{ signedTimestamp: response.toString('base64') }]
  const { at } = await parseTimestamp(response)
  return {
    material: { timestampVerificationData: { rfc3161Timestamps } },
    time: { at: at.toISOString(), source: 'rfc3161', authority: url },
  }
}

function wouldOverwrite(path: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `The bundle would be written over the model ${shown(path)} itself.`, {
    file: path,
    hint: 'Give another path for the signature, or none: it then goes beside the model.',
  })
}

/** Where a bundle goes, and is looked for first. */
function defaultSignature(source: LocalSource): string {
  return source.kind === 'directory' ? join(source.path, 'model.sig') : `${source.path}.sig`
}
