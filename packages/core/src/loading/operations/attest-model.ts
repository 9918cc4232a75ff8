import { createHash } from 'node:crypto'
import { kindNamed, kindOfStatement, KINDS, readPredicate } from '../../attestation/kinds/kinds.ts'
import { attestationSteps, writeAttestation } from '../../attestation/statement.ts'
import { statementSteps } from '../../bundle/statement.ts'
import { ModelSealError, shown } from '../../errors.ts'
import type { ProgressCallback } from '../../hashing/hash-files.ts'
import { callback, flag, path as pathCopy, required, signal as signalCopy, text } from '../../kinds.ts'
import { checkContents } from '../../manifest/check-contents.ts'
import { nameWithin } from '../../manifest/ignores.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import { didYouMean } from '../../nearest.ts'
import { SIGNER } from '../../signing/sign-model.ts'
import { signPayload } from '../../signing/sign-statement.ts'
import type { LoggedAt, SignedAt, SignedBy, Signer } from '../../signing/signer.ts'
import { checkTimestampUrl } from '../../signing/timestamp.ts'
import { plainCopy, snapshot, type Shape } from '../../snapshot.ts'
import { appendLine } from '../../source/append-line.ts'
import { claimsBeside } from '../../source/local/local-claims.ts'
import { localPlace } from '../../source/local/local-source.ts'
import { modelLocation, sourceAt } from '../../source/model-location.ts'
import type { ModelSource } from '../../source/model-source.ts'
import { OpenedSource } from '../../source/opened-source.ts'
import { atOnce, inTurns } from '../../source/turns.ts'
import { findBundles, type FoundModel } from '../bundles/find-bundles.ts'
import { signatureCopy } from '../open-options.ts'

export interface AttestOptions {
  signer: Signer
  /** A kind, such as `evaluation`, or the URI of a predicate type. */
  type: string
  /** The content, which must be JSON and, for a kind that is known, what its type prescribes. */
  predicate: object
  /** The bundle of the model, whose root digest is attested: a path, or a location in the format of the source. Default: where a load looks. */
  signature?: string | undefined
  /** Path of the file to which the attestation is added. Default: `MODEL.claims.jsonl` beside the model. */
  output?: string | undefined
  /** False to take the word of the bundle, without hashing the files. Default: true. */
  check?: boolean | undefined
  /** URL of a timestamp authority (RFC 3161). */
  timestampAuthority?: string | undefined
  signal?: AbortSignal | undefined
  onProgress?: ProgressCallback | undefined
}

const OPTIONS: Shape<AttestOptions> = {
  signer: required(SIGNER),
  type: required(text),
  predicate: required(plainCopy),
  signature: signatureCopy,
  output: pathCopy,
  check: flag,
  timestampAuthority: text,
  signal: signalCopy,
  onProgress: callback,
}

/** What was attested. */
export interface AttestedModel {
  /** Absolute path of the file to which the attestation was added. */
  output: string
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
  signer?: SignedBy
  logEntries?: readonly LoggedAt[]
  time?: SignedAt
}

/**
 * Signs a statement about a model, and adds it to the attestations of the model. The model must have a bundle, which
 * names its root digest; its files are hashed and compared with the bundle first. Who signed the bundle does not matter: whoever
 * believes the attestation knows from its signature who vouches for it.
 *
 * @param model path of a directory or file; with `check: false` and `output`, also a URL or a source
 * @throws {@link ModelSealError} `BUNDLE_NOT_FOUND`, `FILE_MISMATCH`, `FILE_MISSING`, `FILE_UNSIGNED`, `ATTESTATION_MALFORMED`,
 * `INVALID_ARGUMENT`, `FILE_WRITE_FAILED`, `TSA_*`, `ABORTED`, and what the signer throws
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
    const found = await findBundles(opened, options.signature, { signal })
    const manifest = await manifestOf(found, signal)
    const output = localPlace(options.output ?? outputFor(found))
    const checked = options.check === false ? undefined : await checkedFiles(found, manifest, options)
    const { modelName: name, rootDigest } = manifest
    const payload = Buffer.from(JSON.stringify(writeAttestation({ name, rootDigest }, predicateType, predicate)))
    checkStatement(payload)
    const { bundle, signed, checked: seen, time } = await signPayload(payload, signer, { signal, timestampAuthority })
    await appendLine(output, bundle)
    const who = seen?.signer ?? signed.signer
    return {
      output,
      digest: createHash('sha256').update(payload).digest('hex'),
      rootDigest,
      name,
      predicateType,
      ...(checked ? { checked } : {}),
      ...(who ? { signer: who } : {}),
      ...(signed.logEntries?.length ? { logEntries: signed.logEntries } : {}),
      ...(time ? { time } : {}),
    }
  } finally {
    await opened.close()
  }
}

/** URI with a scheme. */
const TYPE_URI = /^[a-z][a-z0-9+.-]*:\S+$/i

function predicateTypeOf(type: string): string {
  const kind = kindNamed(type)
  if (kind) return kind.types[0]
  if (TYPE_URI.test(type)) return type
  const names = KINDS.map(({ name }) => name)
  throw new ModelSealError('INVALID_ARGUMENT', `Cannot attest the model: ${shown(type)} is no known type.`, {
    expected: `${names.join(', ')}, or the URI of a predicate type`,
    hint: didYouMean(type, names).trim() || undefined,
  })
}

/** The statement of the first bundle: what a load looks at first. */
async function manifestOf({ bundles }: FoundModel, signal: AbortSignal | undefined): Promise<Manifest> {
  const [first] = bundles
  if (!first) throw new RangeError('no bundle was found')
  if ('error' in first) throw first.error
  return (await inTurns(statementSteps(first.bundle.envelope.payload), signal)).manifest
}

function outputFor({ files: { local, path } }: FoundModel): string {
  if (local) return claimsBeside(local.givenPath)
  throw new ModelSealError(
    'INVALID_ARGUMENT',
    `Cannot attest the model ${shown(path)}: it is not on this machine, so the attestation needs a path.`,
    { expected: 'the option "output"' },
  )
}

async function checkedFiles(
  { files: { local, path }, bundles }: FoundModel,
  manifest: Manifest,
  { signal, onProgress }: AttestOptions,
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
  return checkContents(local, manifest, { ignored, signal, onProgress })
}

/** Whoever reads the attestation would refuse what is refused here. */
function checkStatement(payload: Buffer): void {
  const statement = atOnce(attestationSteps(payload))
  const kind = kindOfStatement(statement)
  if (kind) readPredicate(kind, statement)
}
