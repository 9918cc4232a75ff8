import type { z } from 'zod'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import type { SigningMethod, VerificationMaterial } from '../../bundle/materials/materials.ts'
import type { ModelSealError } from '../../errors.ts'
import type { VerifiedIdentity } from '../../results.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'
import type { Danger } from '../checking/finding.ts'
import type { Occasion } from '../occasion.ts'
import type { PolicyFacts } from '../policy-facts.ts'
import type { CertificateFacts } from '../revocations/certificate-facts.ts'
import type { CompiledRoot } from '../roots/roots.ts'
import type { Validity } from '../signature-time.ts'

/**
 * One signing method: everything that the policy knows about it. A new one is a file like those beside this one and a line in
 * `methods.ts`. It is named by its field in the list of signers, by the material of its bundles and by its verified signers alike.
 */
export interface Method<
  Material extends VerificationMaterial,
  Signer extends VerifiedIdentity,
  Accepted extends { root: string },
  Written,
> {
  readonly method: SigningMethod & Material['method'] & Signer['method']
  /** An entry of a rule's list of signers, as it is written. */
  readonly schema: z.ZodType<Written>
  /** The kind of trust root that its entries name. */
  readonly root: CompiledRoot['kind']
  /** What every valid signature proves: that it is in a log with a trusted time; and that it is no older than something. */
  readonly proves: { readonly log: boolean; readonly age: boolean }
  /** The name of the trust root. */
  rootName(written: Written): string
  compile(written: Written, root: CompiledRoot): Accepted
  /** An accepted signer for people, without its trust root. */
  described(accepted: Accepted): string
  /** @throws {@link ModelSealError} `ABORTED`, or why no entry accepts the bundle */
  identify(identification: Identification<Material, Accepted>): Promise<IdentifiedSignature<Signer>>
  /** Whom a bundle names as its signer, for people. */
  claimed(material: Material): string
  /** What a bundle carries of its signer. Nobody verified it. */
  carried(material: Material): Carried
  /** Who vouched for the signer: issuers that a revocation can name; undefined where that is not known. */
  issuers(material: Material, leaf: CertificateFacts): Promise<readonly string[] | undefined>
  /** By the signer's own word for its key; undefined where the certificate in the bundle has it. */
  keyOf(signer: Signer): string | undefined
  /** What tells signers apart, besides their keys: whoever shares one with another is not distinct from it. */
  names(signer: Signer): readonly string[]
  /** What `policy check` warns of: signers that are accepted too easily, or never. */
  dangers(accepted: Accepted): Danger[]
  /** True where the policy revokes every signature of this signer, whenever it was made. */
  isRevoked(accepted: Accepted, policy: PolicyFacts): boolean
}

/** A bundle that is to be verified against the entries of a rule. */
export interface Identification<Material extends VerificationMaterial, Accepted> {
  bundle: UnverifiedBundle & { material: Material }
  /** Those of the method, each with its index in the rule's list of signers. */
  entries: readonly { index: number; accepted: Accepted }[]
  policy: PolicyFacts
  occasion: Occasion
  /** @param found who signed it; without, whom the bundle names is told */
  notTrusted: (found?: string) => ModelSealError
}

/** A valid signature, and the entries of the rule's list of signers that it may stand for. */
export interface IdentifiedSignature<Signer extends VerifiedIdentity = VerifiedIdentity> {
  signature: VerifiedSignature<Signer>
  /** Indexes into `rule.signers`: one at least. */
  signers: readonly number[]
  /** When those entries count, one of these at least; empty where they always do. */
  validities: readonly Validity[]
}

/** What a bundle carries of its signer. */
export interface Carried {
  /** Fingerprints of the key, lowercase hex, where the bundle names it by itself. */
  keys: readonly string[]
  /** DER, leaf first. */
  certificates: readonly Buffer[]
}
