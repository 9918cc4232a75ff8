import { kindOfStatement, readPredicate } from '../../attestation/kinds/kinds.ts'
import { lineage, type Provenance } from '../../attestation/kinds/provenance.ts'
import { attestationSteps, subjectDigests } from '../../attestation/statement.ts'
import { MAX_CLAIMS_BYTES } from '../../source/claims-name.ts'
import { READ_CLAIMS, readSmallFile } from '../../source/read-small-file.ts'
import { inTurns } from '../../source/turns.ts'
import { bundlesIn } from '../attestations/read-attestations.ts'

/** What one provenance statement says. Nothing of it is verified. */
export interface ProvenanceInputs {
  /** Digests of the models that it is about: root digests of signed directories, or of files. */
  subjects: readonly string[]
  /** Digests of the models and datasets that these were made from. */
  inputs: readonly string[]
}

/**
 * Reads the provenance statements in a file of attestations. Nothing is verified: anyone can write a statement.
 *
 * @param path file with one bundle per line
 * @throws {@link ModelSealError} `BUNDLE_NOT_FOUND`, `ATTESTATIONS_TOO_LARGE`, `ABORTED`, and what an unreadable bundle or statement causes
 */
export async function provenanceInputs(path: string, signal?: AbortSignal): Promise<ProvenanceInputs[]> {
  const bytes = await readSmallFile(path, { ...READ_CLAIMS, maxBytes: MAX_CLAIMS_BYTES })
  const found: ProvenanceInputs[] = []
  for await (const one of bundlesIn(bytes, path, signal)) {
    if (!('bundle' in one)) throw one.error
    const statement = await inTurns(attestationSteps(one.bundle.envelope.payload, one.path), signal)
    const kind = kindOfStatement(statement)
    if (kind?.name !== 'provenance') continue
    const inputs = lineage(readPredicate(kind, statement, one.path) as Provenance).map(({ sha256 }) => sha256)
    found.push({ subjects: subjectDigests(statement).map(({ sha256 }) => sha256), inputs })
  }
  return found
}
