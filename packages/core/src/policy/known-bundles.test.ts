import { writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { openVerifiedModel } from '../loading/open-verified-model.ts'
import { certificateSigner } from '../signing/methods/certificate.ts'
import { signModel } from '../signing/sign-model.ts'
import { foreignFileSystem } from '../source/local/file-system.ts'
import { authority, inDays, pemOf, privateKeyPem, revocationList, signingLeaf } from '../testing/authority.ts'
import { TestSigstore, IDENTITY, ISSUER } from '../testing/sigstore.ts'
import { TestSite } from '../testing/site.ts'
import { validPath } from '../verification/chain/chain.ts'
import { verifyKeyless } from '../verification/methods/sigstore.ts'
import { isSignedBy } from '../x509/key-algorithms.ts'

vi.mock('../verification/chain/chain.ts', { spy: true })
vi.mock('../verification/methods/sigstore.ts', { spy: true })
vi.mock('../x509/key-algorithms.ts', { spy: true })

const root = await authority('Root')
const intermediate = await authority('Intermediate', { issuer: root })
const leaf = await signingLeaf(intermediate, { notAfter: inDays(2) })
const sigstore = new TestSigstore()
let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.signedModel('by-key')
  await site.write('root.pem', pemOf(root))
  await site.write('clean.crl', await revocationList(intermediate))
  await site.write('revoked.crl', await revocationList(intermediate, { revoked: [{ certificate: leaf }] }))
  await site.write('sigstore.json', JSON.stringify(await sigstore.root()))
  const signer = await certificateSigner({
    privateKey: await site.write('leaf.key', await privateKeyPem(leaf)),
    certificate: await site.write('leaf.pem', pemOf(leaf)),
    chain: [await site.write('intermediate.pem', pemOf(intermediate))],
  })
  await signModel(await site.model('by-certificate'), { signer, signature: site.file('by-certificate.sig') })
  await signModel(await site.model('by-sigstore'), {
    signer: sigstore.signer({ rekor: 'v1' }),
    signature: site.file('by-sigstore.sig'),
  })
})
afterAll(() => site.remove())
afterEach(() => void vi.useRealTimers())

function text({ certificates = {}, ...more }: { certificates?: object } & Record<string, unknown> = {}) {
  return {
    version: 1,
    trustRoots: {
      key: { publicKey: 'a.pub' },
      roots: { certificates: { roots: 'root.pem', ...certificates } },
      ours: { sigstore: { file: 'sigstore.json' } },
    },
    rules: [
      { name: 'key', match: { path: 'by-key' }, signers: [{ key: 'key' }] },
      {
        name: 'certificate',
        match: { path: 'by-certificate' },
        signers: [{ certificate: { root: 'roots', subject: 'CN=Signer' } }],
      },
      {
        name: 'keyless',
        match: { path: 'by-sigstore' },
        signers: [{ sigstore: { root: 'ours', issuer: ISSUER, identity: IDENTITY } }],
      },
    ],
    ...more,
  }
}

/** A policy that is long settled, so that it is kept. */
async function policy(more: Parameters<typeof text>[0] = {}): Promise<string> {
  const path = await site.policy(text(more))
  await new Promise((resolve) => setTimeout(resolve, 40))
  return path
}

/** What was verified since the last call: chains, keyless bundles, and statements. */
function verified(): number[] {
  return [validPath, verifyKeyless, isSignedBy].map((check) => {
    const { length } = vi.mocked<(...args: never[]) => unknown>(check).mock.calls
    vi.mocked<(...args: never[]) => unknown>(check).mockClear()
    return length
  })
}

async function opened(model: string, path: string): Promise<string> {
  const refusal = await openVerifiedModel(site.file(model), { policy: path }).then(
    (opened) => opened.close(),
    (error: unknown) => (error as { code: string }).code,
  )
  return refusal ?? 'accepted'
}

const KEEPS = process.platform === 'linux' && foreignFileSystem(process.env.TMPDIR ?? '/tmp') === undefined

describe.runIf(KEEPS)('a bundle is verified once by a policy that is given by its path', () => {
  test.each([
    ['by-key', [0, 0, 1]],
    ['by-certificate', [1, 0, 1]],
    ['by-sigstore', [1, 1, 1]],
  ])('%s', async (model, checks) => {
    const path = await policy()
    verified()
    expect(await opened(model, path)).toBe('accepted')
    expect(verified()).toEqual(checks)
    expect(await opened(model, path)).toBe('accepted')
    expect(verified()).toEqual([0, 0, 0])
    writeFileSync(path, JSON.stringify(text()))
    expect(await opened(model, path)).toBe('accepted')
    expect(verified()[2]).toBe(1)
  })

  test('which refuses it when its certificate expires', async () => {
    const path = await policy()
    expect(await opened('by-certificate', path)).toBe('accepted')
    const [later, sooner] = [inDays(3), inDays(1)]
    vi.useFakeTimers({ toFake: ['Date'], now: later })
    expect(await opened('by-certificate', path)).toBe('CERTIFICATE_EXPIRED')
    vi.setSystemTime(sooner)
    expect(await opened('by-certificate', path)).toBe('accepted')
  })

  test('which refuses it when its revocation list does', async () => {
    const path = await policy({ certificates: { crls: 'clean.crl' } })
    expect(await opened('by-certificate', path)).toBe('accepted')
    verified()
    expect(await opened('by-certificate', path)).toBe('accepted')
    expect(verified()).toEqual([0, 0, 0])
    writeFileSync(path, JSON.stringify(text({ certificates: { crls: 'revoked.crl' } })))
    expect(await opened('by-certificate', path)).toBe('CERTIFICATE_REVOKED')
  })

  test.each([
    ['by-key', 'KEY_REVOKED', { keys: [{ file: 'a.pub' }] }],
    ['by-certificate', 'CERTIFICATE_REVOKED', { certificates: [{ file: 'leaf.pem' }] }],
    ['by-certificate', 'CERTIFICATE_REVOKED', { certificates: [{ file: 'root.pem' }] }],
    ['by-sigstore', 'IDENTITY_REVOKED', { identities: [{ identity: IDENTITY }] }],
  ])('which refuses %s with %s once it revokes it', async (model, code, revoked) => {
    const path = await policy()
    expect(await opened(model, path)).toBe('accepted')
    writeFileSync(path, JSON.stringify(text({ revoked })))
    expect(await opened(model, path)).toBe(code)
    expect(await opened(model, path)).toBe(code)
  })
})
