import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { authority, inDays, pemOf, signingLeaf } from '../../testing/authority.ts'
import { TestSite } from '../../testing/site.ts'
import { checkPolicy } from './check.ts'

let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.write('root.pem', pemOf(await authority('Root', { notAfter: inDays(400) })))
  await site.write('short.pem', pemOf(await authority('Short', { notAfter: inDays(10) })))
})
afterAll(() => site.remove())

const [A, B] = ['a', 'b'].map((digit) => `"sha256:${digit.repeat(64)}"`) as [string, string]
const AGE = 'issued: 2026-01-01T00:00:00Z\nmaxAge: P100Y\n'
const HEAD = `version: 1\n${AGE}trustRoots:\n  a: { publicKey: a.pub }\n`
/** A window in time. Nothing can prove that a key signed outside it. */
const KEY_UNTIL = 'keys: [{ file: a.pub, until: 2026-01-01T00:00:00Z }]'
const rule = (name: string, match: string, more = 'signers: [{ key: a }]') =>
  `  - name: ${name}\n    match: ${match}\n    ${more}\n`

async function findings(text: string): Promise<string[]> {
  const found = await checkPolicy(await site.policy(text))
  return found.map(({ severity, code, line }) => `${line} ${severity} ${code}`)
}

describe('checking a policy', () => {
  test('finds nothing in a valid policy', async () => {
    expect(await findings(`${HEAD}rules:\n${rule('r', '{ path: "models/**" }')}`)).toEqual([])
  })

  test('finds every error at once, in order', async () => {
    const text = `${HEAD}  b: { publicKey: missing.pub }\nrules:\n${rule('r', '{ path: x }', 'signers: [{ key: c }]')}${rule('r', '{ path: y }')}`
    expect(await findings(text)).toEqual([
      '6 error FILE_NOT_FOUND',
      '10 error POLICY_INVALID',
      '11 error POLICY_INVALID',
    ])
  })

  test.each([
    ['the same glob', '{ path: "models/**" }', '{ path: "models/**" }', true],
    ['everything below it', '{ path: "**" }', '{ path: "models/a/*" }', true],
    ['a directory above', '{ path: ["x", "models/**"] }', '{ path: ["models/a", "models/b/**"] }', true],
    ['all formats', '{ path: "**" }', '{ path: "**", format: onnx }', true],
    ['a directory beside it', '{ path: "models/a/**" }', '{ path: "models/b/**" }', false],
    ['one format', '{ path: "**", format: onnx }', '{ path: "**" }', false],
    ['the paths inside the directory of the policy', '{ path: "**" }', '{ path: "/srv/**" }', false],
    ['the paths below the directory of the policy', '{ path: "**" }', '{ path: "../x/**" }', false],
    ['one of two globs', '{ path: "models/**" }', '{ path: ["models/a", "other"] }', false],
  ])('tells whether a rule is unreachable after %s', async (_, first, second, unreachable) => {
    const found = await findings(`${HEAD}rules:\n${rule('r', first)}${rule('s', second)}`)
    expect(found).toEqual(unreachable ? ['10 warning RULE_UNREACHABLE'] : [])
  })

  test.each([
    ['of any path', '{ name: x }', '{ path: "a/**" }', true],
    ['of the same path', '{ path: "a/**", name: x }', '{ path: "**" }', true],
    ['of another name', '{ name: x }', '{ name: y }', true],
    ['of other paths', '{ path: "a/**", name: x }', '{ path: "b/**" }', false],
    ['of one other path', '{ path: a/b, name: x }', '{ path: a }', false],
    ['of another format', '{ format: onnx, name: x }', '{ path: "**", format: saved-model }', false],
  ])(
    'warns that a rule %s applies if a bundle does not claim the name of a rule before it',
    async (_, first, second, warned) => {
      const found = await findings(`${HEAD}rules:\n${rule('r', first)}${rule('s', second)}`)
      expect(found).toEqual(warned ? ['7 warning NAME_AVOIDABLE'] : [])
    },
  )

  test.each([
    ['gguf', 'so the rule applies only to programs that state this format themselves.'],
    ['[onnx, saved-module]', 'Did you mean "saved-model"?'],
    ['[onnx, saved-model, tfjs-graph, tfjs-layers]', undefined],
    ['any', undefined],
  ])('warns of a format that no known adapter loads: %s', async (format, sentence) => {
    const found = await checkPolicy(
      await site.policy(`${HEAD}rules:\n${rule('r', `{ path: "**", format: ${format} }`)}`),
    )
    expect(found.map(({ code, severity, line }) => `${line} ${severity} ${code}`)).toEqual(
      sentence === undefined ? [] : ['8 warning FORMAT_UNKNOWN'],
    )
    if (sentence !== undefined) expect(found[0]?.message).toContain(sentence)
  })

  test.each([
    ['any', 'any', true],
    ['any', A, true],
    [`[${A}, ${B}]`, B, true],
    [A, `[${A}, ${B}]`, false],
    [A, 'any', false],
  ])('tells whether a rule for memory %s leaves anything for one for %s', async (first, second, unreachable) => {
    const skip = 'mode: skip\n    reason: why'
    const text = `${HEAD}rules:\n${rule('r', `{ memory: ${first} }`, skip)}${rule('s', `{ memory: ${second} }`, skip)}${rule('t', '{ path: "**" }')}`
    expect((await findings(text)).filter((line) => line.includes('RULE_UNREACHABLE'))).toHaveLength(unreachable ? 1 : 0)
  })

  test('warns about the modes skip and audit', async () => {
    const text = `${HEAD}rules:\n${rule('r', '{ path: x }', 'mode: skip\n    reason: why')}${rule('s', '{ path: y }', 'mode: audit\n    signers: [{ key: a }]')}`
    expect(await findings(text)).toEqual(['7 warning MODE_SKIP', '11 warning MODE_AUDIT'])
  })

  test.each([
    ['{ root: c }', true],
    ['{ root: c, san: { pattern: "email:*" } }', true],
    ['{ root: c, subject: { regexp: ".*" } }', true],
    ['{ root: c, san: { pattern: "email:*@acme.example" } }', false],
    ['{ root: c, subject: { pattern: "**" }, san: "email:x@acme.example" }', false],
  ])('warns about a signer entry that accepts nearly anybody: %s', async (signer, broad) => {
    const head = `version: 1\n${AGE}trustRoots:\n  c: { certificates: { roots: root.pem } }\n`
    const found = await findings(`${head}rules:\n${rule('r', '{ path: x }', `signers: [{ certificate: ${signer} }]`)}`)
    expect(found).toEqual(broad ? ['9 warning SIGNER_BROAD'] : [])
  })

  test('warns about keys and certificates that expire soon, and unused roots', async () => {
    const text = `version: 1\n${AGE}trustRoots:\n  a: { publicKey: { file: a.pub, notAfter: "${inDays(5).toISOString()}" } }\n  c: { certificates: { roots: short.pem } }\n  t: { timestampAuthorities: root.pem }\nrules:\n${rule('r', '{ path: x }')}`
    expect(await findings(text)).toEqual([
      '5 warning KEY_LAPSES',
      '6 warning CERTIFICATE_LAPSES',
      '6 warning ROOT_UNUSED',
    ])
  })

  test('reports a policy that is too old, and notes one without a maximum age', async () => {
    const rules = `trustRoots:\n  a: { publicKey: a.pub }\nrules:\n${rule('r', '{ path: x }')}`
    expect(await findings(`version: 1\nissued: 2020-01-01T00:00:00Z\nmaxAge: 30d\n${rules}`)).toEqual([
      '2 error POLICY_STALE',
    ])
    expect(await findings(`version: 1\n${rules}`)).toEqual(['1 note POLICY_AGE_UNLIMITED'])
  })

  test.each([
    ['{ maxSignatureAge: 30d }', '[{ key: a }]', true],
    ['{ signedAfter: 2026-01-01T00:00:00Z }', '[{ key: a }]', true],
    ['{ maxSignatureAge: 30d }', '[{ key: a }, { certificate: { root: c, subject: CN=A } }]', false],
    ['{ maxSignatureAge: 30d }', '[{ key: a }, { certificate: { root: c, subject: CN=A } }]\n    threshold: 2', true],
    ['{ timestamp: true }', '[{ key: a }]', true],
    ['{ timestamp: true }', '[{ sigstore: { root: s, issuer: i, identity: j } }]', false],
    ['{ transparencyLog: true }', '[{ key: a }, { certificate: { root: c, subject: CN=A } }]', true],
    ['{ transparencyLog: true }', '[{ sigstore: { root: s, issuer: i, identity: j } }]', false],
    ['{ transparencyLog: false, timestamp: false }', '[{ key: a }]', false],
  ])('reports a rule that cannot accept anything: %s of %s', async (require, signers, error) => {
    const head = `${HEAD}  c: { certificates: { roots: root.pem } }\n  s: { sigstore: public-good }\n`
    const found = await findings(
      `${head}rules:\n${rule('r', '{ path: x }', `require: ${require}\n    signers: ${signers}`)}`,
    )
    expect(found.filter((one) => !one.endsWith('ROOT_UNUSED'))).toEqual(
      error ? ['11 error REQUIREMENT_UNMEETABLE'] : [],
    )
  })

  test('accepts a required timestamp if the policy has an authority for it', async () => {
    const text = `${HEAD}  t: { timestampAuthorities: root.pem }\nrules:\n${rule('r', '{ path: x }', 'require: { timestamp: true }\n    signers: [{ key: a }]')}`
    expect(await findings(text)).toEqual([])
  })

  test.each([
    [
      '{ sigstore: { root: s, issuer: "https://a.example", identity: "*@acme.example" } }',
      '{ pattern: "*@acme.example" }',
    ],
    ['{ sigstore: { root: s, issuer: "https://a.example", identity: "^https://.*$" } }', '{ regexp: "^https://.*$" }'],
    ['{ certificate: { root: c, san: "email:*@acme.example" } }', '{ pattern: "email:*@acme.example" }'],
    ['{ certificate: { root: c, subject: "CN=*,O=Acme" } }', '{ pattern: "CN=*,O=Acme" }'],
    ['{ certificate: { root: c, san: "email:{a,b}@acme.example" } }', '{ pattern: "email:{a,b}@acme.example" }'],
    ['{ certificate: { root: c, subject: "CN=build-?" } }', '{ pattern: "CN=build-?" }'],
  ])('warns about a wildcard that is compared exactly: %s', async (signer, fix) => {
    expect(await warnings(signer)).toEqual([['WILDCARD_EXACT', expect.stringContaining(`write ${fix}.`)]])
  })

  test.each([
    [
      '{ sigstore: { root: s, issuer: "https://a.example", identity: "email:x@acme.example" } }',
      'write "x@acme.example"',
    ],
    [
      '{ sigstore: { root: s, issuer: accounts.google.com, identity: x@acme.example } }',
      '"https://accounts.google.com"',
    ],
    ['{ certificate: { root: c, subject: "/CN=Release/O=Acme" } }', '"CN=Release,O=Acme"'],
    ['{ certificate: { root: c, subject: "CN = Release, O = Acme" } }', '"CN=Release,O=Acme"'],
    ['{ sigstore: { root: s, issuer: "https://a.example", identity: "mailto:x@acme.example" } }', '"x@acme.example"'],
    ['{ sigstore: { root: s, issuer: "https://a.example", identity: "x@acme.example " } }', '"x@acme.example"'],
    ['{ sigstore: { root: s, issuer: "https://a.example", identity: "x@acme.example\\u00a0" } }', '"x@acme.example"'],
    ['{ sigstore: { root: s, issuer: "https://a.example/", identity: x@acme.example } }', '"https://a.example"'],
    ['{ certificate: { root: c, san: "email: x@acme.example" } }', '"email:x@acme.example"'],
  ])('warns about a signer in a form that no signature has: %s', async (signer, fix) => {
    expect(await warnings(signer)).toEqual([['SIGNER_MISSPELT', expect.stringContaining(fix)]])
  })

  test.each([
    '{ certificate: { root: c, san: "DNS:*.acme.example" } }',
    '{ certificate: { root: c, subject: "CN=Release,O=Acme\\\\, Inc." } }',
    '{ sigstore: { root: s, issuer: "https://a.example", identity: { pattern: "*@acme.example" } } }',
    '{ sigstore: { root: s, issuer: "https://acme.auth0.com/", identity: x@acme.example } }',
    '{ sigstore: { root: s, issuer: "https://a.example", identity: "https://b.example/x?ref=main" } }',
  ])('does not warn about %s', async (signer) => {
    expect(await warnings(signer)).toEqual([])
  })

  async function warnings(signer: string) {
    const head = `version: 1\n${AGE}trustRoots:\n  c: { certificates: { roots: root.pem } }\n  s: { sigstore: public-good }\n`
    const text = `${head}rules:\n${rule('r', '{ path: x }', `signers: [${signer}]`)}`
    const found = await checkPolicy(await site.policy(text))
    return found.filter(({ code }) => code !== 'ROOT_UNUSED').map(({ code, message }) => [code, message])
  }

  const KEYLESS = '{ sigstore: { root: s, issuer: "https://a.example", identity: x@acme.example } }'
  const NAMED = '{ certificate: { root: c, subject: "CN=A", san: "email:x@acme.example" } }'
  test.each([
    ['its only key', '[{ key: a }]', 'keys: [{ file: a.pub }]', true],
    ['its only key for a period: a signature by a key has no proven time', '[{ key: a }]', KEY_UNTIL, true],
    ['one of two keys', '[{ key: a }, { key: b }]', 'keys: [{ file: a.pub }]', false],
    ['one of two keys that it requires', '[{ key: a }, { key: b }]\n    threshold: 2', 'keys: [{ file: a.pub }]', true],
    ['the only root', '[{ certificate: { root: c, subject: CN=A } }]', 'certificates: [{ file: root.pem }]', true],
    [
      'another certificate',
      '[{ certificate: { root: c, subject: CN=A } }]',
      'certificates: [{ file: short.pem }]',
      false,
    ],
    ['the identity', `[${KEYLESS}]`, 'identities: [{ identity: x@acme.example }]', true],
    [
      'the identity by a pattern',
      `[${KEYLESS}]`,
      'identities: [{ identity: { pattern: "email:*@acme.example" } }]',
      true,
    ],
    [
      'the identity of this issuer',
      `[${KEYLESS}]`,
      'identities: [{ identity: x@acme.example, issuer: "https://a.example" }]',
      true,
    ],
    [
      'the identity of another issuer',
      `[${KEYLESS}]`,
      'identities: [{ identity: x@acme.example, issuer: "https://b.example" }]',
      false,
    ],
    [
      'the identity for a time',
      `[${KEYLESS}]`,
      'identities: [{ identity: x@acme.example, until: 2026-01-01T00:00:00Z }]',
      false,
    ],
    ['a subject', `[${NAMED}]`, 'identities: [{ identity: CN=A }]', true],
    ['an alternative name', `[${NAMED}]`, 'identities: [{ identity: x@acme.example }]', true],
    ['a common name', `[${NAMED}]`, 'identities: [{ identity: A }]', true],
    ['another name', `[${NAMED}]`, 'identities: [{ identity: CN=B }]', false],
  ])('tells whether a rule accepts nothing because the policy revokes %s', async (_, signers, revoked, warned) => {
    await site.key('b')
    const head = `${HEAD}  b: { publicKey: b.pub }\n  c: { certificates: { roots: root.pem } }\n  s: { sigstore: public-good }\n`
    const found = await findings(
      `${head}rules:\n${rule('r', '{ path: x }', `signers: ${signers}`)}revoked: { ${revoked} }\n`,
    )
    expect(found.filter((one) => !one.endsWith('ROOT_UNUSED'))).toEqual(warned ? ['12 warning SIGNERS_REVOKED'] : [])
  })

  test('says which signers of a rule are revoked', async () => {
    const text = `${HEAD}rules:\n${rule('r', '{ path: x }')}revoked: { keys: [{ file: a.pub }] }\n`
    expect((await checkPolicy(await site.policy(text))).map(({ message }) => message)).toEqual([
      'The rule "r" accepts nothing: the policy revokes its only signer (under "a"). Add a signer that is not revoked, or remove the rule.',
    ])
  })

  test.each([
    ['~/models/**', 'absolute path'],
    ['$HOME/models/**', 'variables'],
    ['C:\\\\models\\\\**', '"/"'],
    ['^models/.*$', 'regular expression'],
  ])('warns about the path %s', async (path, fix) => {
    const found = await checkPolicy(await site.policy(`${HEAD}rules:\n${rule('r', `{ path: "${path}" }`)}`))
    expect(found).toMatchObject([{ severity: 'warning', code: 'PATH_MISSPELT', line: 8 }])
    expect(found[0]?.message).toContain(fix)
  })

  test('warns about a revoked identity in a form that no signature has', async () => {
    const head = `version: 1\n${AGE}trustRoots:\n  c: { certificates: { roots: root.pem } }\n`
    const rules = `rules:\n${rule('r', '{ path: x }', 'signers: [{ certificate: { root: c, subject: CN=A } }]')}`
    const revoked =
      'revoked:\n  identities:\n    - identity: "mailto:x@acme.example"\n    - identity: "x@acme.example "\n'
    expect(await findings(`${head}${rules}${revoked}`)).toEqual([
      '12 warning SIGNER_MISSPELT',
      '13 warning SIGNER_MISSPELT',
    ])
  })

  test('warns about wildcards in a required name and in a revoked identity', async () => {
    const revoked = 'revoked: { identities: [{ identity: "*@acme.example" }] }\n'
    const text = `version: 1\n${AGE}trustRoots:\n  c: { certificates: { roots: root.pem } }\nrules:\n${rule('r', '{ path: x }', 'require: { name: "vad-*" }\n    signers: [{ certificate: { root: c, subject: CN=A } }]')}${revoked}`
    expect(await findings(text)).toEqual(['9 warning WILDCARD_EXACT', '11 warning WILDCARD_EXACT'])
  })

  test('warns about a trusted certificate that is not a CA certificate', async () => {
    await site.write('leaf.pem', pemOf(await signingLeaf(await authority('Root'), { notAfter: inDays(400) })))
    const text = `version: 1\n${AGE}trustRoots:\n  c: { certificates: { roots: leaf.pem } }\nrules:\n${rule('r', '{ path: x }', 'signers: [{ certificate: { root: c, subject: CN=A } }]')}`
    expect(await findings(text)).toEqual(['5 warning CERTIFICATE_NOT_CA'])
  })

  test('warns about a keyless signer entry that accepts anybody', async () => {
    const text = `version: 1\n${AGE}trustRoots:\n  s: { sigstore: public-good }\nrules:\n${rule('r', '{ path: x }', 'signers: [{ sigstore: { root: s, issuer: i, identity: { pattern: "**" } } }]')}`
    expect(await findings(text)).toEqual(['9 warning SIGNER_BROAD'])
  })
})
