import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { EMAIL, startStack, type Stack } from './stack.ts'

// An advisory feed that is signed with identities, by the command line, and followed by a policy.

const PROGRAM = fileURLToPath(new URL('../../packages/cli/bin/modelseal.cjs', import.meta.url))
const SECOND = 'second@example.com'
const work = realpathSync(mkdtempSync(join(tmpdir(), 'modelseal-keyless-feed-')))
let stack: Stack
let count = 0
let rootDigest: string
let source: string
let feed: string

beforeAll(async () => {
  stack = await startStack()
  for (const name of ['release', 'security']) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    writeFileSync(join(work, `${name}.key`), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    writeFileSync(join(work, `${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }))
  }
  mkdirSync(join(work, 'model'))
  writeFileSync(join(work, 'model/weights.bin'), 'weights')
  const output = await succeeded(['sign', 'key', 'model', '--private-key', 'release.key', '--json'])
  rootDigest = (JSON.parse(output) as { result: { rootDigest: string } }).result.rootDigest
})

afterAll(async () => {
  await stack.stop()
  rmSync(work, { recursive: true })
})

beforeEach(async () => {
  // What was seen of the feed of another test must not count.
  mkdirSync(join(work, `cache-${++count}`), { mode: 0o700 })
  source = `feed-${count}.yaml`
  feed = `feed-${count}.jsonl`
  await succeeded(['advisory', 'create', source, '--feed', 'acme'])
})

function modelseal(args: string[]): Promise<{ code: number; output: string }> {
  const env = {
    ...process.env,
    // These tests may run in a CI system, which would provide a token.
    ...{ GITHUB_ACTIONS: undefined, GITLAB_CI: undefined, BUILDKITE: undefined },
    MODELSEAL_CACHE: join(work, `cache-${count}`),
  }
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, ...args], { cwd: work, env }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr })
    })
  })
}

async function succeeded(args: string[]): Promise<string> {
  const { code, output } = await modelseal(args)
  expect({ code, output }).toMatchObject({ code: 0 })
  return output
}

async function refused(args: string[], errorCode: string): Promise<void> {
  const { code, output } = await modelseal(args)
  expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining(`Error ${errorCode}: `) as string })
}

const signAs = (email: string, ...more: string[]) =>
  succeeded([
    ...['advisory', 'sign', source, '--output', feed, '--trust-config', stack.trustConfig],
    ...['--identity-token', stack.provider.token({ email }), ...more],
  ])

const signByKey = (...more: string[]) =>
  succeeded(['advisory', 'sign', 'key', source, '--output', feed, '--private-key', 'security.key', ...more])

/** The signer of the entry `advisories` in a policy. */
const identity = (email: string) => ({ sigstore: { root: 'ours', issuer: stack.provider.url, identity: email } })

function follow(entry: { signers: object[]; threshold?: number }, more: object = {}): void {
  const trustRoots = {
    release: { publicKey: 'release.pub' },
    security: { publicKey: 'security.pub' },
    ours: { sigstore: { file: stack.trustedRoot } },
  }
  const rules = [{ name: 'r', match: { path: 'model/**' }, signers: [{ key: 'release' }] }]
  const policy = { version: 1, trustRoots, rules, advisories: [{ file: feed, ...entry }], ...more }
  writeFileSync(join(work, 'policy.yaml'), stringify(policy))
}

const verifyFeed = () => ['advisory', 'verify', feed, '--policy', 'policy.yaml']
const LOAD = ['verify', 'model', '--policy', 'policy.yaml']

test('a feed that an identity signed is verified, followed, and denies a model', async () => {
  expect(await signAs(EMAIL)).toContain('version 1')
  follow({ signers: [identity(EMAIL)] })
  expect(await succeeded(verifyFeed())).toContain(EMAIL)
  await succeeded(LOAD)
  await succeeded(['advisory', 'add', source, '--root-digest', rootDigest])
  expect(await signAs(EMAIL)).toContain('version 2')
  await succeeded(verifyFeed())
  await refused(LOAD, 'MODEL_REVOKED')
})

test('it is verified without a policy, by one identity only', async () => {
  await signAs(EMAIL)
  const verify = (email: string, issuer = stack.provider.url) => [
    ...['advisory', 'verify', feed, '--trust-config', stack.trustedRoot],
    ...['--identity', email, '--identity-provider', issuer],
  ]
  expect(await succeeded(verify(EMAIL))).toMatch(new RegExp(`signed by +${EMAIL}`))
  await refused(verify(SECOND), 'IDENTITY_MISMATCH')
  await refused(verify(EMAIL, 'https://accounts.example'), 'ISSUER_MISMATCH')
})

describe('a policy refuses it', () => {
  test('from another identity', async () => {
    await signAs(SECOND)
    follow({ signers: [identity(EMAIL), { key: 'security' }] })
    await refused(verifyFeed(), 'SIGNER_NOT_TRUSTED')
    await refused(LOAD, 'ADVISORY_STALE')
  })

  test('from an identity that it revokes', async () => {
    await signAs(EMAIL)
    follow({ signers: [identity(EMAIL)] }, { revoked: { identities: [{ identity: EMAIL }] } })
    await refused(verifyFeed(), 'IDENTITY_REVOKED')
    await refused(LOAD, 'ADVISORY_STALE')
  })

  test('from one of two whom it requires, until the other has signed as well', async () => {
    await signAs(EMAIL)
    follow({ signers: [identity(EMAIL), identity(SECOND), { key: 'security' }], threshold: 2 })
    await refused(verifyFeed(), 'SIGNATURE_THRESHOLD')
    await refused(LOAD, 'ADVISORY_STALE')
    // The same identity with another certificate is not another signer.
    await signAs(EMAIL, '--add-signature')
    await refused(verifyFeed(), 'SIGNATURE_THRESHOLD')
    await signByKey('--add-signature')
    await succeeded(verifyFeed())
    await succeeded(LOAD)
  })
})

test('two identities are two signers', async () => {
  await signAs(EMAIL)
  await signAs(SECOND, '--add-signature')
  follow({ signers: [identity(EMAIL), identity(SECOND)], threshold: 2 })
  const output = await succeeded(verifyFeed())
  expect(output).toContain(EMAIL)
  expect(output).toContain(SECOND)
  await succeeded(LOAD)
})
