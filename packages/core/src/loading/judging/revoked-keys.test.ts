import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkPolicy } from '../../policy/checking/check.ts'
import { authority, pemOf } from '../../testing/authority.ts'
import { TestSite } from '../../testing/site.ts'

let site: TestSite
let pem: string
let der: string

beforeAll(async () => {
  site = await TestSite.make()
  pem = await site.key('a')
  await site.key('b')
  await site.model('model')
  await site.sign('model', 'a', 'model/model.sig')
  const key = createPublicKey(await readFile(site.file('a.pub')))
  der = sha256(key.export({ type: 'spki', format: 'der' }))
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  await site.write('rsa.pub', rsa.publicKey.export({ type: 'spki', format: 'pem' }))
})
afterAll(() => site.remove())

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

const colons = (hex: string) => hex.toUpperCase().replace(/(..)(?=.)/g, '$1:')

function policy(entry: unknown, mode: 'enforce' | 'audit' = 'enforce') {
  return {
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' }, b: { publicKey: 'b.pub' } },
    rules: [{ name: 'r', match: { path: '**' }, mode, signers: [{ key: 'a' }, { key: 'b' }] }],
    revoked: { keys: [entry] },
  }
}

describe.each(['enforce', 'audit'] as const)('a revoked key, in the mode %s', (mode) => {
  test.each([
    ['the digest of its PEM', () => pem],
    ['the digest of its DER', () => der],
    ['colons and capitals', () => colons(der)],
    ['the name of the hash before it', () => `SHA256:${der}`],
    ['the label of OpenSSL before it', () => `sha256 Fingerprint=${colons(der)}`],
    ['spaces between pairs of digits', () => colons(pem).replaceAll(':', ' ')],
    ['an entry with a fingerprint', () => ({ fingerprint: der, reason: 'stolen' })],
    ['its file', () => ({ file: 'a.pub' })],
  ])('is found by %s', async (_, entry) => {
    expect(await site.judge('model', policy(entry(), mode))).toBe('refused KEY_REVOKED')
  })

  test('is not found by the file of another key', async () => {
    expect(await site.judge('model', policy({ file: 'b.pub' }, mode))).toBe('accepted')
  })
})

test.each([16, 20])('is found beside an included file that revokes %i others', async (count) => {
  const keys = Array.from({ length: count }, (_, index) => sha256(Buffer.from(`${index}`)))
  await site.policy({ version: 1, revoked: { keys } }, 'many.yaml')
  expect(await site.judge('model', { ...policy(der), include: ['many.yaml'] })).toBe('refused KEY_REVOKED')
})

test('is found by the digest of its DER even if no rule names it, in the mode audit, if a trust root has it', async () => {
  const given = policy(der, 'audit')
  given.rules[0]!.signers = [{ key: 'b' }]
  expect(await site.judge('model', given)).toBe('refused KEY_REVOKED')
})

test.each([
  ['CRLF', (text: string) => text.replaceAll('\n', '\r\n')],
  ['no trailing newline', (text: string) => text.trimEnd()],
  ['text before it', (text: string) => `Of the release team\n${text}`],
])('is found by the digest of its file, which has %s', async (_, change) => {
  const file = change(await readFile(site.file('a.pub'), 'utf8'))
  await site.write('changed.pub', file)
  const given = policy(sha256(Buffer.from(file)))
  // The other root has the same key in another file.
  given.trustRoots = { a: { publicKey: 'changed.pub' }, b: { publicKey: 'a.pub' } }
  expect(await site.judge('model', given)).toBe('refused KEY_REVOKED')
  expect(await site.judge('model', { ...given, revoked: { keys: ['ab'.repeat(32)] } })).toBe('accepted')
})

test('is found if a bundle contains the key itself, as DER', async () => {
  const key = createPublicKey(await readFile(site.file('a.pub'))).export({ type: 'spki', format: 'der' })
  const bundle = JSON.parse(await readFile(site.file('model/model.sig'), 'utf8')) as {
    verificationMaterial: { publicKey: object }
  }
  bundle.verificationMaterial.publicKey = { rawBytes: key.toString('base64') }
  const signature = await site.write('der.sig', JSON.stringify(bundle))
  expect(await site.judge('model', policy({ fingerprint: 'ab'.repeat(32) }), { signature })).toBe('accepted')
  for (const mode of ['enforce', 'audit'] as const)
    expect(await site.judge('model', policy(pem, mode), { signature })).toBe('refused KEY_REVOKED')
})

test('reads the window of an entry with a file', async () => {
  const entry = { file: 'a.pub', from: '2999-01-01T00:00:00Z' }
  // There is no proof of when a key signed.
  expect(await site.judge('model', policy(entry))).toBe('refused KEY_REVOKED')
})

test.each([
  ['a missing file', { file: 'none.pub' }, 'refused FILE_NOT_FOUND'],
  ['a key of a kind that cannot sign models', { file: 'rsa.pub' }, 'refused KEY_INVALID'],
  ['a file and a fingerprint', { file: 'a.pub', fingerprint: '0'.repeat(64) }, 'refused POLICY_INVALID'],
  ['neither', { reason: 'why' }, 'refused POLICY_INVALID'],
])('refuses a policy whose revoked key is %s', async (_, entry, outcome) => {
  expect(await site.judge('model', policy(entry))).toBe(outcome)
})

test.each([
  [`SHA256:${'a'.repeat(43)}`, 'ssh-keygen'],
  ['ab'.repeat(20), 'SHA-1'],
  [colons('ab'.repeat(20)), 'openssl x509 -noout -fingerprint -sha256'],
  ['ab'.repeat(16), 'MD5'],
])('identifies %s', async (digest, words) => {
  const [finding] = await checkPolicy(await site.policy(policy(digest)))
  expect(finding).toMatchObject({ severity: 'error', code: 'POLICY_INVALID' })
  expect(finding?.message).toContain(words)
})

describe('policy check', () => {
  const unmatched = async (given: unknown) =>
    (await checkPolicy(await site.policy(given))).filter(({ code }) => code === 'REVOCATION_UNMATCHED')

  test.each([
    ['the digest of the PEM of a key that it trusts', () => pem, 0],
    ['the digest of its DER', () => colons(der), 0],
    ['its file', () => ({ file: 'a.pub' }), 0],
    ['the digest of something else', () => 'ab'.repeat(32), 1],
  ])('warns about an entry that matches nothing, but not about %s', async (_, entry, count) => {
    expect(await unmatched(policy(entry()))).toHaveLength(count)
  })

  test('gives a milder warning if a bundle may claim the key', async () => {
    const [finding, ...others] = await unmatched(policy('ab'.repeat(32), 'audit'))
    expect(others).toEqual([])
    expect(finding?.message).toContain('the claims of a bundle can match')
    expect((await unmatched(policy('ab'.repeat(32))))[0]?.message).not.toContain('claims')
  })

  test("does not warn if a signer's certificate may have the key, unlike unused roots and timestamp authorities", async () => {
    const given = policy('ab'.repeat(32))
    await site.write('root.pem', pemOf(await authority('Root')))
    const trustRoots = {
      ...given.trustRoots,
      s: { sigstore: 'public-good' },
      t: { timestampAuthorities: 'root.pem' },
    }
    expect(await unmatched({ ...given, trustRoots })).toHaveLength(1)
    const signer = { sigstore: { root: 's', issuer: 'https://a.example', identity: 'x@acme.example' } }
    const rules = [...given.rules, { name: 'b', match: { path: 'b/**' }, signers: [signer] }]
    expect(await unmatched({ ...given, trustRoots, rules })).toEqual([])
  })

  test('warns about certificates and identities if only keys are trusted, and about a key in the wrong list', async () => {
    const given = policy(pem)
    const found = await unmatched({
      ...given,
      revoked: {
        certificates: ['cd'.repeat(32), { serial: '0a:1b', issuer: 'CN=A' }, { fingerprint: der }],
        identities: [{ identity: 'x@y.example' }],
      },
    })
    expect(found).toHaveLength(4)
    expect(found.map(({ message }) => message).join()).toContain('Move it to "keys"')
  })
})
