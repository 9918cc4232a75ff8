import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, readlink, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import { directory, jsonOf, modelseal, PROGRAM, SIGN, start, useWorkingDirectory, VERIFY, write } from './modelseal.ts'

useWorkingDirectory()

describe('the command line', () => {
  test.each([
    ['no command', [], 'Usage: modelseal'],
    ['no method and no model', ['sign'], "Missing required argument 'model'"],
    ['an unknown command', ['sing', 'key'], ". Did you mean 'sign'?"],
    ['a misspelt method', ['sign', 'kye', 'vad'], "Unknown method 'kye' of 'sign'. Did you mean 'key'?"],
    ['a misspelt method alone', ['verify', '--signature', 'keys', 'certficate'], ". Did you mean 'certificate'?"],
    ['a method by another name', ['sign', 'keyless', 'vad'], ". Did you mean 'sigstore'?"],
    [
      'a misspelt command of a group',
      ['policy', 'chekc', 'policy.yaml'],
      "command 'chekc' of 'policy'. Did you mean 'check'?",
    ],
    ['a misspelt method of a command of a group', ['advisory', 'sign', 'kye', 'feed.yaml'], ". Did you mean 'key'?"],
    ['help about an unknown command', ['help', 'sing'], "Unknown command 'sing'. Did you mean 'sign'?"],
    ['help about an unknown method', ['help', 'sign', 'kye'], "Unknown method 'kye' of 'sign'. Did you mean 'key'?"],
    ['help about an unknown command of a group', ['help', 'policy', 'zzz'], "Unknown command 'zzz' of 'policy'"],
    ['help about a misspelt command of a group', ['help', 'policy', 'chekc'], 'See "modelseal policy --help".'],
    ['help about what is no command', ['help', 'digest', 'vad'], "'digest' has no commands below it"],
    ['a misspelt choice', [...SIGN, '--hash-type', 'sha25'], "blake3. Did you mean 'sha256'?"],
    ['a misspelt type of records', ['journal', 'export', 'j', '--type', 'load,ned'], "'ned'. Did you mean 'end'?"],
    ['a misspelt option with its value', [...SIGN, '--hash-tpye=blake3'], "'--hash-tpye'. Did you mean '--hash-type'?"],
    ['a misspelt option of a method', ['sign', 'vad', '--privat-key', 'k'], ". Did you mean '--private-key'?"],
    ['an unknown option', [...SIGN, '--private-kye', 'k'], ". Did you mean '--private-key'?"],
    ['a misspelt required option', ['sign', 'key', 'vad', '--private-kye', 'k'], ". Did you mean '--private-key'?"],
    ['no model', ['sign', 'key', '--private-key', 'k'], "Missing required argument 'model'"],
    ['an empty model', ['digest', ''], 'The value is empty.'],
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

  test('prints help that fits into 80 columns, but for examples', async () => {
    for (const args of [['--help'], ['policy', '--help'], ['advisory', '--help'], ['sign', '--help']]) {
      const { stdout } = await modelseal(args)
      const [lists = ''] = stdout.split(/^Examples?:$/m)
      for (const line of lists.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
    }
  })

  test('"help" with the words of a command prints its help', async () => {
    for (const words of [['sign', 'key'], ['policy', 'check'], ['advisory', 'sign', 'key'], ['digest'], []]) {
      const help = await modelseal([...words, '--help'])
      expect(help).toMatchObject({ code: 0, stderr: '' })
      expect(await modelseal(['help', ...words])).toEqual(help)
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

describe('--log-level', () => {
  test('shows the stack of a failure if it is debug, also if set in the environment', async () => {
    const args = ['digest', 'nowhere']
    const traced = await modelseal(['--log-level', 'Debug', ...args])
    expect(traced).toMatchObject({ code: 1, stdout: '' })
    expect(traced.stderr).toMatch(/^Error MODEL_NOT_FOUND: [^]*\n {6}at [^]*\n {2}caused by:\n {2}Error: ENOENT/)
    expect(await modelseal(args, { MODEL_SIGNING_LOG_LEVEL: 'DEBUG' })).toEqual(traced)
    expect(await modelseal(args, { MODELSEAL_DEBUG: '1' })).toEqual(traced)
    expect((await modelseal(['--log_level=info', ...args])).stderr).not.toMatch(/^ +at /m)
  })

  test('above info affects neither results nor failures', async () => {
    const signed = await modelseal(['--log-level', 'critical', ...SIGN])
    expect(signed).toMatchObject({ code: 0, stderr: '' })
    expect(signed.stdout).toContain('2 files, 100.0 kB')
    await write('vad/weights.bin', 'other')
    const verified = await modelseal(['--log-level', 'CRITICAL', ...VERIFY])
    expect(verified).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^Error FILE_MISMATCH: /) })
  })

  test('does not show the value of a misspelt password option in a stack trace', async () => {
    const { code, stderr } = await modelseal(['--log-level', 'debug', ...SIGN, '--pasword=hunter2'])
    expect(code).toBe(2)
    expect(stderr).not.toContain('hunter2')
  })

  test.each([
    ['an unknown level', ['--log-level', 'loud', 'digest', 'vad'], 'Allowed choices are debug, info'],
    [
      'an unknown level, whose choices the help of the program lists',
      ['--log-level', 'loud', 'digest', 'vad'],
      'See "modelseal --help"',
    ],
    [
      'an option before its command',
      ['--policy', 'p.yaml', 'verify', 'vad'],
      'It belongs to a command, which comes first, as in',
    ],
    ['no level', ['--log-level'], "'--log-level <level>' argument missing"],
    [
      'a level after the command, which the reference tool refuses as well',
      ['digest', 'vad', '--log-level', 'info'],
      `Unknown option '--log-level'. It comes before the command, as in "modelseal --log-level … digest …".`,
    ],
  ])('with %s is wrong usage', async (_, args, says) => {
    const { code, stderr } = await modelseal(args)
    expect(code).toBe(2)
    expect(stderr).toContain(says)
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

  test('prints one object for incorrect usage', async () => {
    expect(await jsonOf(['sign', 'key', 'vad', '--json'], 2)).toMatchObject({
      ok: false,
      command: 'sign key',
      error: { code: 'INVALID_ARGUMENT' },
    })
  })
})

describe('the process', () => {
  test.skipIf(process.platform !== 'linux')('exits with 130 when interrupted, and writes no signature', async () => {
    await truncateTo('vad/weights.bin', 64e9)
    const running = start(SIGN)
    await vi.waitFor(async () => expect(await filesOpenIn(running.pid)).toContain(`${directory}/vad/weights.bin`), {
      timeout: 30_000,
    })
    process.kill(running.pid, 'SIGINT')
    const { code, stderr } = await running.ended
    expect(code).toBe(130)
    expect(stderr).toMatch(/^Error ABORTED: Interrupted\.\n$/)
    expect(await readdir(join(directory, 'vad'))).not.toContain('model.sig')
  })

  test.skipIf(!existsSync('/dev/full'))('does not report success if its output is lost', async () => {
    const { stderr } = await promisify(execFile)(
      '/bin/sh',
      ['-c', '"$0" "$1" digest vad > /dev/full; echo "exit $?" >&2', process.execPath, PROGRAM],
      { cwd: directory },
    )
    expect(stderr).toBe('Error: the output cannot be written (ENOSPC).\nexit 1\n')
  })

  test.each(['12.22.12', '20.20.2', '22.22.1', '23.5.0', '24.14.9', '25.0.0'])(
    'reports in one line that Node.js %s is too old',
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

/** Sparse, so that it takes long to hash but uses no disk space. */
async function truncateTo(name: string, bytes: number): Promise<void> {
  await truncate(join(directory, name), bytes)
}

async function filesOpenIn(pid: number): Promise<string[]> {
  const descriptors = await readdir(`/proc/${pid}/fd`)
  return Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')))
}

/** Arguments that make Node.js report another version. */
async function pretendingToBe(version: string): Promise<string[]> {
  await write('version.cjs', `Object.defineProperty(process, 'versions', { value: { node: '${version}' } })`)
  return ['--require', join(directory, 'version.cjs')]
}

test('never prints a private key that was given instead of a path', async () => {
  const pem = await readFile(join(directory, 'release.key'), 'utf8')
  const secrets = pem.split('\n').slice(1, -2)
  const policy = `version: 1\ntrustRoots:\n  a:\n    publicKey: |\n${pem.replace(/^/gm, '      ')}\nrules: []\n`
  await write('keyed.yaml', policy)
  const commands = [
    ['sign', 'key', 'vad', '--private-key', pem],
    ['sign', 'key', 'vad', '--private-key', pem.replaceAll('\n', '\\n')],
    ['sign', 'key', 'vad', '--private-key', secrets[0] ?? ''],
    ['sign', 'key', 'vad', '--private-key', 'release.key', '--signature', pem],
    ['sign', 'key', 'vad', '--private-key', 'release.key', pem],
    ['sign', 'key', 'vad', '--private-key', 'release.key', '--', pem],
    ['sign', 'key', pem, '--private-key', 'release.key'],
    ['verify', 'key', 'vad', '--signature', 'vad/model.sig', '--public-key', pem],
    ['verify', 'vad', '--policy', pem],
    ['verify', 'vad', '--policy', 'keyed.yaml'],
    ['policy', 'check', 'keyed.yaml'],
  ]
  await Promise.all(
    commands.map(async ([command = '', ...args], index) => {
      const line = [command, args[0] ?? '', ...(index % 2 === 0 ? ['--json'] : []), ...args.slice(1)]
      const { code, stdout, stderr } = await modelseal(line, { MODELSEAL_DEBUG: '1' })
      expect(code).not.toBe(0)
      for (const secret of secrets) expect(stdout + stderr).not.toContain(secret.slice(0, 24))
    }),
  )
  const { code, stderr } = await modelseal(['sign', 'key', 'vad', '--private-key', pem])
  expect(code).toBe(2)
  expect(stderr).toBe(
    'Error INVALID_ARGUMENT: Invalid path. Expected the path of a file, found a private key. This is the key itself. Give the path of its file.\n',
  )
  expect((await modelseal(['policy', 'check', 'keyed.yaml'])).stdout).toMatch(
    /keyed\.yaml":5:7 .*It contains a private key\./,
  )
})
