import type * as s from '../../schema/define.ts'
import type { SigningMethod, VerificationMaterial } from '../../bundle/materials/materials.ts'
import type { VerifiedIdentity } from '../../results.ts'
import { alternatives } from '../schema/alternatives.ts'
import { certificateMethod } from './certificate.ts'
import { keyMethod } from './key.ts'
import type { Method } from './method.ts'
import { sigstoreMethod } from './sigstore.ts'

/** All signing methods. */
const METHODS = [keyMethod, certificateMethod, sigstoreMethod] as const

/** One entry of a rule's list of signers. */
export type AcceptedSigner = ReturnType<(typeof METHODS)[number]['compile']>

/** An entry of a rule's list of signers, as written in the policy. */
export const signerSchema = alternatives(METHODS)
export type SignerText = s.Infer<typeof signerSchema>

type AnyMethod = Method<VerificationMaterial, VerifiedIdentity, AcceptedSigner, unknown>

/** What the policy knows about a method. */
export function methodOf(method: SigningMethod): AnyMethod {
  const known = METHODS.find((one) => one.method === method)
  if (!known) throw new RangeError(`no method ${method}`)
  return known
}

/** The method of an entry as written in the policy. */
export function writtenMethod(written: SignerText): AnyMethod {
  return methodOf(Object.keys(written)[0] as SigningMethod)
}
