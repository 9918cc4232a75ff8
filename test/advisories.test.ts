import { execFile } from 'node:child_process'
import { createHash, createPublicKey, sign } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { openVerifiedModel } from '@modelseal/core'
import { Workspace } from './signed-models.ts'

// A service follows a feed on a local server, with the built packages. The feed is written and signed without them.

let site: Workspace
let model: string
let rootDigest: string
/** What the server sends; undefined while it cannot be reached. */
let served: Buffer | undefined
let requests: number

beforeEach(async () => {
  site = new Workspace()
  onTestFinished(() => site[Symbol.dispose]())
  site.key('security')
  model = await site.sign('vad', { 'config.json': '{}', 'vad.onnx': 'weights' })
  rootDigest = (await openVerifiedModel(model, { policy: site.policy })).verdict.model.rootDigest!
  mkdirSync(join(site.path, 'cache'), { mode: 0o700 })
  vi.stubEnv('MODELSEAL_CACHE', join(site.path, 'cache'))
  onTestFinished(() => void vi.unstubAllEnvs())
  requests = 0
  const origin = await serving((request, response) => {
    requests++
    if (!served) return void response.destroy()
    const etag = `"${createHash('sha256').update(served).digest('hex')}"`
    if (request.headers['if-none-match'] === etag) return void response.writeHead(304).end()
    return void response.writeHead(200, { etag }).end(served)
  })
  follow(origin, '')
})

async function serving(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Makes the policy follow the feed of the server. */
function follow(origin: string, more: string): void {
  const rules = readFileSync(site.policy, 'utf8').replace('rules:', '  security: { publicKey: ./security.pub }\nrules:')
  const feed = `{ url: "${origin}/feed.jsonl", signers: [{ key: security }], refresh: 1s${more} }`
  writeFileSync(site.policy, `${rules}\nadvisories:\n  - ${feed}\n`)
}

interface Feed {
  sequence: number
  denied?: Record<string, unknown[]>
  expires?: string
  key?: string
}

/** A line of JSON: a Sigstore bundle over an in-toto statement. */
function feed({ sequence, denied = {}, expires = in_(3_600_000), key = 'security' }: Feed): Buffer {
  // In canonical form.
  const predicate = { denied, expires, feed: 'acme', issued: in_(-1_000), sequence }
  const digest = createHash('sha256').update(JSON.stringify(predicate)).digest('hex')
  const payload = Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'acme', digest: { sha256: digest } }],
      predicateType: 'urn:modelseal:advisory-feed:0.1',
      predicate,
    }),
  )
  const type = 'application/vnd.in-toto+json'
  const signed = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload])
  const privateKey = readFileSync(join(site.path, `${key}.key`))
  const pem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' })
  const bundle = {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { publicKey: { hint: createHash('sha256').update(pem).digest('hex') }, tlogEntries: [] },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType: type,
      signatures: [{ sig: sign('sha256', signed, privateKey).toString('base64') }],
    },
  }
  return Buffer.from(`${JSON.stringify(bundle)}\n`)
}

function in_(milliseconds: number): string {
  return new Date(Date.now() + milliseconds).toISOString()
}

/** The decision of a load by this process. */
async function load(): Promise<string> {
  try {
    const { verdict } = await openVerifiedModel(model, { policy: site.policy })
    const [followed] = verdict.advisories ?? []
    return `${verdict.decision}, version ${followed?.sequence}${followed?.error ? `, ${followed.error.code}` : ''}`
  } catch (error) {
    return (error as { code: string }).code
  }
}

/** The decision of the command line: a process that begins now. */
async function verify(): Promise<string> {
  const args = ['modelseal', 'verify', model, '--policy', site.policy, '--json']
  const bin = join(import.meta.dirname, '../packages/cli/bin/modelseal.cjs')
  const { stdout } = await promisify(execFile)(process.execPath, [bin, ...args.slice(1)]).catch(
    (error: unknown) => error as { stdout: string },
  )
  const { verdict, error } = JSON.parse(stdout) as { verdict?: { decision: string }; error?: { code: string } }
  return error?.code ?? verdict?.decision ?? stdout
}

/** What the command line prints. */
async function printed(): Promise<{ stdout: string; stderr: string }> {
  const bin = join(import.meta.dirname, '../packages/cli/bin/modelseal.cjs')
  return promisify(execFile)(process.execPath, [bin, 'verify', model, '--policy', site.policy])
}

const soon = { timeout: 10_000, interval: 100 }

test('what is denied is refused by the next loads, without a restart', { timeout: 30_000 }, async () => {
  served = feed({ sequence: 1 })
  expect(await load()).toBe('accepted, version 1')
  const asked = requests
  expect(await load()).toBe('accepted, version 1')
  expect(requests).toBe(asked)

  served = feed({ sequence: 2, denied: { rootDigests: [{ digest: rootDigest, reason: 'poisoned' }] } })
  await vi.waitFor(async () => expect(await load()).toBe('MODEL_REVOKED'), soon)
  expect(await verify()).toBe('MODEL_REVOKED')

  // The feed says everything that is denied, so a version without it takes it back.
  served = feed({ sequence: 3, denied: { keys: ['b'.repeat(64)] } })
  await vi.waitFor(async () => expect(await load()).toBe('accepted, version 3'), soon)
})

test('a stolen key is denied by its fingerprint', { timeout: 30_000 }, async () => {
  const der = createPublicKey(readFileSync(join(site.path, 'release.pub'))).export({ type: 'spki', format: 'der' })
  served = feed({ sequence: 1, denied: { keys: [createHash('sha256').update(der).digest('hex')] } })
  expect(await load()).toBe('KEY_REVOKED')
  expect(await verify()).toBe('KEY_REVOKED')
})

test('the version in use stays if an older or a forged one comes, or none', { timeout: 60_000 }, async () => {
  const current = feed({ sequence: 5, denied: { rootDigests: ['c'.repeat(64)] } })
  served = current
  expect(await load()).toBe('accepted, version 5')
  for (const [code, next] of [
    ['ADVISORY_ROLLBACK', feed({ sequence: 4 })],
    ['ADVISORY_ROLLBACK', feed({ sequence: 5 })],
    ['SIGNER_NOT_TRUSTED', feed({ sequence: 6, key: 'release' })],
    ['HTTP_UNREACHABLE', undefined],
  ] as const) {
    served = next
    await vi.waitFor(async () => expect(await load()).toBe(`accepted, version 5, ${code}`), {
      ...soon,
      timeout: 20_000,
    })
    // A later process uses what was kept.
    expect(await verify()).toBe('accepted')
    served = current
    await vi.waitFor(async () => expect(await load()).toBe('accepted, version 5'), { ...soon, timeout: 20_000 })
  }
})

test('nothing is loaded without a version that may be relied on', { timeout: 30_000 }, async () => {
  served = undefined
  expect(await verify()).toBe('ADVISORY_STALE')
  served = feed({ sequence: 6, key: 'release' })
  expect(await verify()).toBe('ADVISORY_STALE')
  served = feed({ sequence: 1, expires: in_(3_000) })
  expect(await load()).toBe('accepted, version 1')
  await vi.waitFor(async () => expect(await load()).toBe('ADVISORY_STALE'), soon)
  served = feed({ sequence: 2 })
  await vi.waitFor(async () => expect(await load()).toBe('accepted, version 2'), { ...soon, timeout: 20_000 })
})

test(
  'the command line says which version was used, and warns if it may not be relied on',
  { timeout: 30_000 },
  async () => {
    writeFileSync(site.policy, readFileSync(site.policy, 'utf8').replace('refresh: 1s', 'refresh: 1s, ifStale: warn'))
    served = feed({ sequence: 3 })
    expect(await printed()).toEqual({
      stdout: expect.stringMatching(/advisories +"acme", version 3 of \d/),
      stderr: '',
    })
    served = undefined
    writeFileSync(site.policy, readFileSync(site.policy, 'utf8').replace('feed.jsonl', 'other.jsonl'))
    const { stdout, stderr } = await printed()
    expect(stdout).toMatch(/advisories +"http:.*\/other\.jsonl", no version/)
    expect(stderr).toContain('Note: Cannot rely on the advisory feed')
  },
)
