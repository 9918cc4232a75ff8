import { createHash, generateKeyPairSync } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  attest,
  ATTEST_EVALUATION,
  directory,
  EVALUATION,
  failed,
  JUDGE,
  jsonOf,
  modelseal,
  requiring,
  rootDigestIn,
  SIGN,
  signed,
  textOf,
  useWorkingDirectory,
  write,
} from './modelseal.ts'

useWorkingDirectory()

const SHA = 'd'.repeat(64)

beforeEach(async () => {
  await write('evaluation.json', JSON.stringify(EVALUATION))
  await write('vad/README.md', '---\nlicense: apache-2.0\n---\n# VAD\n')
})

describe('attest', () => {
  beforeEach(signed)

  test('adds an evaluation that a policy requires, and reports it', async () => {
    await requiring({ type: 'evaluation', where: [{ metric: 'accuracy', dataset: `sha256:${SHA}`, atLeast: 0.92 }] })
    failed(await modelseal(JUDGE), 'ATTESTATION_MISSING')
    const made = await modelseal(ATTEST_EVALUATION)
    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect(made.stdout).toMatch(/^Attested "vad"\n {2}statement {4}evaluation \(https:\/\/in-toto\.io\//)
    expect(made.stdout).toContain('made from    "evaluation.json"')
    expect(made.stdout).toContain('content      3 files, 100.0 kB, as signed')
    expect(made.stdout).toMatch(/signer +key sha256:[0-9a-f]{64}\n/)
    expect(made.stdout).toContain(`added to     "${directory}/vad.claims.jsonl"`)
    const verified = await modelseal(JUDGE)
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(rootDigestIn(made.stdout)).toBe(rootDigestIn(verified.stdout))
    const signer = /signer +(key sha256:[0-9a-f]{64})\n/.exec(made.stdout)?.[1] ?? ''
    expect(verified.stdout).toMatch(/^ {2}attestation {2}There is an evaluation as required, signed by /m)
    expect(verified.stdout).toContain(`as required, signed by ${signer}.\n`)
    const { verdict } = await jsonOf([...JUDGE, '--json'], 0)
    expect(verdict.attestations).toMatchObject([
      { kind: 'evaluation', satisfies: ['evaluation'], signer: { name: 'release', description: signer } },
    ])
  })

  test('prints JSON with what revokes the attestation', async () => {
    const { result } = await jsonOf([...ATTEST_EVALUATION, '--json'], 0)
    expect(result).toMatchObject({ type: 'evaluation', name: 'vad', from: 'evaluation.json', checked: { files: 3 } })
    await requiring({ type: 'evaluation' })
    expect((await modelseal(JUDGE)).code).toBe(0)
    const policy = JSON.parse(await textOf('policy.json')) as object
    await write('policy.json', JSON.stringify({ ...policy, revoked: { claims: [result.digest] } }))
    failed(await modelseal(JUDGE), 'ATTESTATION_REVOKED')
  })

  test('adds the same statement by the same signer only once', async () => {
    expect((await modelseal(ATTEST_EVALUATION)).code).toBe(0)
    const before = await textOf('vad.claims.jsonl')
    const again = await modelseal(ATTEST_EVALUATION)
    expect(again).toMatchObject({ code: 0, stderr: '' })
    expect(again.stdout).toMatch(/^Already attested "vad": nothing was added\n/)
    expect(again.stdout).toContain(`is in        "${directory}/vad.claims.jsonl"`)
    expect((await jsonOf([...ATTEST_EVALUATION, '--json'], 0)).result).toMatchObject({
      added: false,
      readByLoads: true,
    })
    expect(await textOf('vad.claims.jsonl')).toBe(before)
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await write('lab.key', privateKey.export({ format: 'pem', type: 'pkcs8' }))
    expect((await jsonOf([...ATTEST_EVALUATION, '--private-key', 'lab.key', '--json'], 0)).result.added).toBe(true)
    await write('evaluation.json', JSON.stringify(EVALUATION).replace('0.94', '0.95'))
    expect((await jsonOf([...ATTEST_EVALUATION, '--json'], 0)).result.added).toBe(true)
    expect((await textOf('vad.claims.jsonl')).match(/\n/g)).toHaveLength(3)
  })

  test('says where loads look if they do not look in the file that it wrote', async () => {
    const made = await modelseal([...ATTEST_EVALUATION, '--output', 'elsewhere.jsonl'])
    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect(made.stdout).toContain(`added to     "${directory}/elsewhere.jsonl"`)
    expect(made.stdout).toContain(`not read     no load looks there: it looks in "${directory}/vad.claims.jsonl"`)
    await requiring({ type: 'evaluation' })
    failed(await modelseal(JUDGE), 'ATTESTATION_MISSING')
    for (const place of ['vad/../vad.claims.jsonl', 'vad.lab.sigstore.json', 'vad/claims.jsonl']) {
      const { result } = await jsonOf([...ATTEST_EVALUATION, '--output', place, '--json'], 0)
      expect(result).toMatchObject({ added: true, readByLoads: true })
      expect(result.place).toBeUndefined()
      expect((await modelseal(JUDGE)).code).toBe(0)
      await rm(join(directory, place))
    }
  })

  test('makes a model card from README.md, and says so', async () => {
    await requiring({ type: 'model-card', where: [{ field: 'licence', oneOf: ['apache-2.0'] }] })
    const made = await modelseal(attest('model-card'))
    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect(made.stdout).toContain('made from    "vad/README.md"')
    expect((await modelseal(JUDGE)).code).toBe(0)
    await rm(join(directory, 'vad/README.md'))
    failed(await modelseal(attest('model-card', '--no-check')), 'FILE_NOT_FOUND')
  })

  test('makes a data card from croissant.json, and refuses one whose digests differ from those that were signed', async () => {
    const croissant = (sha256: string) => ({
      '@context': { '@vocab': 'https://schema.org/', cr: 'http://mlcommons.org/croissant/' },
      '@type': 'Dataset',
      conformsTo: 'http://mlcommons.org/croissant/1.1',
      name: 'voices',
      license: 'https://spdx.org/licenses/CC0-1.0',
      distribution: [{ '@type': 'cr:FileObject', contentUrl: 'weights.bin', sha256 }],
    })
    const weights = createHash('sha256')
      .update(await readFile(join(directory, 'vad/weights.bin')))
      .digest('hex')
    await rm(join(directory, 'vad/README.md'))
    await write('vad/croissant.json', JSON.stringify(croissant(weights)))
    expect((await modelseal(SIGN)).code).toBe(0)
    const made = await modelseal(attest('data-card'))
    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect(made.stdout).toContain('made from    "vad/croissant.json"')
    expect(made.stdout).toContain('digests      1 in the document, as signed')
    await requiring({ type: 'data-card', where: [{ field: 'licence', oneOf: ['cc0-1.0'] }] })
    expect((await modelseal(JUDGE)).code).toBe(0)
    await write('other.json', JSON.stringify(croissant(SHA)))
    const other = await modelseal(attest('data-card', '--from', 'other.json'))
    failed(other, 'ATTESTATION_INPUT')
    expect(other.stderr).toContain('it states another SHA-256 than that of the signed content of "weights.bin"')
  })

  test('makes a provenance from options', async () => {
    const base = ['--base-model', `hf://org/base=sha256:${SHA}`]
    const builder = [
      '--builder',
      'https://ci.example',
      '--build-type',
      'https://ci.example/train/v1',
      '--param',
      'a=b=c',
    ]
    await requiring({
      type: 'provenance',
      where: [
        { field: 'builder', equals: 'https://ci.example' },
        { field: 'base-model', equals: `sha256:${SHA}` },
      ],
    })
    expect(await modelseal(attest('provenance', ...base, ...builder))).toMatchObject({ code: 0, stderr: '' })
    expect((await modelseal(JUDGE)).code).toBe(0)
  })

  test('makes a provenance from the environment of a CI job', async () => {
    const none = { GITHUB_ACTIONS: '', GITLAB_CI: '', BUILDKITE: '' }
    failed(await modelseal(attest('provenance'), none), 'ATTESTATION_INPUT')
    const gitlab = {
      ...none,
      GITLAB_CI: 'true',
      CI_PROJECT_URL: 'https://gitlab.example/g/p',
      CI_PROJECT_ID: '1',
      CI_RUNNER_ID: '7',
      CI_COMMIT_SHA: 'c'.repeat(40),
      CI_COMMIT_REF_NAME: 'main',
      CI_CONFIG_PATH: '.gitlab-ci.yml',
      CI_JOB_NAME: 'train',
      CI_JOB_URL: 'https://gitlab.example/g/p/-/jobs/1',
      CI_JOB_STARTED_AT: '2026-11-01T00:00:00Z',
      CI_PIPELINE_ID: '1',
      CI_PIPELINE_SOURCE: 'push',
    }
    const made = await modelseal(attest('provenance'), gitlab)
    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect(made.stdout).toContain('made from    the environment of this CI job')
  })

  test('takes any predicate by the URI of its type', async () => {
    await write('review.json', '{"approved":true}')
    const type = 'https://example.org/review/v1'
    await requiring({ type, where: [{ field: 'approved', equals: true }] })
    expect(await modelseal(attest(type, '--from', 'review.json'))).toMatchObject({ code: 0, stderr: '' })
    expect((await modelseal(JUDGE)).code).toBe(0)
  })

  test('hashes the files first, and says plainly if it did not', async () => {
    await write('vad/weights.bin', 'changed')
    const refused = failed(await modelseal(ATTEST_EVALUATION), 'FILE_MISMATCH')
    expect(refused).toContain('cannot be attested, because its files are not those that were signed')
    expect(refused).not.toContain('Do not load this copy')
    await write('vad/weights.bin', Buffer.alloc(100_000, 8))
    await write('vad/nested/config.json', '[]')
    const several = failed(await modelseal(ATTEST_EVALUATION), 'FILE_MISMATCH')
    expect(several).toContain('2 files do not match the signature:\n')
    expect(several).toContain('cannot be attested, because')
    const made = await modelseal([...ATTEST_EVALUATION, '--no-check'])
    expect(made.code).toBe(0)
    expect(made.stdout).toContain('not checked: no file was hashed')
    expect((await jsonOf([...ATTEST_EVALUATION, '--no-check', '--json'], 0)).result.checked).toBeUndefined()
  })
})

describe('sign --claims-inside', () => {
  test('lets attestations be added inside the directory', async () => {
    expect((await modelseal([...SIGN, '--claims-inside'])).code).toBe(0)
    await requiring({ type: 'evaluation' })
    const made = await modelseal(ATTEST_EVALUATION)
    expect(made.stdout).toContain(`added to     "${directory}/vad/claims.jsonl"`)
    expect((await modelseal(JUDGE)).code).toBe(0)
    // Signed again without the option, they still are no part of what is signed.
    const again = await modelseal(SIGN)
    expect(rootDigestIn(again.stdout)).toBe(rootDigestIn(made.stdout))
    expect((await modelseal(JUDGE)).code).toBe(0)
  })

  test('needs a directory', async () => {
    const args = ['sign', 'key', 'vad/weights.bin', '--private-key', 'release.key', '--claims-inside']
    const { code, stderr } = await modelseal([...args, '--signature', 'weights.sig'])
    expect(code).toBe(2)
    expect(stderr).toContain('it is a file')
  })
})
