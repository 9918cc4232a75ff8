import { generateKeyPairSync } from 'node:crypto'
import { copyFile, mkdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import {
  attest,
  directory,
  failed,
  JUDGE,
  jsonOf,
  modelseal,
  requiring,
  signed,
  textOf,
  useWorkingDirectory,
  write,
} from './modelseal.ts'

useWorkingDirectory()

describe('a verification summary', () => {
  beforeEach(signed)

  const VERIFIER = 'https://models.example/verifier'
  const summary = (...more: string[]) => attest('verification-summary', '--verifier-id', VERIFIER, ...more)

  test('of a verdict is believed by a policy that requires one of this verifier', async () => {
    const made = await modelseal(summary('--policy', 'policy.yaml', '--verified-level', 'SLSA_BUILD_LEVEL_2'))
    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect(made.stdout).toContain(`made from    the verdict of the policy "${directory}/policy.yaml"`)
    const checked = await jsonOf(['policy', 'check', 'policy.yaml', '--json'], 0)
    const { digests } = checked.result as { digests: { file: string; files: string } }
    expect(digests.files).not.toBe(digests.file)
    const where = [
      { field: 'verifier', equals: VERIFIER },
      { field: 'result', equals: 'PASSED' },
      { field: 'resource', equals: 'vad' },
      { field: 'level', equals: 'SLSA_BUILD_LEVEL_2' },
      { field: 'policy', oneOf: ['policy.yaml', `sha256:${digests.file}`] },
      { field: 'policy-files', equals: `sha256:${digests.files}` },
    ]
    await requiring({ type: 'verification-summary', where })
    expect((await modelseal(JUDGE)).code).toBe(0)
    await requiring({ type: 'verification-summary', where: [{ field: 'verifier', equals: 'https://other.example' }] })
    failed(await modelseal(JUDGE), 'ATTESTATION_CONDITION')
  })

  test('is refused for a model that the policy refuses, tolerates or skips', async () => {
    await requiring({ type: 'evaluation' })
    failed(await modelseal(summary('--policy', 'policy.json')), 'ATTESTATION_MISSING')
    const tolerant = JSON.parse(await textOf('policy.json')) as { rules: { mode?: string }[] }
    tolerant.rules[0]!.mode = 'audit'
    await write('policy.json', JSON.stringify(tolerant))
    expect(failed(await modelseal(summary('--policy', 'policy.json')), 'ATTESTATION_INPUT')).toContain('only tolerates')
    await write('vad/weights.bin', 'changed')
    failed(await modelseal(summary('--policy', 'policy.yaml')), 'FILE_MISMATCH')
    await expect(textOf('vad.claims.jsonl')).rejects.toThrow('ENOENT')
  })

  const VSA = ['verify', 'vad', '--vsa', 'key', '--private-key', 'release.key', '--verifier-id', VERIFIER]

  test('is signed by verify --vsa, beside the verdict', async () => {
    const made = await modelseal([...VSA, '--policy', 'policy.yaml', 'vad.vsa.sigstore.json'])
    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect(made.stdout).toMatch(/^Accepted "vad"\n[^]*\nSigned a summary of the verdict\n {2}signer +key sha256:/)
    expect(made.stdout).toContain(`written to  "${directory}/vad.vsa.sigstore.json"`)
    // In another place and spelling, and in JSON.
    const args = ['--log-level', 'error', ...VSA.slice(0, 2), 'vad.claims.jsonl', '--vsa=key', ...VSA.slice(4)]
    const { verdict, result, command } = await jsonOf([...args, '--policy', 'policy.yaml', '--json'], 0)
    expect(command).toBe('verify vsa-key')
    expect(verdict).toMatchObject({ decision: 'accepted', rule: 'everything of ours' })
    expect(result).toMatchObject({ output: join(directory, 'vad.claims.jsonl'), added: true })
    const where = [
      { field: 'verifier', equals: VERIFIER },
      { field: 'result', equals: 'PASSED' },
    ]
    await requiring({ type: 'verification-summary', where })
    for (const place of ['vad.claims.jsonl', 'vad.vsa.sigstore.json']) {
      expect((await modelseal(JUDGE)).code).toBe(0)
      await rm(join(directory, place))
    }
    failed(await modelseal(JUDGE), 'ATTESTATION_MISSING')
  })

  test('is not signed into a file that exists, which is found out before the model is judged', async () => {
    await write('vad/weights.bin', 'changed')
    const vsa = await modelseal([...VSA, '--policy', 'policy.yaml', 'release.pub'])
    expect(failed(vsa, 'FILE_WRITE_FAILED')).toContain('would spoil the file')
    failed(await modelseal(summary('--policy', 'policy.yaml', '--output', 'release.pub')), 'FILE_WRITE_FAILED')
    failed(await modelseal([...VSA, '--policy', 'policy.yaml', 'new.json']), 'FILE_MISMATCH')
  })

  test('is not signed by verify --vsa for a model that is refused, tolerated or skipped', async () => {
    await requiring({ type: 'evaluation' })
    const vsa = (policy: string) => modelseal([...VSA, 'vad.vsa.json', '--policy', policy])
    failed(await vsa('policy.json'), 'ATTESTATION_MISSING')
    const tolerant = JSON.parse(await textOf('policy.json')) as { rules: object[] }
    for (const rule of [
      { ...tolerant.rules[0], mode: 'audit' },
      { name: 'r', match: { path: '**' }, mode: 'skip', reason: 'for a test' },
    ]) {
      await write('policy.json', JSON.stringify({ ...tolerant, rules: [rule] }))
      const judged = await modelseal(JUDGE)
      const { code, stdout } = await vsa('policy.json')
      expect({ code, told: stdout.split('\n', 2) }).toEqual({ code: 1, told: judged.stdout.split('\n', 2) })
    }
    await expect(textOf('vad.vsa.json')).rejects.toThrow('ENOENT')
  })

  test('is refused for a model elsewhere whose rule checks only what is loaded', async () => {
    const server = createServer(({ url = '' }, response) => {
      readFile(join(directory, url)).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      )
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/vad/`
    await requiring({ type: 'evaluation' })
    const policy = JSON.parse(await textOf('policy.json')) as { rules: object[] }
    const rule = { ...policy.rules[0], match: { url: 'http://**' }, require: { files: 'loaded' } }
    await write('policy.json', JSON.stringify({ ...policy, rules: [rule] }))
    const args = ['--vsa', 'key', '--private-key', 'release.key', '--verifier-id', VERIFIER, '--policy', 'policy.json']
    const told = failed(await modelseal(['verify', url, 'vad.vsa.json', ...args]), 'ATTESTATION_INPUT')
    expect(told).toContain('modelseal pull')
    await expect(textOf('vad.vsa.json')).rejects.toThrow('ENOENT')
  })

  test.each([
    ['an unknown method', ['verify', 'vad', 'out.json', '--vsa', 'keys'], "'keys' is invalid"],
    ['no verifier', [...VSA.slice(0, 6), 'out.json'], "needs '--verifier-id uri'"],
    ['no file', VSA, "missing required argument 'out'"],
    ['no key', ['verify', 'vad', 'out.json', '--vsa', 'key', '--verifier-id', VERIFIER], "'--private-key <path>' not"],
    [
      'no summary to sign',
      ['verify', 'vad', '--verifier-id', VERIFIER],
      'in "modelseal verify --vsa sigstore … --verifier-id …"',
    ],
    ['no file, and names the help as users write it', VSA, 'see "modelseal verify --vsa key --help"'],
    ['two methods', [...VSA, 'out.json', '--vsa', 'certificate'], "unknown option '--vsa'"],
    ['an option of another method', [...VSA, 'out.json', '--pkcs11-uri', 'pkcs11:'], "'--pkcs11-uri'"],
  ])('is refused with %s, with exit code 2', async (_, args, words) => {
    const { code, stdout, stderr } = await modelseal(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr.toLowerCase()).toContain(words)
  })

  test('is about what the policy accepted, whichever bundle comes first', async () => {
    await copyFile(join(directory, 'vad/model.sig'), join(directory, 'vad.release.sig'))
    const accepted = await jsonOf([...JUDGE.slice(0, 3), 'policy.yaml', '--json'], 0)
    // A bundle of somebody else, over other content, is where a load looks first.
    await mkdir(join(directory, 'evil/vad'), { recursive: true })
    await write('evil/vad/weights.bin', 'evil')
    await write(
      'other.key',
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'pem', type: 'pkcs8' }),
    )
    await modelseal([
      'sign',
      'key',
      'evil/vad',
      '--private-key',
      'other.key',
      '--signature',
      'vad/model.sig',
      '--force',
    ])
    const { result } = await jsonOf([...summary('--policy', 'policy.yaml'), '--json'], 0)
    expect(result.rootDigest).toBe(`sha256:${accepted.verdict.model.rootDigest}`)
  })
})
