import type { SignatureTime, VerifiedIdentity } from '../../results.ts'
import type { InspectedAttestation } from './read-attestations.ts'

/**
 * How far a policy believes an attestation:
 * - `believed`: it satisfies what the rule requires, and the policy accepts the model;
 * - `verified`: a signer that the rule names for such statements made it, but the policy does not rely on it;
 * - `claimed`: nobody checked who made it, or the check failed. Anyone may have made it.
 */
export type Belief = 'believed' | 'verified' | 'claimed'

/** An attestation, and how far a policy believes it. */
export interface WeighedAttestation extends InspectedAttestation {
  belief: Belief
  /** A sentence: why that is so. */
  why: string
  /** The signer and time that the policy verified; absent for what is only claimed. */
  verifiedSigner?: VerifiedIdentity
  time?: SignatureTime
  /** The `type` of each requirement of the rule that it satisfies. */
  satisfies?: readonly string[]
}
