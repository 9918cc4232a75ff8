import type * as s from '../../schema/define.ts'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import type { SigningMethod, VerificationMaterial } from '../../bundle/materials/materials.ts'
import type { ModelSealError } from '../../errors.ts'
import type { VerifiedIdentity } from '../../results.ts'
import type { VerifiedEnvelope, VerifiedSignature } from '../../verification/verified-signature.ts'
import type { Danger } from '../checking/finding.ts'
import type { Occasion } from '../occasion.ts'
import type { PolicyFacts } from '../policy-facts.ts'
import type { CertificateFacts } from '../revocations/certificate-facts.ts'
import type { CompiledRoot } from '../roots/roots.ts'
import type { Validity } from '../signature-time.ts'

/**
 * Everything that the policy knows about one signing method. To add a method, add a file beside this one and a line in
 * `methods.ts`; ARCHITECTURE.md, "One record per kind", lists what else it needs. The list of signers, the material of bundles and verified signers all use the same name for a method.
 */
export interface Method<
  Material extends VerificationMaterial,
  Signer extends VerifiedIdentity,
  Accepted extends { root: string },
  Written,
> {
  readonly method: SigningMethod & Material['method'] & Signer['method']
  /** An entry of a rule's list of signers, as written in the policy. */
  readonly schema: s.Schema<Written>
  /** The kind of trust root that its entries name. */
  readonly root: CompiledRoot['kind']
  /** What every valid signature proves: that it is in a log with a trusted time, and that it is not older than some time. */
  readonly proves: { readonly log: boolean; readonly age: boolean }
  /** The name of the trust root. */
  rootName(written: Written): string
  compile(written: Written, root: CompiledRoot): Accepted
  /** An accepted signer, for messages, without its trust root. */
  described(accepted: Accepted): string
  /** @throws {@link ModelSealError} `ABORTED`, or the reason why no entry accepts the bundle */
  identify(identification: Identification<Material, Accepted>): Promise<IdentifiedEnvelope<Signer>>
  /** The signer that a bundle claims, for messages. */
  claimed(material: Material): string
  /** What a bundle contains about its signer, unverified. */
  carried(material: Material): Carried
  /** The issuers of the signer that a revocation can name; undefined if they are not known. */
  issuers(material: Material, leaf: CertificateFacts): Promise<readonly string[] | undefined>
  /** The fingerprint of the signer's key; undefined if the key is in the certificate in the bundle. */
  keyOf(signer: Signer): string | undefined
  /** What identifies a signer besides its key: two signers that share a name are not distinct. */
  names(signer: Signer): readonly string[]
  /** Warnings of `policy check`: signers that are accepted too easily, or never. */
  dangers(accepted: Accepted): Danger[]
  /** True if the policy revokes every signature of this signer, whenever it was made. */
  isRevoked(accepted: Accepted, policy: PolicyFacts): boolean
}

/** A bundle to verify against the entries of a rule. */
export interface Identification<Material extends VerificationMaterial, Accepted> {
  bundle: UnverifiedBundle & { material: Material }
  /** Those of the method, each with its index in the rule's list of signers. */
  entries: readonly { index: number; accepted: Accepted }[]
  policy: PolicyFacts
  occasion: Occasion
  /** @param found the signer; by default, the one that the bundle claims */
  notTrusted: (found?: string) => ModelSealError
}

/** The entries of a list of signers that a valid signature can count for. */
export interface CountingSigner {
  /** Indexes into the list: at least one. */
  signers: readonly number[]
  /** At least one of these periods must contain the time of signing; empty if there is no limit. */
  validities: readonly Validity[]
}

/** A valid signature over any statement. */
export interface IdentifiedEnvelope<Signer extends VerifiedIdentity = VerifiedIdentity> extends CountingSigner {
  signature: VerifiedEnvelope<Signer>
}

/** A valid signature over a model. */
export interface IdentifiedSignature extends CountingSigner {
  signature: VerifiedSignature
}

/** What a bundle contains about its signer. */
interface Carried {
  /** Fingerprints of the key, lowercase hex, if the bundle names the key without a certificate. */
  keys: readonly string[]
  /** DER, leaf first. */
  certificates: readonly Buffer[]
}
