import type { DataCard } from '../../attestation/kinds/data-card.ts'
import type { Evaluation } from '../../attestation/kinds/evaluation.ts'
import type { ModelCard } from '../../attestation/kinds/model-card.ts'
import type { Provenance } from '../../attestation/kinds/provenance.ts'
import type { VerificationSummary } from '../../attestation/kinds/verification-summary.ts'
import { isTypeName, unknownType } from '../../attestation/type-name.ts'
import { checkedText } from '../../kinds.ts'
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

/**
 * What was attested about a model, as far as its rule requires it: attestations of one kind that satisfied the rule
 * (`require.attestations`). Others are not believed, so they are not returned.
 *
 * @param type a kind, such as `evaluation`, or the URI of a predicate type
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if the type is neither
 * @example
 * ```ts
 * const model = await openVerifiedModel('models/vad', { policy: 'trust-policy.yaml' })
 * if (model.decision === 'accepted') {
 *   const [evaluation] = model.attestations('evaluation')
 *   console.log(evaluation?.content.results, evaluation?.signer.description)
 * }
 * ```
 */
export interface BelievedAttestations {
  <Kind extends keyof AttestedContents>(type: Kind): Attestation<AttestedContents[Kind]>[]
  (type: `${string}:${string}`): Attestation[]
}

/** The result keeps nothing else of the load in memory. */
export function believedAttestations(believed: readonly BelievedAttestation[]): BelievedAttestations {
  return (type: string) => {
    checkedText(type, 'the type of an attestation')
    if (!isTypeName(type)) throw unknownType('Cannot return attestations', type)
    return believed.flatMap((each) => attestationOf(each, type) ?? [])
  }
}

/**
 * What was attested about something that was not loaded verified, for an adapter that is asked about it: nothing.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for a text that is no type of attestations
 */
export const noAttestations: BelievedAttestations = believedAttestations([])

/** @returns undefined if it is of another type */
function attestationOf(
  { verdict, kind, statement, predicate }: BelievedAttestation,
  wanted: string,
): Attestation | undefined {
  const { predicateType: type } = statement
  const { signer, time, digest } = verdict
  if ((wanted !== kind?.name && wanted !== type) || !signer || digest === undefined) return undefined
  const content = structuredClone(kind ? predicate : statement.predicate)
  return { type, content, signer, ...(time ? { time } : {}), digest }
}
