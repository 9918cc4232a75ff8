import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { keyPair } from '../testing/bundles.ts'
import { authority, pemOf } from '../testing/authority.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { loadValidPolicy } from './load-policy.ts'
import { startingPolicy, type StartingSigner } from './starting-policy.ts'

const KEY = { kind: 'key', publicKey: 'release.pub' } as const
const CERTIFICATE = { kind: 'certificate', root: 'root.pem', san: 'email:x@acme.example' } as const
const GITHUB = { kind: 'github', repository: 'acme/vad', workflow: 'sign.yml', ref: 'refs/heads/main' } as const

async function compiled(text: string) {
  const files = {
    'p.yaml': text,
    'release.pub': keyPair().publicKey.key.export({ type: 'spki', format: 'pem' }).toString(),
    'root.pem': pemOf(await authority('Root')),
  }
  return loadValidPolicy(join(scratch(files), 'p.yaml'))
}

/** The policy with the lines that it suggests in comments. */
const withSuggestions = (text: string) =>
  text.replace(/^( *)# ( *(?:issued|maxAge|revoked|rootDigests|- digest|reason|mode|where|- \{))/gm, '$1$2')

describe('a starting policy', () => {
  test.each<[StartingSigner, string, object]>([
    [KEY, 'release', { method: 'key' }],
    [CERTIFICATE, 'authority', { method: 'certificate', san: { exact: CERTIFICATE.san } }],
    [
      GITHUB,
      'sigstore',
      {
        method: 'sigstore',
        issuer: { exact: 'https://token.actions.githubusercontent.com' },
        identity: { exact: 'https://github.com/acme/vad/.github/workflows/sign.yml@refs/heads/main' },
      },
    ],
  ])('trusts the signer %j', async (signer, root, expected) => {
    const { rules, roots } = await compiled(startingPolicy(signer))
    expect([...roots.keys()]).toEqual([root])
    expect(rules).toMatchObject([
      { name: 'models', mode: 'enforce', threshold: 1, signers: [{ ...expected, root }], attestations: [] },
    ])
    expect(rules[0]?.match.written).toEqual({ path: '**' })
  })

  test.each([
    ['models/*', { path: 'models/*' }],
    ['hf://acme/*', { source: 'hf://acme/*' }],
    ['oci://hub.example/**', { source: 'oci://hub.example/**' }],
    ['https://hub.example/**', { url: 'https://hub.example/**' }],
    ['http://hub.example/**', { url: 'http://hub.example/**' }],
    ['a"b', { path: 'a"b' }],
  ])('matches %s', async (models, match) => {
    expect((await compiled(startingPolicy(KEY, models))).rules[0]?.match.written).toEqual(match)
  })

  test.each([
    ['path', 'a/hf://b'],
    ['source', 'xhttps://a/**'],
    ['source', 'httpsx://a/**'],
  ])('names the %s %s', (field, models) => {
    expect(startingPolicy(KEY, models)).toContain(`      ${field}: "${models}"\n`)
  })

  test('tells editors where its JSON Schema is', () => {
    const line = (schema?: string) => startingPolicy(KEY, '**', [], schema).split('\n')[0]
    expect(line()).toBe('# yaml-language-server: $schema=node_modules/@modelseal/core/policy.schema.json')
    expect(line('a b.json')).toBe('# yaml-language-server: $schema=a b.json')
    expect(line('../policy.schema.json')).toBe('# yaml-language-server: $schema=../policy.schema.json')
  })

  test.each(['a\nb', 'a\u2028b', ' a', 'a '])(
    'refuses the path %j of a JSON Schema, which would not end in its line',
    (schema) => {
      expect(() => startingPolicy(KEY, '**', [], schema)).toThrow(
        refusal('INVALID_ARGUMENT', { expected: 'a path of printable ASCII characters' }),
      )
    },
  )

  test('refuses a path of a JSON Schema that is not text', () => {
    expect(() => startingPolicy(KEY, '**', [], 7 as never)).toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('the path of the JSON Schema') as string }),
    )
  })

  test('is still valid with what it suggests in comments', async () => {
    const { rules, ages, revocations } = await compiled(withSuggestions(startingPolicy(KEY)))
    expect(rules[0]?.mode).toBe('audit')
    expect(ages).toMatchObject([{ maxAge: '180d', issued: expect.stringMatching(/^[\d-]+T[\d:]{8}Z$/) as string }])
    expect(revocations.revokesAlways('0'.repeat(64))).toBe(true)
  })

  const KINDS = ['evaluation', 'model-card', 'data-card', 'provenance', 'verification-summary']

  test('requires attestations', async () => {
    const { rules } = await compiled(startingPolicy(KEY, '**', [...KINDS, 'evaluation']))
    expect(rules[0]?.attestations.map(({ type }) => type)).toEqual(KINDS)
    const conditions = Object.fromEntries(
      (rules[0]?.attestations ?? []).map(({ type, conditions }) => [type, conditions.length]),
    )
    expect(conditions).toEqual({
      evaluation: 1,
      'model-card': 0,
      'data-card': 0,
      provenance: 0,
      'verification-summary': 1,
    })
  })

  test.each(KINDS)('suggests valid conditions for the kind %s', async (kind) => {
    const { rules } = await compiled(withSuggestions(startingPolicy(KEY, '**', [kind])))
    const [attestation] = rules[0]?.attestations ?? []
    expect(attestation?.maxAge?.written).toBe('90d')
    expect(attestation?.conditions.length).toBeGreaterThan(0)
  })

  test('refuses other kinds of attestations', () => {
    expect(() => startingPolicy(KEY, '**', ['evaluation', 'model-crad'])).toThrow(
      refusal('INVALID_ARGUMENT', { expected: KINDS.join(', '), hint: 'Did you mean "model-card"?' }),
    )
    expect(() => startingPolicy(KEY, '**', ['toString'])).toThrow(refusal('INVALID_ARGUMENT', { hint: undefined }))
  })

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['a text', 'key'],
    ['no kind', { publicKey: 'a.pub' }],
    ['another kind', { kind: 'pgp' }],
    ['a kind that is not text', { kind: 7 }],
    ['a list of a kind', { kind: ['key'], publicKey: 'a.pub' }],
    ['a word of JavaScript', { kind: 'toString' }],
    ['no key', { kind: 'key' }],
    ['a key that is not text', { kind: 'key', publicKey: 7 }],
    ['no root', { ...CERTIFICATE, root: undefined }],
    ['no name', { ...CERTIFICATE, san: undefined }],
    ['no repository', { ...GITHUB, repository: undefined }],
    ['no workflow', { ...GITHUB, workflow: undefined }],
    ['no ref', { ...GITHUB, ref: undefined }],
  ])('refuses a signer that is or has %s', (_, signer) =>
    expect(() => startingPolicy(signer as StartingSigner)).toThrow(
      refusal('INVALID_ARGUMENT', {
        expected: 'a signer of the kind key, certificate or github',
        message: expect.stringContaining('the signer') as string,
      }),
    ),
  )

  test('refuses a glob that is not text', () => {
    expect(() => startingPolicy(KEY, 7 as never)).toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('the glob for the models') as string }),
    )
  })
})
