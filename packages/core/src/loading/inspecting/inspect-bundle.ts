import type { FoundBundle, UnverifiedBundle } from '../../bundle/bundle.ts'
import type { SigningMethod } from '../../bundle/materials/materials.ts'
import { statementSteps } from '../../bundle/statement.ts'
import { ModelSealError, type SerializedError } from '../../errors.ts'
import { modelIdentity } from '../../manifest/identity.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import type { Serialization } from '../../manifest/serialization.ts'
import { inTurns } from '../../source/turns.ts'
import { verifyPayload } from '../../verification/statement-signature.ts'
import type { PublicKey } from '../../x509/public-key.ts'
import {
  logEntriesOf,
  signerNamedBy,
  statedTimestamps,
  type InspectedLogEntry,
  type InspectedSigner,
} from './claimed-signer.ts'
import type { PolicyEntries } from './policy-entry.ts'

/** What a bundle says. Nothing of it is trusted. */
export interface InspectedBundle {
  /** Absolute path, or the name of its place. */
  path: string
  /** SHA-256 of the file in lowercase hex. */
  digest?: string
  /** Of the file. */
  bytes?: number
  method?: SigningMethod
  signer?: InspectedSigner
  /** Whether the signature is that of the key or certificate that the bundle itself contains, which anyone can make. */
  signature?: SignatureArithmetic
  /** Times that its timestamps state (ISO 8601). */
  timestamps?: readonly string[]
  logEntries?: readonly InspectedLogEntry[]
  statement?: InspectedStatement
  /** YAML for a policy that trusts this signer, if that is what the reader wants. */
  policy?: string
  /** Of a Sigstore bundle that is not a signature of a model: the quoted type of its content. */
  other?: string
  /** Why the bundle, or the statement in it, could not be read. */
  error?: SerializedError
}

/**
 * - `valid`: the signature over the statement was made with the private key that belongs to the public key in the bundle;
 * - `invalid`: it was not;
 * - `unknown`: the bundle contains no usable key.
 */
export type SignatureArithmetic = 'valid' | 'invalid' | 'unknown'

/** What a bundle says was signed. */
export interface InspectedStatement extends Serialization {
  /** Name of the model; absent if the statement has none. */
  name?: string
  /** SHA-256 in lowercase hex. */
  rootDigest: string
  /** A digest that covers the root digest, how it was computed, and the names of all files: what attestations are about. */
  modelIdentity: string
  files: readonly InspectedFile[]
}

export interface InspectedFile {
  name: string
  /** One digest, or one of each shard, in lowercase hex. */
  digests: readonly string[]
  /** In bytes: as signed for a model in shards, otherwise as the disk or the source of the model says. Absent if unknown. */
  size?: number
}

/** What is known of the sizes of files, by name. */
export type FileSizes = ReadonlyMap<string, number | undefined>

/** How the bundles of one model are inspected. */
interface Inspection {
  readonly signal: AbortSignal | undefined
  /** What is known of the files here, by name. */
  readonly sizes: (manifest: Manifest) => Promise<FileSizes>
  readonly entries: PolicyEntries
}

export async function inspectBundle(
  found: FoundBundle,
  { signal, sizes, entries }: Inspection,
): Promise<InspectedBundle> {
  const { path } = found
  if ('error' in found) {
    const other = otherContent(found.error)
    return other === undefined ? { path, error: found.error.toJSON() } : { path, other }
  }
  const { bundle } = found
  const { method } = bundle.material
  const { signer, key } = await signerNamedBy(bundle.material, path)
  const [timestamps, logEntries] = [await statedTimestamps(bundle), logEntriesOf(bundle)]
  const about: InspectedBundle = {
    path,
    digest: bundle.digest,
    bytes: bundle.size,
    method,
    ...(signer ? { signer } : {}),
    ...(timestamps.length > 0 ? { timestamps } : {}),
    ...(logEntries.length > 0 ? { logEntries } : {}),
    signature: await arithmeticOf(bundle, key, signal),
  }
  try {
    const { manifest } = await inTurns(statementSteps(bundle.envelope.payload), signal)
    about.statement = statementOf(manifest, new Map())
    about.statement = statementOf(manifest, await sizes(manifest))
  } catch (error) {
    if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
    const other = otherContent(error)
    if (other !== undefined) return { ...about, other }
    about.error = error.toJSON()
  }
  const policy = signer && entries.of(method, signer)
  return policy === undefined ? about : { ...about, policy }
}

/** What is attached in a registry may be something else, such as the signature of an image in another format. */
function otherContent({ code, found }: ModelSealError): string | undefined {
  return code === 'PREDICATE_TYPE' || code === 'PAYLOAD_TYPE' ? found : undefined
}

async function arithmeticOf(
  bundle: UnverifiedBundle,
  key: PublicKey | undefined,
  signal: AbortSignal | undefined,
): Promise<SignatureArithmetic> {
  if (!key) return 'unknown'
  try {
    await verifyPayload(bundle, key, 'the key in the bundle', signal)
    return 'valid'
  } catch (error) {
    if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
    // The statement is read only after its signature was found to be valid.
    return error.code === 'SIGNATURE_INVALID' ? 'invalid' : 'valid'
  }
}

function statementOf(manifest: Manifest, sizes: FileSizes): InspectedStatement {
  const { statedName, rootDigest, serialization } = manifest
  const files = [...manifest.files.values()].map(({ name, digests, size = sizes.get(name) }) => ({
    name,
    digests,
    ...(size === undefined ? {} : { size }),
  }))
  const identity = modelIdentity(manifest)
  const name = statedName === undefined ? {} : { name: statedName }
  return { ...name, rootDigest, modelIdentity: identity, ...serialization, files }
}
