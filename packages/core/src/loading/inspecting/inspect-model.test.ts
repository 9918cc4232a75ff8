import { appendFile, readFile, rm, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { IDENTITY, ISSUER, TestSigstore } from '../../testing/sigstore.ts'
import { TestSite } from '../../testing/site.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { attestModel } from '../operations/attest-model.ts'
import { inspectModel } from './inspect-model.ts'
import { weighAttestations } from './weigh-attestations.ts'
import { policyEntry, PolicyEntries } from './policy-entry.ts'

let site: TestSite
let fingerprint: string
let rootDigest: string

beforeAll(async () => {
  site = await TestSite.make()
  fingerprint = await site.key('a')
  await site.key('b')
  await site.model('vad', { 'config.json': '{}', 'weights.bin': 'weights' })
  rootDigest = await site.sign('vad', 'a', 'vad.sig', { ignorePaths: ['logs'] })
  await site.sign('vad', 'b', 'vad.b.sig')
})
afterAll(() => site.remove())

const STATED = { method: 'files', hashType: 'sha256', allowSymlinks: false }

test('contents of attestations are left out once they have millions of values, but never short ones', async () => {
  await site.model('crowded')
  await site.sign('crowded', 'a')
  const signer = await keySigner({ privateKey: site.file('a.key') })
  const claims = site.file('crowded.claims.jsonl')
  // What is left out takes no room from those after it, and short ones need none.
  for (const [length, times] of [
    [49_000, 12],
    [9_300, 1],
    [450, 3],
  ] as const) {
    const predicate = { list: Array.from({ length }, (_, n) => (n % 2 === 0 ? { a: 1 } : [10])) }
    await attestModel(site.file('crowded'), { signer, type: 'https://example.org/x', predicate })
    const line = (await readFile(claims, 'utf8')).trimEnd().split('\n').at(-1) ?? ''
    await appendFile(claims, `${line}\n`.repeat(times - 1))
  }
  const { attestations } = await inspectModel(site.file('crowded'))
  const kept = attestations.map(({ content }) => (content as { list: [] } | undefined)?.list.length)
  const long = Array.from({ length: 12 }, (_, at) => (at < 10 ? 49_000 : undefined))
  expect(kept).toEqual([...long, 9_300, 450, 450, 450])
  expect(weighAttestations({ bundles: [], attestations }).attestations).toHaveLength(16)
})

describe('all bundles of a model say', () => {
  test('who signed, and what', async () => {
    const { model, bundles } = await inspectModel(site.file('vad'))
    expect(model).toBe(site.file('vad'))
    expect(bundles).toHaveLength(2)
    const [first] = bundles
    expect(first).toMatchObject({
      path: site.file('vad.sig'),
      method: 'key',
      signer: { description: `key sha256:${fingerprint}`, fingerprint },
      signature: 'unknown',
      statement: { ...STATED, name: 'vad', rootDigest },
    })
    expect(first?.statement?.ignorePaths).toContain('logs')
    expect(first?.statement?.files.map(({ name, size }) => [name, size])).toEqual([
      ['config.json', 2],
      ['weights.bin', 7],
    ])
  })

  test('the same without the model, as far as they know', async () => {
    const { model, bundles } = await inspectModel(site.file('vad.sig'))
    expect(model).toBeUndefined()
    expect(bundles).toMatchObject([
      { statement: { rootDigest, files: [{ name: 'config.json' }, { name: 'weights.bin' }] } },
    ])
    expect(bundles[0]?.statement?.files[0]?.size).toBeUndefined()
  })

  test('the same on another machine, with its commit', async () => {
    const content = new Map([['model.sig', await readFile(site.file('vad.sig'))]])
    const source = memorySource('store://vad', content, {
      session: { revision: 'abc', requested: 'main' },
      files: { list: () => [{ name: 'weights.bin', size: 1_000 }] },
    })
    const { bundles, ...rest } = await inspectModel(source)
    expect(rest).toEqual({ model: 'store://vad', revision: 'abc', requested: 'main', attestations: [] })
    expect(bundles[0]?.statement?.files.map(({ size }) => size)).toEqual([undefined, 1_000])
  })
})

describe('a signature is checked only by what is in the bundle itself:', () => {
  const reference = (name: string) => new URL(`../../../../../test/fixtures/reference/${name}.sig`, import.meta.url)

  test.each([
    ['1.1.1-certificate', 'certificate', 'valid'],
    ['1.0.0-key', 'key', 'valid'],
    ['0.2.0-key', 'key', 'valid'],
    ['1.1.1-key', 'key', 'unknown'],
  ])('%s', async (name, method, signature) => {
    const { bundles } = await inspectModel(fileURLToPath(reference(name)))
    expect(bundles).toMatchObject([
      { method, signature, signer: { fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) } },
    ])
    expect(bundles[0]?.statement?.files.length).toBeGreaterThan(1)
  })

  test('that of another statement is invalid', async () => {
    const [signed, other] = await Promise.all(
      ['1.1.1-certificate', '1.1.1-key-blake2b'].map(
        async (name) => JSON.parse(await readFile(reference(name), 'utf8')) as { dsseEnvelope: { payload: string } },
      ),
    )
    const payload = other?.dsseEnvelope.payload
    const bundle = { ...signed, dsseEnvelope: { ...signed?.dsseEnvelope, payload } }
    const { bundles } = await inspectModel(await site.write('forged.sig', JSON.stringify(bundle)))
    expect(bundles).toMatchObject([{ method: 'certificate', signature: 'invalid', statement: { hashType: 'blake2b' } }])
  })

  test('a certificate is shown with its names and validity', async () => {
    const [bundle] = (await inspectModel(fileURLToPath(reference('1.1.1-certificate')))).bundles
    const { subject, issuer, serialNumber, notBefore, notAfter } = bundle?.signer ?? {}
    expect([subject, issuer].every((name) => name?.includes('CN='))).toBe(true)
    expect(serialNumber).toMatch(/^[0-9a-f]+$/)
    expect(Date.parse(notBefore ?? '')).toBeLessThan(Date.parse(notAfter ?? ''))
  })

  test('a keyless signature with its identity, log entry and times', async () => {
    const sigstore = new TestSigstore()
    const json: unknown = await sigstore.json({ stampedAt: sigstore.at })
    const { bundles } = await inspectModel(await site.write('keyless.sig', JSON.stringify(json)))
    expect(bundles).toMatchObject([
      {
        method: 'sigstore',
        signature: 'valid',
        signer: { identity: IDENTITY, issuer: ISSUER },
        logEntries: [{ index: expect.stringMatching(/^\d+$/), log: expect.stringMatching(/=$/) }],
        timestamps: [sigstore.at.toISOString()],
        statement: { name: 'model' },
      },
    ])
    expect(bundles[0]?.policy).toContain(IDENTITY)
  })
})

test('the entries for a policy can be used together: different signers have different trust roots', async () => {
  await site.sign('vad', 'b', 'vad.c.sig')
  const { bundles } = await inspectModel(site.file('vad'))
  const entries = bundles.map(({ policy = '' }) => parse(policy) as { trustRoots: object; signers: { key: string }[] })
  expect(entries.map(({ signers }) => signers[0]?.key)).toEqual(['release', 'release-2', 'release-2'])
  expect(entries[1]?.trustRoots).toEqual({ 'release-2': { publicKey: 'release-2.pub' } })
  expect(entries[2]).toEqual(entries[1])
  const seen = new PolicyEntries()
  const names = ['CN=a', 'CN=b', 'CN=a'].map((subject) => {
    const { trustRoots } = parse(seen.of('certificate', { description: '', subject }) ?? '') as { trustRoots: object }
    return Object.keys(trustRoots)[0]
  })
  expect(names).toEqual(['authority', 'authority-2', 'authority'])
  await rm(site.file('vad.c.sig'))
})

test('a bundle that cannot be read is in the result', async () => {
  await site.write('bad/weights.bin', 'x')
  await site.write('bad/model.sig', '{}')
  expect((await inspectModel(site.file('bad'))).bundles).toMatchObject([{ error: { code: 'BUNDLE_MALFORMED' } }])
  const text = await readFile(site.file('vad.sig'), 'utf8')
  const { dsseEnvelope, ...bundle } = JSON.parse(text) as { dsseEnvelope: object }
  const payload = Buffer.from('{}').toString('base64')
  await writeFile(site.file('other.sig'), JSON.stringify({ ...bundle, dsseEnvelope: { ...dsseEnvelope, payload } }))
  const [found] = (await inspectModel(site.file('other.sig'))).bundles
  expect(found).toMatchObject({ method: 'key', error: { code: 'STATEMENT_MALFORMED' } })
})

test.each([
  ['https://in-toto.io/Statement/v1', 'https://sigstore.dev/cosign/sign/v1'],
  ['https://in-toto.io/Statement/v0.1', 'https://slsa.dev/provenance/v0.2'],
])(
  'a bundle with another statement (%s) is no problem, and nobody is to be trusted for it',
  async (_type, predicateType) => {
    const { dsseEnvelope, ...bundle } = JSON.parse(await readFile(site.file('vad.sig'), 'utf8')) as {
      dsseEnvelope: object
    }
    const statement = { _type, subject: [], predicateType, predicate: {} }
    const payload = Buffer.from(JSON.stringify(statement)).toString('base64')
    const inspected = async (envelope: object) => {
      const text = JSON.stringify({ ...bundle, dsseEnvelope: { ...dsseEnvelope, ...envelope } })
      return (await inspectModel(await site.write('attached.sig', text))).bundles[0]
    }
    const other = await inspected({ payload })
    expect(other).toMatchObject({ method: 'key', other: JSON.stringify(predicateType) })
    expect(other?.error ?? other?.policy ?? other?.statement).toBeUndefined()
    const payloadType = 'application/vnd.dev.cosign.simplesigning.v1+json'
    expect(await inspected({ payloadType })).toEqual({
      path: site.file('attached.sig'),
      other: JSON.stringify(payloadType),
    })
  },
)

test('a model without a bundle is refused', async () => {
  await site.model('unsigned')
  await expect(inspectModel(site.file('unsigned'))).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
  await expect(inspectModel(site.file('unsigned/weights.bin'))).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
  await expect(inspectModel(site.file('nothing'))).rejects.toEqual(refusal('MODEL_NOT_FOUND'))
})

describe('the entry for a policy', () => {
  test.each([
    ['key', { description: '', fingerprint: 'a'.repeat(64) }, [{ key: 'release' }]],
    [
      'certificate',
      { description: '', subject: 'CN=x', subjectAltNames: ['unreadable:x', 'email:a@b.org'] },
      [{ certificate: { root: 'authority', san: 'email:a@b.org' } }],
    ],
    ['certificate', { description: '', subject: 'CN="x' }, [{ certificate: { root: 'authority', subject: 'CN="x' } }]],
    [
      'sigstore',
      { description: '', identity: 'a\u2028\n"b', issuer: 'https://i.example' },
      [{ sigstore: { root: 'sigstore', issuer: 'https://i.example', identity: 'a\u2028\n"b' } }],
    ],
  ] as const)('of the method %s is YAML', (method, signer, signers) => {
    const entry = policyEntry(method, signer) ?? ''
    expect(parse(entry)).toMatchObject({ signers })
    expect(entry).not.toMatch(/[^\n -~]/)
  })

  test.each(['key', 'certificate', 'sigstore'] as const)('is missing for an unnamed signer: %s', (method) => {
    expect(policyEntry(method, { description: '' })).toBeUndefined()
  })
})

test('a signer without a name takes none from others', () => {
  const entries = new PolicyEntries()
  expect(entries.of('key', { description: '' })).toBeUndefined()
  const signer = { description: '', fingerprint: 'a'.repeat(64) }
  expect(entries.of('key', signer)).toBe(policyEntry('key', signer))
})

test('a signer is named well enough by a name in its certificate, but not by half of an identity', () => {
  const named = { description: '', subject: '', subjectAltNames: ['email:a@b.org'] }
  expect(parse(policyEntry('certificate', named) ?? '')).toMatchObject({
    signers: [{ certificate: { san: 'email:a@b.org' } }],
  })
  const unreadable = { description: '', subject: '', subjectAltNames: ['unreadable:x'] }
  expect(policyEntry('certificate', unreadable)).toBeUndefined()
  for (const half of [{ identity: 'a' }, { issuer: 'https://i.example' }])
    expect(policyEntry('sigstore', { description: '', ...half })).toBeUndefined()
})

test('trust roots are numbered without gaps', () => {
  const entries = new PolicyEntries()
  const names = ['CN=a', 'CN=a', 'CN=b'].map((subject) => {
    const { trustRoots } = parse(entries.of('certificate', { description: '', subject }) ?? '') as {
      trustRoots: object
    }
    return Object.keys(trustRoots)[0]
  })
  expect(names).toEqual(['authority', 'authority', 'authority-2'])
})

test('characters that could break a line are escaped, whatever their length', () => {
  const identity = 'a\u0085\u200b\u{e0001}b'
  const entry = policyEntry('sigstore', { description: '', identity, issuer: 'https://i.example' }) ?? ''
  expect(entry).not.toMatch(/[^\n -~]/)
  expect(parse(entry)).toMatchObject({ signers: [{ sigstore: { identity } }] })
})
