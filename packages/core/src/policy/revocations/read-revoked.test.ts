import { createPublicKey, X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { authority, pemOf, signingLeaf } from '../../testing/authority.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { readSmallFile } from '../../source/read-small-file.ts'
import { keyFingerprints } from '../../x509/public-key.ts'
import { loadCompiledPolicy, loadValidPolicy } from '../load-policy.ts'
import { certificateFacts } from './certificate-facts.ts'
import { certificateIn, keyIn } from './read-revoked.ts'

const root = await authority('Root')
const leaf = await signingLeaf(root)
const OTHER = 'ab'.repeat(32)
const facts = await certificateFacts(leaf.der)
let site: TestSite
let key: string[]

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('own')
  await site.key('a')
  key = keyFingerprints(createPublicKey(await readSmallFile(site.file('a.pub'), { what: 'key', maxBytes: 1_000 })))
  await site.write('leaf.pem', pemOf(leaf))
  await site.write('chain.pem', pemOf(leaf) + pemOf(root))
  await site.write('junk', 'junk')
})
afterAll(() => site.remove())

const HEAD = `version: 1
trustRoots: { own: { publicKey: own.pub } }
rules: [{ name: r, match: { path: model }, signers: [{ key: own }] }]
revoked:
`

async function problems(revoked: string) {
  const { problems } = await loadCompiledPolicy(await site.policy(HEAD + revoked))
  return problems.map(({ code, line, column }) => [code, line, column])
}

describe('a policy can name by their files', () => {
  test('keys to revoke, which it revokes by all their fingerprints', async () => {
    const { revocations, files } = await loadValidPolicy(
      await site.policy(`${HEAD}  keys: [${OTHER}, { file: a.pub }]\n`),
    )
    for (const fingerprint of key) expect(revocations.key(fingerprint, undefined)?.code).toBe('KEY_REVOKED')
    expect(revocations.key(OTHER, undefined)?.code).toBe('KEY_REVOKED')
    expect([...files.keys()]).toContain(site.file('a.pub'))
  })

  test('certificates to revoke', async () => {
    const { revocations, files } = await loadValidPolicy(
      await site.policy(`${HEAD}  certificates: [${OTHER}, { file: leaf.pem, reason: stolen }]\n`),
    )
    expect(revocations.certificate(facts, undefined)).toMatchObject({
      code: 'CERTIFICATE_REVOKED',
      found: 'the reason "stolen"',
    })
    for (const fingerprint of facts.fingerprints)
      expect(revocations.fingerprint(fingerprint, undefined)?.code).toBe('CERTIFICATE_REVOKED')
    expect(revocations.fingerprint(OTHER, undefined)?.code).toBe('CERTIFICATE_REVOKED')
    expect([...files.keys()]).toContain(site.file('leaf.pem'))
  })

  test('and a fault in one is a problem at its position', async () => {
    expect(await problems(`  keys:\n    - { fingerprint: ${OTHER} }\n    - { file: gone.pub }\n`)).toEqual([
      ['FILE_NOT_FOUND', 7, 15],
    ])
    expect(await problems('  keys: [{ file: junk }, { file: leaf.pem }]\n')).toEqual([
      ['KEY_INVALID', 5, 18],
      ['KEY_INVALID', 5, 34],
    ])
    expect(await problems('  certificates: [{ file: junk }, { file: chain.pem }, { file: a.pub }]\n')).toEqual([
      ['CERTIFICATE_INVALID', 5, 26],
      ['CERTIFICATE_INVALID', 5, 42],
      ['CERTIFICATE_INVALID', 5, 63],
    ])
  })

  test('but a mistake of ours is no problem of the policy', async () => {
    const { readRevokedFiles } = await import('./read-revoked.ts')
    const text = { faultFrom: (_: unknown, error: Error) => error }
    const source = { file: { revoked: { keys: [{ file: 'a.pub' }] } }, directory: site.path, text }
    const reading = { track: () => Promise.resolve(), file: () => Promise.reject(new TypeError('ours')), problems: [] }
    await expect(readRevokedFiles(source as never, reading as never)).rejects.toThrow(TypeError)
    expect(reading.problems).toEqual([])
    expect(await readRevokedFiles({ ...source, file: {} } as never, reading as never)).toEqual(new Map())
  })
})

test('a file has the fingerprints of its key, or of its only certificate', async () => {
  expect((await keyIn(site.file('a.pub'), readSmallFile)).sort()).toEqual([...key].sort())
  expect(await certificateIn(site.file('leaf.pem'), readSmallFile)).toEqual(facts.fingerprints)
  expect(new X509Certificate(leaf.der).fingerprint256.replaceAll(':', '').toLowerCase()).toBe(facts.fingerprints[0])
})

test('a file with several certificates is refused: its author probably means one of them', async () => {
  const path = site.file('chain.pem')
  await expect(certificateIn(path, readSmallFile)).rejects.toEqual(
    refusal('CERTIFICATE_INVALID', {
      file: path,
      expected: 'only the certificate to revoke',
      found: '2 certificates',
    }),
  )
})

test('files larger than keys and certificates are not read', async () => {
  const sizes: number[] = []
  const reader = (content: string) => (path: string, file: { maxBytes: number }) => {
    sizes.push(file.maxBytes)
    return readSmallFile(site.file(content), { what: path, ...file })
  }
  await keyIn('a.pub', reader('a.pub'))
  await certificateIn('leaf.pem', reader('leaf.pem'))
  expect(sizes).toEqual([64 * 1024, 2 * 1024 * 1024])
})
