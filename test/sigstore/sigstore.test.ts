import { execFile } from 'node:child_process'
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ModelSealError } from '@modelseal/core'
import { signModel, sigstoreSigner } from '@modelseal/core/signing'
import { verifyModel } from '@modelseal/core/verification'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestTuf } from '../../packages/core/src/testing/tuf.ts'
import { EMAIL, startStack, type Stack } from './stack.ts'

const PROGRAM = fileURLToPath(new URL('../../packages/cli/bin/modelseal.cjs', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'modelseal-keyless-'))
let stack: Stack
let count = 0

beforeAll(async () => {
  stack = await startStack()
})

afterAll(async () => {
  await stack.stop()
  rmSync(work, { recursive: true })
})

function fresh(): { model: string; signature: string } {
  const model = join(work, `model-${++count}`)
  mkdirSync(join(model, 'nested'), { recursive: true })
  writeFileSync(join(model, 'weights.bin'), 'w'.repeat(1000))
  writeFileSync(join(model, 'nested/config.json'), '{}')
  return { model, signature: `${model}.sig` }
}

interface Ended {
  code: number
  output: string
}

function ended(command: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      command,
      args,
      { cwd: work, env: { ...process.env, ...CI_VARIABLES, ...env } },
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr })
      },
    )
  })
}

/** Removed, because these tests may run in a CI system, which would provide a token. */
const CI_VARIABLES = { GITHUB_ACTIONS: undefined, GITLAB_CI: undefined, BUILDKITE: undefined }

const we = (args: string[], env?: NodeJS.ProcessEnv) => ended(process.execPath, [PROGRAM, ...args], env)
const they = (args: string[]) => ended(process.env['REFERENCE_PYTHON'] ?? 'python3', ['-m', 'model_signing', ...args])

const instance = () => ['--trust-config', stack.trustConfig]
const theirInstance = () => ['--trust_config', stack.trustConfig]
const identity = () => ['--identity', EMAIL, '--identity-provider', stack.provider.url]
const theirIdentity = () => ['--identity', EMAIL, '--identity_provider', stack.provider.url]
const token = () => ['--identity-token', stack.provider.token({ email: EMAIL })]

describe('signed here', () => {
  test('verifies here and with the reference tool, including the first entry of the log', async () => {
    const { model, signature } = fresh()
    expect(await we(['sign', model, '--signature', signature, ...instance(), ...token()])).toMatchObject({ code: 0 })
    const { verificationMaterial: material } = JSON.parse(readFileSync(signature, 'utf8')) as {
      verificationMaterial: { tlogEntries: { logIndex: string }[] }
    }
    expect(material.tlogEntries[0]?.logIndex).toBe('0')

    const ours = await we(['verify', 'sigstore', model, '--signature', signature, ...instance(), ...identity()])
    expect(ours).toMatchObject({ code: 0 })
    expect(ours.output).toContain(EMAIL)
    const theirs = await they([
      'verify',
      'sigstore',
      model,
      '--signature',
      signature,
      ...theirInstance(),
      ...theirIdentity(),
    ])
    expect(theirs).toMatchObject({ code: 0 })
  })

  test('verifies with the default command of both programs, and with a bare trusted root', async () => {
    const { model, signature } = fresh()
    await we(['sign', 'sigstore', model, '--signature', signature, ...instance(), ...token()])
    expect(await we(['verify', model, '--signature', signature, ...instance(), ...identity()])).toMatchObject({
      code: 0,
    })
    expect(
      await they(['verify', model, '--signature', signature, ...theirInstance(), ...theirIdentity()]),
    ).toMatchObject({
      code: 0,
    })
    const root = ['--trust-config', stack.trustedRoot]
    expect(await we(['verify', model, '--signature', signature, ...root, ...identity()])).toMatchObject({ code: 0 })
  })

  test('reports signer, time and trusted root as JSON', async () => {
    const { model, signature } = fresh()
    await we(['sign', model, '--signature', signature, ...instance(), ...token()])
    const { output } = await we(['verify', model, '--json', '--signature', signature, ...instance(), ...identity()])
    expect(JSON.parse(output)).toMatchObject({
      ok: true,
      result: {
        signer: {
          method: 'sigstore',
          identity: EMAIL,
          issuer: stack.provider.url,
          trustRoot: { source: 'file', name: stack.trustConfig },
        },
        time: { source: 'rfc3161' },
      },
    })
  })
})

describe('signed by the reference tool', () => {
  test('verifies here', async () => {
    const { model, signature } = fresh()
    const theirToken = ['--identity_token', stack.provider.token({ email: EMAIL })]
    expect(
      await they(['sign', 'sigstore', model, '--signature', signature, ...theirInstance(), ...theirToken]),
    ).toMatchObject({ code: 0 })
    expect(await we(['verify', model, '--signature', signature, ...instance(), ...identity()])).toMatchObject({
      code: 0,
    })
    writeFileSync(join(model, 'weights.bin'), 'x')
    const changed = await we(['verify', model, '--signature', signature, ...instance(), ...identity()])
    expect(changed).toMatchObject({ code: 1 })
    expect(changed.output).toContain('FILE_MISMATCH')
  })
})

describe('another signer is refused', () => {
  let signed: { model: string; signature: string }
  beforeAll(async () => {
    signed = fresh()
    await we(['sign', signed.model, '--signature', signed.signature, ...instance(), ...token()])
  })

  test.each([
    ['a part of the identity', 'IDENTITY_MISMATCH', 'signer@example', undefined],
    ['the identity in capitals', 'IDENTITY_MISMATCH', EMAIL.toUpperCase(), undefined],
    ['a pattern', 'IDENTITY_MISMATCH', 'signer.example.com', undefined],
    ['another issuer', 'ISSUER_MISMATCH', EMAIL, 'https://accounts.google.com'],
  ])('if %s is required', async (_, code, who, issuer) => {
    const { model, signature } = signed
    const asked = ['--identity', who, '--identity-provider', issuer ?? stack.provider.url]
    const result = await we(['verify', model, '--signature', signature, ...instance(), ...asked])
    expect(result.code).toBe(1)
    expect(result.output).toContain(code)
  })

  test('if the public-good instance is trusted', async () => {
    const { model, signature } = signed
    const result = await we(['verify', model, '--signature', signature, ...identity()])
    expect(result.code).toBe(1)
    expect(result.output).toContain('LOG_UNTRUSTED')
  })
})

describe('attested keyless', () => {
  const type = 'https://example.org/review/v1'
  const policyFor = (who: string) => {
    const policy = join(work, `policy-${++count}.json`)
    const signer = (name: string) => ({ sigstore: { root: 'ours', issuer: stack.provider.url, identity: name } })
    writeFileSync(
      policy,
      JSON.stringify({
        version: 1,
        trustRoots: { ours: { sigstore: { file: stack.trustConfig } } },
        rules: [
          {
            name: 'ours',
            match: { path: '**' },
            signers: [signer(EMAIL)],
            require: { attestations: [{ type, signers: [signer(who)] }] },
          },
        ],
      }),
    )
    return policy
  }

  test('satisfies a policy that requires this identity, and no other', async () => {
    const { model, signature } = fresh()
    const predicate = join(work, `review-${count}.json`)
    writeFileSync(predicate, '{"approved":true}')
    await we(['sign', model, '--signature', signature, ...instance(), ...token()])
    const verify = (who: string) => we(['verify', model, '--policy', policyFor(who)])
    expect(await verify(EMAIL)).toMatchObject({ code: 1, output: expect.stringContaining('ATTESTATION_MISSING') })
    const attested = await we(['attest', model, '--type', type, '--from', predicate, ...instance(), ...token()])
    expect(attested).toMatchObject({ code: 0 })
    expect(attested.output).toContain(EMAIL)
    expect(attested.output).toMatch(/^ {2}log entry +\d+ of /m)
    expect(await verify(EMAIL)).toMatchObject({ code: 0 })
    expect(await verify('somebody.else@example.com')).toMatchObject({
      code: 1,
      output: expect.stringContaining('SIGNER_NOT_TRUSTED'),
    })
  })
})

describe('a token', () => {
  const attempt = async (claims: { aud?: string; expiresIn?: number }) => {
    const { model, signature } = fresh()
    const text = stack.provider.token({ email: EMAIL, ...claims })
    const result = await we(['sign', model, '--signature', signature, ...instance(), '--identity-token', text])
    expect(existsSync(signature)).toBe(false)
    expect(result.code).toBe(1)
    for (const part of text.split('.')) expect(result.output).not.toContain(part)
    return result.output
  }

  test('that expired is refused', async () => {
    expect(await attempt({ expiresIn: -60 })).toContain('TOKEN_EXPIRED')
  })

  test('for another audience is refused', async () => {
    expect(await attempt({ aud: 'another' })).toContain('TOKEN_AUDIENCE')
  })

  test('that the authority rejects does not appear in the message', async () => {
    const { model, signature } = fresh()
    const [header = '', claims = ''] = stack.provider.token({ email: EMAIL }).split('.')
    const forged = `${header}.${claims}.${Buffer.alloc(64, 1).toString('base64url')}`
    const result = await we(['sign', model, '--signature', signature, ...instance()], {
      MODELSEAL_IDENTITY_TOKEN: forged,
    })
    expect(result.code).toBe(1)
    expect(result.output).toContain('SERVICE_REFUSED')
    expect(result.output).not.toContain(claims)
    expect(existsSync(signature)).toBe(false)
  })

  test('that is missing is reported', async () => {
    const { model, signature } = fresh()
    const result = await we(['sign', model, '--signature', signature, ...instance()])
    expect(result.code).toBe(1)
    expect(result.output).toContain('TOKEN_MISSING')
    expect(result.output).toContain('--identity-token')
  })
})

describe('a user', () => {
  const options = () => ({ trustRoot: { file: stack.trustConfig }, useAmbientCredentials: false })
  const verifier = () => ({ identity: EMAIL, issuer: stack.provider.url, trustRoot: { file: stack.trustConfig } })

  test('logs in with a browser', async () => {
    const { model, signature } = fresh()
    const signer = await sigstoreSigner({ ...options(), interactive: { show: (url) => void fetch(url) } })
    await signModel(model, { signer, signature })
    expect((await verifyModel(model, { signature, verifier: verifier() })).files).toEqual({ checked: 2, signed: 2 })
  })

  test('enters a code manually', async () => {
    const { model, signature } = fresh()
    let code = ''
    const shown = async (url: string) => {
      const { headers } = await fetch(url, { redirect: 'manual' })
      code = new URL(headers.get('location') ?? '').searchParams.get('code') ?? ''
    }
    let asked: Promise<void> | undefined
    const signer = await sigstoreSigner({
      ...options(),
      interactive: {
        show: (url) => {
          asked = shown(url)
        },
        askCode: async () => {
          await asked
          return code
        },
      },
    })
    await signModel(model, { signer, signature })
    await verifyModel(model, { signature, verifier: verifier() })
  })
})

describe('the log', () => {
  const watch = (...args: string[]) => we(['monitor', '--identity', EMAIL, ...args, ...instance()])
  const signed = async (email: string) => {
    const { model, signature } = fresh()
    const given = ['--identity-token', stack.provider.token({ email })]
    expect(await we(['sign', model, '--signature', signature, ...instance(), ...given])).toMatchObject({ code: 0 })
    const { verificationMaterial: material } = JSON.parse(readFileSync(signature, 'utf8')) as {
      verificationMaterial: { tlogEntries: { logIndex: string }[] }
    }
    return Number(material.tlogEntries[0]?.logIndex)
  }

  /** Entries of another kind of signer: more than there are in a tile. */
  const filled = async (entries: number) => {
    const { tlogs } = JSON.parse(readFileSync(stack.trustedRoot, 'utf8')) as { tlogs: { baseUrl: string }[] }
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const rawBytes = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
    const add = async (text: string) => {
      const content = sign('sha256', Buffer.from(text), privateKey).toString('base64')
      const verifier = { keyDetails: 'PKIX_ECDSA_P256_SHA_256', publicKey: { rawBytes } }
      const digest = createHash('sha256').update(text).digest('base64')
      const body = JSON.stringify({ hashedRekordRequestV002: { digest, signature: { content, verifier } } })
      const headers = { 'content-type': 'application/json' }
      const { status } = await fetch(`${tlogs[0]?.baseUrl}/api/v2/log/entries`, { method: 'POST', headers, body })
      expect(status).toBe(201)
    }
    await Promise.all(Array.from({ length: entries }, (_, index) => add(`entry ${index}`)))
  }

  test('is monitored: exactly what an identity signs after a checkpoint is reported', async () => {
    const checkpoint = ['--checkpoint', join(work, 'log.checkpoint')]
    await signed(EMAIL)
    expect(await watch(...checkpoint)).toMatchObject({ code: 0 })
    const first = await signed(EMAIL)
    await signed('somebody.else@example.com')
    await filled(300)
    const last = await signed(EMAIL)
    const { code, output } = await watch(...checkpoint, '--json')
    expect(code).toBe(3)
    const { result } = JSON.parse(output) as { result: Monitored }
    expect(result.found.map(({ index }) => index)).toEqual([first, last])
    expect(result).toMatchObject({ entries: 303, matches: 2, unreadable: 0, otherLogs: [] })
    expect(result.found[0]).toMatchObject({
      kind: 'hashedrekord',
      identity: EMAIL,
      issuer: stack.provider.url,
      issued: true,
      digest: { algorithm: 'SHA2_256' },
    })
    expect(await watch(...checkpoint)).toMatchObject({ code: 0 })

    const whole = await watch('--from-start', '--json')
    expect((JSON.parse(whole.output) as { result: Monitored }).result.matches).toBeGreaterThan(2)
    const other = await we(['monitor', '--identity', 'nobody@example.com', '--from-start', ...instance()])
    expect(other).toMatchObject({ code: 0 })
  })
})

interface Monitored {
  found: { index: number }[]
  matches: number
}

describe('an incomplete instance', () => {
  const changed = (change: (config: Config) => void) => {
    const config = JSON.parse(readFileSync(stack.trustConfig, 'utf8')) as Config
    change(config)
    const file = join(work, `config-${++count}.json`)
    writeFileSync(file, JSON.stringify(config))
    return file
  }
  const codeOf = async (file: string) => {
    const { model, signature } = fresh()
    try {
      const identityToken = stack.provider.token({ email: EMAIL })
      const signer = await sigstoreSigner({ trustRoot: { file }, identityToken, timeoutMs: 2000 })
      await signModel(model, { signer, signature })
      return 'signed'
    } catch (error) {
      expect(existsSync(signature)).toBe(false)
      return error instanceof ModelSealError ? error.code : String(error)
    }
  }

  test('is refused if it has Rekor v2 but no timestamp authority', async () => {
    expect(await codeOf(changed(({ signingConfig }) => (signingConfig.tsaUrls = [])))).toBe('SIGNING_CONFIG_INVALID')
  })

  test.each(['caUrls', 'rekorTlogUrls'] as const)('is reported if %s are unreachable', async (services) => {
    const file = changed(({ signingConfig }) => {
      for (const service of signingConfig[services]) service.url = 'http://127.0.0.1:1'
    })
    expect(await codeOf(file)).toBe('SERVICE_UNREACHABLE')
  })

  test('produces no bundle that does not verify with its own root', async () => {
    const file = changed(({ trustedRoot }) => (trustedRoot.ctlogs = []))
    expect(await codeOf(file)).toBe('SCT_INVALID')
  })
})

interface Config {
  trustedRoot: { ctlogs: unknown[] }
  signingConfig: Record<'caUrls' | 'rekorTlogUrls' | 'tsaUrls', { url: string }[]>
}

describe('an instance that distributes its root by TUF', () => {
  const cache = (name: string) => ({ MODELSEAL_CACHE: join(work, name) })

  test('is trusted and used for signing once its root has been fetched', async () => {
    const { model, signature } = fresh()
    const flags = ['--tuf-url', stack.tufUrl, '--tuf-root', stack.tufRoot]
    const before = await we(['trust-root', 'show', ...flags], cache('tuf'))
    expect(before.output).toContain('TRUST_ROOT_MISSING')
    expect(await we(['trust-root', 'update', ...flags], cache('tuf'))).toMatchObject({ code: 0 })
    const signed = await we(['sign', model, '--signature', signature, ...flags, ...token()], cache('tuf'))
    expect(signed).toMatchObject({ code: 0 })
    const verify = ['verify', model, '--signature', signature, ...identity()]
    expect(await we([...verify, ...flags], cache('tuf'))).toMatchObject({ code: 0 })
    expect(
      await they(['verify', model, '--signature', signature, ...theirInstance(), ...theirIdentity()]),
    ).toMatchObject({ code: 0 })

    const file = join(work, 'exported.json')
    expect(await we(['trust-root', 'export', file, ...flags], cache('tuf'))).toMatchObject({ code: 0 })
    expect(await we([...verify, '--trust-config', file], cache('none'))).toMatchObject({ code: 0 })
  })

  test('is refused if another root was distributed', async () => {
    const flags = ['--tuf-url', stack.tufUrl, '--tuf-root', join(work, 'other-root.json')]
    const { anchor } = new TestTuf({})
    writeFileSync(join(work, 'other-root.json'), anchor)
    const { code, output } = await we(['trust-root', 'update', ...flags], cache('other'))
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('TUF_SIGNATURE') })
  })
})
