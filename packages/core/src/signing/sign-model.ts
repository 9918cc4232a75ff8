import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { ClaimedSigner } from '../bundle/materials/material.ts'
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
import { isHubRecord } from '../manifest/plain-names.ts'
import type { Serialization } from '../manifest/serialization.ts'
import { choice, flag, having, path, required, text, type Copy } from '../kinds.ts'
import { snapshot, type Shape } from '../snapshot.ts'
import { CLAIMS_NAME } from '../source/claims-name.ts'
import { openLocalSource, localPlace, type LocalSource } from '../source/local/local-source.ts'
import { pathHere } from '../source/model-location.ts'
import type { ModelSource } from '../source/model-source.ts'
import { withDatasetShards } from './datasets/shards.ts'
import { StatedDigests } from './datasets/stated-digests.ts'
import { DIGEST_OPTIONS, serializationFor, type DigestOptions } from './digest-model.ts'
import type { CheckedBundle, LoggedAt, MadeSignature, SignedAt, SignedBy, Signer } from './signer.ts'
import type { SigningWarning } from './doubtful-files.ts'
import { LocalModel } from './models/local-model.ts'
import type { ModelToSign } from './models/model-to-sign.ts'
import { withRemoteModel, type RemoteModel } from './models/remote-model.ts'
import { ReplacedBundle } from './replaced-bundle.ts'
import { signPayload } from './sign-statement.ts'
import { checkTimestampUrl } from './timestamp.ts'
import { writeFileWhole } from '../source/write-file.ts'
import { BUNDLE_TO_WRITE, checkSignaturePlace } from './signature-place.ts'

export interface SignOptions extends DigestOptions {
  signer: Signer
  /** Path of the bundle. Default: `model.sig` in a model directory, `FILE.sig` beside a file. */
  signature?: string | undefined
  /**
   * `same-model` refuses to replace the bundle of another model (`SIGNATURE_EXISTS`): one with another subject name and
   * without a file in common. `always` replaces any bundle. Default: `always`, because the default path belongs to the
   * model.
   */
  overwrite?: 'always' | 'same-model' | undefined
  /**
   * True to leave `claims.jsonl` in the directory out of the signed files, even if it does not exist yet, so that attestations can be
   * kept inside the model. Default: false, which leaves it out only if it already has attestations.
   */
  claimsInside?: boolean | undefined
  /** URL of a timestamp authority (RFC 3161), whose timestamp of the signature is put into the bundle. */
  timestampAuthority?: string | undefined
  /**
   * For a model that is not on this machine: takes the SHA-256 digests that its source states, such as those of files in
   * Git LFS or of layers, instead of reading these files. The signature then says that the signer trusts the source.
   * Default: false, which reads and hashes every file.
   */
  trustStatedDigests?: boolean | undefined
}

export const SIGNER: Copy = having(
  'a signer, such as the result of keySigner()',
  (value) => 'sign' in value && typeof value.sign === 'function',
)

export const SIGN_OPTIONS: Shape<SignOptions> = {
  ...DIGEST_OPTIONS,
  signer: required(SIGNER),
  signature: path,
  overwrite: choice('always', 'same-model'),
  claimsInside: flag,
  timestampAuthority: text,
  trustStatedDigests: flag,
}

/** What was signed. */
export interface SignedModel {
  /** Absolute path of the bundle. */
  signature: string
  /** SHA-256 of the bundle file, in lowercase hex. */
  bundleDigest: string
  /** SHA-256 in lowercase hex. */
  rootDigest: string
  files: number
  bytes: number
  /** Size of the shards in bytes, if the files were signed in shards. The reference tool's command line verifies whole files only. */
  shardSize?: number
  /** The commit or digest that was signed, for a model whose source has revisions. */
  revision?: string
  /** The branch or tag that was resolved to `revision`. */
  requested?: string
  /**
   * Number of files in `.cache/huggingface` that were not signed: what `hf download` and `hf upload` keep about their own work.
   * As nobody signed them, loads refuse the model until they are removed. Absent if there are none.
   */
  leftOut?: number
  /** With `trustStatedDigests`: how many files were not read. */
  stated?: { files: number; bytes: number }
  /** Who signed it. Absent if a custom signer does not say. */
  signer?: SignedBy
  /** The log entry of a keyless signature. */
  logEntries?: readonly LoggedAt[]
  /** When it was signed, according to the log or a timestamp authority. */
  time?: SignedAt
  /** What the signer should check, such as Git LFS pointers that were signed instead of weights. Absent if nothing. */
  warnings?: readonly SigningWarning[]
  /** With `overwrite: 'same-model'`: the claimed signer of the bundle that was replaced, if it was someone else. */
  replaced?: Pick<ClaimedSigner, 'description' | 'fingerprint'>
}

/**
 * Signs a model: hashes its files and writes a signature bundle (OMS 6).
 *
 * A model that is not on this machine is hashed as it arrives, and written nowhere. The option `signature` is then
 * required.
 *
 * @param model path of a directory or file, its URL (`https:` for a single file, or that of a registered scheme), or a
 * source
 * @throws {@link ModelSealError} `MODEL_NOT_FOUND`, `MODEL_EMPTY`, `SYMLINK_REFUSED`,
 * `FILE_SPECIAL`, `FILE_NAME`, `FILE_CHANGED`, `FILE_UNREADABLE`, `INVALID_ARGUMENT`,
 * `SIGNATURE_EXISTS`, `SIGNATURE_WRITE_FAILED`, `TSA_UNREACHABLE`, `TSA_REFUSED`, `TSA_RESPONSE`, `ABORTED`;
 * `FILE_TOO_LARGE`, `SOURCE_UNLISTED` and what the source throws for one that is not on this machine
 * @example
 * ```ts
 * const signer = await keySigner({ privateKey: 'release.key' })
 * const { rootDigest } = await signModel('models/vad', { signer })
 * ```
 */
export async function signModel(model: string | URL | ModelSource, given: SignOptions): Promise<SignedModel> {
  const path = pathHere(model)
  if (path !== undefined) return (await signLocal(path, given, buildManifest)).signed
  const options = snapshot(given, SIGN_OPTIONS, 'signModel')
  if (options.signature === undefined)
    throw new ModelSealError(
      'INVALID_ARGUMENT',
      'Cannot sign the model: it is not on this machine, so the bundle needs a path.',
      {
        expected: 'the option "signature"',
      },
    )
  return withRemoteModel(model, options, (remote) => signRemote(remote, options))
}

async function signRemote(remote: RemoteModel, options: SignOptions): Promise<SignedModel> {
  const { local, revision, requested } = remote
  const at = { ...(revision === undefined ? {} : { revision }), ...(requested === undefined ? {} : { requested }) }
  if (local) {
    const model = new LocalModel(local, options.signal)
    return {
      ...(await signBuilt(model, options, (how, alsoWhole) => buildManifest(local, how, { ...options, alsoWhole })))
        .signed,
      ...at,
    }
  }
  const { signed, built } = await signBuilt(remote, options, (how, alsoWhole) =>
    remote.build(how, { ...options, alsoWhole }),
  )
  return { ...signed, ...at, ...(options.trustStatedDigests ? { stated: built.stated } : {}) }
}

/** A model that was just signed, and the manifest that was built for it. */
interface JustSigned<Built> {
  signed: SignedModel
  built: Built
}

/** Like {@link signModel}, for callers that may reuse known digests and want to store them for next time. */
export async function signKnowing(
  path: string,
  options: SignOptions,
  known?: KnownDigests,
): Promise<JustSigned<RememberedManifest> & { source: LocalSource }> {
  return signLocal(path, options, (...model) => buildManifestKnowing(...model, known))
}

async function signLocal<Built extends BuiltManifest>(
  path: string,
  given: SignOptions,
  build: (source: LocalSource, serialization: Serialization, options: BuildOptions) => Promise<Built>,
): Promise<JustSigned<Built> & { source: LocalSource }> {
  const options = snapshot(given, SIGN_OPTIONS, 'signModel')
  const source = await openLocalSource(path)
  const signature = localPlace(options.signature ?? defaultSignature(source))
  if (source.kind === 'file' && nameWithin(source, signature) === '') throw wouldOverwrite(signature)
  const model = new LocalModel(source, options.signal)
  const left = new Set<string>()
  const leftOut = (name: string) => isHubRecord(name) && left.add(name).size > 0
  const made = await signBuilt(model, { ...options, signature }, (how, alsoWhole) =>
    build(source, how, { ...options, leftOut, alsoWhole }),
  )
  return { ...made, signed: { ...made.signed, ...(left.size > 0 ? { leftOut: left.size } : {}) }, source }
}

async function signBuilt<Built extends BuiltManifest>(
  model: ModelToSign,
  options: SignOptions,
  build: (serialization: Serialization, alsoWhole: BuildOptions['alsoWhole']) => Promise<Built>,
): Promise<JustSigned<Built>> {
  const signature = localPlace(options.signature ?? BUNDLE_NAME)
  await checkSignaturePlace(signature)
  const { overwrite = 'always', timestampAuthority } = options
  const replaced = overwrite === 'same-model' ? new ReplacedBundle(signature) : undefined
  if (timestampAuthority !== undefined) checkTimestampUrl(timestampAuthority)
  await options.signer.prepare?.()
  const listed = serializationFor(model, options, [
    ...(await excludedBundles(model, signature)),
    ...(await excludedClaims(model, options)),
  ])
  await replaced?.refuseOtherModel(model, listed)
  const serialization = await withDatasetShards(model, listed, options)
  const stated = await StatedDigests.in(model, serialization, options.signal)
  const built = await build(serialization, stated.alsoWhole)
  const { manifest, files, bytes } = built

  await replaced?.refuseOtherManifest(manifest)
  const payload = writeStatement(manifest)
  const { bundle, signed, checked, time } = await signPayload(payload, options.signer, options)
  // Signing may take minutes, during which another model may have been signed.
  await replaced?.refuseOtherManifest(manifest)
  const told = toldOf(signed, checked, time)
  const other = await replaced?.otherSigner(told.signer)
  const warnings = [...(await model.warnings(manifest)), ...stated.warnings(built)]
  await writeFileWhole(signature, bundle, BUNDLE_TO_WRITE)
  return {
    signed: {
      signature,
      bundleDigest: createHash('sha256').update(bundle).digest('hex'),
      rootDigest: manifest.rootDigest,
      files,
      bytes,
      ...(serialization.shardSize === undefined ? {} : { shardSize: serialization.shardSize }),
      ...told,
      ...(warnings.length > 0 ? { warnings } : {}),
      ...(other ? { replaced: { description: other.description, fingerprint: other.fingerprint } } : {}),
    },
    built,
  }
}

/** The names of the new bundle, if it is in the model, and of those that are there. */
async function excludedBundles(model: ModelToSign, signature: string): Promise<string[]> {
  const own = model instanceof LocalModel ? model.ignoredNames([signature]) : []
  return [...own, ...model.ignoredNames(await model.bundles())]
}

/** Attestations are added after signing, so they are not part of what is signed. */
async function excludedClaims(model: ModelToSign, { claimsInside }: SignOptions): Promise<string[]> {
  if (claimsInside && model.isFile)
    throw new ModelSealError(
      'INVALID_ARGUMENT',
      `Cannot keep attestations inside ${shown(model.path)}: it is a file.`,
      {
        hint: 'They are added beside it, in FILE.claims.jsonl. Omit "claimsInside" (on the command line, --claims-inside).',
      },
    )
  return claimsInside || (await model.hasAttestations()) ? [CLAIMS_NAME] : []
}

/** Who signed and when, as far as known. */
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

function wouldOverwrite(path: string): ModelSealError {
  return new ModelSealError(
    'INVALID_ARGUMENT',
    `Cannot write the signature to ${shown(path)}: it would overwrite the model.`,
    {
      file: path,
      hint: 'Use another path for the signature, or omit it to write the signature beside the model.',
    },
  )
}

const BUNDLE_NAME = 'model.sig'

/** Where a bundle is written by default, and searched first. */
function defaultSignature(source: LocalSource): string {
  return source.kind === 'directory' ? join(source.path, BUNDLE_NAME) : `${source.path}.sig`
}
