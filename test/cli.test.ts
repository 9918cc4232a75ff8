import { execFile, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  realpath,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

const PROGRAM = fileURLToPath(new URL('../packages/cli/bin/modelseal.cjs', import.meta.url))
const PASSWORD = 'correct horse battery'
const LINUX = process.platform === 'linux'

let directory: string

/** Two key pairs, one of them encrypted, and a model of three files. */
beforeEach(async () => {
  directory = await realpath(await mkdtemp(join(tmpdir(), 'modelseal-cli-')))
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pkcs8 = { format: 'pem', type: 'pkcs8' } as const
  const spki = { format: 'pem', type: 'spki' } as const
  await Promise.all([
    write('release.key', privateKey.export(pkcs8)),
    write('release.pub', publicKey.export(spki)),
    write('locked.key', privateKey.export({ ...pkcs8, cipher: 'aes-256-cbc', passphrase: PASSWORD })),
    write('other.pub', generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export(spki)),
    write('rsa.key', rsa.privateKey.export(pkcs8)),
    write('rsa.pub', rsa.publicKey.export(spki)),
    mkdir(join(directory, 'vad/nested'), { recursive: true }),
  ])
  await Promise.all([
    write('vad/weights.bin', Buffer.alloc(100_000, 7)),
    write('vad/nested/config.json', '{}'),
    write('vad/.gitignore', '*.tmp'),
    write('policy.yaml', POLICY),
  ])
})

afterEach(() => rm(directory, { recursive: true, force: true }))

const POLICY = `version: 1
trustRoots:
  release:
    publicKey: ./release.pub
rules:
  - name: everything of ours
    match:
      path: vad
    signers: [{ key: release }]
`

const SIGN = ['sign', 'key', 'vad', '--private-key', 'release.key', '--signature', 'vad/model.sig']
const VERIFY = ['verify', 'key', 'vad', '--signature', 'vad/model.sig', '--public-key', 'release.pub']

describe('sign key and verify key', () => {
  test('sign a model and verify it, and say what was done', async () => {
    const signed = await modelseal(SIGN)
    expect(signed).toMatchObject({ code: 0, stderr: '' })
    expect(signed.stdout).toContain(`signature    "${directory}/vad/model.sig"`)
    expect(signed.stdout).toContain('2 files, 100.0 kB')
    const verified = await modelseal(VERIFY)
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(verified.stdout).toContain('signer       key "release.pub"')
    expect(rootDigestIn(verified.stdout)).toBe(rootDigestIn(signed.stdout))
  })

  test('understand both spellings, and a model with a trailing slash', async () => {
    const signed = await modelseal(['sign', 'key', 'vad/', '--private_key', 'release.key', '--signature=vad/model.sig'])
    expect(signed.code).toBe(0)
    expect(
      await modelseal(['verify', 'key', '--public_key=release.pub', '--signature', 'vad/model.sig', 'vad/']),
    ).toMatchObject({ code: 0, stderr: '' })
  })

  test('write model.sig into the working directory where no place is given, as the reference tool does', async () => {
    expect(await modelseal(['sign', 'key', 'vad', '--private-key', 'release.key'])).toMatchObject({ code: 0 })
    expect(await readdir(directory)).toContain('model.sig')
  })

  test('take a single file for a model', async () => {
    const signature = ['--signature', 'weights.sig']
    expect(
      await modelseal(['sign', 'key', 'vad/weights.bin', '--private-key', 'release.key', ...signature]),
    ).toMatchObject({ code: 0 })
    const verify = ['verify', 'key', 'vad/weights.bin', '--public-key', 'release.pub', ...signature]
    expect(await modelseal(verify)).toMatchObject({ code: 0 })
    await write('vad/weights.bin', 'other')
    expect(failed(await modelseal(verify), 'FILE_MISMATCH')).toContain('weights.bin')
  })

  test('name the file that was changed, and exit with 1', async () => {
    await modelseal(SIGN)
    await write('vad/weights.bin', 'other')
    expect(failed(await modelseal(VERIFY), 'FILE_MISMATCH')).toContain('"weights.bin"')
  })

  test('list several files one by one', async () => {
    await modelseal(SIGN)
    await write('vad/weights.bin', 'other')
    await write('vad/added.py', 'print()')
    await rm(join(directory, 'vad/nested/config.json'))
    const stderr = failed(await modelseal(VERIFY), 'FILE_MISSING')
    expect(stderr).toContain('  missing   "nested/config.json"\n  unsigned  "added.py"\n')
  })

  test('leave unsigned files alone on request only', async () => {
    await modelseal(SIGN)
    await write('vad/added.py', 'print()')
    failed(await modelseal(VERIFY), 'FILE_UNSIGNED')
    const ignoring = await modelseal([...VERIFY, '--ignore_unsigned_files'])
    expect(ignoring.code).toBe(0)
    expect(ignoring.stdout).toContain('unsigned files ignored')
    failed(await modelseal([...VERIFY, '--ignore-unsigned-files', '--no-ignore_unsigned_files']), 'FILE_UNSIGNED')
    expect(await modelseal([...VERIFY, '--ignore-paths', 'vad/added.py'])).toMatchObject({ code: 0 })
  })

  test('refuse another key, and keys of the wrong kind', async () => {
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

  test('replace a link at the place of the signature, and never follow it', async () => {
    await write('precious', 'untouched')
    await symlink('../precious', join(directory, 'vad/model.sig'))
    expect(await modelseal(SIGN)).toMatchObject({ code: 0 })
    expect(await readFile(join(directory, 'precious'), 'utf8')).toBe('untouched')
    expect((await lstat(join(directory, 'vad/model.sig'))).isFile()).toBe(true)
  })

  test('say that a signature cannot be written, and leave nothing behind', async () => {
    failed(await modelseal([...SIGN, '--signature', 'nowhere/model.sig']), 'SIGNATURE_WRITE_FAILED')
    failed(await modelseal([...SIGN, '--signature', 'release.pub/model.sig']), 'SIGNATURE_WRITE_FAILED')
    await mkdir(join(directory, 'taken'))
    failed(await modelseal([...SIGN, '--signature', 'taken']), 'SIGNATURE_WRITE_FAILED')
    expect((await readdir(directory)).filter((name) => name.includes('tmp'))).toEqual([])
  })

  test.skipIf(process.platform === 'win32')('refuse a model with a FIFO in it, without waiting for it', async () => {
    await promisify(execFile)('mkfifo', [join(directory, 'vad/pipe')])
    failed(await modelseal(SIGN), 'FILE_SPECIAL')
    failed(await modelseal(['digest', 'vad']), 'FILE_SPECIAL')
  })
})

describe('an encrypted key', () => {
  const LOCKED = [...SIGN, '--private-key', 'locked.key']

  test('is opened by --password, or by the environment', async () => {
    expect(await modelseal([...LOCKED, '--password', PASSWORD])).toMatchObject({ code: 0 })
    expect(await modelseal(LOCKED, { MODELSEAL_PASSWORD: PASSWORD })).toMatchObject({ code: 0 })
    expect(await modelseal(VERIFY)).toMatchObject({ code: 0 })
  })

  test('with the wrong password is refused, and the password not repeated', async () => {
    expect(failed(await modelseal([...LOCKED, '--password', 'hunter2']), 'KEY_ENCRYPTED')).not.toContain('hunter2')
    failed(await modelseal([...LOCKED, '--password', 'hunter2'], { MODELSEAL_PASSWORD: PASSWORD }), 'KEY_ENCRYPTED')
    const misspelt = await modelseal([...LOCKED, '--pasword=hunter2'])
    expect(misspelt).toMatchObject({ code: 2, stdout: '' })
    expect(misspelt.stderr).not.toContain('hunter2')
  })

  test('without a password, and no terminal to ask at, is refused with what to do', async () => {
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
    expect(stdout).toContain('2 of 2 signed files')
  })

  test('takes the policy and the signature that a load would take, or the given ones', async () => {
    await modelseal([...SIGN, '--signature', 'elsewhere.sig'])
    const given = ['verify', 'vad', '--signature', 'elsewhere.sig']
    failed(await modelseal(given), 'POLICY_NOT_FOUND')
    failed(await modelseal(['verify', 'vad', '--policy', 'policy.yaml']), 'BUNDLE_NOT_FOUND')
    expect(await modelseal(given, { MODELSEAL_POLICY: 'policy.yaml' })).toMatchObject({ code: 0 })
  })

  test('refuses a stranger, a changed file and a model without a rule', async () => {
    await modelseal(SIGN)
    const verify = ['verify', 'vad', '--policy', 'policy.yaml']
    failed(await modelseal(['verify', 'vad/nested', '--policy', 'policy.yaml']), 'POLICY_NO_MATCH')
    await write('vad/weights.bin', 'other')
    failed(await modelseal(verify), 'FILE_MISMATCH')
    await write('policy.yaml', POLICY.replace('release.pub', 'other.pub'))
    failed(await modelseal(verify), 'SIGNER_NOT_TRUSTED')
  })

  test('a policy before the name of a method is not passed over in silence', async () => {
    await modelseal(SIGN)
    const { code, stderr } = await modelseal(['verify', '--policy', 'policy.yaml', ...VERIFY.slice(1)])
    expect(code).toBe(2)
    expect(stderr).toContain("'--policy' does not go with 'verify key'")
  })
})

describe('digest', () => {
  test('prints the digest that a signature is over, and nothing else', async () => {
    const signed = await modelseal(['sign', 'key', 'vad', '--private-key', 'release.key'])
    expect(await modelseal(['digest', 'vad'])).toEqual({
      code: 0,
      stdout: `${rootDigestIn(signed.stdout)}\n`,
      stderr: '',
    })
  })

  test('changes with git files taken in or paths left out, which are relative to the working directory', async () => {
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

  test('refuses a model that is not there, and a glob to ignore', async () => {
    failed(await modelseal(['digest', 'nowhere']), 'MODEL_NOT_FOUND')
    const { code, stderr } = await modelseal(['digest', 'vad', '--ignore-paths', 'vad/*'])
    expect(code).toBe(2)
    expect(stderr).toContain('Error INVALID_ARGUMENT: The path')
  })
})

describe('the command line', () => {
  test.each([
    ['no command', [], 'Usage: modelseal'],
    ['no method', ['sign'], 'Usage: modelseal sign'],
    ['an unknown command', ['sing', 'key'], 'Did you mean sign?'],
    ['an unknown option', [...SIGN, '--private-kye', 'k'], 'Did you mean --private-key?'],
    ['no model', ['sign', 'key', '--private-key', 'k'], "Missing required argument 'model'"],
    ['an empty model', ['digest', ''], 'It is empty.'],
    ['two models', ['digest', 'vad', 'vad'], 'Too many arguments'],
    ['no private key', ['sign', 'key', 'vad'], "'--private-key <path>' not specified"],
    ['no public key', ['verify', 'key', 'vad', '--signature', 's'], "'--public-key <path>' not specified"],
    ['no value', ['verify', 'vad', '--policy'], "'--policy <path>' argument missing"],
  ])('with %s is wrong usage', async (_, args, says) => {
    const { code, stdout, stderr } = await modelseal(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(says)
    expect(stderr).not.toMatch(/^ {4}at /m)
  })

  test('prints version and help on request', async () => {
    const { version } = JSON.parse(await readFile(join(PROGRAM, '../../package.json'), 'utf8')) as { version: string }
    expect(await modelseal(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
    for (const args of [
      ['--help'],
      ['-h'],
      ['sign', '-h'],
      ['sign', 'key', '-h'],
      ['verify', '-h'],
      ['digest', '-h'],
    ]) {
      const { code, stdout, stderr } = await modelseal(args)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toMatch(/Examples?:\n {2}\$ /)
    }
  })

  test('reads a model whose name begins with a dash after --', async () => {
    await mkdir(join(directory, '--json'))
    await write('--json/weights', 'x')
    const { code, stdout } = await modelseal(['digest', '--', '--json'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^sha256:/)
  })
})

describe('--json', () => {
  test('prints one object on success', async () => {
    const signed = await jsonOf([...SIGN, '--json'], 0)
    expect(signed).toMatchObject({ ok: true, command: 'sign key', result: { files: 2, bytes: 100_002 } })
    const { rootDigest } = signed.result
    expect(await jsonOf(['digest', '--json', 'vad', '--ignore-paths', 'vad/model.sig'], 0)).toEqual({
      ok: true,
      command: 'digest',
      result: { rootDigest, files: 2, bytes: 100_002 },
    })
    expect(await jsonOf([...VERIFY, '--json'], 0)).toMatchObject({
      ok: true,
      command: 'verify key',
      result: { rootDigest, signer: { method: 'key', name: 'release.pub' } },
    })
    expect(await jsonOf(['verify', 'vad', '--policy', 'policy.yaml', '--json'], 0)).toMatchObject({
      ok: true,
      command: 'verify',
      verdict: { decision: 'accepted', rule: 'everything of ours', files: { checked: 2, signed: 2 } },
    })
  })

  test('prints one object on failure, with all problems and the verdict', async () => {
    await modelseal(SIGN)
    for (let index = 0; index < 25; index++) await write(`vad/added-${index}`, '')
    const refused = await jsonOf([...VERIFY, '--json'], 1)
    expect(refused).toMatchObject({ ok: false, command: 'verify key', error: { code: 'FILE_UNSIGNED' } })
    expect(refused.error.problems).toHaveLength(25)
    expect(await jsonOf(['verify', 'vad', '--policy', 'policy.yaml', '--json'], 1)).toMatchObject({
      ok: false,
      command: 'verify',
      error: { code: 'FILE_UNSIGNED' },
      verdict: { decision: 'refused' },
    })
  })

  test('prints one object for wrong usage, too', async () => {
    expect(await jsonOf(['sign', 'key', 'vad', '--json'], 2)).toMatchObject({
      ok: false,
      command: 'sign key',
      error: { code: 'INVALID_ARGUMENT' },
    })
  })
})

describe('the process', () => {
  test.skipIf(!LINUX)('ends with 130 when it is interrupted, and writes no signature', async () => {
    await truncateTo('vad/weights.bin', 64e9)
    const running = start(SIGN)
    await vi.waitFor(async () => expect(await filesOpenIn(running.pid)).toContain(`${directory}/vad/weights.bin`), {
      timeout: 30_000,
    })
    process.kill(running.pid, 'SIGINT')
    const { code, stderr } = await running.ended
    expect(code).toBe(130)
    expect(stderr).toMatch(/^Error ABORTED: .*\n$/)
    expect(await readdir(join(directory, 'vad'))).not.toContain('model.sig')
  })

  test.skipIf(!existsSync('/dev/full'))('does not call it a success when its output is lost', async () => {
    const { stderr } = await promisify(execFile)(
      '/bin/sh',
      ['-c', '"$0" "$1" digest vad > /dev/full; echo "exit $?" >&2', process.execPath, PROGRAM],
      { cwd: directory },
    )
    expect(stderr).toBe('Error: the output cannot be written (ENOSPC).\nexit 1\n')
  })

  test.each(['12.22.12', '20.20.2', '22.22.1', '23.5.0', '24.14.9', '25.0.0'])(
    'says in one line that Node.js %s is too old',
    async (version) => {
      const { code, stdout, stderr } = await modelseal(['digest', 'vad'], {}, await pretendingToBe(version))
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toMatch(
        new RegExp(`^modelseal needs Node\\.js .*; this is ${version.replaceAll('.', '\\.')}\\.\\n$`),
      )
    },
  )

  test.each(['22.22.2', '22.23.0', '24.15.0', '26.0.0', '31.2.1'])('runs on Node.js %s', async (version) => {
    expect(await modelseal(['digest', 'vad'], {}, await pretendingToBe(version))).toMatchObject({ code: 0 })
  })
})

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

function modelseal(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  nodeArgs: readonly string[] = [],
): Promise<Ended> {
  return start(args, env, nodeArgs).ended
}

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}, nodeArgs: readonly string[] = []) {
  const child = spawn(process.execPath, [...nodeArgs, PROGRAM, ...args], {
    cwd: directory,
    env: { ...process.env, MODELSEAL_POLICY: undefined, MODELSEAL_PASSWORD: undefined, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject).on('close', (code) => resolve({ code, stdout, stderr }))
  })
  return { pid: child.pid!, ended }
}

/** Asserts a failed check, told in one paragraph on standard error alone. */
function failed({ code, stdout, stderr }: Ended, errorCode: string): string {
  expect({ code, stdout, stderr }).toMatchObject({ code: 1, stdout: '' })
  expect(stderr.startsWith(`Error ${errorCode}: `), stderr).toBe(true)
  expect(stderr).not.toMatch(/^ {4}at /m)
  return stderr
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what was printed is looked into freely
async function jsonOf(args: readonly string[], exitCode: number): Promise<any> {
  const { code, stdout, stderr } = await modelseal(args)
  expect({ code, stderr }).toEqual({ code: exitCode, stderr: '' })
  expect(stdout.match(/\n/g)).toHaveLength(1)
  return JSON.parse(stdout)
}

function rootDigestIn(stdout: string): string | undefined {
  return /sha256:[0-9a-f]{64}$/m.exec(stdout.slice(stdout.indexOf('root digest')))?.[0]
}

function write(name: string, content: string | Buffer): Promise<void> {
  return writeFile(join(directory, name), content)
}

/** Sparse: it takes long to hash and no room on the disk. */
async function truncateTo(name: string, bytes: number): Promise<void> {
  await truncate(join(directory, name), bytes)
}

async function filesOpenIn(pid: number): Promise<string[]> {
  const descriptors = await readdir(`/proc/${pid}/fd`)
  return Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')))
}

/** Arguments that make Node.js believe to be of another version. */
async function pretendingToBe(version: string): Promise<string[]> {
  await write('version.cjs', `Object.defineProperty(process, 'versions', { value: { node: '${version}' } })`)
  return ['--require', join(directory, 'version.cjs')]
}
