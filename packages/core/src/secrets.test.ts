import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ModelSealError, shown } from './errors.ts'
import { secretIn, withoutSecrets } from './secrets.ts'
import { expectLinear } from './testing/linear.ts'

const KINDS = ['P-256', 'P-384', 'P-521'].flatMap((namedCurve) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve })
  const locked = { cipher: 'aes-256-cbc', passphrase: 'horse' }
  return [
    [`${namedCurve} in PKCS #8`, privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()],
    [`${namedCurve} in SEC 1`, privateKey.export({ format: 'pem', type: 'sec1' }).toString()],
    [`${namedCurve}, encrypted`, privateKey.export({ format: 'pem', type: 'pkcs8', ...locked }).toString()],
  ] as const
})
const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const { privateKey: ed25519 } = generateKeyPairSync('ed25519')
const KEYS = [
  ...KINDS,
  ['RSA in PKCS #8', rsa.export({ format: 'pem', type: 'pkcs8' }).toString()],
  ['RSA in PKCS #1', rsa.export({ format: 'pem', type: 'pkcs1' }).toString()],
  ['Ed25519', ed25519.export({ format: 'pem', type: 'pkcs8' }).toString()],
] as const

describe.each(KEYS)('a private key, %s', (_, pem) => {
  const lines = pem.trim().split('\n')
  const body = lines.slice(1, -1)
  test.each([
    ['exactly as in its file', pem],
    ['without its end', pem.slice(0, -40)],
    ['with escaped line breaks', pem.replaceAll('\n', '\\n')],
    ['on one line', pem.replaceAll('\n', ' ')],
    ['without line breaks', pem.replaceAll('\n', '')],
    ['without its header and footer', body.join('\n')],
    ['without header, footer and line breaks', body.join('')],
    ['its first line', body[0] ?? ''],
    ['after a directory', `/policies/${pem}`],
  ])('%s, never appears in an error', (_how, given) => {
    expect(secretIn(given)?.what).toBe('private key')
    const error = new ModelSealError('FILE_NOT_FOUND', `There is nothing at ${shown(given)}.`, {
      file: given,
      expected: `another than ${given}`,
      found: given,
      hint: given,
      signer: given,
    })
    for (const text of [error.stack ?? '', JSON.stringify(error), String(error), shown(given)]) {
      for (const line of body) expect(text).not.toContain(line.slice(0, 24))
      expect(text).toContain('[private key withheld]')
    }
  })
})

/** Put together, so that no scanner takes them for real ones. */
const ISSUED = [
  ['Hugging Face', 'hf_', 'aB'.repeat(17)],
  ['Hugging Face, of an organization', 'api_org_', 'aB'.repeat(17)],
  ...['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'].map((start) => ['GitHub', start, 'aB1'.repeat(12)] as const),
  ['GitHub, of an app', 'ghs_', `12345_${'aB1'.repeat(12)}.${'aB1'.repeat(12)}.${'a-_'.repeat(12)}`],
  ['GitHub, fine-grained', 'github_pat_', `${'A1'.repeat(11)}_${'aB1'.repeat(20)}`],
  ...[
    'glpat-',
    'gloas-',
    'gldt-',
    'glrt-',
    'glrtr-',
    'glcbt-',
    'glptt-',
    'glft-',
    'glimt-',
    'glagent-',
    'glsoat-',
    'glffct-',
  ].map((start) => ['GitLab', start, 'aB_1-'.repeat(4)] as const),
  ['GitLab, routable', 'glpat-', `${'aB1'.repeat(9)}.01.1a2b3c4d5`],
  ['AWS', 'AKIA', 'A2B3'.repeat(4)],
  ['AWS, temporary', 'ASIA', 'A2B3'.repeat(4)],
  ['OpenAI', 'sk-', `${'aB'.repeat(10)}T3BlbkFJ${'aB'.repeat(10)}`],
  ['OpenAI, of a project', 'sk-', `proj-${'aB_-'.repeat(18)}T3BlbkFJ${'aB_-'.repeat(18)}`],
  ['Anthropic', 'sk-ant-', `api03-${'aB_-'.repeat(23)}AA`],
  ['OpenRouter', 'sk-or-v1-', '0a'.repeat(32)],
  ...['xoxb-', 'xoxp-', 'xoxe.xoxp-1-'].map((start) => ['Slack', start, `123456789012-${'aB1'.repeat(8)}`] as const),
  ['Slack, of an app', 'xapp-', `1-A012-123456789012-${'a1'.repeat(32)}`],
  ['Docker Hub', 'dckr_pat_', 'aB_'.repeat(9)],
  ['Docker Hub, of an organization', 'dckr_oat_', 'aB_-'.repeat(8)],
  ['Google', 'AIza', 'aB_-1'.repeat(7)],
  ['Google, OAuth', 'ya29.', 'aB_-1'.repeat(20)],
  ['npm', 'npm_', 'aB1'.repeat(12)],
  ['PyPI', 'pypi-AgEIcHlwaS5vcmc', 'aB_-1'.repeat(20)],
] as const

describe.each(ISSUED)('a token of %s (%s…)', (_issuer, start, rest) => {
  const token = start + rest
  test.each([
    ['alone', token],
    ['in a path', `/srv/${token}/vad`],
    ['in an escaped URL', `https://models.example/vad%3Ftoken%3D${token}%26a=b`],
    ['after a text', `Bearer ${token}`],
    ['twice', `${token}, ${token}`],
  ])('%s, is withheld completely', (_how, text) => {
    expect(secretIn(text)).toMatchObject({ what: 'token' })
    const left = withoutSecrets(text)
    expect(left).toContain('[token withheld]')
    expect(left).not.toContain(rest.slice(0, 8))
    expect(left).not.toContain(rest.slice(-8))
  })
})

/** What begins like secrets again and again, and never ends like one, or always does. */
const REPEATED = [
  ...['eyJ', 'eyJ-', 'eyJ.', 'eyJhbGciOiJ', 'eyJhbGciOiJ.', 'eyJhbGciOiJ.eyJ', 'eyJeyJeyJeyJ.a.b.c.d.e'],
  ...[
    '-----BEGIN ',
    '-----BEGIN PRIVATE KEY',
    '-----BEGIN PRIVATE KEY-----"',
    '-----BEGIN PRIVATE KEY-----\n-----END ',
  ],
  ...['MIIAgEAM', '/MIIAgEAM', 'MIIAgEAM\n', 'MIIAgEAM \\\\', 'MIIEvAIBADAN\\n', '\n', '\\', 'KoZI'],
  ...['sk-', 'sk-a', 'ghs_', 'glpat-', 'hf_', 'xoxb-', 'AKIA', 'pin-value=', '%3Dsk-T3BlbkFJ', 'sk-T3BlbkFJ'],
]

test.each<[string, string]>([
  ...REPEATED.map((part): [string, string] => ['', part]),
  ...['a', 'a.', '-', 'eyJa'].map((part): [string, string] => ['eyJ', part]),
  ['-----BEGIN ', 'PRIVATE KEY'],
  ['MIIAgEAM', ' '],
  ['MIIAgEAM', '\\'],
])('searches %j and then %j repeated in linear time', async (start, part) => {
  await expectLinear(withoutSecrets, [start, part])
  await expectLinear(secretIn, [start, part])
})

test.each([
  ['right after a word', 'tokenHEAD.BODY.SIGN'],
  ['in an escaped URL', 'https://models.example/vad%3Ftoken%3DHEAD.BODY.SIGN'],
  ['after the beginning of another', 'eyJ-eyJHEAD.BODY.SIGN'],
  ['after a word that begins like one', 'eyJhbGciOiJ/HEAD.BODY.SIGN'],
  ['after a part that begins like one', 'eyJhbGciOiJ.HEAD.BODY.SIGN'],
  ['twice', 'HEAD.BODY.SIGN,HEAD.BODY.SIGN'],
  ['encrypted, with five parts', 'HEAD.BODY.BODY.BODY.SIGN'],
])('withholds a token %s', (_how, text) => {
  const [head, body, sign] = ['eyJhbGciOiJSUzI1NiJ9', 'eyJzdWIiOiJhIn0', 'c2lnbmF0dXJl']
  const given = text.replaceAll('HEAD', head).replaceAll('BODY', body).replaceAll('SIGN', sign)
  expect(secretIn(given)).toMatchObject({ what: 'token' })
  const left = withoutSecrets(given)
  expect(left).toContain('[token withheld]')
  for (const part of [head, body, sign]) expect(left).not.toContain(part)
})

test.each([
  ['a token', 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl', 'c2lnbmF0dXJl', '[token withheld]'],
  ['a PIN', 'pkcs11:object=a?pin-value=918273&module-name=b', '918273', 'pin-value=[PIN withheld]&module-name=b'],
])('leaves out %s', (_, given, secret, left) => {
  expect(secretIn(given)).toBeDefined()
  expect(withoutSecrets(given)).not.toContain(secret)
  expect(withoutSecrets(given)).toContain(left)
})

test.each([
  'models/vad',
  '/home/MIG/MIIB/AgEAM/model.onnx',
  'pkcs11:token=release;object=signing?module-name=softhsm2&pin-source=/run/pin',
  'a PEM file that begins with "-----BEGIN PRIVATE KEY-----" or "-----BEGIN EC PRIVATE KEY-----"',
  'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'pem', type: 'spki' }).toString(),
  'MIIBszCCAVmgAwIBAgIUQ0uKkXw3zRk1T1lq1k0sGZqf0bMwCgYIKoZIzj0EAwIw',
  'model.sig: eyJ is no token',
  `disk-${'0a'.repeat(32)}`,
  `models/sk-${'0a'.repeat(32)}`,
  'sk-learn-pipeline-for-text-classification-v2-final/model.onnx',
  `hf_${'0a'.repeat(20)}`,
  'hf_transfer/model_for_glpat-detection/AKIA.onnx',
  'hub/models--org--vad/snapshots/npm_package',
])('does not mistake %s for a secret', (text) => {
  expect(secretIn(text)).toBeUndefined()
  expect(withoutSecrets(text)).toBe(text)
})
