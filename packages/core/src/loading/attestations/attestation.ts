import type { DataCard } from '../../attestation/kinds/data-card.ts'
import type { Evaluation } from '../../attestation/kinds/evaluation.ts'
import type { ModelCard } from '../../attestation/kinds/model-card.ts'
import type { Provenance } from '../../attestation/kinds/provenance.ts'
import type { VerificationSummary } from '../../attestation/kinds/verification-summary.ts'
import type { BelievedAttestation } from '../../policy/attestations/judge-attestations.ts'
import type { SignatureTime, VerifiedIdentity } from '../../results.ts'

/** The content of each kind of attestation. */
export interface AttestedContents {
  evaluation: Evaluation
  'model-card': ModelCard
  'data-card': DataCard
  provenance: Provenance
  'verification-summary': VerificationSummary
}

/** A signed statement about a model, which satisfied the rule of a policy. */
export interface Attestation<Content = unknown> {
  /** URI of its predicate type. */
  readonly type: string
  /** Its content: typed for a known kind, otherwise the predicate as parsed JSON. The caller may change it. */
  readonly content: Content
  /** Who vouches for it. */
  readonly signer: VerifiedIdentity
  /** The trusted time of the signature; absent if there is none. */
  readonly time?: SignatureTime
  /** SHA-256 of the signed statement in lowercase hex, by which a policy can revoke it (`revoked.claims`). */
  readonly digest: string
}

/** @returns undefined if it is of another type */
export function attestationOf(
  { verdict, kind, statement, predicate }: BelievedAttestation,
  wanted: string,
): Attestation | undefined {
  const { predicateType: type } = statement
  const { signer, time, digest } = verdict
  if ((wanted !== kind?.name && wanted !== type) || !signer || digest === undefined) return undefined
  const content = structuredClone(kind ? predicate : statement.predicate)
  return { type, content, signer, ...(time ? { time } : {}), digest }
}
