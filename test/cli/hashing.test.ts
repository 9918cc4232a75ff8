import { cp, mkdir, readFile, rm, stat, symlink, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import {
  directory,
  failed,
  jsonOf,
  modelseal,
  rootDigestIn,
  SIGN,
  useWorkingDirectory,
  VERIFY,
  write,
} from './modelseal.ts'

useWorkingDirectory()

const DIGEST = ['digest', 'vad', '--ignore-paths', 'vad/model.sig']

async function serialization() {
  const bundle = JSON.parse(await readFile(join(directory, 'vad/model.sig'), 'utf8'))
  const statement = JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString())
  return statement.predicate.serialization
}

describe('--hash-type and --shard-size', () => {
  test.each([
    [['--hash-type', 'blake2b'], { method: 'files', hash_type: 'blake2b' }],
    [['--hash_type=blake3'], { method: 'files', hash_type: 'blake3' }],
    [['--shard-size', '40000'], { method: 'shards', hash_type: 'sha256', shard_size: 40_000 }],
    [['--shard_size', '999999999', '--hash-type', 'blake3'], { method: 'shards', hash_type: 'blake3' }],
  ])('%j is recorded, and needs no flag to be verified', async (options, recorded) => {
    const signed = await modelseal([...SIGN, ...options])
    expect(signed).toMatchObject({ code: 0, stderr: '' })
    expect(await serialization()).toMatchObject(recorded)
    const verified = await modelseal(VERIFY)
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(rootDigestIn(verified.stdout)).toBe(rootDigestIn(signed.stdout))
    expect((await modelseal([...DIGEST, ...options])).stdout).toBe(`${rootDigestIn(signed.stdout)}\n`)
    expect((await modelseal(DIGEST)).stdout).not.toBe(`${rootDigestIn(signed.stdout)}\n`)
    await write('vad/weights.bin', Buffer.alloc(100_000, 8))
    failed(await modelseal(VERIFY), 'FILE_MISMATCH')
  })

  test.each([
    [['--hash-type', 'md5'], 'Allowed choices are sha256, blake2b, blake3'],
    [['--shard-size', '0'], 'Expected a positive integer'],
    [['--shard-size', '-1'], 'Expected a positive integer'],
    [['--shard-size', '1e6'], 'Expected a positive integer'],
    [['--shard-size', '9007199254740993'], 'Expected a positive integer'],
    [['--format', 'model'], 'Allowed choices are dataset'],
    [
      ['--shard-size', '40000', '--whole-files'],
      "Option '--whole-files' cannot be used with option '--shard-size <bytes>'",
    ],
  ])('%j is incorrect usage', async (options, says) => {
    const { code, stderr } = await modelseal([...SIGN, ...options])
    expect(code).toBe(2)
    expect(stderr).toContain(says)
  })
})

describe('--format dataset', () => {
  const NOTE =
    'Note: the command line of the reference tool cannot verify this signature, because it verifies whole files only. To sign whole files, use --whole-files.'
  const DATASET = [...SIGN, '--format', 'dataset']

  test('signs shards of 16 MiB if a file is larger than 64 MiB, and says who cannot verify them', async () => {
    await truncate(join(directory, 'vad/weights.bin'), 64 * 1024 * 1024 + 1)
    const signed = await modelseal(DATASET)
    expect(signed).toMatchObject({ code: 0, stderr: '' })
    expect(signed.stdout).toMatch(/ hashed +in shards of 16777216 bytes\n/)
    expect(signed.stdout).toContain(`${NOTE}\n`)
    expect(await serialization()).toMatchObject({ method: 'shards', hash_type: 'sha256', shard_size: 16_777_216 })
    expect((await modelseal([...DIGEST, '--format=dataset'])).stdout).toBe(`${rootDigestIn(signed.stdout)}\n`)
    expect(await jsonOf([...DATASET, '--json'], 0)).toMatchObject({ result: { shardSize: 16_777_216 } })
    for (const verify of [VERIFY, ['verify', 'vad', '--policy', 'policy.yaml']])
      expect(await modelseal(verify)).toMatchObject({ code: 0, stderr: '' })
    await truncate(join(directory, 'vad/weights.bin'), 64 * 1024 * 1024)
    failed(await modelseal(VERIFY), 'FILE_MISMATCH')
  })

  test.each([
    ['without a larger file', 64 * 1024 * 1024, DATASET],
    ['with --whole-files', 64 * 1024 * 1024 + 1, [...DATASET, '--whole-files']],
  ])('signs whole files %s', async (_, size, command) => {
    await truncate(join(directory, 'vad/weights.bin'), size)
    const signed = await modelseal(command)
    expect(signed).toMatchObject({ code: 0, stderr: '' })
    expect(signed.stdout).not.toMatch(/shards|reference tool/)
    expect(await serialization()).toMatchObject({ method: 'files' })
    expect((await modelseal(VERIFY)).code).toBe(0)
  })

  test('warns if a Croissant document states another digest than that of what was signed', async () => {
    const distribution = [{ '@type': 'cr:FileObject', contentUrl: 'weights.bin', sha256: 'f'.repeat(64) }]
    await write('vad/croissant.json', JSON.stringify({ '@type': 'sc:Dataset', distribution }))
    const signed = await modelseal(DATASET)
    expect(signed).toMatchObject({ code: 0, stderr: '' })
    expect(signed.stdout).toContain(
      'Warning: "croissant.json" states another SHA-256 than that of the signed content of "weights.bin".',
    )
    expect(await jsonOf([...DATASET, '--json'], 0)).toMatchObject({
      result: { warnings: [{ code: 'CROISSANT_DIGEST', digests: [{ file: 'weights.bin', stated: 'f'.repeat(64) }] }] },
    })
  })

  test.each(['sigstore', 'key', 'certificate', 'pkcs11-key', 'pkcs11-certificate'])(
    'is an option of %s',
    async (method) => {
      expect((await modelseal(['sign', method, '--help'])).stdout).toMatch(/--format <format>[^]*--whole-files/)
    },
  )
})

describe('--max-workers', () => {
  test.each(['1', '3'])('hashes a large model with %s threads to the same digest', async (workers) => {
    await write('vad/weights.bin', Buffer.alloc(40 * 1024 * 1024 + 1, 7))
    const digest = await modelseal(DIGEST)
    expect(await modelseal([...DIGEST, '--max-workers', workers])).toEqual(digest)
    expect(await modelseal([...SIGN, '--max_workers', workers])).toMatchObject({ code: 0, stderr: '' })
    expect(await modelseal([...VERIFY, `--max-workers=${workers}`])).toMatchObject({ code: 0, stderr: '' })
  })

  test.each([
    [['--max-workers', '0'], 'Expected a positive integer'],
    [['--max-workers', 'all'], 'Expected a positive integer'],
    [['--max-workers', '1000000'], 'maxThreads'],
  ])('%j is refused', async (options, says) => {
    const refused = await modelseal([...DIGEST, ...options])
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain(says)
  })
})

describe('--only', () => {
  test('checks only these files, and says so', async () => {
    await write('vad/vocabulary.txt', 'a b c')
    await modelseal(SIGN)
    await write('vad/weights.bin', 'changed')
    const part = await modelseal([...VERIFY, '--only', 'vad/nested/config.json'])
    expect(part).toMatchObject({ code: 0, stderr: '' })
    expect(part.stdout).toContain('1 of 3 signed files')
    const parts = await modelseal([...VERIFY, '--only', 'vad/nested', '--only=vad/vocabulary.txt'])
    expect(parts.stdout).toContain('2 of 3 signed files')
    expect(await jsonOf([...VERIFY, '--json', '--only', 'vad/nested'], 0)).toMatchObject({
      result: { files: { checked: 1, signed: 3 } },
    })
    failed(await modelseal([...VERIFY, '--only', 'vad/weights.bin']), 'FILE_MISMATCH')
    failed(await modelseal(VERIFY), 'FILE_MISMATCH')
  })

  test('refuses a path that is not signed, or outside the model', async () => {
    await modelseal(SIGN)
    await write('vad/added.py', 'print()')
    failed(await modelseal([...VERIFY, '--only', 'vad/added.py']), 'FILE_NOT_SIGNED')
    failed(await modelseal([...VERIFY, '--only', 'nested/config.json']), 'FILE_NOT_SIGNED')
  })
})

describe.skipIf(process.platform === 'win32')('--allow-symlinks', () => {
  test('signs links that stay within the model; the signature decides whether verifying follows them', async () => {
    await symlink('weights.bin', join(directory, 'vad/link.bin'))
    expect(failed(await modelseal(SIGN), 'SYMLINK_REFUSED')).toMatch(/"link\.bin".*--allow-symlinks/)
    failed(await modelseal(['digest', 'vad']), 'SYMLINK_REFUSED')
    const signed = await modelseal([...SIGN, '--allow_symlinks'])
    expect(signed).toMatchObject({ code: 0, stderr: '' })
    for (const flags of [[], ['--allow-symlinks'], ['--allow_symlinks']]) {
      const verified = await modelseal([...VERIFY, ...flags])
      expect(verified).toMatchObject({ code: 0, stderr: '' })
      expect(verified.stdout).toContain('3 of 3 signed files')
    }
    expect((await modelseal([...DIGEST, '--allow-symlinks'])).stdout).toBe(`${rootDigestIn(signed.stdout)}\n`)
  })

  test('does not allow links that the signature forbids', async () => {
    await modelseal(SIGN)
    await rm(join(directory, 'vad/weights.bin'))
    await write('vad/nested/other.bin', Buffer.alloc(100_000, 7))
    await symlink('nested/other.bin', join(directory, 'vad/weights.bin'))
    failed(await modelseal([...VERIFY, '--allow-symlinks', '--ignore-unsigned-files']), 'SYMLINK_REFUSED')
  })

  test('does not sign a link that leaves the model', async () => {
    await mkdir(join(directory, 'outside'))
    await write('outside/secret', 'x')
    await symlink('../outside/secret', join(directory, 'vad/link.bin'))
    failed(await modelseal([...SIGN, '--allow-symlinks']), 'SYMLINK_REFUSED')
  })
})

describe('files that have not changed for a few seconds', () => {
  const settled = fileURLToPath(new URL('../../node_modules/prettier', import.meta.url))
  const signed = ['copy', '--private-key', 'release.key', '--signature', 'copy.sig']
  const verify = ['verify', 'key', settled, '--public-key', 'release.pub', '--signature', 'copy.sig']

  test('have the same digests as freshly changed files', async () => {
    expect(Date.now() - (await stat(join(settled, 'package.json'))).ctimeMs).toBeGreaterThan(10_000)
    await cp(settled, join(directory, 'copy'), { recursive: true, dereference: true })
    const signing = await modelseal(['sign', 'key', ...signed])
    expect(signing).toMatchObject({ code: 0, stderr: '' })
    const digest = rootDigestIn(signing.stdout)
    expect((await modelseal(['digest', settled])).stdout).toBe(`${digest}\n`)
    const verified = await modelseal(verify)
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(rootDigestIn(verified.stdout)).toBe(digest)
  })

  test('are refused by name if they differ from what was signed', async () => {
    await cp(settled, join(directory, 'copy'), { recursive: true, dereference: true })
    for (const name of ['README.md', 'index.mjs']) await write(`copy/${name}`, 'another')
    await modelseal(['sign', 'key', ...signed])
    const { error } = await jsonOf([...verify, '--json'], 1)
    expect(error).toMatchObject({ code: 'FILE_MISMATCH', file: 'README.md' })
    expect(error.problems.map(({ file }: { file: string }) => file)).toEqual(['README.md', 'index.mjs'])
    await rm(join(directory, 'copy/README.md'))
    await modelseal(['sign', 'key', ...signed])
    failed(await modelseal(verify), 'FILE_UNSIGNED')
    await write('copy/none', '')
    await modelseal(['sign', 'key', ...signed])
    failed(await modelseal(verify), 'FILE_MISSING')
  })
})
