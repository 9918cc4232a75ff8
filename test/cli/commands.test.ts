import { execFile } from 'node:child_process'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { lstat, mkdir, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import {
  directory,
  failed,
  jsonOf,
  modelseal,
  PASSWORD,
  POLICY,
  rootDigestIn,
  SIGN,
  useWorkingDirectory,
  VERIFY,
  write,
} from './modelseal.ts'

useWorkingDirectory()

describe('sign key and verify key', () => {
  test('sign and verify a model, and report the result', async () => {
    const signed = await modelseal(SIGN)
    expect(signed).toMatchObject({ code: 0, stderr: '' })
    expect(signed.stdout).toContain(`signature    "${directory}/vad/model.sig"`)
    expect(signed.stdout).toContain('2 files, 100.0 kB')
    const [, fingerprint] = /^ {2}signer +key sha256:([0-9a-f]{64})$/m.exec(signed.stdout) ?? []
    const verified = await modelseal(VERIFY)
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(verified.stdout).toContain('signer       key "release.pub"')
    expect(verified.stdout).toContain(`key          sha256:${fingerprint}\n`)
    expect(rootDigestIn(verified.stdout)).toBe(rootDigestIn(signed.stdout))
  })

  test('name what hf download left, which is not signed', async () => {
    await mkdir(join(directory, 'vad/.cache/huggingface/download'), { recursive: true })
    for (const name of ['.gitignore', 'download/weights.bin.metadata'])
      await write(`vad/.cache/huggingface/${name}`, '')
    const signed = await modelseal(SIGN)
    expect(signed.code).toBe(0)
    expect(signed.stdout).toContain('2 files, 100.0 kB')
    expect(signed.stdout).toContain('Note: 2 files of "hf download" in ".cache/huggingface" were not signed.')
    const stderr = failed(await modelseal(VERIFY), 'FILE_UNSIGNED')
    expect(stderr).toContain('the directory ".cache/huggingface", which "modelseal pull" does not leave')
    await rm(join(directory, 'vad/.cache'), { recursive: true })
    await write('vad/.DS_Store', '')
    expect(failed(await modelseal(VERIFY), 'FILE_UNSIGNED')).toContain('macOS created ".DS_Store".')
  })

  test('do not replace the signature of another model, whatever its path', async () => {
    const sign = (model: string, ...more: string[]) =>
      modelseal(['sign', 'key', model, '--private-key', 'release.key', ...more])
    await mkdir(join(directory, 'asr'))
    await write('asr/other.bin', 'other')
    expect(await sign('vad')).toMatchObject({ code: 0, stderr: '' })
    expect(await sign('vad')).toMatchObject({ code: 0, stderr: '' })
    const stderr = failed(await sign('asr'), 'SIGNATURE_EXISTS')
    expect(stderr).toContain('it would replace the signature of another model')
    expect(stderr).toContain('--force')
    expect(await sign('asr', '--force')).toMatchObject({ code: 0, stderr: '' })
    failed(await sign('vad', '--signature', 'model.sig'), 'SIGNATURE_EXISTS')
    expect(await sign('asr', '--signature', 'model.sig')).toMatchObject({ code: 0, stderr: '' })
    expect(await sign('vad', '--signature', 'model.sig', '--force')).toMatchObject({ code: 0, stderr: '' })
  })

  test('accept both spellings of options, and a model path with a trailing slash', async () => {
    const signed = await modelseal(['sign', 'key', 'vad/', '--private_key', 'release.key', '--signature=vad/model.sig'])
    expect(signed.code).toBe(0)
    expect(
      await modelseal(['verify', 'key', '--public_key=release.pub', '--signature', 'vad/model.sig', 'vad/']),
    ).toMatchObject({ code: 0, stderr: '' })
  })

  test('write model.sig to the working directory by default, like the reference tool', async () => {
    expect(await modelseal(['sign', 'key', 'vad', '--private-key', 'release.key'])).toMatchObject({ code: 0 })
    expect(await readdir(directory)).toContain('model.sig')
  })

  test('accept a single file as a model', async () => {
    const signature = ['--signature', 'weights.sig']
    expect(
      await modelseal(['sign', 'key', 'vad/weights.bin', '--private-key', 'release.key', ...signature]),
    ).toMatchObject({ code: 0 })
    const verify = ['verify', 'key', 'vad/weights.bin', '--public-key', 'release.pub', ...signature]
    expect(await modelseal(verify)).toMatchObject({ code: 0 })
    await write('vad/weights.bin', 'other')
    expect(failed(await modelseal(verify), 'FILE_MISMATCH')).toContain('weights.bin')
  })

  test('name a changed file, and exit with 1', async () => {
    await modelseal(SIGN)
    await write('vad/weights.bin', 'other')
    expect(failed(await modelseal(VERIFY), 'FILE_MISMATCH')).toContain('"weights.bin"')
  })

  test('list several changed files individually', async () => {
    await modelseal(SIGN)
    await write('vad/weights.bin', 'other')
    await write('vad/added.py', 'print()')
    await rm(join(directory, 'vad/nested/config.json'))
    const stderr = failed(await modelseal(VERIFY), 'FILE_MISSING')
    expect(stderr).toContain('  missing   "nested/config.json"\n  unsigned  "added.py"\n')
  })

  test('ignore unsigned files only on request', async () => {
    await modelseal(SIGN)
    await write('vad/added.py', 'print()')
    failed(await modelseal(VERIFY), 'FILE_UNSIGNED')
    const ignoring = await modelseal([...VERIFY, '--ignore_unsigned_files'])
    expect(ignoring.code).toBe(0)
    expect(ignoring.stdout).toContain('unsigned files ignored')
    failed(await modelseal([...VERIFY, '--ignore-unsigned-files', '--no-ignore_unsigned_files']), 'FILE_UNSIGNED')
    expect(await modelseal([...VERIFY, '--ignore-paths', 'vad/added.py'])).toMatchObject({ code: 0 })
  })

  test('refuse a different key, and keys of the wrong kind', async () => {
    await modelseal(SIGN)
    const verifyWith = (key: string) => modelseal([...VERIFY.slice(0, -1), key])
    const signWith = (key: string) => modelseal([...SIGN, '--private-key', key])
    failed(await verifyWith('other.pub'), 'KEY_MISMATCH')
    failed(await verifyWith('rsa.pub'), 'KEY_INVALID')
    failed(await verifyWith('release.key'), 'KEY_INVALID')
    failed(await verifyWith('nothing.pub'), 'FILE_NOT_FOUND')
    failed(await signWith('rsa.key'), 'KEY_INVALID')
    failed(await signWith('release.pub'), 'KEY_INVALID')
    failed(await signWith('vad'), 'FILE_SPECIAL')
    failed(await signWith('nothing.key'), 'FILE_NOT_FOUND')
  })

  test('replace a link at the signature path, and never follow it', async () => {
    await write('precious', 'untouched')
    await symlink('../precious', join(directory, 'vad/model.sig'))
    expect(await modelseal(SIGN)).toMatchObject({ code: 0 })
    expect(await readFile(join(directory, 'precious'), 'utf8')).toBe('untouched')
    expect((await lstat(join(directory, 'vad/model.sig'))).isFile()).toBe(true)
  })

  test('report that a signature cannot be written, and leave nothing behind', async () => {
    failed(await modelseal([...SIGN, '--signature', 'nowhere/model.sig']), 'SIGNATURE_WRITE_FAILED')
    failed(await modelseal([...SIGN, '--signature', 'release.pub/model.sig']), 'SIGNATURE_WRITE_FAILED')
    await mkdir(join(directory, 'taken'))
    failed(await modelseal([...SIGN, '--signature', 'taken']), 'SIGNATURE_EXISTS')
    failed(await modelseal([...SIGN, '--signature', 'release.key']), 'SIGNATURE_EXISTS')
    expect((await readdir(directory)).filter((name) => name.includes('tmp'))).toEqual([])
  })

  test.skipIf(process.platform === 'win32')('refuse a model that contains a FIFO, without waiting for it', async () => {
    await promisify(execFile)('mkfifo', [join(directory, 'vad/pipe')])
    failed(await modelseal(SIGN), 'FILE_SPECIAL')
    failed(await modelseal(['digest', 'vad']), 'FILE_SPECIAL')
  })
})

describe('an encrypted key', () => {
  const LOCKED = [...SIGN, '--private-key', 'locked.key']

  test('is decrypted with --password or the environment variable', async () => {
    expect(await modelseal([...LOCKED, '--password', PASSWORD])).toMatchObject({ code: 0 })
    expect(await modelseal(LOCKED, { MODELSEAL_PASSWORD: PASSWORD })).toMatchObject({ code: 0 })
    expect(await modelseal(VERIFY)).toMatchObject({ code: 0 })
  })

  test('with the wrong password is refused, and the password is not shown', async () => {
    expect(failed(await modelseal([...LOCKED, '--password', 'hunter2']), 'KEY_ENCRYPTED')).not.toContain('hunter2')
    failed(await modelseal([...LOCKED, '--password', 'hunter2'], { MODELSEAL_PASSWORD: PASSWORD }), 'KEY_ENCRYPTED')
    const misspelt = await modelseal([...LOCKED, '--pasword=hunter2'])
    expect(misspelt).toMatchObject({ code: 2, stdout: '' })
    expect(misspelt.stderr).not.toContain('hunter2')
  })

  test('without a password or a terminal is refused with instructions', async () => {
    expect(failed(await modelseal(LOCKED), 'KEY_ENCRYPTED')).toContain('MODELSEAL_PASSWORD')
    failed(await modelseal(LOCKED, { MODELSEAL_PASSWORD: '' }), 'KEY_ENCRYPTED')
  })
})

describe('verify by policy', () => {
  test('accepts what the policy accepts', async () => {
    await modelseal(SIGN)
    const { code, stdout, stderr } = await modelseal(['verify', 'vad', '--policy', 'policy.yaml'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('rule "everything of ours"')
    expect(stdout).toContain('signer       key "release"')
    expect(stdout).toMatch(/^ {2}signed by +key sha256:[0-9a-f]{64}$/m)
    expect(stdout).toContain('2 of 2 signed files')
  })

  test('uses the policy and signature that a load would use, or those given', async () => {
    await modelseal([...SIGN, '--signature', 'elsewhere.sig'])
    const given = ['verify', 'vad', '--signature', 'elsewhere.sig']
    failed(await modelseal(given), 'POLICY_NOT_FOUND')
    failed(await modelseal(['verify', 'vad', '--policy', 'policy.yaml']), 'BUNDLE_NOT_FOUND')
    expect(await modelseal(given, { MODELSEAL_POLICY: 'policy.yaml' })).toMatchObject({ code: 0 })
  })

  test('refuses an unknown signer, a changed file and a model without a rule', async () => {
    await modelseal(SIGN)
    const verify = ['verify', 'vad', '--policy', 'policy.yaml']
    failed(await modelseal(['verify', 'vad/nested', '--policy', 'policy.yaml']), 'POLICY_NO_MATCH')
    await write('vad/weights.bin', 'other')
    failed(await modelseal(verify), 'FILE_MISMATCH')
    await write('policy.yaml', POLICY.replace('release.pub', 'other.pub'))
    failed(await modelseal(verify), 'SIGNER_NOT_TRUSTED')
  })

  test('--policy before a method name is an error', async () => {
    await modelseal(SIGN)
    const { code, stderr } = await modelseal(['verify', '--policy', 'policy.yaml', ...VERIFY.slice(1)])
    expect(code).toBe(2)
    expect(stderr).toContain("'--policy' cannot be used with 'verify key'")
  })
})

describe('digest', () => {
  test('prints the digest that a signature covers, and nothing else', async () => {
    const signed = await modelseal(['sign', 'key', 'vad', '--private-key', 'release.key'])
    expect(await modelseal(['digest', 'vad'])).toEqual({
      code: 0,
      stdout: `${rootDigestIn(signed.stdout)}\n`,
      stderr: '',
    })
  })

  test('depends on included Git files and on ignored paths, which are relative to the working directory', async () => {
    const digest = async (...args: string[]) => (await modelseal(['digest', ...args])).stdout
    const plain = await digest('vad')
    expect(plain).toMatch(/^sha256:[0-9a-f]{64}\n$/)
    expect(await digest('vad', '--ignore-git-paths')).toBe(plain)
    expect(await digest('vad', '--no-ignore_git_paths')).not.toBe(plain)
    expect(await digest('vad', '--ignore-paths', 'nested')).toBe(plain)
    const less = await digest('vad', '--ignore_paths', 'vad/nested', '--ignore-paths', 'elsewhere')
    expect(less).not.toBe(plain)
    await rm(join(directory, 'vad/nested'), { recursive: true })
    expect(await digest('vad')).toBe(less)
  })

  test('notes that a bundle was included, and also prints the signed digest, which excludes it', async () => {
    const signed = await modelseal([
      'sign',
      'key',
      'vad',
      '--private-key',
      'release.key',
      '--signature',
      'vad/model.sig',
    ])
    const { stdout, stderr } = await modelseal(['digest', 'vad'])
    expect(stdout).not.toContain(rootDigestIn(signed.stdout))
    expect(stderr).toBe(
      `Note: The digest includes model.sig, which signatures exclude. Policies compare the digest without it: ${rootDigestIn(signed.stdout)}\n`,
    )
    const { result } = JSON.parse((await modelseal(['digest', 'vad', '--json'])).stdout)
    expect(result.bundles).toEqual({ names: ['model.sig'], rootDigest: rootDigestIn(signed.stdout) })
    expect(`${result.rootDigest}\n`).toBe(stdout)
    expect((await modelseal(['digest', 'vad', '--ignore-paths', 'vad/model.sig'])).stderr).toBe('')
  })

  test('lists ignored paths that have no effect', async () => {
    const ignoring = (...paths: string[]) =>
      modelseal(['digest', 'vad', ...paths.flatMap((path) => ['--ignore-paths', path])])
    expect((await ignoring('vad/nested', 'vad/.gitignore')).stderr).toBe('')
    const { code, stderr } = await ignoring('vad/nestde', 'release.pub', 'vad/nested')
    expect(code).toBe(0)
    expect(stderr.replaceAll(directory, '').trimEnd().split('\n')).toEqual([
      'Note: --ignore-paths "/vad/nestde" has no effect: the path does not exist.',
      'Note: --ignore-paths "/release.pub" has no effect: the path is outside the model.',
    ])
    expect((await modelseal(['digest', 'vad', '--ignore-paths', 'none', '--json'])).stderr).toBe('')
  })

  test('refuses a missing model, and a glob as an ignored path', async () => {
    failed(await modelseal(['digest', 'nowhere']), 'MODEL_NOT_FOUND')
    const { code, stderr } = await modelseal(['digest', 'vad', '--ignore-paths', 'vad/*'])
    expect(code).toBe(2)
    expect(stderr).toContain('Error INVALID_ARGUMENT: Cannot ignore the path')
  })
})

test('sign warns about Git LFS pointers and unfinished downloads, and names the signer of the replaced signature', async () => {
  await write('vad/weights.bin', 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n')
  await write('vad/part.bin.incomplete', 'half')
  const first = await modelseal(SIGN)
  expect(first.stdout).toContain('Warning: "weights.bin" is a Git LFS pointer')
  expect(first.stdout).toContain('Warning: "part.bin.incomplete" has the name of an unfinished download')
  expect(first.stdout).not.toContain('replaced')
  const signer = /key sha256:[0-9a-f]{64}/.exec(first.stdout)?.[0] ?? '?'
  await write(
    'other.key',
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'pem', type: 'pkcs8' }),
  )
  const other = SIGN.map((word) => (word === 'release.key' ? 'other.key' : word))
  const second = await modelseal(other)
  expect(second.stdout).toContain(
    `model.sig" contained a signature by ${signer}, which this one replaced. To keep both,`,
  )
  const beside = /--signature "(vad\.NAME\.sig)"/.exec(second.stdout)?.[1] ?? 'none'
  const { result } = (await jsonOf([...SIGN, '--json'], 0)) as { result: Record<string, unknown> }
  expect(result.warnings).toMatchObject([
    { code: 'GIT_LFS_POINTER', files: ['weights.bin'] },
    { code: 'PARTIAL_DOWNLOAD', files: ['part.bin.incomplete'] },
  ])
  expect(result.replaced).toMatchObject({ description: expect.stringMatching(/^key sha256:/) as string })
  expect((await modelseal([...other.slice(0, -1), beside])).code).toBe(0)
  await bothSigned()
})

test('two *.oms.sig bundles in a directory cover the same files', async () => {
  await write(
    'other.key',
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'pem', type: 'pkcs8' }),
  )
  for (const [key, name] of [
    ['release.key', 'first'],
    ['other.key', 'second'],
  ] as const) {
    const sign = ['sign', 'key', 'vad', '--private-key', key, '--signature', `vad/${name}.oms.sig`]
    expect((await modelseal(sign)).code).toBe(0)
  }
  await bothSigned()
})

/** Verifies with a policy that requires signatures by both keys. */
async function bothSigned(): Promise<void> {
  const other = createPublicKey(await readFile(join(directory, 'other.key')))
  await write('second.pub', other.export({ format: 'pem', type: 'spki' }))
  const policy = POLICY.replace('rules:', '  second:\n    publicKey: ./second.pub\nrules:').replace(
    '[{ key: release }]',
    '[{ key: release }, { key: second }]\n    threshold: 2',
  )
  await write('both.yaml', policy)
  const ended = await modelseal(['verify', 'vad', '--policy', 'both.yaml'])
  expect(ended).toMatchObject({ code: 0, stderr: '' })
}
