import type { Provenance } from '../../attestation/kinds/provenance.ts'
import type { BelievedAttestation } from '../../policy/attestations/judge-attestations.ts'
import type { Judging } from '../judging/judging.ts'
import type { Load } from '../load.ts'
import type { OpenedModel } from '../verified-model.ts'
import { noteJournals, recorded, recording, recordRefusals } from './record-verdict.ts'

/**
 * Records a load whose model is about to be handed out. Without a journal, this does nothing.
 *
 * @throws {@link ModelSealError} `JOURNAL_FAILED`, `JOURNAL_INVALID` if a journal that is required cannot be written
 */
export async function recordOpened(load: Load, model: OpenedModel<unknown>): Promise<void> {
  const judged = recorded(load.judgings.map(judgedVerdict))
  if (judged.length === 0) return
  try {
    const { recordLoaded } = await recording()
    load.standing.recordedAs(await recordLoaded(judged), true)
  } catch (error) {
    await model.close()
    throw error
  }
}

/** Records that policies refused a load. */
export async function recordRefusal(refusing: readonly Judging[]): Promise<void> {
  for (const { verdict, journals } of refusing) noteJournals(verdict, journals)
  await recordRefusals(...refusing.map(({ verdict }) => verdict))
}

function judgedVerdict({ verdict, accepted, journals }: Judging) {
  noteJournals(verdict, journals)
  return { verdict, manifest: accepted?.signature.manifest, provenance: provenanceIn(accepted?.attestations ?? []) }
}

/** What believed provenance says, by the digest of the statement. */
function provenanceIn(believed: readonly BelievedAttestation[]): ReadonlyMap<string, Provenance> {
  return new Map(
    believed.flatMap(({ kind, predicate, verdict: { digest } }) =>
      kind?.name === 'provenance' && digest !== undefined ? [[digest, predicate as Provenance] as const] : [],
    ),
  )
}
