import type { HashType } from '../hashing/algorithms.ts'
import { Manifest } from '../manifest/manifest.ts'
import type { Evidence } from '../policy/requirements/requirement.ts'
import type { SignatureTime, VerifiedIdentity } from '../results.ts'
import type { VerifiedSignature } from '../verification/verified-signature.ts'
import { sha256 } from './bundles.ts'
import { policyOf } from './rules.ts'

/** The time at which evidence is judged. */
export const NOW = Date.parse('2026-06-15T12:00:00Z')

interface SignatureParts {
  signer?: Partial<VerifiedIdentity>
  time?: SignatureTime
  /** The name that the signer stated; undefined if the statement has none. */
  name?: string | undefined
  hashType?: HashType
  /** The content of the only file. */
  content?: string
}

/** A signature as if it had been verified, by the key `release` unless given otherwise. */
export function signatureBy({ signer, time, hashType = 'sha256', ...model }: SignatureParts = {}): VerifiedSignature {
  const name = 'name' in model ? model.name : 'vad'
  const digest = sha256(model.content ?? '')
  const manifest = new Manifest(name, { method: 'files', hashType, allowSymlinks: false }, [
    { name: 'weights.bin', digest },
  ])
  const identity = { method: 'key', name: 'release', description: 'key sha256:00', fingerprint: '00', ...signer }
  return { signer: identity, manifest, bundleDigest: sha256('bundle'), ...(time ? { time } : {}) } as VerifiedSignature
}

/** What is known about such a signature under the rule `r` of a policy that names nothing. */
export function evidenceOf(signature: SignatureParts = {}, more: Partial<Evidence> = {}): Evidence {
  return {
    signature: signatureBy(signature),
    validities: [],
    rule: 'r',
    now: NOW,
    policy: policyOf([]),
    signal: undefined,
    ...more,
  }
}

/** Whether a schema accepts each of the values. */
export function accepts(schema: { check: (value: unknown) => object }, values: readonly unknown[]): boolean[] {
  return values.map((value) => 'value' in schema.check(value))
}
