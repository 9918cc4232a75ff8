import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import type { ModelSealError } from '../../errors.ts'
import { keyPair } from '../../testing/bundles.ts'
import { keyFingerprints } from '../../x509/public-key.ts'
import { withLibraries } from '../when-needed.ts'
import { packageName } from './package-url.ts'
import { RevocationList } from './revocation-list.ts'
import { Revocations } from './revocations.ts'
import type { RevokedText } from './schema.ts'

const DIGEST = 'ab'.repeat(32)
const OTHER = 'cd'.repeat(32)
const [FROM, UNTIL] = ['2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z']
const [from, until] = [Date.parse(FROM), Date.parse(UNTIL)]

beforeAll(() => withLibraries(() => packageName('pkg:npm/a')))

function revoking(revoked: RevokedText): Revocations {
  const revocations = new Revocations()
  revocations.add(revoked)
  return revocations
}

function listed(by: string, revoked: RevokedText): RevocationList {
  const list = new RevocationList(by)
  list.add(revoked)
  return list
}

function parts(error: ModelSealError | undefined) {
  return error && { code: error.code, sentence: error.message.replace(` ${error.hint ?? ''}`, ''), file: error.file }
}

describe('a window of revocation', () => {
  const windowed = revoking({ rootDigests: [{ digest: DIGEST, from: FROM, until: UNTIL }] })
  const at = (earliest: number, latest: number) => windowed.rootDigest(DIGEST, { earliest, latest })?.message

  const certainly = /^The model with the root digest sha256:(ab){32} is revoked by the policy\. /
  const possibly =
    / is revoked by the policy for a period, and nothing trusted proves that the signature was made outside it\. /

  test('contains its beginning, but no signature that existed before', () => {
    expect(at(from, from)).toMatch(certainly)
    expect(at(-Infinity, from - 1)).toBeUndefined()
    expect(at(from - 1, from)).toMatch(possibly)
  })

  test('does not contain its end', () => {
    expect(at(until, until)).toBeUndefined()
    expect(at(until - 1, until - 1)).toMatch(certainly)
    expect(at(until - 1, until)).toMatch(possibly)
    expect(at(until, Infinity)).toBeUndefined()
  })

  test('contains what was surely made in it, and may contain what has one bound in it, or none', () => {
    expect(at(from + 1, until - 2)).toMatch(certainly)
    expect(at(-Infinity, from + 1)).toMatch(possibly)
    expect(at(from + 1, Infinity)).toMatch(possibly)
    expect(at(-Infinity, Infinity)).toMatch(possibly)
    expect(windowed.rootDigest(DIGEST, undefined)?.message).toMatch(possibly)
  })

  test('may have one bound only', () => {
    const since = revoking({ rootDigests: [{ digest: DIGEST, from: FROM }] })
    expect(since.rootDigest(DIGEST, { earliest: from, latest: Infinity })?.message).toMatch(certainly)
    expect(since.rootDigest(DIGEST, { earliest: -Infinity, latest: Infinity })?.message).toMatch(possibly)
    expect(since.rootDigest(DIGEST, { earliest: -Infinity, latest: from - 1 })).toBeUndefined()
    const before = revoking({ rootDigests: [{ digest: DIGEST, until: UNTIL }] })
    expect(before.rootDigest(DIGEST, { earliest: -Infinity, latest: until - 1 })?.message).toMatch(certainly)
    expect(before.rootDigest(DIGEST, { earliest: -Infinity, latest: until })?.message).toMatch(possibly)
    expect(before.rootDigest(DIGEST, { earliest: until, latest: Infinity })).toBeUndefined()
  })

  test('is not always', () => {
    expect(windowed.revokesAlways(DIGEST)).toBe(false)
    expect(revoking({ rootDigests: [{ digest: DIGEST, from: FROM }] }).revokesAlways(DIGEST)).toBe(false)
    expect(revoking({ rootDigests: [{ digest: DIGEST, until: UNTIL }] }).revokesAlways(DIGEST)).toBe(false)
    const always = revoking({ rootDigests: [DIGEST] })
    expect([always.revokesAlways(DIGEST), always.revokesAlways(OTHER)]).toEqual([true, false])
    expect(always.rootDigest(DIGEST, undefined)?.message).toMatch(certainly)
  })
})

describe('a refusal', () => {
  const reason = 'stolen'

  test('of a model names its root digest, the reason and what to do', () => {
    const refused = revoking({ rootDigests: [{ digest: DIGEST, reason }] }).rootDigest(DIGEST, undefined)
    expect(refused).toMatchObject({
      code: 'MODEL_REVOKED',
      found: 'the reason "stolen"',
      file: undefined,
      hint: 'Do not load the model. Ask its publisher for another version.',
    })
    expect(parts(refused)?.sentence).toContain(
      `The model with the root digest sha256:${DIGEST} is revoked by the policy.`,
    )
    expect(revoking({ rootDigests: [DIGEST] }).rootDigest(DIGEST, undefined)?.found).toBeUndefined()
    expect(revoking({ rootDigests: [DIGEST] }).rootDigest(OTHER, undefined)).toBeUndefined()
  })

  test('of a package names it as it was given', () => {
    const purl = 'pkg:huggingface/acme/vad'
    const revocations = revoking({ packages: [purl] })
    expect(revocations.concernsPackages).toBe(true)
    const refused = revocations.package(`${purl}@1`, packageName(`${purl}@1`))
    expect(parts(refused)).toEqual({
      code: 'MODEL_REVOKED',
      sentence: `The model "${purl}@1" is revoked by the policy.`,
      file: undefined,
    })
    expect(revocations.package('pkg:npm/a', packageName('pkg:npm/a'))).toBeUndefined()
  })

  test('of an attestation names its digest and file', () => {
    const revocations = revoking({ claims: [DIGEST] })
    expect(parts(revocations.attestation(DIGEST, 'claims.jsonl'))).toEqual({
      code: 'ATTESTATION_REVOKED',
      sentence: `The attestation ${DIGEST} is revoked by the policy.`,
      file: 'claims.jsonl',
    })
    expect(revocations.attestation(OTHER, 'claims.jsonl')).toBeUndefined()
    expect(revoking({ rootDigests: [DIGEST] }).attestation(DIGEST, undefined)).toBeUndefined()
  })

  test('of a file names it, and is of the algorithm of its digest', () => {
    const revocations = revoking({ fileDigests: [`blake3:${DIGEST}`, OTHER] })
    expect(parts(revocations.file('a.bin', 'blake3', DIGEST, undefined))).toEqual({
      code: 'FILE_REVOKED',
      sentence: 'The file "a.bin" is revoked by the policy.',
      file: 'a.bin',
    })
    expect(revocations.file('a.bin', 'sha256', DIGEST, undefined)).toBeUndefined()
    expect(revocations.file('a.bin', 'sha256', OTHER, undefined)?.code).toBe('FILE_REVOKED')
    expect([...revocations.fileAlgorithms].sort()).toEqual(['blake3', 'sha256'])
  })

  test('of a certificate names its digest, or its serial number and issuer', () => {
    const issuer = 'CN=Root'
    const certificate = { fingerprints: [OTHER, DIGEST], serialNumber: '0a', issuer } as const
    const byDigest = revoking({ certificates: [DIGEST] })
    expect(parts(byDigest.fingerprint(DIGEST, undefined))).toEqual({
      code: 'CERTIFICATE_REVOKED',
      sentence: `The certificate ${DIGEST} is revoked by the policy.`,
      file: undefined,
    })
    expect(byDigest.fingerprint(OTHER, undefined)).toBeUndefined()
    const sentence = `The certificate ${OTHER} (serial 0a, issued by "CN=Root") is revoked by the policy.`
    expect(parts(byDigest.certificate(certificate, undefined))?.sentence).toBe(sentence)
    const bySerial = revoking({ certificates: [{ serial: '0A', issuer }] })
    expect(parts(bySerial.certificate(certificate, undefined))?.sentence).toBe(sentence)
    expect(bySerial.certificate({ ...certificate, serialNumber: '0b' }, undefined)).toBeUndefined()
    expect(bySerial.certificate({ ...certificate, issuer: 'CN=Other' }, undefined)).toBeUndefined()
    expect(revoking({ certificates: [DIGEST] }).certificate({ ...certificate, fingerprints: [OTHER] }, undefined)).toBe(
      undefined,
    )
  })

  test('of a key names the fingerprint that was looked up first of those that are revoked', () => {
    const revocations = revoking({ keys: [DIGEST] })
    expect(parts(revocations.key([OTHER, DIGEST], undefined))).toEqual({
      code: 'KEY_REVOKED',
      sentence: `The key sha256:${DIGEST} is revoked by the policy.`,
      file: undefined,
    })
    expect(revocations.key(DIGEST, undefined)?.hint).toBe(
      'Do not load the model. Ask its publisher to have it signed by a signer that is not revoked.',
    )
    expect(revocations.key(OTHER, undefined)).toBeUndefined()
    expect(revocations.key([], undefined)).toBeUndefined()
  })
})

describe('a revoked identity', () => {
  const identity = 'release@example.org'

  test('is found by any of the names, with its kind or without', () => {
    const revocations = revoking({ identities: [{ identity }] })
    for (const name of [identity, `email:${identity}`])
      expect(parts(revocations.identity({ names: ['CN=Other', name] }, undefined))).toEqual({
        code: 'IDENTITY_REVOKED',
        sentence: `The identity "${name}" is revoked by the policy.`,
        file: undefined,
      })
    expect(revocations.identity({ names: ['CN=Other'] }, undefined)).toBeUndefined()
    expect(revocations.identity({ names: [] }, undefined)).toBeUndefined()
  })

  test('of an issuer is that of this issuer, or of an unknown one', () => {
    const revocations = revoking({ identities: [{ identity, issuer: 'https://issuer.example' }] })
    const code = (issuers: string[] | undefined) =>
      revocations.identity({ names: [identity], issuers }, undefined)?.code
    expect(code(['https://issuer.example'])).toBe('IDENTITY_REVOKED')
    expect(code(['https://other.example', 'HTTPS://issuer.example/'])).toBe('IDENTITY_REVOKED')
    expect(code(undefined)).toBe('IDENTITY_REVOKED')
    expect(code(['https://other.example'])).toBeUndefined()
    expect(code([])).toBeUndefined()
  })

  test('may have a window', () => {
    const revocations = revoking({ identities: [{ identity, from: FROM, until: UNTIL }] })
    const code = (time: number) => revocations.identity({ names: [identity] }, { earliest: time, latest: time })?.code
    expect([from - 1, from, until - 1, until].map(code)).toEqual([
      undefined,
      'IDENTITY_REVOKED',
      'IDENTITY_REVOKED',
      undefined,
    ])
  })

  test('could be any name that cannot be read', () => {
    const facts = { names: ['CN=Other'], unreadable: ['#ff', '#fe'] }
    expect(revoking({ identities: [{ identity }] }).identity(facts, undefined)).toMatchObject({
      code: 'IDENTITY_UNREADABLE',
      expected: 'names that are text without control characters',
      found: '"#ff"',
    })
    expect(revoking({ identities: [{ identity }] }).identity({ ...facts, unreadable: [] }, undefined)).toBeUndefined()
    // If no identity is revoked, there is none that it could be.
    expect(revoking({ keys: [DIGEST] }).identity(facts, undefined)).toBeUndefined()
  })

  test('takes precedence over names that cannot be read', () => {
    const facts = { names: [identity], unreadable: ['#ff'] }
    expect(revoking({ identities: [{ identity }] }).identity(facts, undefined)?.code).toBe('IDENTITY_REVOKED')
  })
})

describe('a key that the policy names', () => {
  const { publicKey } = keyPair()
  const [own = '', ...others] = keyFingerprints(publicKey.key)
  const ofFile = createHash('sha256').update('its file').digest('hex')

  test('is revoked by each of its fingerprints, and by that of any of its files', () => {
    const another = createHash('sha256').update('another file of it').digest('hex')
    for (const revoked of [own, ...others, ofFile, another]) {
      const revocations = revoking({ keys: [revoked] })
      revocations.know(publicKey.key, ofFile)
      revocations.know(publicKey.key, another)
      for (const fingerprint of [own, ...others, ofFile, another])
        expect(parts(revocations.key(fingerprint, undefined))?.sentence).toBe(
          `The key sha256:${fingerprint} is revoked by the policy.`,
        )
      expect(revocations.key(OTHER, undefined)).toBeUndefined()
    }
  })

  test('is known by each of its fingerprints', () => {
    const revocations = new Revocations()
    expect(revocations.knowsKey(own)).toBe(false)
    revocations.know(publicKey.key, ofFile)
    expect([own, ...others, ofFile, OTHER].map((one) => revocations.knowsKey(one))).toEqual([
      ...[own, ...others, ofFile].map(() => true),
      false,
    ])
  })
})

describe('revocations of others', () => {
  const policy = revoking({ rootDigests: [DIGEST], fileDigests: [DIGEST] })

  test('join those of the policy, which come first', () => {
    const feed = listed('the feed', {
      rootDigests: [DIGEST, OTHER],
      fileDigests: [`blake3:${OTHER}`],
      keys: [DIGEST],
      packages: ['pkg:npm/a'],
    })
    const all = policy.with([feed])
    expect(all.rootDigest(DIGEST, undefined)?.message).toContain('is revoked by the policy.')
    expect(all.rootDigest(OTHER, undefined)?.message).toContain('is revoked by the feed.')
    expect(all.package('pkg:npm/a', packageName('pkg:npm/a'))?.message).toContain('is revoked by the feed.')
    expect([...all.fileAlgorithms].sort()).toEqual(['blake3', 'sha256'])
    expect([all.concernsModels, all.concernsSigners, all.concernsPackages]).toEqual([true, true, true])
    expect(all.revokesAlways(OTHER)).toBe(true)
    expect([policy.rootDigest(OTHER, undefined), policy.concernsSigners, policy.concernsPackages]).toEqual([
      undefined,
      false,
      false,
    ])
  })

  test('are kept when further ones join', () => {
    const all = policy
      .with([listed('the feed', { keys: [DIGEST] })])
      .with([listed('another feed', { identities: [{ identity: 'a@example.org' }] })])
    expect(all.key(DIGEST, undefined)?.message).toContain('is revoked by the feed.')
    expect(all.identity({ names: ['a@example.org'] }, undefined)?.message).toContain('is revoked by another feed.')
    expect(all.rootDigest(DIGEST, undefined)?.message).toContain('is revoked by the policy.')
  })

  test('know the keys of the policy, and those that it learns afterwards', () => {
    const { publicKey } = keyPair()
    const own = new Revocations()
    const all = own.with([listed('the feed', { keys: [OTHER] })])
    const [fingerprint = ''] = keyFingerprints(publicKey.key)
    expect(all.key(fingerprint, undefined)).toBeUndefined()
    own.know(publicKey.key, OTHER)
    expect(all.key(fingerprint, undefined)?.message).toContain('is revoked by the feed.')
  })

  test('concern what any of them does', () => {
    const all = policy.with([listed('the feed', { keys: [DIGEST] }), listed('another feed', {})])
    expect([all.concernsModels, all.concernsSigners, all.concernsPackages]).toEqual([true, true, false])
  })

  test('concern nothing if nothing is revoked', () => {
    const none = new Revocations().with([new RevocationList('the feed')])
    expect([none.concernsModels, none.concernsSigners, none.concernsPackages]).toEqual([false, false, false])
    expect(none.fileAlgorithms.size).toBe(0)
  })
})
