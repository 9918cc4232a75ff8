import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { claimedName } from '../bundle/claim.ts'
import { ModelSealError, shown } from '../errors.ts'
import { verifiedSignature } from '../verification/verified-signature.ts'
import type { IdentifiedEnvelope, IdentifiedSignature } from './methods/method.ts'
import { methodOf, type AcceptedSigner } from './methods/methods.ts'
import type { Occasion } from './occasion.ts'
import type { PolicyFacts } from './policy-facts.ts'
import type { Rule } from './rule.ts'

/**
 * Verifies a bundle against the signers that a rule accepts.
 *
 * @throws {@link ModelSealError} `ABORTED`; `SIGNER_NOT_TRUSTED` if none of them signed it; otherwise the reason why the
 * signature of the one that it names is not valid
 */
export async function identifySigner(
  bundle: UnverifiedBundle,
  rule: Rule,
  policy: PolicyFacts,
  occasion: Occasion,
): Promise<IdentifiedSignature> {
  const wanted = { signers: rule.signers, notTrusted: (found: string) => signerNotTrusted(bundle, rule, found) }
  const { signature, ...counting } = await identifyEnvelope(bundle, wanted, policy, occasion)
  return { ...counting, signature: await verifiedSignature(signature, occasion.effort.signal) }
}

/** Whose signature counts. */
interface WantedSigners {
  signers: readonly AcceptedSigner[]
  /** @param found the signer */
  notTrusted: (found: string) => ModelSealError
}

/**
 * Like {@link identifySigner}, for a bundle with any statement, which is not read.
 *
 * @throws {@link ModelSealError} `ABORTED`; `notTrusted` if none of the signers signed it; otherwise the reason why the signature of
 * the one that it names is not valid
 */
export async function identifyEnvelope(
  bundle: UnverifiedBundle,
  { signers, notTrusted }: WantedSigners,
  policy: PolicyFacts,
  occasion: Occasion,
): Promise<IdentifiedEnvelope> {
  const { material } = bundle
  const method = methodOf(material.method)
  const entries = signers.flatMap((accepted, index) =>
    accepted.method === material.method ? [{ index, accepted }] : [],
  )
  return method.identify({
    bundle,
    entries,
    policy,
    occasion,
    notTrusted: (found = method.claimed(material)) => notTrusted(found),
  })
}

function signerNotTrusted({ path, envelope }: UnverifiedBundle, rule: Rule, found: string): ModelSealError {
  return new ModelSealError(
    'SIGNER_NOT_TRUSTED',
    `The model is not signed by any signer that the rule ${shown(rule.name)} accepts.`,
    {
      file: path,
      signer: found,
      expected: rule.signers.map(describedSigner).join(' or '),
      found,
      hint: `${bundleClaim(path, envelope.payload)}If you trust this signer, add it to the policy; otherwise do not load the model.`,
    },
  )
}

/** A sentence that says which model the bundle claims to be for: it may be another one. */
function bundleClaim(path: string | undefined, payload: Uint8Array): string {
  const name = claimedName(payload)
  if (path === undefined || name === undefined) return ''
  return `The bundle ${shown(path)} claims to be for the model ${shown(name)}. `
}

/** An entry of a list of signers, for messages. */
export function describedSigner(signer: AcceptedSigner): string {
  return `${shown(signer.root)} (${methodOf(signer.method).described(signer)})`
}
