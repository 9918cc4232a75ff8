import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { claimedName } from '../bundle/claim.ts'
import { ModelSealError, shown } from '../errors.ts'
import { passAbort } from '../verification/effort.ts'
import { verifyKeyBundle } from '../verification/methods/key.ts'
import type { CertificateSigner, SigstoreSigner, VerifiedSignature } from '../verification/verified-signature.ts'
import { isBy, verifyByCertificate } from './certificate-signers.ts'
import type { Occasion } from './occasion.ts'
import type { Policy } from './policy.ts'
import type { AcceptedKey, AcceptedSigner, Validity } from './accepted-signer.ts'
import type { Rule } from './rule.ts'
import { isIdentity, verifyBySigstore } from './sigstore-signers.ts'

/** A valid signature, and the entries of the rule's list of signers that it may stand for. */
export interface IdentifiedSignature {
  signature: VerifiedSignature
  /** Indexes into `rule.signers`: one at least. */
  signers: readonly number[]
  /** When those entries count, one of these at least; empty where they always do. */
  validities: readonly Validity[]
}

/**
 * Verifies a bundle against the signers that a rule accepts.
 *
 * @throws {@link ModelSealError} `ABORTED`; `SIGNER_NOT_TRUSTED` where it is by none of them;
 * else why the one that it claims to be by did not
 * sign it
 */
export async function identifySigner(
  bundle: UnverifiedBundle,
  rule: Rule,
  policy: Policy,
  occasion: Occasion,
): Promise<IdentifiedSignature> {
  switch (bundle.material.method) {
    case 'key':
      return byKey(bundle, rule, policy, occasion)
    case 'certificate':
      return byCertificate(bundle, rule, policy, occasion)
    case 'sigstore':
      return bySigstore(bundle, rule, policy, occasion)
  }
}

async function byKey(
  bundle: UnverifiedBundle,
  rule: Rule,
  policy: Policy,
  occasion: Occasion,
): Promise<IdentifiedSignature> {
  const { now, effort } = occasion
  const time = { timestampAuthorities: policy.timestampAuthorities, now: new Date(now), effort }
  const candidates = keysThatMayHaveSigned(bundle, rule)
  let refusal = notTrusted(bundle, rule)
  for (const [fingerprint, { name, key }] of candidates) {
    try {
      // Not counted: the keys are the policy's own.
      await effort.turn()
      const signature = await verifyKeyBundle(bundle, key.publicKey, name, time)
      const isIt = (accepted: AcceptedKey) => accepted.publicKey.fingerprint === fingerprint
      const signers = rule.signers.flatMap((signer, index) =>
        signer.method === 'key' && signer.keys.some(isIt) ? [index] : [],
      )
      const validities = rule.signers.flatMap((signer) => (signer.method === 'key' ? signer.keys.filter(isIt) : []))
      return { signature, signers, validities }
    } catch (error) {
      passAbort(error)
      if (!(error instanceof ModelSealError)) throw error
      // Of several keys that might have signed, one that did not says nothing about the others.
      if (error.code !== 'KEY_MISMATCH' || candidates.size === 1) refusal = error
      if (error.code !== 'KEY_MISMATCH' && error.code !== 'SIGNATURE_INVALID') break
    }
  }
  throw refusal
}

/** By what the bundle claims, which costs nothing to look at; the signature decides. */
function keysThatMayHaveSigned(
  { material }: UnverifiedBundle,
  rule: Rule,
): Map<string, { name: string; key: AcceptedKey }> {
  const keys = new Map<string, { name: string; key: AcceptedKey }>()
  const hint = material.method === 'key' ? material.hint : undefined
  for (const signer of rule.signers) {
    if (signer.method !== 'key') continue
    for (const key of signer.keys) {
      const { fingerprint } = key.publicKey
      if ((hint === undefined || hint === fingerprint) && !keys.has(fingerprint))
        keys.set(fingerprint, { name: signer.root, key })
    }
  }
  return keys
}

function byCertificate(
  bundle: UnverifiedBundle,
  rule: Rule,
  policy: Policy,
  occasion: Occasion,
): Promise<IdentifiedSignature> {
  return byRoot(bundle, rule, {
    method: 'certificate',
    verify: (root) => verifyByCertificate(bundle, root, policy, occasion),
    accepts: (accepted, signer, root) => signer.method === 'certificate' && isBy(signer, accepted, root),
  })
}

function bySigstore(
  bundle: UnverifiedBundle,
  rule: Rule,
  policy: Policy,
  occasion: Occasion,
): Promise<IdentifiedSignature> {
  return byRoot(bundle, rule, {
    method: 'sigstore',
    verify: (root) => verifyBySigstore(bundle, root, policy, occasion),
    accepts: (accepted, signer, root) => signer.method === 'sigstore' && isIdentity(signer, accepted, root),
  })
}

/** How a method whose signers go by a trust root verifies, and knows whom a rule accepts. */
interface RootedMethod {
  method: 'certificate' | 'sigstore'
  verify: (root: string) => Promise<VerifiedSignature>
  accepts: (accepted: Rule['signers'][number], signer: CertificateSigner | SigstoreSigner, root: string) => boolean
}

async function byRoot(
  bundle: UnverifiedBundle,
  rule: Rule,
  { method, verify, accepts }: RootedMethod,
): Promise<IdentifiedSignature> {
  const roots = new Set(rule.signers.flatMap((signer) => (signer.method === method ? [signer.root] : [])))
  let refusal: ModelSealError | undefined
  for (const root of roots) {
    try {
      const signature = await verify(root)
      const { signer } = signature
      if (signer.method === 'key') continue
      const signers = rule.signers.flatMap((accepted, index) => (accepts(accepted, signer, root) ? [index] : []))
      if (signers.length > 0) return { signature, signers, validities: [] }
      refusal ??= notTrusted(bundle, rule, signer)
    } catch (error) {
      passAbort(error)
      if (!(error instanceof ModelSealError)) throw error
      refusal ??= error
    }
  }
  throw refusal ?? notTrusted(bundle, rule)
}

function notTrusted(
  { material, envelope, path }: UnverifiedBundle,
  rule: Rule,
  found?: CertificateSigner | SigstoreSigner,
): ModelSealError {
  const claimed = found
    ? found.method === 'sigstore'
      ? `${shown(found.identity)}, by the word of ${shown(found.issuer)}`
      : [found.subject, ...found.subjectAltNames].filter(Boolean).map(shown).join(', ')
    : material.method === 'key'
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
      expected: rule.signers.map(described).join(' or '),
      found: claimed,
      hint: `${bundleWords(path, envelope.payload)}If this signer is right, the policy has to say so; else do not load the model.`,
    },
  )
}

/** Which bundle it is, as a sentence: it may be the one of another model. */
function bundleWords(path: string | undefined, payload: Uint8Array): string {
  const name = claimedName(payload)
  if (path === undefined || name === undefined) return ''
  return `The bundle ${shown(path)} says that it belongs to the model ${shown(name)}. `
}

/** An entry of the list of signers, for people. */
export function described(signer: AcceptedSigner): string {
  if (signer.method === 'key')
    return `${shown(signer.root)} (key ${signer.keys.map(({ publicKey }) => publicKey.fingerprint).join(' or ')})`
  const wanted =
    signer.method === 'sigstore'
      ? { issuer: signer.issuer, identity: signer.identity }
      : { subject: signer.subject, san: signer.san, issuer: signer.issuer }
  const parts = Object.entries(wanted).flatMap(([field, text]) => (text ? [`${field} ${shown(text.written)}`] : []))
  const extensions =
    signer.method === 'sigstore'
      ? Object.entries(signer.extensions).map(([name, value]) => `${name} ${shown(value)}`)
      : []
  return `${shown(signer.root)} (${[signer.method, ...parts, ...extensions].join(', ')})`
}
