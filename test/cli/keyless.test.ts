import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { serving } from '../../packages/core/src/testing/serving.ts'
import { identityToken, SigstoreServer, type ServerOptions } from '../../packages/core/src/testing/sigstore-server.ts'
import { IDENTITY, ISSUER } from '../../packages/core/src/testing/sigstore.ts'
import { TestTuf } from '../../packages/core/src/testing/tuf.ts'
import { IdentityProvider } from '../sigstore/identity-provider.ts'
import { directory, failed, modelseal, PROGRAM, useWorkingDirectory, write, type Ended } from './modelseal.ts'

useWorkingDirectory()

const EMAIL = 'signer@example.com'
const SIGNED = ['--signature', 'vad.sig', '--trust-config', 'trust.json']
const IDENTIFIED = ['--identity', IDENTITY, '--identity-provider', ISSUER]
/** Removed, because these tests may run in a CI system, which would provide a token. */
const NO_CI = {
  GITHUB_ACTIONS: undefined,
  GITLAB_CI: undefined,
  BUILDKITE: undefined,
  GCE_METADATA_HOST: undefined,
  MODELSEAL_IDENTITY_TOKEN: undefined,
}

/** Serves an instance that `trust.json` describes. */
async function instance(options: ServerOptions & { issuer?: string } = {}): Promise<SigstoreServer> {
  const server = new SigstoreServer(options)
  await write('trust.json', await server.trustConfig(await serving(server.answer), options))
  return server
}

describe.each(['v1', 'v2'] as const)('against an instance with Rekor %s', (rekor) => {
  test('signs with a token from the command line or the environment, and does not show it', async () => {
    await instance({ rekor })
    const token = identityToken()
    for (const [args, env] of [
      [['--identity-token', token], {}],
      [[], { MODELSEAL_IDENTITY_TOKEN: token }],
    ] as const) {
      const signed = await modelseal(['--log-level', 'debug', 'sign', 'vad', ...SIGNED, ...args], { ...NO_CI, ...env })
      expect(signed).toMatchObject({ code: 0, stderr: '' })
      expect(signed.stdout).not.toContain(token)
      expect(signed.stdout).toContain(`signer       ${IDENTITY} (issuer ${ISSUER})`)
      expect(signed.stdout).toMatch(/^ {2}log entry +\d+ of "http:/m)
      expect(signed.stdout).toMatch(/^ {2}signed +at 20\d\d-/m)
      const verified = await modelseal(['verify', 'vad', ...SIGNED, ...IDENTIFIED])
      expect(verified).toMatchObject({ code: 0, stderr: '' })
      expect(verified.stdout).toContain(`identity      "${IDENTITY}"`)
      expect(verified.stdout).toContain('its newest key has been in use since 2020-01-01')
    }
  })
})

test('signing again reuses only what the named identity signed, through the same instance', async () => {
  await instance()
  const env = { ...NO_CI, MODELSEAL_IDENTITY_TOKEN: identityToken(), MODELSEAL_CACHE: join(directory, 'cache') }
  await modelseal(['sign', 'vad', ...SIGNED, '--receipt'], env)
  const again = (identity: string) =>
    modelseal(
      [
        'sign',
        'vad',
        ...SIGNED,
        '--reuse',
        'vad.sig',
        '--reuse-identity',
        identity,
        '--reuse-identity-provider',
        ISSUER,
      ],
      env,
    )
  failed(await again('somebody@example.com'), 'IDENTITY_MISMATCH')
  const signed = await again(IDENTITY)
  expect(signed).toMatchObject({ code: 0, stderr: '' })
  expect(signed.stdout).toContain('reused ')
})

test('an unusable token is refused before it is sent, and is not shown', async () => {
  const server = await instance()
  for (const [claims, code] of [
    [{ exp: 1 }, 'TOKEN_EXPIRED'],
    [{ aud: 'another' }, 'TOKEN_AUDIENCE'],
  ] as const) {
    const token = identityToken(claims)
    const ended = await modelseal(['sign', 'vad', ...SIGNED], { ...NO_CI, MODELSEAL_IDENTITY_TOKEN: token })
    const message = failed(ended, code)
    for (const part of token.split('.')) expect(message).not.toContain(part)
  }
  expect(server.asked).toEqual([])
})

test('without a token, a CI system or a terminal, the error says what to do', async () => {
  await instance({ issuer: 'http://127.0.0.1:1' })
  const message = failed(await modelseal(['sign', 'vad', ...SIGNED], NO_CI), 'TOKEN_MISSING')
  for (const word of ['GitHub Actions', '--identity-token', 'terminal', 'browser']) expect(message).toContain(word)
  expect(existsSync(join(directory, 'vad.sig'))).toBe(false)
})

describe('a root that is distributed by TUF', () => {
  test('is fetched, shown, used for signing and verifying, and exported for another machine', async () => {
    const server = new SigstoreServer({ rekor: 'v2' })
    const tuf = new TestTuf({
      'trusted_root.json': JSON.stringify(await server.trustedRoot()),
      'signing_config.v0.2.json': JSON.stringify(server.signingConfig(await serving(server.answer))),
    })
    await write('root.json', tuf.anchor)
    const flags = ['--tuf-url', await serving(tuf.answer), '--tuf-root', 'root.json']
    const env = { ...NO_CI, MODELSEAL_CACHE: join(directory, 'cache'), MODELSEAL_IDENTITY_TOKEN: identityToken() }
    failed(await modelseal(['trust-root', 'show', ...flags], env), 'TRUST_ROOT_MISSING')
    const updated = await modelseal(['trust-root', 'update', ...flags], env)
    expect(updated).toMatchObject({ code: 0, stderr: '' })
    expect(updated.stdout).toMatch(/fetched on .* \(less than a day ago\); the instance vouches for it until /)
    tuf.files.clear()

    const json = await modelseal(['trust-root', 'show', ...flags, '--json'], env)
    expect(JSON.parse(json.stdout)).toMatchObject({ command: 'trust-root show', result: { source: 'refreshed' } })
    const sign = ['sign', 'vad', '--signature', 'vad.sig', ...flags]
    expect(await modelseal(sign, env)).toMatchObject({ code: 0, stderr: '' })
    const verify = ['verify', 'vad', '--signature', 'vad.sig', ...IDENTIFIED]
    expect((await modelseal([...verify, ...flags], env)).stdout).toContain('less than a day ago')

    expect(await modelseal(['trust-root', 'export', 'exported.json', ...flags], env)).toMatchObject({ code: 0 })
    expect(JSON.parse(readFileSync(join(directory, 'exported.json'), 'utf8'))).toEqual(await server.trustedRoot())
    const elsewhere = { ...env, MODELSEAL_CACHE: join(directory, 'nothing') }
    expect(await modelseal([...verify, '--trust-config', 'exported.json'], elsewhere)).toMatchObject({ code: 0 })
    failed(await modelseal(['trust-root', 'update', ...flags], env), 'SERVICE_REFUSED')
  })

  test('cannot be exported to an impossible path', async () => {
    const message = failed(await modelseal(['trust-root', 'export', 'missing/root.json']), 'FILE_WRITE_FAILED')
    expect(message).not.toContain('bundle')
  })

  test.each([
    [['--tuf-url', 'https://tuf.test'], 'must be used together'],
    [['--tuf-root', 'root.json'], 'must be used together'],
    [['--use-staging', '--tuf-url', 'https://tuf.test', '--tuf-root', 'root.json'], 'cannot be used with'],
    [['--tuf-url', 'nonsense', '--tuf-root', 'root.json'], 'Invalid URL of the TUF repository'],
  ])('is not updated with %j', async (args, words) => {
    const { code, stderr } = await modelseal(['trust-root', 'update', ...args])
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(words) })
  })
})

/** Creates a pseudoterminal with Python's standard library. */
const PTY = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))'
const PYTHON = spawnSync('python3', ['-c', 'import pty']).status === 0

describe.skipIf(!PYTHON)('on a terminal', () => {
  /** Runs the program on a terminal and types the answers. */
  async function onTerminal(
    args: string[],
    env: NodeJS.ProcessEnv,
    typed: (output: string) => Promise<string | undefined>,
  ) {
    const child = spawn('python3', ['-c', PTY, process.execPath, PROGRAM, ...args], {
      cwd: directory,
      env: { ...process.env, ...NO_CI, ...env, NO_COLOR: '1' },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      void typed(output).then((answer) => answer !== undefined && child.stdin.write(`${answer}\n`))
    })
    const code = await new Promise<Ended['code']>((resolve) => child.on('close', resolve))
    return { code, output }
  }

  async function provider(): Promise<IdentityProvider> {
    const started = await new IdentityProvider(EMAIL).start()
    onTestFinished(() => started.stop())
    return started
  }

  const verify = (issuer: string) =>
    modelseal(['verify', 'vad', ...SIGNED, '--identity', EMAIL, '--identity-provider', issuer])

  test('a user without a token is told so, and logs in with a browser', async () => {
    const { url } = await provider()
    await instance({ issuer: url })
    await mkdir(join(directory, 'bin'))
    // A browser that logs in automatically.
    await write('bin/browser', `#!/bin/sh\nexec "${process.execPath}" -e 'fetch(process.argv[1])' "$1"\n`)
    for (const opener of ['xdg-open', 'open']) {
      await write(`bin/${opener}`, readFileSync(join(directory, 'bin/browser')))
      chmodSync(join(directory, 'bin', opener), 0o755)
    }
    const env = { PATH: `${join(directory, 'bin')}:${process.env['PATH'] ?? ''}` }
    const { code, output } = await onTerminal(['sign', 'vad', ...SIGNED], env, () => Promise.resolve(undefined))
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining('no token was given') })
    expect(output).toContain(`${url}/login?`)
    expect(await verify(url)).toMatchObject({ code: 0, stderr: '' })
  })

  test('a user whose browser is on another machine types a code', async () => {
    const { url } = await provider()
    await instance({ issuer: url })
    let asked = false
    const typed = async (output: string) => {
      const login = /http:\S+\/login\?\S+/.exec(output)?.[0]
      if (!login || asked || !output.includes('enter the code here')) return undefined
      asked = true
      await fetch(login, { redirect: 'manual' })
      // The code that the page shows.
      return `code-${new URL(login).searchParams.get('state') ?? ''}`
    }
    const ended = await onTerminal(['sign', 'vad', ...SIGNED, '--oauth-force-oob'], {}, typed)
    expect(ended).toMatchObject({ code: 0 })
    expect(await verify(url)).toMatchObject({ code: 0, stderr: '' })
  })
})

const UNSHARED = spawnSync('unshare', ['-rn', 'true']).status === 0

describe.skipIf(!UNSHARED)('with the network cut', () => {
  const cut = (...args: string[]) => {
    const env = { ...process.env, ...NO_CI, MODELSEAL_CACHE: join(directory, 'cache') }
    const options = { cwd: directory, env, encoding: 'utf8' } as const
    const { status, stdout, stderr } = spawnSync('unshare', ['-rn', process.execPath, PROGRAM, ...args], options)
    return { code: status, stdout, stderr }
  }

  test('verification succeeds, and uses the included root', async () => {
    await instance()
    const env = { ...NO_CI, MODELSEAL_IDENTITY_TOKEN: identityToken() }
    expect(await modelseal(['sign', 'vad', ...SIGNED], env)).toMatchObject({ code: 0 })
    expect(cut('verify', 'vad', ...SIGNED, ...IDENTIFIED)).toMatchObject({ code: 0, stderr: '' })
    expect(cut('trust-root', 'show')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('included in this program'),
    })
    // The included root suffices to judge it.
    const otherwise = cut('verify', 'vad', '--signature', 'vad.sig', ...IDENTIFIED)
    failed(otherwise, 'LOG_UNTRUSTED')
  })

  test('signing and updating fail, and name the unreachable service', () => {
    const signed = cut('sign', 'vad', '--signature', 'vad.sig', '--identity-token', identityToken())
    expect(failed(signed, 'SERVICE_UNREACHABLE')).toContain('certificate authority "https://fulcio.sigstore.dev/')
    expect(existsSync(join(directory, 'vad.sig'))).toBe(false)
    const updated = cut('trust-root', 'update')
    expect(failed(updated, 'SERVICE_UNREACHABLE')).toContain('TUF repository "https://tuf-repo-cdn.sigstore.dev/')
  })
})
