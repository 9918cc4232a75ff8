import { generateKeyPairSync, webcrypto, type KeyObject } from 'node:crypto'
import * as pkijs from 'pkijs'
import { beforeAll, describe, expect, test } from 'vitest'
import { extension, SERVER_AUTH } from '../../packages/core/src/testing/authority.ts'
import { parseTrustConfig } from '../../packages/core/src/verification/sigstore/trust-config.ts'
import { parsed, TestSigstore, type BundleJson, type Wanted } from '../../packages/core/src/testing/sigstore.ts'
import { verifySigstoreBundle } from '../../packages/core/src/verification/methods/sigstore.ts'
import { toTrust } from '../../packages/core/src/verification/sigstore/trust.ts'

// Unsigned statements in a Sigstore bundle, and keys that were not valid when it was made.

const sigstore = new TestSigstore()
const ENDED = { start: '2021-01-12T00:00:00Z', end: '2022-12-31T00:00:00Z' }
const TO_COME = { start: '2099-01-01T00:00:00Z' }
const KINDS: [string, Wanted][] = [
  ['Rekor v2 with a timestamp', { rekor: 'v2', stampedAt: sigstore.at }],
  ['Rekor v1', { rekor: 'v1' }],
  ['Rekor v1 with a timestamp', { rekor: 'v1', stampedAt: sigstore.at }],
]

let root: BundleJson
beforeAll(async () => {
  root = await sigstore.root()
})

async function trustOf(change: (root: BundleJson) => unknown) {
  const changed = structuredClone(root)
  change(changed)
  const config = await parseTrustConfig(Buffer.from(JSON.stringify(changed)))
  return toTrust(config, { name: 'test', source: 'file' })
}

/** The code of the refusal, or `accepted`. */
async function outcome(json: BundleJson, change: (root: BundleJson) => unknown = () => undefined): Promise<string> {
  try {
    await verifySigstoreBundle(parsed(json), await trustOf(change), 'test')
    return 'accepted'
  } catch (error) {
    return String((error as { code?: unknown }).code)
  }
}

function withoutPromise(json: BundleJson): BundleJson {
  delete json.verificationMaterial.tlogEntries[0].inclusionPromise
  return json
}

describe.each(KINDS)('a bundle of %s', (_, wanted) => {
  test('is accepted unchanged', async () => {
    expect(await outcome(await sigstore.json(wanted))).toBe('accepted')
  })

  test.each([
    ['ended years before', ENDED],
    ['had not begun', TO_COME],
  ])("is refused if the validity of the log's key %s", async (_when, validFor) => {
    const json = await sigstore.json(wanted)
    expect(await outcome(json, ({ tlogs }) => (tlogs[0].publicKey.validFor = validFor))).toBe('LOG_UNTRUSTED')
  })

  test('is judged by the valid entry of the trusted root if two entries have the same key', async () => {
    const json = await sigstore.json(wanted)
    const twice = (validFor: object) => (changed: BundleJson) => {
      const [log] = changed.tlogs
      changed.tlogs = [{ ...log, publicKey: { ...log.publicKey, validFor } }, structuredClone(log)]
    }
    expect(await outcome(json, twice(ENDED))).toBe('accepted')
    const ended = (changed: BundleJson) => {
      twice(ENDED)(changed)
      changed.tlogs[1].publicKey.validFor = TO_COME
    }
    expect(await outcome(json, ended)).toBe('LOG_UNTRUSTED')
  })

  test('is refused if the certificate log was no longer in use', async () => {
    const json = await sigstore.json(wanted)
    expect(await outcome(json, ({ ctlogs }) => (ctlogs[0].publicKey.validFor = ENDED))).toBe('SCT_INVALID')
  })

  test('is refused if the authority was no longer in use', async () => {
    const json = await sigstore.json(wanted)
    const change = ({ certificateAuthorities }: BundleJson) => (certificateAuthorities[0].validFor = ENDED)
    expect(await outcome(json, change)).toBe('CHAIN_NO_PATH')
  })

  test.each<[string, (entry: BundleJson) => void]>([
    ['rootHash', ({ inclusionProof }) => (inclusionProof.rootHash = Buffer.alloc(32, 1).toString('base64'))],
    ['treeSize', ({ inclusionProof }) => (inclusionProof.treeSize = '2')],
    ['logIndex of the entry', (entry) => (entry.logIndex = '7')],
    ['logIndex of the proof', ({ inclusionProof }) => (inclusionProof.logIndex = '00')],
  ])('is refused if its %s is not what the log signed', async (_field, change) => {
    const json = await sigstore.json(wanted)
    change(json.verificationMaterial.tlogEntries[0])
    expect(await outcome(json)).toBe('LOG_INCLUSION_INVALID')
  })

  test('is refused if the name of the log differs from the trusted root or is only a part of it', async () => {
    const json = await sigstore.json(wanted)
    for (const baseUrl of ['https://other.test', 'https://xrekor.test.example'])
      expect(await outcome(json, ({ tlogs }) => (tlogs[0].baseUrl = baseUrl))).toBe('LOG_INCLUSION_INVALID')
  })

  test('is refused if the log recorded an unknown version', async () => {
    const json = await sigstore.json(wanted)
    const [entry] = json.verificationMaterial.tlogEntries
    const body = JSON.parse(Buffer.from(entry.canonicalizedBody, 'base64').toString())
    json.verificationMaterial.tlogEntries = [sigstore.entry({ ...body, apiVersion: '0.0.3' }, wanted)]
    expect(await outcome(json)).toBe('LOG_ENTRY_MISMATCH')
  })
})

describe('a time', () => {
  test('from a log without a promise does not count', async () => {
    expect(await outcome(withoutPromise(await sigstore.json({ rekor: 'v1' })))).toBe('TIME_MISSING')
  })

  test("of an authority replaces a removed promise, and the log's key must have been valid then", async () => {
    const json = withoutPromise(await sigstore.json({ rekor: 'v1', stampedAt: sigstore.at }))
    expect(await outcome(json)).toBe('accepted')
    expect(await outcome(json, ({ tlogs }) => (tlogs[0].publicKey.validFor = ENDED))).toBe('LOG_UNTRUSTED')
  })

  test('of an authority that was no longer in use is refused', async () => {
    const json = await sigstore.json({ rekor: 'v2', stampedAt: sigstore.at })
    const change = ({ timestampAuthorities }: BundleJson) => (timestampAuthorities[0].validFor = ENDED)
    expect(await outcome(json, change)).toBe('TIMESTAMP_INVALID')
  })
})

test('refuses a repeated log entry', async () => {
  const json = await sigstore.json({ rekor: 'v2', stampedAt: sigstore.at })
  json.verificationMaterial.tlogEntries.push(structuredClone(json.verificationMaterial.tlogEntries[0]))
  expect(await outcome(json)).toBe('LOG_INCLUSION_INVALID')
})

describe('a trusted root', () => {
  const places: [string, (root: BundleJson) => BundleJson][] = [
    ['log', ({ tlogs }) => tlogs[0].publicKey],
    ['log of certificates', ({ ctlogs }) => ctlogs[0].publicKey],
    ['certificate authority', ({ certificateAuthorities }) => certificateAuthorities[0]],
    ['timestamp authority', ({ timestampAuthorities }) => timestampAuthorities[0]],
  ]
  test.each(places)('is malformed if the validity of a %s has no start or ends before it starts', async (_, place) => {
    const refused = expect.objectContaining({ code: 'TRUST_ROOT_INVALID' }) as unknown
    for (const validFor of [undefined, {}, { end: '2099-01-01T00:00:00Z' }, { start: ENDED.end, end: ENDED.start }])
      await expect(trustOf((changed) => (place(changed).validFor = validFor))).rejects.toEqual(refused)
  })

  const weakKeys = () => [
    generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey,
    generateKeyPairSync('ec', { namedCurve: 'secp192k1' }).publicKey,
  ]
  const refused = expect.objectContaining({ code: 'TRUST_ROOT_INVALID' }) as unknown

  test.each(['tlogs', 'ctlogs'])('is refused if a key of its %s is weak', async (logs) => {
    for (const key of weakKeys()) {
      const rawBytes = key.export({ type: 'spki', format: 'der' }).toString('base64')
      await expect(trustOf((changed) => (changed[logs][0].publicKey.rawBytes = rawBytes))).rejects.toEqual(refused)
    }
  })

  test.each(['certificateAuthorities', 'timestampAuthorities'])(
    'is refused if a certificate of its %s has a weak key, before anything is verified with it',
    async (authorities) => {
      for (const key of weakKeys()) {
        for (const place of [0, -1]) {
          const change = (changed: BundleJson) => {
            const certificate = changed[authorities][0].certChain.certificates.at(place)
            certificate.rawBytes = withKey(certificate.rawBytes, key)
          }
          await expect(trustOf(change)).rejects.toEqual(refused)
        }
      }
    },
  )

  test('whose authority may issue for servers only does not vouch for a signer', async () => {
    const json = await sigstore.json({ rekor: 'v1' })
    const limited = await limitedRoot(SERVER_AUTH)
    const put = ({ certificateAuthorities }: BundleJson) =>
      (certificateAuthorities[0].certChain.certificates = [{ rawBytes: limited }])
    expect(await outcome(json, put)).toBe('CERTIFICATE_USAGE')
  })
})

/** The certificate with another key; its signature is no longer valid. */
function withKey(certificate: string, key: KeyObject): string {
  const changed = pkijs.Certificate.fromBER(Buffer.from(certificate, 'base64'))
  changed.subjectPublicKeyInfo = pkijs.PublicKeyInfo.fromBER(key.export({ type: 'spki', format: 'der' }))
  return Buffer.from(changed.toSchema(true).toBER()).toString('base64')
}

/** The root of the instance again, with an extended key usage. */
async function limitedRoot(usage: string): Promise<string> {
  const der = Buffer.from(root.certificateAuthorities[0].certChain.certificates[0].rawBytes, 'base64')
  const certificate = pkijs.Certificate.fromBER(der)
  const value = new pkijs.ExtKeyUsage({ keyPurposes: [usage] }).toSchema()
  certificate.extensions?.push(extension('2.5.29.37', true, value))
  const { privateKey } = sigstore.authorityKeys
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const key = await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign'])
  await certificate.sign(key, 'SHA-256')
  return Buffer.from(certificate.toSchema(true).toBER()).toString('base64')
}
