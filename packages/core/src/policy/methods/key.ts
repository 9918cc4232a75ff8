import * as s from '../../schema/define.ts'
import type { KeyMaterial } from '../../bundle/materials/key.ts'
import { ModelSealError } from '../../errors.ts'
import { verifyKeyWithin } from '../../verification/methods/key.ts'
import type { KeyIdentity } from '../../results.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { isNamedBy, keyFingerprints, namedKey, parseCarriedKey, type PublicKey } from '../../x509/public-key.ts'
import { plainHex } from '../revocations/fingerprint.ts'
import type { AcceptedKey, PublicKeyRoot } from '../roots/public-key.ts'
import { nameSchema } from '../schema/text.ts'
import { ANY_TIME, WELL_DATED } from '../signature-time.ts'
import type { Identification, Method } from './method.ts'

export interface AcceptedKeySigner {
  method: 'key'
  root: string
  keys: readonly AcceptedKey[]
}

const schema = s.strictObject({ key: nameSchema.describe('Name of a trust root of public keys.') })

export const keyMethod = {
  method: 'key',
  schema,
  root: 'publicKey',
  proves: { log: false, age: false },
  rootName: ({ key }) => key,
  compile: ({ key }, root) => ({ method: 'key', root: key, keys: (root as PublicKeyRoot).keys }),
  described: ({ keys }) => `key ${keys.map(({ publicKey }) => `sha256:${publicKey.fingerprint}`).join(' or ')}`,

  async identify({ bundle, entries, policy, occasion: { now, effort }, notTrusted }) {
    const time = withoutPrototype({ timestampAuthorities: policy.timestampAuthorities, now: new Date(now), effort })
    const candidates = keysThatMayHaveSigned(bundle.material, entries)
    let refusal = notTrusted()
    for (const [fingerprint, { name, publicKey }] of candidates) {
      try {
        // Does not use up the budget: the policy names these keys.
        await effort.turn()
        const signature = await verifyKeyWithin(bundle, publicKey, name, time)
        const found = entries.map(({ index, accepted: { keys } }) => ({
          index,
          keys: keys.filter((key) => key.publicKey.fingerprint === fingerprint),
        }))
        return {
          signature,
          signers: found.flatMap(({ index, keys }) => (keys.length > 0 ? [index] : [])),
          validities: found.flatMap(({ keys }) => keys),
        }
      } catch (error) {
        if (!(error instanceof ModelSealError)) throw error
        // If several keys might have signed, a mismatch of one says nothing about the others.
        if (error.code !== 'KEY_MISMATCH' || candidates.size === 1) refusal = error
        if (error.code !== 'KEY_MISMATCH' && error.code !== 'SIGNATURE_INVALID') break
      }
    }
    throw refusal
  },

  claimed: ({ hint }) => (hint ? `the key ${namedKey(hint)}` : 'an unnamed key'),
  /** From the hint and the key itself: a bundle may contain either or both. Other signers write the hint in base64. */
  carried({ hint, rawBytes }) {
    const hints = hint === undefined ? [] : [plainHex(hint), Buffer.from(hint, 'base64').toString('hex')]
    const key = rawBytes && carriedKey(rawBytes)
    return { keys: [...hints, ...(key ? keyFingerprints(key.key) : [])], certificates: [] }
  },
  issuers: () => Promise.resolve(undefined),
  keyOf: ({ fingerprint }) => fingerprint,
  names: () => [],
  dangers: () => [],
  isRevoked({ keys }, { revocations, timestampAuthorities }) {
    // A timestamp proves that a signature is not younger. Nothing proves that a signature by a key is not older.
    const when = timestampAuthorities.length > 0 ? { ...WELL_DATED, earliest: -Infinity } : ANY_TIME
    return keys.every(({ publicKey: { key } }) => revocations.key(keyFingerprints(key), when) !== undefined)
  },
} satisfies Method<KeyMaterial, KeyIdentity, AcceptedKeySigner, s.Infer<typeof schema>>

/** Selects keys by the claims of the bundle, which are cheap to compare; the signature decides. */
function keysThatMayHaveSigned(
  { hint, rawBytes }: KeyMaterial,
  entries: Identification<KeyMaterial, AcceptedKeySigner>['entries'],
): Map<string, { name: string; publicKey: PublicKey }> {
  const keys = new Map<string, { name: string; publicKey: PublicKey }>()
  for (const { accepted } of entries) {
    for (const { publicKey } of accepted.keys) {
      const { fingerprint } = publicKey
      // If the bundle contains a key, verification compares that key, and its hint is ignored.
      const claimed = rawBytes ? undefined : hint
      if ((claimed === undefined || isNamedBy(claimed, publicKey)) && !keys.has(fingerprint))
        keys.set(fingerprint, { name: accepted.root, publicKey })
    }
  }
  return keys
}

/** Undefined if the key cannot be parsed: then the bundle claims none. */
function carriedKey(rawBytes: Buffer): PublicKey | undefined {
  try {
    return parseCarriedKey(rawBytes)
  } catch (error) {
    if (error instanceof ModelSealError) return undefined
    throw error
  }
}
