import { kindOfStatement, readPredicate } from '../../attestation/kinds/kinds.ts'
import {
  attestationDigest,
  attestationSteps,
  subjectDigests,
  isAbout,
  type SubjectDigests,
} from '../../attestation/statement.ts'
import type { FoundBundle } from '../../bundle/bundle.ts'
import type { SigningMethod } from '../../bundle/materials/materials.ts'
import { statementSteps } from '../../bundle/statement.ts'
import { ModelSealError } from '../../errors.ts'
import { signal as abortSignal } from '../../kinds.ts'
import { modelIdentity } from '../../manifest/identity.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import type { SerializedError } from '../../error-details.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { modelLocation, sourceAt } from '../../source/model-location.ts'
import type { ModelSource } from '../../source/model-source.ts'
import { OpenedSource } from '../../source/opened-source.ts'
import { inTurns } from '../../source/turns.ts'
import { readAttestationFiles } from '../attestations/read-attestations.ts'
import { findBundles, type FoundModel } from '../bundles/find-bundles.ts'
import { signatureCopy } from '../open-options.ts'
import { signerNamedBy, type InspectedSigner } from './claimed-signer.ts'

export interface ReadAttestationsOptions {
  /** The bundle of the model: a path, or a location in the format of the source. Default: where a load looks. */
  signature?: string | undefined
  signal?: AbortSignal | undefined
}

const OPTIONS: Shape<ReadAttestationsOptions> = { signature: signatureCopy, signal: abortSignal }

/** What one attestation says. Nothing of it is trusted. */
export interface InspectedAttestation {
  /** Path of its file, with `:` and the number of the line in a file of several. */
  path: string
  /** SHA-256 of the signed statement in lowercase hex, by which a policy can revoke it (`revoked.claims`). */
  digest?: string
  method?: SigningMethod
  /** The signer that it names. */
  signer?: InspectedSigner
  /** URI of its predicate type. */
  type?: string
  /** The kind of statement, if it is known: `evaluation`, `model-card`, `provenance`. */
  kind?: string
  /** What it is about: the model is one of these, or it is about another one. */
  subjects?: readonly SubjectDigests[]
  /** False if it is about another model. */
  isAbout?: boolean
  /** When it was made, as it states itself: ISO 8601. */
  statedAt?: string
  /**
   * What it says: typed for a known kind (see `AttestedContents`), otherwise the predicate as parsed JSON. Left out if it is long and those
   * before it have millions of values.
   */
  content?: unknown
  /** Why it could not be read. */
  error?: SerializedError
}

/**
 * Reads what was attested about a model. Nothing is verified: anyone can write a statement that names anyone. To know what a policy
 * believes, judge the model by it, and look at `verdict.attestations`.
 *
 * @param model a path, a URL (`https:` or that of a registered scheme), or a source
 * @throws {@link ModelSealError} `BUNDLE_NOT_FOUND`, `MODEL_NOT_FOUND`, `ATTESTATIONS_TOO_MANY`, `INVALID_ARGUMENT`, `ABORTED`, and what
 * the source throws. An attestation that cannot be read is in the result, with its error
 * @example
 * ```ts
 * for (const { kind, signer, content } of await readAttestations('models/vad')) console.log(kind, signer?.description, content)
 * ```
 */
export async function readAttestations(
  model: string | URL | ModelSource,
  options?: ReadAttestationsOptions,
): Promise<InspectedAttestation[]> {
  const { signature, signal } = snapshot(options, OPTIONS, 'readAttestations')
  const opened = await OpenedSource.open(sourceAt(modelLocation(model), undefined), { signal })
  try {
    return await attestationsOf(opened, await findBundles(opened, signature, { signal }), signal)
  } finally {
    await opened.close()
  }
}

/** The attestations of a model that was found. */
export async function attestationsOf(
  opened: OpenedSource,
  { files, bundles }: FoundModel,
  signal: AbortSignal | undefined,
): Promise<InspectedAttestation[]> {
  const [first] = bundles
  const manifest = first && 'bundle' in first ? await manifestIn(first.bundle.envelope.payload, signal) : undefined
  const isSigned = (name: string) => manifest?.files.has(name) ?? false
  const inspected: InspectedAttestation[] = []
  let room = MOST_VALUES
  for (const found of await readAttestationFiles(opened, { files, isSigned }, signal)) {
    const { content, ...about } = await inspectAttestation(found, manifest, signal)
    const values = 'bundle' in found ? valuesIn(found.bundle.envelope.payload) : 0
    const isKept = values <= ALWAYS_KEPT || values <= room
    if (isKept) room -= values
    inspected.push({ ...about, ...(content !== undefined && isKept && { content }) })
  }
  return inspected
}

/** JSON values in all contents together that are kept. Each takes up to 200 bytes of memory, and anybody can write 16 million of them. */
const MOST_VALUES = 1_000_000
/** Of one attestation. A thousand of these are no more than a million. */
const ALWAYS_KEPT = 1_000

/** At most so many values are in JSON. */
function valuesIn(json: Uint8Array): number {
  let values = 1
  for (const byte of json) if (byte === COMMA || byte === OPEN_BRACE || byte === OPEN_BRACKET) values++
  return values
}

const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const OPEN_BRACE = 0x7b

/** @returns undefined if the statement of the bundle cannot be read */
async function manifestIn(payload: Buffer, signal: AbortSignal | undefined): Promise<Manifest | undefined> {
  try {
    return (await inTurns(statementSteps(payload), signal)).manifest
  } catch (error) {
    if (error instanceof ModelSealError && error.code !== 'ABORTED') return undefined
    throw error
  }
}

async function inspectAttestation(
  found: FoundBundle,
  manifest: Manifest | undefined,
  signal: AbortSignal | undefined,
): Promise<InspectedAttestation> {
  const about: InspectedAttestation = { path: found.path }
  try {
    if ('error' in found) throw found.error
    const { material, envelope } = found.bundle
    about.digest = attestationDigest(envelope.payload)
    about.method = material.method
    const { signer } = await signerNamedBy(material, found.path)
    if (signer) about.signer = signer
    const statement = await inTurns(attestationSteps(envelope.payload, found.path), signal)
    about.type = statement.predicateType
    about.subjects = subjectDigests(statement)
    if (manifest)
      about.isAbout = isAbout(statement, { rootDigest: manifest.rootDigest, identity: modelIdentity(manifest) })
    const kind = kindOfStatement(statement)
    about.content = statement.predicate
    if (!kind) return about
    about.kind = kind.name
    about.content = readPredicate(kind, statement, found.path)
    const stated = kind.statedAt(about.content)
    if (stated !== undefined) about.statedAt = stated
    return about
  } catch (error) {
    if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
    return { ...about, error: error.toJSON() }
  }
}
