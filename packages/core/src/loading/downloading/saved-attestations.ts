import { attestationSteps, isAbout } from '../../attestation/statement.ts'
import { ModelSealError } from '../../errors.ts'
import { modelIdentity } from '../../manifest/identity.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import type { ModelFiles } from '../../source/model-source.ts'
import type { OpenedSource } from '../../source/opened-source.ts'
import { inTurns } from '../../source/turns.ts'
import { inOneLine } from '../attestations/one-line.ts'
import { readAttestationFiles } from '../attestations/read-attestations.ts'

const LINE_FEED = Buffer.from('\n')

/** The accepted model whose attestations are saved. */
interface AttestedModel {
  readonly files: ModelFiles
  readonly manifest: Manifest
  /** Whether its rule requires attestations, so that a load of the saved model needs them. */
  readonly isRequired: boolean
  readonly signal: AbortSignal | undefined
}

/**
 * Reads the attestations about a model, each as one line. Nothing about them is verified: the next load judges them.
 *
 * @throws {@link ModelSealError} `ABORTED`; if they are required, what reading them throws
 */
export async function attestationsToSave(
  source: OpenedSource,
  { files, manifest, isRequired, signal }: AttestedModel,
): Promise<Buffer> {
  const lines: Buffer[] = []
  try {
    const isSigned = (name: string) => manifest.files.has(name)
    const model = { rootDigest: manifest.rootDigest, identity: modelIdentity(manifest) }
    for (const found of await readAttestationFiles(source, { files, isSigned }, signal)) {
      if (!('bundle' in found) || !found.bytes) continue
      const statement = await inTurns(attestationSteps(found.bundle.envelope.payload), signal).catch(unlessAborted)
      if (statement && isAbout(statement, model)) lines.push(inOneLine(found.bytes), LINE_FEED)
    }
  } catch (error) {
    if (isRequired) throw error
    unlessAborted(error)
  }
  return Buffer.concat(lines)
}

function unlessAborted(error: unknown): undefined {
  if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
}
