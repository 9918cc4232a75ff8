import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { AttestationFile } from '../../attestation/kinds/kind.ts'
import { kindOfStatement, readPredicate } from '../../attestation/kinds/kinds.ts'
import { predicateTypeOf } from '../../attestation/predicate-type.ts'
import { attestationDigest, attestationSteps, writeAttestation } from '../../attestation/statement.ts'
import { statementSteps } from '../../bundle/statement.ts'
import { ModelSealError, shown, withHint } from '../../errors.ts'
import type { ProgressCallback } from '../../hashing/hash-files.ts'
import {
  bytesCopy,
  callback,
  flag,
  path as pathCopy,
  required,
  signal as signalCopy,
  text,
  type Copy,
} from '../../kinds.ts'
import { checkContents } from '../../manifest/check-contents.ts'
import { modelIdentity } from '../../manifest/identity.ts'
import { GIT_PATHS, nameWithin } from '../../manifest/ignores.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import { SUSPICION, UNKNOWN_FILES } from '../../manifest/plainer-cause.ts'
import { SIGNER } from '../../signing/sign-model.ts'
import { signPayload } from '../../signing/sign-statement.ts'
import type { LoggedAt, SignedAt, SignedBy, Signer } from '../../signing/signer.ts'
import { checkTimestampUrl } from '../../signing/timestamp.ts'
import { knownOptions, plainCopy, snapshot, type Shape } from '../../snapshot.ts'
import { appendLine } from '../../source/append-line.ts'
import { CLAIMS_NAME } from '../../source/claims-name.ts'
import { claimsBeside } from '../../source/local/local-claims.ts'
import { localPlace } from '../../source/local/local-source.ts'
import { modelLocation, sourceAt } from '../../source/model-location.ts'
import type { ModelSource } from '../../source/model-source.ts'
import { OpenedSource } from '../../source/opened-source.ts'
import { atOnce, inTurns } from '../../source/turns.ts'
import { findBundles, type FoundModel } from '../bundles/find-bundles.ts'
import { signatureCopy } from '../open-options.ts'
import { checkAttestationOutput, isReadByLoads } from './attestation-output.ts'
import { isAttestedAlready } from './attested-already.ts'
import { StatedByCroissant } from './stated-by-croissant.ts'

export interface AttestOptions {
  signer: Signer
  /** A kind, such as `evaluation`, or the URI of a predicate type. */
  type: string
  /** The content, which must be representable in JSON and, for a known kind, have the form that its type prescribes. */
  predicate: object
  /**
   * The file that the content was made from, as for `makeAttestation()`. If it is a Croissant document, the SHA-256 digests that it states
   * must be those of the signed files.
   */
  from?: Pick<AttestationFile, 'bytes' | 'file'> | undefined
  /** The bundle of the model, whose root digest is attested: a path, or a location in the format of the source. Default: where a load looks. */
  signature?: string | undefined
  /**
   * Path of the file to which the attestation is added. Default: `MODEL.claims.jsonl` beside the model, or `claims.jsonl` in the
   * directory if the model was signed with `claimsInside`.
   */
  output?: string | undefined
  /**
   * The `modelIdentity()` of the model, for a caller that has already verified it: the manifest in the bundle must have the same. Of several
   * bundles, the first one that does counts. A root digest would not be enough, because it does not cover the names of files.
   */
  modelIdentity?: string | undefined
  /** False to take the word of the bundle, without hashing the files. Default: true. */
  check?: boolean | undefined
  /** URL of a timestamp authority (RFC 3161). */
  timestampAuthority?: string | undefined
  signal?: AbortSignal | undefined
  onProgress?: ProgressCallback | undefined
}

const FROM: Shape<NonNullable<AttestOptions['from']>> = { bytes: required(bytesCopy), file: text }

const inputCopy: Copy = (value, option) => knownOptions(value as AttestOptions['from'], FROM, `attestModel: ${option}`)

const OPTIONS: Shape<AttestOptions> = {
  signer: required(SIGNER),
  type: required(text),
  predicate: required(plainCopy),
  from: inputCopy,
  signature: signatureCopy,
  output: pathCopy,
  modelIdentity: text,
  check: flag,
  timestampAuthority: text,
  signal: signalCopy,
  onProgress: callback,
}

/** What was attested. */
export interface AttestedModel {
  /** Absolute path of the file to which the attestation was added. */
  output: string
  /** False if the file has the same statement by the same signer already, and was left alone. */
  added: boolean
  /** False if no load of the model looks for attestations in {@link output}. */
  readByLoads: boolean
  /** Where a load looks, if it does not look in {@link output} and the model is on this machine. */
  place?: string
  /** SHA-256 of the signed statement in lowercase hex, by which a policy can revoke it (`revoked.claims`). */
  digest: string
  /** Root digest of the model (SHA-256, lowercase hex). */
  rootDigest: string
  /** Name of the model when it was signed. */
  name: string
  /** URI of the predicate type. */
  predicateType: string
  /** Files and bytes that were hashed and compared with the bundle; absent if they were not. */
  checked?: { files: number; bytes: number }
  /** With a Croissant document in `from`: the number of its digests that were compared with those of the signed files. */
  compared?: number
  /**
   * Files and directories of the model that its bundle ignores, so that the attestation is not about them. Absent if there are none, or if
   * the files were not checked.
   */
  ignored?: readonly string[]
  signer?: SignedBy
  logEntries?: readonly LoggedAt[]
  time?: SignedAt
}

/**
 * Signs a statement about a model, and adds it to the attestations of the model. The model must have a bundle, which
 * names its root digest; its files are hashed and compared with the bundle first. Who signed the bundle does not matter: the
 * signature of the attestation says who vouches for it. A statement that the same signer has made already is not added again.
 *
 * @param model path of a directory or file; with `check: false` and `output`, also a URL or a source
 * @throws {@link ModelSealError} `BUNDLE_NOT_FOUND`, `FILE_MISMATCH`, `FILE_MISSING`, `FILE_UNSIGNED`, `ATTESTATION_MALFORMED`,
 * `ROOT_DIGEST_MISMATCH`, `ATTESTATION_INPUT` and `JSON_*` for what it was made from, `INVALID_ARGUMENT`, `FILE_WRITE_FAILED`, `TSA_*`, `ABORTED`, and what the signer throws
 * @example
 * ```ts
 * const signer = await keySigner({ privateKey: 'evaluation.key' })
 * const predicate = makeEvaluation({
 *   results: [{ metric: 'accuracy', value: 0.94 }],
 *   evaluatedOn: '2026-11-01T00:00:00Z',
 * })
 * await attestModel('models/vad', { signer, type: 'evaluation', predicate })
 * ```
 */
export async function attestModel(model: string | URL | ModelSource, given: AttestOptions): Promise<AttestedModel> {
  const options = snapshot(given, OPTIONS, 'attestModel')
  const { signer, signal, timestampAuthority, predicate } = options
  const predicateType = predicateTypeOf(options.type)
  if (timestampAuthority !== undefined) checkTimestampUrl(timestampAuthority)
  await signer.prepare?.()
  const opened = await OpenedSource.open(sourceAt(modelLocation(model), undefined), { signal })
  try {
    const found = await findBundles(opened, options.signature, { signal, verb: 'attest' })
    const manifest = await manifestOf(found, options.modelIdentity, signal)
    const output = localPlace(options.output ?? outputFor(found, manifest))
    await checkAttestationOutput(output)
    const stated = options.from && (await StatedByCroissant.in(options.from, manifest, signal))
    const checked = options.check === false ? undefined : await checkedFiles(found, manifest, { ...options, stated })
    const compared = stated?.compare()
    const ignored = checked ? ignoredHere(found, manifest) : []
    const { modelName: name, rootDigest } = manifest
    const payload = Buffer.from(
      JSON.stringify(
        writeAttestation({ name, rootDigest, identity: modelIdentity(manifest) }, predicateType, predicate),
      ),
    )
    checkStatement(payload)
    const { bundle, signed, checked: seen, time } = await signPayload(payload, signer, { signal, timestampAuthority })
    const { publicKey } = signed
    const added = !(await isAttestedAlready(output, bundle, { signer, publicKey, signal }))
    if (added) await appendLine(output, bundle)
    const readByLoads = await isReadByLoads(opened, found.files, output)
    const who = seen?.signer ?? signed.signer
    return {
      output,
      added,
      readByLoads,
      ...(readByLoads || !found.files.local ? {} : { place: localPlace(outputFor(found, manifest)) }),
      digest: attestationDigest(payload),
      rootDigest,
      name,
      predicateType,
      ...(checked ? { checked } : {}),
      ...(compared === undefined ? {} : { compared }),
      ...(ignored.length > 0 ? { ignored } : {}),
      ...(who ? { signer: who } : {}),
      ...(signed.logEntries?.length ? { logEntries: signed.logEntries } : {}),
      ...(time ? { time } : {}),
    }
  } finally {
    await opened.close()
  }
}

/** The statement of the first bundle that a load would look at or, if an identity is given, of the first that has it. */
async function manifestOf(
  { bundles, files }: FoundModel,
  identity: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Manifest> {
  const found: string[] = []
  for (const one of bundles) {
    try {
      if ('error' in one) throw one.error
      const { manifest } = await inTurns(statementSteps(one.bundle.envelope.payload), signal)
      const stated = modelIdentity(manifest)
      if (identity === undefined || stated === identity) return manifest
      found.push(stated)
    } catch (error) {
      // Any bundle of the model will do.
      if (identity === undefined || !(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
    }
  }
  throw new ModelSealError(
    'ROOT_DIGEST_MISMATCH',
    `Cannot attest the model ${shown(files.path)}: no bundle is of the model that was verified.`,
    {
      expected: `the model identity ${identity ?? ''}`,
      found: found.join(', ') || undefined,
      hint: 'If the model was signed again meanwhile, verify it again.',
    },
  )
}

function outputFor({ files: { local, path } }: FoundModel, { serialization: { ignorePaths = [] } }: Manifest): string {
  // The model was signed with `claimsInside`.
  if (local?.kind === 'directory' && ignorePaths.includes(CLAIMS_NAME)) return join(local.path, CLAIMS_NAME)
  if (local) return claimsBeside(local.givenPath)
  throw new ModelSealError(
    'INVALID_ARGUMENT',
    `Cannot attest the model ${shown(path)}: it is not on this machine, so there is no place beside it for the attestation.`,
    { hint: 'Name a file with "output" (on the command line, --output).' },
  )
}

async function checkedFiles(
  { files: { local, path }, bundles }: FoundModel,
  manifest: Manifest,
  { signal, onProgress, stated }: AttestOptions & { stated: StatedByCroissant | undefined },
): Promise<{ files: number; bytes: number }> {
  if (!local) {
    throw new ModelSealError(
      'INVALID_ARGUMENT',
      `Cannot check the files of the model ${shown(path)}: it is not on this machine.`,
      {
        hint: 'Download it first, or take the word of its bundle with "check: false" (on the command line, --no-check).',
      },
    )
  }
  const ignored = bundles.flatMap((bundle) => nameWithin(local, bundle.path) || [])
  try {
    return await checkContents(local, manifest, { ignored, signal, onProgress, further: stated?.further })
  } catch (error) {
    throw error instanceof ModelSealError && error.problems ? withHint(error, changedHint(error)) : error
  }
}

/** Who attests a model may well have changed it, so that a warning of this copy would mislead. */
function changedHint({ hint = '' }: ModelSealError): string {
  const cause = hint.replace(SUSPICION, '').replace(UNKNOWN_FILES, '')
  const advice = cause.replace(/For the other files: $/, '').trim() || 'Restore them, or sign the model again first.'
  return `The model cannot be attested, because its files are not those that were signed. ${advice}`
}

/** What lies in the model, but is not covered by its bundle, apart from what never is. */
function ignoredHere({ files: { local }, bundles }: FoundModel, { files, serialization }: Manifest): string[] {
  if (local?.kind !== 'directory') return []
  const usual = new Set([...GIT_PATHS, CLAIMS_NAME, ...bundles.map(({ path }) => nameWithin(local, path))])
  const ignored = (serialization.ignorePaths ?? []).filter((name) => !usual.has(name) && !files.has(name))
  return ignored.filter((name) => existsSync(join(local.path, name)))
}

/** Refuses what readers of the attestation would refuse. */
function checkStatement(payload: Buffer): void {
  const statement = atOnce(attestationSteps(payload))
  const kind = kindOfStatement(statement)
  if (kind) readPredicate(kind, statement)
}
