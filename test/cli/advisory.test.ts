import { generateKeyPairSync } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { directory, failed, jsonOf, modelseal, POLICY, useWorkingDirectory, write, type Ended } from './modelseal.ts'

useWorkingDirectory()

const HEX = 'a'.repeat(64)
const FEED = 'https://models.example/advisories'
const PACKAGE = `pkg:huggingface/acme/vad@${'abcdef0123'.repeat(4)}`

const advisory = (...args: string[]) => modelseal(['advisory', ...args])
const text = (name: string) => readFile(join(directory, name), 'utf8')
const SIGN = ['sign', 'key', 'feed.yaml', '--output', 'feed.jsonl', '--private-key']

/** Asserts a wrong command line. */
function misused({ code, stdout, stderr }: Ended): void {
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(/^Error INVALID_ARGUMENT: /)
}

beforeEach(async () => {
  expect(await advisory('create', 'feed.yaml', '--feed', FEED)).toMatchObject({ code: 0, stderr: '' })
})

describe('the source of a feed', () => {
  test('has what was added, until it is removed', async () => {
    const why = ['--reason', 'laptop stolen', '--severity', 'critical']
    const added = await advisory('add', 'feed.yaml', '--key', 'other.pub', '--root-digest', `sha256:${HEX}`, ...why)
    expect(added).toMatchObject({ code: 0, stderr: '' })
    expect(added.stdout).toContain(`  + model sha256:${HEX}: critical, reason "laptop stolen"\n`)
    expect(added.stdout).toMatch(/ {2}\+ key sha256:[0-9a-f]{64}: critical/)
    const more = ['--identity', 'a@models.example', '--issuer', 'https://issuer.example', '--package', PACKAGE]
    expect((await advisory('add', 'feed.yaml', ...more, '--claim', HEX, '--file-digest', `blake3:${HEX}`)).code).toBe(0)
    expect((await advisory('add', 'feed.yaml', ...more)).stdout).toContain('Nothing changed')
    const removed = await jsonOf(['advisory', 'remove', 'feed.yaml', '--key', 'other.pub', '--json'], 0)
    expect(removed.result).toMatchObject({ added: [], removed: [{ list: 'keys' }] })
    expect(await text('feed.yaml')).toContain(
      `denied:
  rootDigests:
    - digest: sha256:${HEX}
      reason: laptop stolen
      severity: critical
  fileDigests:
    - digest: blake3:${HEX}
  identities:
    - identity: a@models.example
      issuer: https://issuer.example
  claims:
    - digest: ${HEX}
  packages:
    - purl: ${PACKAGE}
`,
    )
  })

  test.each<[string, string, string[]]>([
    ['no entry', 'INVALID_ARGUMENT', []],
    ['a digest that is none', 'INVALID_ARGUMENT', ['--root-digest', 'x']],
    ['a package URL that is none', 'INVALID_ARGUMENT', ['--package', 'acme/vad']],
    ['an issuer without an identity', 'INVALID_ARGUMENT', ['--issuer', 'x', '--key', HEX]],
    ['a period for a package', 'INVALID_ARGUMENT', ['--package', PACKAGE, '--from', '2026-01-01T00:00:00Z']],
    ['an unknown severity', 'INVALID_ARGUMENT', ['--key', HEX, '--severity', 'huge']],
    ['a key that is not there', 'FILE_NOT_FOUND', ['--key', 'nowhere.pub']],
    ['a private key', 'KEY_INVALID', ['--key', 'release.key']],
  ])('is left alone with %s', async (_, code, args) => {
    const before = await text('feed.yaml')
    const ended = await advisory('add', 'feed.yaml', ...args)
    if (code === 'INVALID_ARGUMENT') misused(ended)
    else failed(ended, code)
    expect(await text('feed.yaml')).toBe(before)
  })

  test('is not replaced, and not changed to remove what is not there', async () => {
    misused(await advisory('create', 'feed.yaml', '--feed', 'other'))
    misused(await advisory('create', 'new.yaml', '--feed', 'other', '--expires', '0d'))
    failed(await advisory('remove', 'feed.yaml', '--key', HEX), 'ADVISORY_INVALID')
  })
})

describe('a feed', () => {
  beforeEach(async () => {
    await advisory('add', 'feed.yaml', '--root-digest', HEX, '--package', PACKAGE, '--key', HEX)
  })

  test('is signed, shown and verified, with the next number each time', async () => {
    const first = await advisory(...SIGN, 'release.key')
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(first.stdout).toContain(`Signed the feed "${FEED}", version 1\n`)
    await advisory('remove', 'feed.yaml', '--key', HEX)
    const second = await advisory(...SIGN, 'release.key', '--expires', '2d')
    expect(second.stdout).toContain(`version 2\n`)
    expect(second.stdout).toContain(`Since the previous version:\n  - key sha256:${HEX}\n`)
    const shown = await advisory('show', 'feed.jsonl')
    expect(shown.stdout).toContain(`  version  2\n`)
    expect(shown.stdout).toContain(`    model sha256:${HEX}\n    package "${PACKAGE}"\n`)
    expect(shown.stdout).toMatch(/ {2}signer {3}key sha256:\w{64}, not verified\n/)
    expect(shown.stderr).toContain('Nothing was verified.')
    const verified = await jsonOf(['advisory', 'verify', 'feed.jsonl', '--public-key', 'release.pub', '--json'], 0)
    expect(verified.result).toMatchObject({
      feed: FEED,
      sequence: 2,
      denied: 2,
      signatures: 1,
      signer: { method: 'key' },
    })
    failed(await advisory('verify', 'feed.jsonl', '--public-key', 'other.pub'), 'KEY_MISMATCH')
    misused(await advisory('verify', 'feed.jsonl'))
    misused(await advisory('verify', 'feed.jsonl', '--public-key', 'release.pub', '--identity', 'x'))
    const source = await advisory('verify', 'feed.yaml', '--public-key', 'release.pub')
    expect(failed(source, 'ADVISORY_INVALID')).toContain('This is the source of a feed.')
    expect(failed(await advisory('show', 'release.pub'), 'ADVISORY_INVALID')).toContain(
      'it is not a signed advisory feed',
    )
    for (const args of [
      ['add', 'feed.jsonl', '--key', HEX],
      ['sign', 'key', 'feed.jsonl', '--output', 'other.jsonl', '--private-key', 'release.key'],
    ])
      expect(failed(await advisory(...args), 'ADVISORY_INVALID')).toContain('This is a signed feed')
  })

  test('is verified as a service with a policy verifies it', async () => {
    await advisory(...SIGN, 'release.key')
    const verify = (...more: string[]) => ['advisory', 'verify', 'feed.jsonl', '--policy', 'policy.yaml', ...more]
    failed(await modelseal(verify()), 'SIGNER_NOT_TRUSTED')
    const entry = (source: string, key: string) => `  - { ${source}, signers: [{ key: ${key} }] }\n`
    const roots = POLICY.replace('trustRoots:', 'trustRoots:\n  other: { publicKey: ./other.pub }')
    const policy = (...entries: string[]) => write('policy.yaml', `${roots}advisories:\n${entries.join('')}`)
    await policy(entry('file: feed.jsonl', 'release'), entry('url: "https://models.example/feed"', 'other'))
    const verified = await modelseal(verify())
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(verified.stdout).toContain(`  accepted as  "${join(directory, 'feed.jsonl')}", signed by key `)
    expect(verified.stdout).toContain('  refused as   "https://models.example/feed": Cannot use the advisory feed')
    expect((await jsonOf(verify('--json'), 0)).result).toMatchObject({
      feed: FEED,
      sequence: 1,
      policy: join(directory, 'policy.yaml'),
      entries: [{ accepted: true }, { accepted: false, error: { code: 'SIGNER_NOT_TRUSTED' } }],
    })
    await policy(entry('file: feed.jsonl', 'other'), entry('url: "https://models.example/feed"', 'other'))
    const refused = failed(await modelseal(verify()), 'SIGNER_NOT_TRUSTED')
    expect(refused).toContain(`For "${join(directory, 'feed.jsonl')}": `)
    expect(refused).toContain('For "https://models.example/feed": ')
    expect((await jsonOf(verify('--json'), 1)).error).toMatchObject({ code: 'SIGNER_NOT_TRUSTED' })
    misused(await modelseal(verify('--public-key', 'release.pub')))
    failed(await advisory('verify', 'feed.jsonl', '--policy', 'absent.yaml'), 'POLICY_NOT_FOUND')
  })

  test('gets a second signature only for what its source denies', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await write('second.key', privateKey.export({ format: 'pem', type: 'pkcs8' }))
    failed(await advisory(...SIGN, 'second.key', '--add-signature'), 'FILE_NOT_FOUND')
    await advisory(...SIGN, 'release.key')
    expect((await advisory(...SIGN, 'second.key', '--add-signature')).stdout).toContain('signatures  2\n')
    expect((await advisory(...SIGN, 'second.key', '--add-signature')).stdout).toContain('nothing was added')
    misused(await advisory(...SIGN, 'second.key', '--add-signature', '--expires', '1d'))
    await advisory('add', 'feed.yaml', '--claim', HEX)
    failed(await advisory(...SIGN, 'second.key', '--add-signature'), 'ADVISORY_INVALID')
    expect((await text('feed.jsonl')).trim().split('\n')).toHaveLength(2)
    const next = await advisory(...SIGN, 'second.key')
    expect(next.stderr).toMatch(
      /The previous version is also signed by key sha256:\w{64}\. Services .* "--add-signature"/,
    )
    expect((await advisory(...SIGN, 'release.key', '--add-signature')).stderr).toBe('')
  })

  test('is compared with its source and with another version', async () => {
    await advisory(...SIGN, 'release.key')
    expect((await advisory('diff', 'feed.jsonl', 'feed.yaml')).stdout).toBe('Both deny the same.\n')
    await write('old.jsonl', await text('feed.jsonl'))
    await advisory('add', 'feed.yaml', '--claim', HEX)
    await advisory(...SIGN, 'release.key')
    expect((await advisory('diff', 'old.jsonl', 'feed.jsonl')).stdout).toBe(`+ attestation sha256:${HEX}\n`)
    const back = await advisory('diff', 'feed.jsonl', 'old.jsonl')
    expect(back.stdout).toBe(`- attestation sha256:${HEX}\n`)
    expect(back.stderr).toContain('lower number')
  })

  test('is exported to OpenVEX and imported from it', async () => {
    await advisory(...SIGN, 'release.key')
    const exported = await advisory('export', 'feed.jsonl', '--format', 'openvex')
    expect(exported.stderr).toBe(`Note: Left out: key sha256:${HEX}\n`)
    await write('vex.json', exported.stdout)
    await advisory('create', 'copy.yaml', '--feed', 'copy')
    const imported = await advisory('import', 'vex.json', 'copy.yaml')
    expect(imported).toMatchObject({ code: 0, stderr: '' })
    expect(imported.stdout).toContain(`+ model sha256:${HEX}: reason "${FEED}"`)
    expect(imported.stdout).toContain(`+ package "${PACKAGE}"`)
    failed(await advisory('import', 'policy.yaml', 'copy.yaml'), 'JSON_INVALID')
  })

  test('takes from OpenVEX what is affected now, and says what it leaves out', async () => {
    const said = (status: string, day: number, ...products: object[]) => ({
      vulnerability: { name: 'CVE-2026-1' },
      ...{ timestamp: `2026-03-0${day}T00:00:00Z`, products, status },
    })
    const [vad, asr] = [{ '@id': 'pkg:huggingface/acme/vad' }, { '@id': 'pkg:huggingface/acme/asr' }]
    const vex = (...statements: object[]) =>
      write('vex.json', JSON.stringify({ '@context': 'https://openvex.dev/ns/v0.2.0', statements }))
    await vex(
      said('affected', 1, vad, asr, { '@id': 'x:y' }),
      said('fixed', 2, vad),
      said('fixed', 2, { '@id': 'x:y' }),
    )
    const imported = await advisory('import', 'vex.json', 'feed.yaml')
    expect(imported).toMatchObject({
      code: 0,
      stderr: `Note: 1 affected product was left out: it has no package URL or digest that can be denied.
Note: 1 affected product was left out: it has another status in a later statement.
Note: 2 statements were left out: they have another status than "affected".
`,
    })
    expect(imported.stdout).toContain('+ package "pkg:huggingface/acme/asr": reason "CVE-2026-1"')
    expect(imported.stdout).not.toContain('acme/vad')
    await vex(said('affected', 1, vad), said('fixed', 2, vad))
    expect(failed(await advisory('import', 'vex.json', 'feed.yaml'), 'ADVISORY_INVALID')).toContain('later statement')
  })

  test('is not signed over another file, or from a source that is not valid', async () => {
    failed(
      await advisory('sign', 'key', 'feed.yaml', '--output', 'release.pub', '--private-key', 'release.key'),
      'ADVISORY_INVALID',
    )
    await write('feed.yaml', `feed: ${FEED}\nexpires: 7d\ndenied: { models: [] }\n`)
    const refused = await advisory(...SIGN, 'release.key')
    failed(refused, 'ADVISORY_INVALID')
    expect(refused.stderr).toContain('line 3, column 11')
  })
})
