/**
 * Statements about models: evaluations, model cards, provenance. Each is signed and names the root digest of a model. They are kept
 * beside the model, and a policy can require them.
 *
 * @example
 * ```ts
 * import { attestModel, makeEvaluation } from '@modelseal/core/attestation'
 * import { keySigner } from '@modelseal/core/signing'
 *
 * const signer = await keySigner({ privateKey: 'evaluation.key' })
 * const predicate = makeEvaluation({
 *   results: [{ metric: 'accuracy', value: 0.94 }],
 *   evaluatedOn: '2026-11-01T00:00:00Z',
 * })
 * await attestModel('models/vad', { signer, type: 'evaluation', predicate })
 * ```
 *
 * @packageDocumentation
 */
export { makeProvenance, type ProvenanceInput } from '../attestation/kinds/make-provenance.ts'
export type { DataCard } from '../attestation/kinds/data-card.ts'
export { makeEvaluation, type Evaluation, type EvaluationResult } from '../attestation/kinds/evaluation.ts'
export type { AttestationFile } from '../attestation/kinds/kind.ts'
export type { ModelCard } from '../attestation/kinds/model-card.ts'
export { lineage, type Ancestor, type LineageRole, type Provenance } from '../attestation/kinds/provenance.ts'
export {
  makeVerificationSummary,
  type SummaryInput,
  type VerificationSummary,
} from '../attestation/kinds/verification-summary.ts'
export { readAttestationFile } from '../attestation/input.ts'
export { attestationKinds, makeAttestation } from '../attestation/making.ts'
export type { SubjectDigests } from '../attestation/statement.ts'
export { predicateTypeOf } from '../attestation/predicate-type.ts'
export type { Attestation, AttestedContents } from '../loading/attestations/attestation.ts'
export type { InspectedSigner } from '../loading/inspecting/claimed-signer.ts'
export {
  readAttestations,
  type InspectedAttestation,
  type ReadAttestationsOptions,
} from '../loading/inspecting/read-attestations.ts'
export type { Contradiction } from '../loading/inspecting/contradictions.ts'
export type { LineageNode } from '../loading/inspecting/lineage-tree.ts'
export { weighAttestations, type WeighedAttestations } from '../loading/inspecting/weigh-attestations.ts'
export type { Belief, WeighedAttestation } from '../loading/inspecting/weighed-attestation.ts'
export { attestModel, type AttestedModel, type AttestOptions } from '../loading/operations/attest-model.ts'
export { checkAttestationOutput } from '../loading/operations/attestation-output.ts'
export { modelIdentity } from '../manifest/identity.ts'
export type { Manifest } from '../manifest/manifest.ts'
export type { AttestationVerdict } from '../results.ts'
export type { Signer } from '../signing/signer.ts'
export { provenanceInputs, type ProvenanceInputs } from '../loading/inspecting/provenance-inputs.ts'
