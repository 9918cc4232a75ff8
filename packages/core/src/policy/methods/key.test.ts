import { describe, expect, test } from 'vitest'
import { parseBundle, writeBundle, type UnverifiedBundle } from '../../bundle/bundle.ts'
import type { KeyMaterial } from '../../bundle/materials/key.ts'
import { IN_TOTO_PAYLOAD_TYPE } from '../../bundle/dsse.ts'
import { ModelSealError } from '../../errors.ts'
import { bundleOver, encoded, keyPair, statementOver, type KeyPair, type LooseJson } from '../../testing/bundles.ts'
import { inDays } from '../../testing/authority.ts'
import { refusal } from '../../testing/scratch.ts'
import { timestamp, timestampAuthority } from '../../testing/timestamp.ts'
import { Effort } from '../../verification/effort.ts'
import { keyFingerprints } from '../../x509/public-key.ts'
import { Revocations } from '../revocations/revocations.ts'
import type { RevokedText } from '../revocations/schema.ts'
import type { AcceptedKey } from '../roots/public-key.ts'
import { keyMethod, type AcceptedKeySigner } from './key.ts'
import { methodOf } from './methods.ts'

const [a, b, c] = [keyPair(), keyPair(), keyPair()]
const statement = encoded(statementOver({ weights: 'w' }))
const signedByA = bundleOver(statement, a)
const authority = await timestampAuthority()

type KeyBundle = UnverifiedBundle & { material: KeyMaterial }

function changed(change: (bundle: LooseJson) => void, bytes: Buffer = signedByA): KeyBundle {
  const bundle: LooseJson = JSON.parse(bytes.toString())
  change(bundle)
  return parseBundle(encoded(bundle)) as KeyBundle
}

const byHint = changed(() => {})
const der = ({ publicKey: { key } }: KeyPair) => key.export({ type: 'spki', format: 'der' })
/** The bundle contains a key. */
const carrying = (pair: KeyPair, hint?: string) =>
  changed((b) => (b.verificationMaterial.publicKey = { rawBytes: der(pair).toString('base64'), ...(hint && { hint }) }))

function acceptedKey({ publicKey }: KeyPair, notAfter = Infinity): AcceptedKey {
  return { publicKey, path: 'a.pub', notBefore: -Infinity, notAfter }
}

function entryOf(root: string, ...pairs: KeyPair[]): AcceptedKeySigner {
  return { method: 'key', root, keys: pairs.map((pair) => acceptedKey(pair)) }
}

const notTrusted = (found = 'the one that it claims') => new ModelSealError('SIGNER_NOT_TRUSTED', found)

function identify(
  bundle: UnverifiedBundle,
  accepted: readonly AcceptedKeySigner[],
  { signal, authorities = [] }: { signal?: AbortSignal; authorities?: readonly Buffer[] } = {},
) {
  return keyMethod.identify({
    bundle: bundle as KeyBundle,
    entries: accepted.map((accepted, place) => ({ index: 2 * place + 1, accepted })),
    policy: { roots: new Map(), timestampAuthorities: authorities, revocations: new Revocations() },
    occasion: { now: Date.now(), effort: new Effort(signal) },
    notTrusted,
  })
}

describe('the signer of a bundle with a key is', () => {
  test('every entry that has the key, with the periods of that key', async () => {
    const other = { ...entryOf('both', b), keys: [acceptedKey(b), acceptedKey(a, 5), acceptedKey(a, 7)] }
    const found = await identify(byHint, [entryOf('others', b), entryOf('first', c, a), other])
    expect(found.signature.signer).toMatchObject({ method: 'key', name: 'first', fingerprint: a.publicKey.fingerprint })
    expect(found.signers).toEqual([3, 5])
    expect(found.validities.map(({ notAfter }) => notAfter)).toEqual([Infinity, 5, 7])
  })

  test('found by the key that it contains, whatever its hint says', async () => {
    const entries = [entryOf('others', b, c), entryOf('own', a)]
    for (const bundle of [carrying(a), carrying(a, b.publicKey.fingerprint)])
      expect((await identify(bundle, entries)).signers).toEqual([3])
  })

  test('found by its signature if it names no key', async () => {
    const unnamed = { ...byHint, material: { method: 'key' } } as KeyBundle
    expect((await identify(unnamed, [entryOf('others', b, c), entryOf('own', a)])).signers).toEqual([3])
    await expect(identify(unnamed, [entryOf('others', b, c)])).rejects.toEqual(refusal('SIGNATURE_INVALID'))
  })

  test('nobody if no entry has the key', async () => {
    const refused = refusal('SIGNER_NOT_TRUSTED', { message: 'the one that it claims' })
    for (const bundle of [byHint, carrying(a)]) {
      await expect(identify(bundle, [])).rejects.toEqual(refused)
      await expect(identify(bundle, [entryOf('others', b, c)])).rejects.toEqual(refused)
    }
    await expect(identify(byHint, [entryOf('other', b)])).rejects.toEqual(refused)
    // Only one might have signed it, and it has not.
    await expect(identify(carrying(a), [entryOf('other', b)])).rejects.toEqual(
      refusal('KEY_MISMATCH', { signer: 'other' }),
    )
  })

  test('nobody if the signature is not valid, whichever keys are tried besides', async () => {
    const spoilt = Buffer.from('no signature').toString('base64')
    const spoil = (bundle: LooseJson) => (bundle.dsseEnvelope.signatures[0].sig = spoilt)
    const carried = changed(spoil, writeBundle(
      { publicKey: { rawBytes: der(a).toString('base64') }, tlogEntries: [] },
      { payloadType: IN_TOTO_PAYLOAD_TYPE, payload: statement, signature: Buffer.from('x') },
    )) // prettier-ignore
    const refused = refusal('SIGNATURE_INVALID', { signer: 'own' })
    await expect(identify(changed(spoil), [entryOf('own', a, b)])).rejects.toEqual(refused)
    for (const keys of [[a], [a, b], [b, a], [b, a, c]])
      await expect(identify(carried, [entryOf('own', ...keys)])).rejects.toEqual(refused)
  })

  test('nobody if a timestamp is not valid', async () => {
    const signature = Buffer.from(JSON.parse(signedByA.toString()).dsseEnvelope.signatures[0].sig as string, 'base64')
    const stamped = (stamp: Buffer) =>
      changed((bundle) => {
        bundle.verificationMaterial.timestampVerificationData = {
          rfc3161Timestamps: [{ signedTimestamp: stamp.toString('base64') }],
        }
      })
    const authorities = [authority.root.der]
    const at = inDays(0)
    const good = stamped(await timestamp(authority.signer, signature, { at }))
    const { signature: dated } = await identify(good, [entryOf('own', a)], { authorities })
    expect(dated.time?.at).toBe(at.toISOString())
    const bad = stamped(await timestamp(authority.signer, signature, { over: Buffer.from('other data') }))
    await expect(identify(bad, [entryOf('own', a), entryOf('others', b)], { authorities })).rejects.toEqual(
      refusal('TIMESTAMP_INVALID'),
    )
    // The signature itself is valid with one key only, so no other is tried.
    const unnamed = { ...bad, material: { method: 'key' } } as KeyBundle
    await expect(identify(unnamed, [entryOf('own', a, b, c)], { authorities })).rejects.toEqual(
      refusal('TIMESTAMP_INVALID'),
    )
  })

  test('not looked for once the caller has aborted', async () => {
    const signal = AbortSignal.abort()
    await expect(identify(byHint, [entryOf('own', a)], { signal })).rejects.toEqual(refusal('ABORTED'))
  })

  test('not refused because of a mistake of ours', async () => {
    const broken = { ...byHint, envelope: undefined } as unknown as KeyBundle
    await expect(identify(broken, [entryOf('own', a)])).rejects.toThrow(TypeError)
  })
})

test('a bundle claims the key that it names', () => {
  const { fingerprint } = a.publicKey
  expect(keyMethod.claimed({ method: 'key', hint: fingerprint })).toBe(`the key sha256:${fingerprint}`)
  expect(keyMethod.claimed({ method: 'key' })).toBe('an unnamed key')
})

test('a bundle names its key in hex or base64, and may contain it', () => {
  const { fingerprint, key } = a.publicKey
  const { keys, certificates } = keyMethod.carried({ method: 'key', hint: fingerprint.toUpperCase() })
  expect([keys[0], certificates]).toEqual([fingerprint, []])
  const base64 = Buffer.from(fingerprint, 'hex').toString('base64')
  expect(keyMethod.carried({ method: 'key', hint: base64 }).keys).toContain(fingerprint)
  expect(keyMethod.carried({ method: 'key', rawBytes: der(a) }).keys).toEqual(keyFingerprints(key))
  expect(keyMethod.carried({ method: 'key', rawBytes: Buffer.from('no key') }).keys).toEqual([])
  expect(keyMethod.carried({ method: 'key' }).keys).toEqual([])
  const broken = Object.defineProperty(Buffer.alloc(1), 'toString', { value: undefined })
  expect(() => keyMethod.carried({ method: 'key', rawBytes: broken })).toThrow(TypeError)
})

test('a signer is its key, which has no other name', async () => {
  expect(keyMethod.keyOf({ method: 'key', description: '', name: '', fingerprint: 'ab' })).toBe('ab')
  expect(keyMethod.names()).toEqual([])
  expect(keyMethod.dangers()).toEqual([])
  expect(await methodOf('key').issuers({} as never, {} as never)).toBeUndefined()
  expect(keyMethod.proves).toEqual({ log: false, age: false })
  expect(keyMethod.described(entryOf('r', a, b))).toBe(
    `key sha256:${a.publicKey.fingerprint} or sha256:${b.publicKey.fingerprint}`,
  )
})

describe('a signer is revoked', () => {
  const [from, until] = ['2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z']
  const isRevoked = (keys: NonNullable<RevokedText['keys']>, pairs = [a], timestampAuthorities: Buffer[] = []) => {
    const revocations = new Revocations()
    revocations.add({ keys })
    return keyMethod.isRevoked(entryOf('r', ...pairs), { roots: new Map(), timestampAuthorities, revocations })
  }
  const fingerprintOf = ({ publicKey }: KeyPair) => publicKey.fingerprint

  test('if all of its keys are, by any of their fingerprints', () => {
    expect(isRevoked([fingerprintOf(a)])).toBe(true)
    expect(isRevoked([keyFingerprints(a.publicKey.key).at(-1) ?? ''])).toBe(true)
    expect(isRevoked([fingerprintOf(b)])).toBe(false)
    expect(isRevoked([fingerprintOf(a)], [a, b])).toBe(false)
    expect(isRevoked([fingerprintOf(a), fingerprintOf(b)], [a, b])).toBe(true)
  })

  test('unless a timestamp can prove that a signature is older', () => {
    const fingerprint = fingerprintOf(a)
    const trusted = [authority.root.der]
    expect([isRevoked([{ fingerprint, from }]), isRevoked([{ fingerprint, from }], [a], trusted)]).toEqual([
      true,
      false,
    ])
    expect([isRevoked([{ fingerprint, until }]), isRevoked([{ fingerprint, until }], [a], trusted)]).toEqual([
      true,
      true,
    ])
    expect(isRevoked([fingerprint], [a], trusted)).toBe(true)
  })
})
