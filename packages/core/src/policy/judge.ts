import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { ModelSealError, shown } from '../errors.ts'
import { verifyKeyBundle } from '../verification/key.ts'
import type { VerifiedSignature } from '../verification/verified-signature.ts'
import type { AcceptedKey, Rule } from './policy.ts'

/**
 * Verifies a bundle against the signers that a rule accepts.
 *
 * @throws {@link ModelSealError} `SIGNER_NOT_TRUSTED` where it is by none of them; else why the
 * one that it claims to be by did not sign it
 */
export function judgeBundle(bundle: UnverifiedBundle, rule: Rule): VerifiedSignature {
  const candidates = rule.signers.filter((signer) => mayBeBy(bundle, signer))
  let refusal = notTrusted(bundle, rule)
  for (const { name, publicKey } of candidates) {
    try {
      return verifyKeyBundle(bundle, publicKey, name)
    } catch (error) {
      if (!(error instanceof ModelSealError)) throw error
      // Of several keys that might have signed, one that did not says nothing about the others.
      if (error.code !== 'KEY_MISMATCH' || candidates.length === 1) refusal = error
      if (error.code !== 'KEY_MISMATCH' && error.code !== 'SIGNATURE_INVALID') break
    }
  }
  throw refusal
}

/** By what the bundle claims, which costs nothing to look at; the signature decides. */
function mayBeBy({ material }: UnverifiedBundle, { publicKey }: AcceptedKey): boolean {
  if (material.method !== 'key') return false
  return material.hint === undefined || material.hint === publicKey.fingerprint
}

function notTrusted({ material, path }: UnverifiedBundle, rule: Rule): ModelSealError {
  const claimed =
    material.method === 'key'
      ? material.hint
        ? `the key ${shown(material.hint)}`
        : 'an unnamed key'
      : `the method ${material.method}`
  return new ModelSealError(
    'SIGNER_NOT_TRUSTED',
    `The model is not signed by anyone whom the rule ${shown(rule.name)} accepts.`,
    {
      file: path,
      signer: claimed,
      expected: rule.signers.map(({ name, publicKey }) => `${shown(name)} (key ${publicKey.fingerprint})`).join(' or '),
      found: claimed,
      hint: 'If this signer is right, the policy has to say so; else do not load the model.',
    },
  )
}
