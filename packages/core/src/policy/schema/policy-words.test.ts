import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestSite } from '../../testing/site.ts'
import { testPolicy } from '../../loading/operations/judge-expectations.ts'
import { checkPolicy } from '../checking/check.ts'
import { nearest } from '../../nearest.ts'
import { loadPolicy } from '../load-policy.ts'

let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
})
afterAll(() => site.remove())

const HEAD = 'version: 1\ntrustRoots:\n  a: { publicKey: a.pub }\n'
const RULE = 'rules:\n  - name: r\n    match: { path: "**" }\n    signers: [{ key: a }]\n'
const rule = (fields: string) => `${HEAD}rules:\n  - name: r\n    match: { path: x }\n${fields}`
const root = (fields: string) => `version: 1\ntrustRoots:\n  ${fields}\n${RULE}`

async function problems(text: string): Promise<string> {
  const findings = await checkPolicy(await site.policy(text))
  expect(findings.filter(({ severity }) => severity === 'error')).not.toEqual([])
  return findings.map(({ message }) => message).join('\n')
}

test('reports only the tabs in a text that is indented with them', async () => {
  expect(await problems('version: 1\nrules:\n\t- name: r\n\t  match: { path: x }\n')).toMatch(
    /^(?:[^\n]*A line is indented with a tab\. Indent with spaces\.\n?)+$/,
  )
})

test('asks for quotes around a value that YAML reads as an anchor', async () => {
  const found = await problems(rule('    signers: [{ key: a }]\n').replace('{ path: x }', '{ path: &m/** }'))
  expect(found).toContain('must be in quotes: "&m/**"')
  expect(found).not.toContain('found nothing')
})

test('corrects a word in place of a list to one that the list may contain', async () => {
  const found = await problems(rule('    signers: [{ key: a }]\n    require: { isolation: mem }\n'))
  expect(found).toContain('"memory"')
  expect(found).not.toContain('["mem"]')
})

describe('an unknown field: the hint names the intended one', () => {
  test.each([
    ['at the top', `${HEAD.replace('version', 'verison')}${RULE}`, '"version"'],
    ['in another case', `${HEAD.replace('trustRoots', 'trust_roots')}${RULE}`, '"trustRoots"'],
    ['of a trust root', root('a: { publickey: a.pub }'), '"publicKey"'],
    ['of a key', root('a: { publicKey: { file: a.pub, notafter: 2030-01-01T00:00:00Z } }'), '"notAfter"'],
    ['of certificates', root('a: { certificates: { root: a.pem } }'), '"roots"'],
    ['of an instance', root('a: { sigstore: { tufURL: "https://a.example", tufRoot: a } }'), '"tufUrl"'],
    ['of a rule', rule('    signer: [{ key: a }]\n'), '"signers"'],
    ['of a match', `${HEAD}${RULE.replace('path', 'paths')}`, '"path"'],
    ['of signers', rule('    signers: [{ kye: a }]\n'), '"key"'],
    ['of a signer', rule('    signers: [{ sigstore: { root: s, issuer: i, idenity: x } }]\n'), '"identity"'],
    [
      'of extensions',
      rule(
        '    signers: [{ sigstore: { root: s, issuer: i, identity: x, extensions: { sourceRepositoryURI: u } } }]\n',
      ),
      '"sourceRepositoryUri"',
    ],
    [
      'of a requirement',
      rule('    signers: [{ key: a }]\n    require: { maxsignatureage: 1d }\n'),
      '"maxSignatureAge"',
    ],
    ['of receipts', rule('    signers: [{ key: a }]\n    require: { receipts: { maxage: 1d } }\n'), '"maxAge"'],
    ['of a revocation', `${HEAD}${RULE}revoked: { key: [x] }\n`, '"keys"'],
    ['of a digest of a revoked key', `${HEAD}${RULE}revoked: { keys: [{ digest: x }] }\n`, '"fingerprint"'],
    ['of a revoked key', `${HEAD}${RULE}revoked: { keys: [{ fingerprnt: x }] }\n`, '"fingerprint"'],
  ])('%s', async (_, text, meant) => {
    expect(await problems(text)).toContain(`Did you mean ${meant}?`)
  })

  test.each([
    ['threshold', `${HEAD}${RULE}threshold: 2\n`, 'It belongs under "rules".'],
    ['identity', rule('    signers: [{ sigstore: { root: s, issuer: i }, identity: x }]\n'), 'under "sigstore"'],
    [
      'issuer and identity beside their signer',
      rule('    signers: [{ sigstore: s, issuer: i, identity: x }]\n'),
      '"issuer" is not a known field of "rules.0.signers.0". It belongs under "sigstore".',
    ],
    [
      'issuer and identity without a signer',
      rule('    signers: [{ issuer: i, identity: x }]\n'),
      'It has "issuer" and "identity". They belong under "sigstore".',
    ],
    [
      'issuer in a rule',
      rule('    signers: [{ key: a }]\n    issuer: i\n'),
      'It belongs under "certificate" or "sigstore".',
    ],
  ])('or where it belongs: %s', async (_, text, words) => {
    expect(await problems(text)).toContain(words)
  })

  test('is reported first, without the missing field that it causes', async () => {
    const text = rule('    signer: [{ key: a }]\n')
    const sentence = '"signer" is not a known field of "rules.0". Did you mean "signers"?'
    await expect(loadPolicy(await site.policy(text))).rejects.toThrow(sentence)
    expect(await problems(text)).toBe(sentence)
    expect(await problems(`${HEAD}${RULE}revoked: { identities: [{ identty: x }] }\n`)).toBe(
      '"identty" is not a known field of "revoked.identities.0". Did you mean "identity"?',
    )
  })

  test.each(['signers: [{ kye: a }]', 'signer: [{ key: a }]', 'signers: [{ sigstore: { root: s, idenity: x } }]'])(
    'is reported before other mistakes above it: %s',
    async (misspelt) => {
      const text = `${HEAD}rules:\n  - name: ""\n    match: { path: "**" }\n    mode: 5\n    ${misspelt}\n`
      await expect(loadPolicy(await site.policy(text))).rejects.toThrow('Did you mean "')
      const [first, ...others] = (await problems(text)).split('\n')
      expect(first).toContain('Did you mean "')
      expect(others.join('\n')).toContain('"rules.0.mode"')
    },
  )
})

describe('a wrong value: the hint says what to write instead', () => {
  test.each([
    [rule('    mode: enforced\n    signers: [{ key: a }]\n'), 'Did you mean "enforce"?'],
    [`${HEAD}${RULE.replace('path: "**"', 'format: ONNX')}`, 'Did you mean "onnx"?'],
    [root('a: { sigstore: publicgood }'), 'Did you mean "public-good"?'],
    [
      rule('    signers: [{ key: b }]\n').replace('  a: {', '  release: {').replace('key: b', 'key: relaese'),
      'Did you mean "release"?',
    ],
    [rule('    signers: [{ key: a }]\n    require: { timestamp: yes }\n'), 'found "yes". Write true.'],
    [`${HEAD.replace('1', '"1"')}${RULE}`, 'found "1". Write it without quotes.'],
    [`${HEAD}${RULE}revoked: { certificates: [{ serial: 1234, issuer: CN=A }] }\n`, 'found 1234. Put it in quotes.'],
    [`${HEAD}${RULE}revoked: { identities: ["x@y"] }\n`, 'found "x@y". Write it as { identity: "x@y" }.'],
    [`${HEAD}${RULE}revoked: { keys: a.pub }\n`, 'found "a.pub". Write it as ["a.pub"].'],
    [`${HEAD}${RULE}revoked: { keys: [a.pub] }\n`, 'to name a file, write { file: … }'],
    [root('a: a.pub'), 'found "a.pub". Write it as { publicKey: "a.pub" }.'],
    [rule('    signers: [a]\n'), 'found "a". Write it as { key: "a" }.'],
    [`${HEAD}rules:\n  name: r\n`, 'expected a list; found fields with values. Begin each entry with "- ".'],
    [root('a:\n  publicKey: a.pub'), 'found nothing. Indent its fields below it.'],
    ['# nothing\n', 'It is empty.'],
    [
      root('a: { publicKey: a.pub, certificates: { roots: a.pem } }'),
      '"trustRoots.a": expected one kind; found "publicKey" and "certificates" together. Make each a separate trust root',
    ],
    [
      root('a: { publicKey: a.pub, certificates: a.pem }'),
      '"trustRoots.a": expected one kind; found "publicKey" and "certificates" together. Make each a separate trust root',
    ],
    [
      rule('    signers: [{ key: a, sigstore: { root: s, issuer: i, identity: x } }]\n'),
      'Make each a separate signer.',
    ],
    [
      rule('    signers: [{ certificate: { root: a, san: { pattern: x, regexp: y } } }]\n'),
      'found "pattern" and "regexp" together. Keep one of them.',
    ],
    [`${HEAD}${RULE}issued: 2026-01-01T00:00:00Z\nmaxAge: 180\n`, 'expected a duration such as 180d'],
  ])('%#', async (text, words) => {
    expect(await problems(text)).toContain(words)
  })
})

describe('invalid YAML is reported without the terms of the parser:', () => {
  const path = (glob: string) =>
    `${HEAD}rules:\n  - name: r\n    match:\n      path: ${glob}\n    signers: [{ key: a }]\n`
  test.each([
    [path('**/x'), 'YAML reads "**/x" as an alias. Put it in quotes: "**/x".'],
    [path('[**]'), 'Put it in quotes: "**".'],
    [`${HEAD}${RULE.replace('"**"', '**/x')}`, 'Put it in quotes: "**/x".'],
    [path('*'), 'A value that begins with * must be in quotes: "*".'],
    [path('!x'), 'A value that begins with ! must be in quotes: "!x".'],
    [path('@x'), 'A value that begins with @ must be in quotes: "@x".'],
    [path('{a,b}/x'), 'Put the whole value in quotes if it begins with {'],
    [`${HEAD}${RULE.replace('name: r', 'name: r: s')}`, '(": ") must be in quotes'],
    [`${HEAD}---\n${RULE}`, 'Remove this line "---"'],
    [`${HEAD}rules:\n\t- name: r\n`, 'A line is indented with a tab. Indent with spaces.'],
    [`${HEAD}rules:\n  - name: "r\n`, 'A quote (") is not closed.'],
    [`${HEAD}rules:\n  - name: r\n    match: { path: x\n    signers: []\n`, 'A { has no }'],
    [`${HEAD}rules:\n  - name: r\n   match: { path: x }\n`, 'The indentation of this line does not match'],
  ])('%#', async (text, words) => {
    const said = await problems(text)
    expect(said).toContain(words)
    expect(said).not.toMatch(/[Ii]mplicit|mapping|[Ff]low|scalar|token|Unresolved/)
  })
})

describe('a misspelt reason in a file of expectations', () => {
  test('is reported with the nearest code only', async () => {
    const policy = await site.policy(`${HEAD}${RULE}`, 'expected.yaml')
    const refusal = async (because: string) => {
      await site.write('expected.test.yaml', `- { model: x, expect: refused, because: ${because} }\n`)
      const error: unknown = await testPolicy({ policy }).catch((reason: unknown) => reason)
      return String(error)
    }
    expect(await refusal('FILE_MISMACH')).toMatch(/found "FILE_MISMACH". Did you mean "FILE_MISMATCH"\?$/)
    expect(await refusal('NONSENSE }\n- { model: x, expect: refused, becuase: FILE_MISMATCH')).toContain(
      'line 2, column 32: "becuase" is not a known field of the second expectation. Did you mean "because"?',
    )
    expect(await refusal('[]')).toContain('"because" of the first expectation: expected an error code')
    expect((await refusal('NONSENSE')).length).toBeLessThan(300)
  })
})

test.each([
  ['kye', 'key'],
  ['Keys', 'key'],
  ['pubKey', 'publicKey'],
  ['max_signature_age', 'maxSignatureAge'],
  ['colour', undefined],
  ['', undefined],
  ['k'.repeat(1_000_000), undefined],
])('the nearest word: %.20s', (word, meant) => {
  expect(nearest(word, ['key', 'publicKey', 'maxSignatureAge', 'certificate'])).toBe(meant)
})
