import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { watchPolicy } from '../../policy/watching/watch-policy.ts'
import { signModel } from '../../signing/sign-model.ts'
import { IDENTITY, ISSUER, TestSigstore, type Wanted } from '../../testing/sigstore.ts'
import { serving } from '../../testing/serving.ts'
import { TestTuf } from '../../testing/tuf.ts'
import { updateTrustRoot } from '../../verification/sigstore/update-trust-root.ts'
import { TestSite } from '../../testing/site.ts'

const sigstore = new TestSigstore()
let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  await site.write('root.json', JSON.stringify(await sigstore.root()))
  await signed('model', {
    extensions: [
      { oid: '1.3.6.1.4.1.57264.1.5', value: 'example/models', legacy: true },
      { oid: '1.3.6.1.4.1.57264.1.14', value: 'refs/heads/main' },
    ],
  })
  await signed('pair', {})
  await signed('pair', { identity: 'https://example.com/another' }, 'pair.second.sig')
  await signed('twice', {})
  await signed('twice', {}, 'twice.second.sig')
})
afterAll(() => site.remove())

async function signed(model: string, wanted: Wanted, signature = `${model}.sig`) {
  await site.model(model)
  await signModel(site.file(model), { signer: sigstore.signer(wanted), signature: site.file(signature) })
}

const EXACT = { issuer: ISSUER, identity: IDENTITY }

function policyOf(signers: object[], rule: object = {}, more: object = {}) {
  return {
    version: 1,
    trustRoots: { ours: { sigstore: { file: 'root.json' } }, public: { sigstore: 'public-good' } },
    rules: [
      {
        name: 'r',
        match: { path: '**' },
        signers: signers.map((signer) => ({ sigstore: { root: 'ours', ...signer } })),
        ...rule,
      },
    ],
    ...more,
  }
}

describe('a keyless signer is accepted by', () => {
  test.each([
    ['identity and issuer', EXACT],
    [
      'a pattern that the policy declares as one',
      { issuer: ISSUER, identity: { pattern: 'https://github.com/example/**' } },
    ],
    [
      'extensions of the certificate',
      { ...EXACT, extensions: { githubWorkflowRepository: 'example/models', sourceRepositoryRef: 'refs/heads/main' } },
    ],
  ])('%s', async (_, signer) => {
    expect(await site.judge('model', policyOf([signer]))).toBe('accepted')
  })

  test('its log entry and its time, if a rule requires them', async () => {
    const require = { transparencyLog: true, timestamp: true, maxSignatureAge: '1d' }
    expect(await site.judge('model', policyOf([EXACT], { require }))).toBe('accepted')
  })
})

test('bounds the time of a keyless signature on both sides by its certificate', async () => {
  const window = (from: number, until: number) => ({
    revoked: {
      identities: [{ identity: IDENTITY, from: new Date(from).toISOString(), until: new Date(until).toISOString() }],
    },
  })
  const hour = 3_600_000
  const now = sigstore.at.getTime()
  expect(await site.judge('model', policyOf([EXACT], {}, window(now - 9 * hour, now - hour)))).toBe('accepted')
  expect(await site.judge('model', policyOf([EXACT], {}, window(now + hour, now + 9 * hour)))).toBe('accepted')
  expect(await site.judge('model', policyOf([EXACT], {}, window(now - hour, now + hour)))).toBe(
    'refused IDENTITY_REVOKED',
  )
  const signedAfter = new Date(now + hour).toISOString()
  expect(await site.judge('model', policyOf([EXACT], { require: { signedAfter } }))).toBe('refused SIGNATURE_TOO_OLD')
})

describe('a keyless signer is refused for', () => {
  test.each([
    ['a part of the identity', { issuer: ISSUER, identity: IDENTITY.slice(0, -1) }, 'SIGNER_NOT_TRUSTED'],
    ['another case', { issuer: ISSUER, identity: IDENTITY.toUpperCase() }, 'SIGNER_NOT_TRUSTED'],
    ['another issuer', { ...EXACT, issuer: 'https://accounts.google.com' }, 'SIGNER_NOT_TRUSTED'],
    ['another branch', { ...EXACT, extensions: { sourceRepositoryRef: 'refs/heads/mai' } }, 'SIGNER_NOT_TRUSTED'],
    ['an extension that it lacks', { ...EXACT, extensions: { buildTrigger: 'push' } }, 'SIGNER_NOT_TRUSTED'],
    ['another instance', { ...EXACT, root: 'public' }, 'LOG_UNTRUSTED'],
  ])('%s', async (_, signer, code) => {
    expect(await site.judge('model', policyOf([signer]))).toBe(`refused ${code}`)
  })

  test('an identity that the policy revokes', async () => {
    const revoked = { identities: [{ identity: IDENTITY, issuer: ISSUER }] }
    expect(await site.judge('model', policyOf([EXACT], {}, { revoked }))).toBe('refused IDENTITY_REVOKED')
  })

  test('an identity that the policy revokes under any issuer, or under that of its certificate, and no other', async () => {
    const judged = (issuer: object) =>
      site.judge('model', policyOf([EXACT], {}, { revoked: { identities: [{ identity: IDENTITY, ...issuer }] } }))
    expect(await judged({})).toBe('refused IDENTITY_REVOKED')
    expect(await judged({ issuer: { pattern: '*CN=*' } })).toBe('refused IDENTITY_REVOKED')
    expect(await judged({ issuer: 'https://accounts.google.com' })).toBe('accepted')
  })

  test('an authority of the instance that the policy revokes, whatever the window says', async () => {
    const { certificateAuthorities } = (await sigstore.root()) as Authorities
    const der = Buffer.from(certificateAuthorities[0]?.certChain.certificates[0]?.rawBytes ?? '', 'base64')
    const fingerprint = createHash('sha256').update(der).digest('hex')
    const certificates = [{ fingerprint, until: '2020-01-01T00:00:00Z' }]
    expect(await site.judge('model', policyOf([EXACT], {}, { revoked: { certificates } }))).toBe(
      'refused CERTIFICATE_REVOKED',
    )
    const other = { certificates: [fingerprint.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))] }
    expect(await site.judge('model', policyOf([EXACT], {}, { revoked: other }))).toBe('accepted')
  })

  test('an unknown extension, or a root that cannot be read', async () => {
    expect(await site.judge('model', policyOf([{ ...EXACT, extensions: { branch: 'main' } }]))).toBe(
      'refused POLICY_INVALID',
    )
    const trustRoots = { ours: { sigstore: { file: 'missing.json' } } }
    expect(await site.judge('model', policyOf([EXACT], {}, { trustRoots }))).toBe('refused FILE_NOT_FOUND')
  })
})

describe('a root that is fetched by TUF', () => {
  afterEach(() => vi.unstubAllEnvs())

  test('is used by a policy that names its repository, and a watched policy follows its updates', async () => {
    vi.stubEnv('MODELSEAL_CACHE', site.file('cache'))
    const tuf = new TestTuf({ 'trusted_root.json': JSON.stringify(await new TestSigstore().root()) })
    const tufUrl = await serving(tuf.answer)
    const tufRoot = await site.write('tuf-root.json', tuf.anchor)
    const policy = policyOf([EXACT], {}, { trustRoots: { ours: { sigstore: { tufUrl, tufRoot: 'tuf-root.json' } } } })
    expect(await site.judge('model', policy)).toBe('refused TRUST_ROOT_MISSING')

    await updateTrustRoot({ tufUrl, tufRoot })
    expect(await site.judge('model', policy)).toBe('refused LOG_UNTRUSTED')
    const watched = await watchPolicy(await site.policy(policy))
    const before = await watched.current()
    expect(await watched.current()).toBe(before)
    tuf.publish({ 'trusted_root.json': JSON.stringify(await sigstore.root()) })
    await updateTrustRoot({ tufUrl, tufRoot })
    expect(await site.judge('model', policy)).toBe('accepted')
    expect(await watched.current()).not.toBe(before)
  })

  test('is an error in the policy if it cannot be fetched', async () => {
    for (const tufUrl of ['ftp://tuf.test', 'https://tuf.test/?a', 'tuf.test']) {
      const trustRoots = { ours: { sigstore: { tufUrl, tufRoot: 'tuf-root.json' } } }
      expect(await site.judge('model', policyOf([EXACT], {}, { trustRoots }))).toBe('refused POLICY_INVALID')
    }
  })
})

test('two signatures of one identity count once, though their keys differ', async () => {
  const anyone = { issuer: ISSUER, identity: { regexp: 'https://.*' } }
  const two = policyOf([EXACT, anyone], { threshold: 2 })
  expect(await site.judge('twice', two)).toBe('refused SIGNATURE_THRESHOLD')
  expect(await site.judge('pair', two)).toBe('accepted')
})

interface Authorities {
  certificateAuthorities: { certChain: { certificates: { rawBytes: string }[] } }[]
}
