import { attestationDigest, attestationSteps, isAbout, type ModelSubject } from '../../attestation/statement.ts'
import { ModelSealError } from '../../errors.ts'
import { modelIdentity } from '../../manifest/identity.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import type { FoundBundle } from '../../bundle/bundle.ts'
import { localModelSource } from '../../source/local/local-model-source.ts'
import type { LocalSource } from '../../source/local/local-source.ts'
import { OpenedSource } from '../../source/opened-source.ts'
import { inTurns } from '../../source/turns.ts'
import { inOneLine } from '../attestations/one-line.ts'
import { readAttestationFiles } from '../attestations/read-attestations.ts'

/** An attestation to publish. Its signature was not verified: those who load the model decide whom they believe. */
export interface PublishedAttestation {
  /** Path of its file, with `:` and the number of the line in a file of several. */
  readonly path: string
  /** URI of its predicate type. */
  readonly type: string
  /** SHA-256 of the signed statement in lowercase hex. */
  readonly digest: string
  /** The bundle, in one line. */
  readonly bytes: Buffer
}

/** An attestation that is not published, because it is unreadable or about another model, or because there is no place for it. */
export interface UnpublishedAttestation {
  readonly path: string
  /** One sentence. */
  readonly reason: string
}

/** What was attested about a model on this machine. */
interface FoundAttestations {
  readonly attestations: readonly PublishedAttestation[]
  readonly leftOut: readonly UnpublishedAttestation[]
}

/**
 * Reads the attestations of a model on this machine, wherever a load looks for them.
 *
 * @throws {@link ModelSealError} `ATTESTATIONS_TOO_MANY`, `ABORTED`
 */
export async function publishableAttestations(
  source: LocalSource,
  manifest: Manifest,
  signal: AbortSignal | undefined,
): Promise<FoundAttestations> {
  const opened = await OpenedSource.open(localModelSource(source.givenPath), { signal })
  try {
    const isSigned = (name: string) => manifest.files.has(name)
    const found = await readAttestationFiles(opened, { files: await opened.model(), isSigned }, signal)
    return await sorted(found, { rootDigest: manifest.rootDigest, identity: modelIdentity(manifest) }, signal)
  } finally {
    await opened.close()
  }
}

/** Those about the model, each once, and the others. */
async function sorted(
  found: readonly FoundBundle[],
  model: ModelSubject,
  signal: AbortSignal | undefined,
): Promise<FoundAttestations> {
  const attestations = new Map<string, PublishedAttestation>()
  const leftOut: UnpublishedAttestation[] = []
  for (const each of found) {
    const { path } = each
    try {
      if ('error' in each) throw each.error
      const { payload } = each.bundle.envelope
      const statement = await inTurns(attestationSteps(payload, path), signal)
      if (!isAbout(statement, model)) leftOut.push({ path, reason: 'It is about another model.' })
      else {
        const bytes = inOneLine(each.bytes ?? Buffer.alloc(0))
        const digest = attestationDigest(payload)
        attestations.set(bytes.toString('latin1'), { path, type: statement.predicateType, digest, bytes })
      }
    } catch (error) {
      if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
      leftOut.push({ path, reason: error.message })
    }
  }
  return { attestations: [...attestations.values()], leftOut }
}
