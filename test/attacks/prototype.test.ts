import { createHash } from 'node:crypto'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readBundle } from '../../packages/core/src/bundle/read-bundle.ts'
import { readCertificates } from '../../packages/core/src/x509/certificate.ts'
import { readPublicKey } from '../../packages/core/src/x509/public-key.ts'
import { authority, pemOf, privateKeyPem, signingLeaf } from '../../packages/core/src/testing/authority.ts'
import { parseTrustConfig } from '../../packages/core/src/verification/sigstore/trust-config.ts'
import { openVerifiedModel } from '../../packages/core/src/loading/open-verified-model.ts'
import { verifyModel } from '../../packages/core/src/loading/operations/verify-model.ts'
import { checkToken } from '../../packages/core/src/signing/sigstore/identity-token.ts'
import { certificateSigner } from '../../packages/core/src/signing/methods/certificate.ts'
import { signModel } from '../../packages/core/src/signing/sign-model.ts'
import { parsed, TestSigstore } from '../../packages/core/src/testing/sigstore.ts'
import { verifyCertificateBundle } from '../../packages/core/src/verification/methods/certificate.ts'
import { verifyKeyBundle } from '../../packages/core/src/verification/methods/key.ts'
import { verifySigstoreBundle } from '../../packages/core/src/verification/methods/sigstore.ts'
import { toTrust } from '../../packages/core/src/verification/sigstore/trust.ts'
import { parseModelJson } from '../../packages/tfjs/src/model-json.ts'
import { blazeFace, copyOf, flipBit, Workspace } from '../signed-models.ts'

// Someone who can write to Object.prototype must not be able to supply values that are missing in a bundle, a statement, a
// trusted root, a model.json or an internal object: no lookup may reach it.

const workspace = new Workspace()
const sigstore = new TestSigstore()
const inWorkspace = (file: string) => join(workspace.path, file)
const root = await authority('Root')
const leaf = await signingLeaf(root)
let good: string
let tampered: string
let face: string

beforeAll(async () => {
  writeFileSync(inWorkspace('root.pem'), pemOf(root))
  writeFileSync(inWorkspace('leaf.pem'), pemOf(leaf))
  writeFileSync(inWorkspace('leaf.key'), await privateKeyPem(leaf))
  good = await workspace.sign('m', { 'weights.bin': 'the signed weights' })
  const signer = await certificateSigner({
    privateKey: inWorkspace('leaf.key'),
    certificate: inWorkspace('leaf.pem'),
  })
  await signModel(good, { signer, signature: inWorkspace('certificate.sig') })
  face = await workspace.sign('face', blazeFace())
  tampered = copyOf(good, 'tampered')
  flipBit(join(tampered, 'weights.bin'))
  for (const mode of ['enforce', 'audit', 'skip']) {
    const signers = mode === 'skip' ? ['reason: tested'] : ['signers: [{ key: release }]']
    const revoked = `revoked: { rootDigests: ["${'0'.repeat(64)}"], fileDigests: ["${'1'.repeat(64)}"], keys: ["${'2'.repeat(64)}"] }`
    const rule = [`name: all`, 'match: { path: "models/**" }', `mode: ${mode}`, ...signers].join(', ')
    const lines = ['version: 1', 'trustRoots: { release: { publicKey: release.pub } }', `rules: [{ ${rule} }]`, revoked]
    writeFileSync(inWorkspace(`${mode}.yaml`), lines.join('\n'))
  }
})
afterAll(() => workspace[Symbol.dispose]())

/** Optional fields of hostile JSON. */
const JSON_FIELDS =
  'mediaType tlogEntries inclusionPromise inclusionProof integratedTime logIndex kindVersion timestampVerificationData ' +
  'rfc3161Timestamps signatures spec hashedRekordV002 dsseV002 validFor certChain checkpointKeyId timestampAuthorities ' +
  'keyid payload resources annotations ignore_paths shard_size modelTopology weightsManifest paths weights quantization ' +
  'dtype shape node model_config class_name userDefinedMetadata signature'

/** Names used only for wording messages, and names that libraries, Node.js and the test runner look up on every object. */
const LEFT_OUT = new Set(
  'cause code column expected file found hint line problems signer type value error cached'.split(' '),
)

/** Every optional field that the source code declares, and those of the JSON. */
const NAMES = [
  ...new Set([
    ...globSync('packages/{core,tfjs}/src/**/*.ts')
      .filter((file) => !/\.test\.ts$|\/test-|\/testing\/|\/telemetry\//.test(file))
      .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/^ +(?:readonly )?(\w+)\?:/gm)])
      .map(([, name = '']) => name),
    ...JSON_FIELDS.split(' '),
  ]),
].filter((name) => !LEFT_OUT.has(name))

/** Where our code looks up one of the names on `Object.prototype` during the call. */
async function lookups(work: () => unknown): Promise<string[]> {
  const found = new Set<string>()
  for (const name of NAMES) {
    Object.defineProperty(Object.prototype, name, {
      configurable: true,
      get() {
        const [, , caller = ''] = (new Error().stack ?? '').split('\n')
        const place = /packages\/(?:core|tfjs)\/(?:src|dist)\/[^):]+:\d+/.exec(caller)?.[0]
        if (place !== undefined && !/\/test-|\/testing\//.test(place)) found.add(`${name} in ${place}`)
        return undefined
      },
      set(value) {
        Object.defineProperty(this, name, { value, configurable: true, enumerable: true, writable: true })
      },
    })
  }
  try {
    await work()
  } finally {
    for (const name of NAMES) Reflect.deleteProperty(Object.prototype, name)
  }
  return [...found]
}

describe('nothing is looked up on Object.prototype', () => {
  test('by the verification of a bundle that was signed with a key', async () => {
    const key = await readPublicKey(inWorkspace('release.pub'))
    const calls = async () => {
      const bundle = await readBundle(join(good, 'model.sig'))
      expect(verifyKeyBundle(bundle, key, 'key').signer.name).toBe('key')
      expect((await verifyKeyBundle(bundle, key, 'key', {})).time).toBeUndefined()
    }
    expect(await lookups(calls)).toEqual([])
  })

  test('by the verification of a bundle that was signed with a certificate', async () => {
    const roots = await readCertificates(inWorkspace('root.pem'))
    const calls = async () => {
      const bundle = await readBundle(inWorkspace('certificate.sig'))
      expect((await verifyCertificateBundle(bundle, { roots }, 'roots')).signer.method).toBe('certificate')
    }
    expect(await lookups(calls)).toEqual([])
  })

  test.each([{ rekor: 'v1' as const }, { rekor: 'v2' as const, stampedAt: sigstore.at }])(
    'by the verification of a keyless bundle: %o',
    async (wanted) => {
      const text = Buffer.from(JSON.stringify(await sigstore.root()))
      const json = await sigstore.json(wanted)
      const calls = async () => {
        const trust = await toTrust(await parseTrustConfig(text), { name: 'test', source: 'file' })
        // Twice, because the chain is cached the second time.
        for (const bundle of [parsed(json), parsed(json)])
          expect((await verifySigstoreBundle(bundle, trust, 'test')).signer.method).toBe('sigstore')
      }
      expect(await lookups(calls)).toEqual([])
    },
  )

  test('by verifyModel()', async () => {
    const signature = join(good, 'model.sig')
    const verifier = { publicKey: inWorkspace('release.pub') }
    const calls = async () => expect((await verifyModel(good, { signature, verifier })).files.checked).toBe(1)
    expect(await lookups(calls)).toEqual([])
  })

  test.each(['enforce', 'audit', 'skip'])('by loads under a rule in the mode %s', async (mode) => {
    const policy = inWorkspace(`${mode}.yaml`)
    const calls = async () => {
      for (const path of [good, tampered]) {
        const loading = openVerifiedModel(path, { policy }, async (reader) => {
          await reader.readAll(reader.files.map((name) => ({ name })))
          await reader.place(reader.files)
        })
        await loading.then(
          (model) => model[Symbol.asyncDispose](),
          (error: unknown) => expect(error).toMatchObject({ code: 'FILE_MISMATCH' }),
        )
      }
    }
    expect(await lookups(calls)).toEqual([])
  })

  test('by reading a model.json of TensorFlow.js', async () => {
    const bytes = readFileSync(join(face, 'model.json'))
    const bare = Buffer.from('{"modelTopology":{"class_name":"Model"},"weightsManifest":[{"paths":[],"weights":[]}]}')
    const calls = async () => {
      expect((await parseModelJson(bytes, 'model.json')).format).toBe('graph-model')
      expect((await parseModelJson(bare, 'model.json')).format).toBe('layers-model')
      await parseModelJson(Buffer.from('{}'), 'model.json').catch(() => {})
    }
    expect(await lookups(calls)).toEqual([])
  })

  test('by reading an identity token', async () => {
    const claims = Buffer.from(JSON.stringify({ exp: Date.now() / 1000 + 60, aud: 'sigstore' })).toString('base64url')
    const calls = () => expect(() => checkToken(`a.${claims}.c`, 'sigstore')).toThrow(/"sub"/)
    expect(await lookups(calls)).toEqual([])
  })
})

describe('a value on Object.prototype', () => {
  async function polluted<T>(name: string, value: unknown, work: () => Promise<T>): Promise<T> {
    Object.defineProperty(Object.prototype, name, { value, configurable: true, writable: true })
    try {
      return await work()
    } finally {
      Reflect.deleteProperty(Object.prototype, name)
    }
  }
  const codeOf = (loading: Promise<{ verdict: { decision: string } }>) =>
    loading.then(
      ({ verdict }) => verdict.decision,
      (error: unknown) => (error as { code: string }).code,
    )

  test('does not make a load tolerated if its policy cannot be read', async () => {
    const loading = () => codeOf(openVerifiedModel(tampered, { policy: inWorkspace('none.yaml') }))
    expect(await polluted('mode', 'audit', loading)).toBe('POLICY_NOT_FOUND')
  })

  test('does not give a model on this machine a URL that a rule names', async () => {
    const rule = '{ name: ours, match: { url: "https://models.example/**" }, mode: skip, reason: tested }'
    writeFileSync(inWorkspace('url.yaml'), `version: 1\nrules: [${rule}]\n`)
    const loading = () => codeOf(openVerifiedModel(tampered, { policy: inWorkspace('url.yaml') }))
    expect(await polluted('url', 'https://models.example/m', loading)).toBe('POLICY_NO_MATCH')
  })

  test('does not add a timestamp to a signature without one', async () => {
    const rule =
      '{ name: all, match: { path: "models/**" }, signers: [{ key: release }], require: { timestamp: true } }'
    const lines = ['version: 1', 'trustRoots: { release: { publicKey: release.pub } }', `rules: [${rule}]`]
    writeFileSync(inWorkspace('timestamp.yaml'), lines.join('\n'))
    const loading = () => codeOf(openVerifiedModel(good, { policy: inWorkspace('timestamp.yaml') }))
    const time = { at: '2026-01-01T00:00:00Z', source: 'rfc3161', authority: 'CN=Mallory' }
    expect(await polluted('time', time, loading)).toBe('TIMESTAMP_REQUIRED')
  })

  test('does not end a revocation without an end', async () => {
    const [leafDer = Buffer.alloc(0)] = await readCertificates(inWorkspace('leaf.pem'))
    const fingerprint = createHash('sha256').update(leafDer).digest('hex')
    const lines = [
      'version: 1',
      'trustRoots: { ours: { certificates: { roots: root.pem } } }',
      'rules: [{ name: all, match: { path: "models/**" }, signers: [{ certificate: { root: ours, subject: { pattern: "*" } } }] }]',
      `revoked: { certificates: ["${fingerprint}"] }`,
    ]
    writeFileSync(inWorkspace('revoked.yaml'), lines.join('\n'))
    const options = { policy: inWorkspace('revoked.yaml'), signature: inWorkspace('certificate.sig') }
    const loading = () => codeOf(openVerifiedModel(good, options))
    expect(await loading()).toBe('CERTIFICATE_REVOKED')
    expect(await polluted('until', '2000-01-01T00:00:00Z', loading)).toBe('CERTIFICATE_REVOKED')
  })
})
