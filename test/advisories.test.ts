import { execFile, spawn } from 'node:child_process'
import { createHash, createPublicKey, sign } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { openVerifiedModel, REVOKED_CHANNEL, watchPolicy, type Revoked } from '@modelseal/core'
import { attestModel, makeEvaluation } from '@modelseal/core/attestation'
import { keySigner } from '@modelseal/core/signing'
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

  served = feed({ sequence: 2, denied: { rootDigests: [{ digest: rootDigest, reason: 'poisoned' }] } })
  await vi.waitFor(async () => expect(await load()).toBe('MODEL_REVOKED'), soon)
  expect(await verify()).toBe('MODEL_REVOKED')

  // The feed says everything that is denied, so a version without it takes it back.
  served = feed({ sequence: 3, denied: { keys: ['b'.repeat(64)] } })
  await vi.waitFor(async () => expect(await load()).toBe('accepted, version 3'), soon)
})

test('a feed that was asked for a moment ago is not asked for again', { timeout: 30_000 }, async () => {
  writeFileSync(site.policy, readFileSync(site.policy, 'utf8').replace('refresh: 1s', 'refresh: 1h'))
  served = feed({ sequence: 1 })
  for (let loads = 0; loads < 3; loads++) expect(await load()).toBe('accepted, version 1')
  expect(requests).toBe(1)
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
      stdout: expect.stringMatching(/advisories +"acme", version 3, the current one at \d/),
      stderr: '',
    })
    served = undefined
    writeFileSync(site.policy, readFileSync(site.policy, 'utf8').replace('feed.jsonl', 'other.jsonl'))
    const { stdout, stderr } = await printed()
    expect(stdout).toMatch(/advisories +"http:.*\/other\.jsonl", no version/)
    expect(stderr).toContain('Note: Cannot rely on the advisory feed')
  },
)

/** Loads the model, and makes sure that a version of the feed that does not concern it changes nothing. */
async function loaded(options: Parameters<typeof openVerifiedModel>[1] = {}) {
  served = feed({ sequence: 1 })
  const opened = await openVerifiedModel(model, { policy: site.policy, ...options })
  onTestFinished(() => opened.close())
  const others = { fileDigests: ['e'.repeat(64)], keys: ['d'.repeat(64)], rootDigests: ['c'.repeat(64)] }
  served = feed({ sequence: 2, denied: others })
  await vi.waitFor(async () => expect(await load()).toBe('accepted, version 2'), soon)
  await new Promise((go) => setTimeout(go, 500))
  expect(opened.revoked.aborted).toBe(false)
  return opened
}

/** @returns the code of what revoked it */
async function revocation({ revoked }: { revoked: AbortSignal }): Promise<string> {
  await vi.waitFor(() => expect(revoked.aborted).toBe(true), soon)
  const { code, cause } = revoked.reason as { code: string; cause: { code: string } }
  expect(code).toBe('MODEL_REVOKED')
  return cause.code
}

test.each<[string, string, () => Feed['denied']]>([
  ['its root digest', 'MODEL_REVOKED', () => ({ rootDigests: [rootDigest] })],
  ['its key', 'KEY_REVOKED', () => ({ keys: [fingerprintOf('release')] })],
  ['a signed file', 'FILE_REVOKED', () => ({ fileDigests: [createHash('sha256').update('weights').digest('hex')] })],
  [
    'a file by another algorithm',
    'FILE_REVOKED',
    () => ({ fileDigests: [`blake2b:${createHash('blake2b512').update('weights').digest('hex')}`] }),
  ],
])('a model that is loaded is revoked when the feed denies %s', { timeout: 30_000 }, async (_, code, denied) => {
  const revokedModels: Revoked[] = []
  const listener = (message: unknown) => void revokedModels.push(message as Revoked)
  subscribe(REVOKED_CHANNEL, listener)
  onTestFinished(() => void unsubscribe(REVOKED_CHANNEL, listener))
  const onRevoked = vi.fn()
  const opened = await loaded({ onRevoked })
  served = feed({ sequence: 3, denied: denied()! })
  // No other load asks for the feed: this process looks for new versions on its own.
  expect(await revocation(opened)).toBe(code)
  const message = { model, verdict: opened.verdict, error: opened.revoked.reason as unknown }
  expect(revokedModels.filter(({ verdict }) => verdict === opened.verdict)).toEqual([message])
  await vi.waitFor(() => expect(onRevoked).toHaveBeenCalledExactlyOnceWith(message), { timeout: 20_000 })
  await expect(opened.read('config.json')).rejects.toMatchObject({ code: 'MODEL_REVOKED' })
})

test(
  'a model that is loaded is revoked when the feed denies the signer of its attestation',
  { timeout: 30_000 },
  async () => {
    const signer = await keySigner({ privateKey: site.key('lab') })
    const predicate = makeEvaluation({ results: [{ metric: 'accuracy', value: 0.9 }], evaluatedOn: in_(-1_000) })
    await attestModel(model, { signer, type: 'evaluation', predicate })
    const required = '    require: { attestations: [{ type: evaluation, signers: [{ key: lab }] }] }'
    const policy = readFileSync(site.policy, 'utf8')
      .replace('rules:', '  lab: { publicKey: ./lab.pub }\nrules:')
      .replace('\nadvisories:', `\n${required}\nadvisories:`)
    writeFileSync(site.policy, policy)
    const opened = await loaded()
    expect(opened.verdict.attestations?.[0]?.satisfies).toEqual(['evaluation'])
    served = feed({ sequence: 3, denied: { keys: [fingerprintOf('lab')] } })
    expect(await revocation(opened)).toBe('ATTESTATION_REVOKED')
  },
)

test('a model that is loaded is revoked when its watched policy revokes it', { timeout: 30_000 }, async () => {
  served = feed({ sequence: 1 })
  const opened = await openVerifiedModel(model, { policy: await watchPolicy(site.policy) })
  onTestFinished(() => opened.close())
  const policy = readFileSync(site.policy, 'utf8')
  writeFileSync(site.policy, `${policy}\nrevoked:\n  rootDigests: [${'c'.repeat(64)}]\n`)
  await new Promise((go) => setTimeout(go, 3_000))
  expect(opened.revoked.aborted).toBe(false)
  writeFileSync(site.policy, `${policy}\nrevoked:\n  rootDigests: [${rootDigest}]\n`)
  expect(await revocation(opened)).toBe('MODEL_REVOKED')
})

test('a model that is denied while it loads is revoked right after', { timeout: 30_000 }, async () => {
  served = feed({ sequence: 1 })
  const opened = await openVerifiedModel(model, { policy: site.policy }, async () => {
    served = feed({ sequence: 2, denied: { rootDigests: [rootDigest] } })
    await vi.waitFor(async () => expect(await load()).toBe('MODEL_REVOKED'), soon)
  })
  expect(opened.verdict.decision).toBe('accepted')
  expect(await revocation(opened)).toBe('MODEL_REVOKED')
})

test('an outage of the feed revokes no model that is loaded', { timeout: 30_000 }, async () => {
  served = feed({ sequence: 1, expires: in_(3_000) })
  const opened = await openVerifiedModel(model, { policy: await watchPolicy(site.policy) })
  onTestFinished(() => opened.close())
  served = undefined
  await vi.waitFor(async () => expect(await load()).toBe('ADVISORY_STALE'), soon)
  await new Promise((go) => setTimeout(go, 3_000))
  expect(opened.revoked.aborted).toBe(false)
})

test('a process with onRevoked "exit" ends, and says why', { timeout: 30_000 }, async () => {
  served = feed({ sequence: 1 })
  const program = `
    import { openVerifiedModel } from '@modelseal/core'
    const model = await openVerifiedModel(${JSON.stringify(model)}, { policy: ${JSON.stringify(site.policy)}, onRevoked: 'exit' })
    process.stdout.write('loaded')
    setTimeout(() => model.read('config.json'), 20_000)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { cwd: import.meta.dirname })
  onTestFinished(() => void child.kill())
  let printed = ''
  child.stderr.on('data', (bytes: Buffer) => (printed += bytes.toString()))
  await new Promise((go) => child.stdout.once('data', go))
  served = feed({ sequence: 2, denied: { rootDigests: [rootDigest] } })
  const [code] = (await once(child, 'close')) as [number]
  expect(code).toBe(1)
  expect(printed).toMatch(
    /was revoked after it was loaded: The model with the root digest .* is revoked by the advisory feed/,
  )
})

function fingerprintOf(key: string): string {
  const der = createPublicKey(readFileSync(join(site.path, `${key}.pub`))).export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('hex')
}

/** A program that loads the model: what it printed, and how long it went on once its own work was done. */
async function program(...lines: readonly string[]): Promise<{ stdout: string; seconds: number }> {
  const path = join(site.path, 'program.mjs')
  const core = import.meta.resolve('@modelseal/core')
  const [given, at] = [site.policy, model].map((text) => JSON.stringify(text))
  writeFileSync(
    path,
    `import { openVerifiedModel } from ${JSON.stringify(core)}
     const load = async () => (await openVerifiedModel(${at}, { policy: ${given} })).verdict.advisories[0].sequence
     ${lines.join('\n')}
     console.log('done')`,
  )
  const child = spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill())
  let stdout = ''
  let done = Number.NaN
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    if (stdout.endsWith('done\n')) done = performance.now()
  })
  const [code] = (await once(child, 'close')) as [number | null]
  expect(code).toBe(0)
  return { stdout: stdout.replace(/done\n$/, ''), seconds: (performance.now() - done) / 1_000 }
}

describe('a process ends as soon as its own work is done', () => {
  let open: ServerResponse[]

  /** The server answers what loads wait for, and leaves everything else open. */
  beforeEach(async () => {
    open = []
    const content = feed({ sequence: 1 })
    const origin = await serving((request, response) => {
      if (request.headers['if-none-match'] === undefined)
        return void response.writeHead(200, { etag: '"1"' }).end(content)
      return void open.push(response)
    })
    const policy = readFileSync(site.policy, 'utf8')
    writeFileSync(site.policy, policy.replace(/url: "[^"]*"/, `url: "${origin}/feed.jsonl"`))
  })

  test('while the server waits for a change', { timeout: 30_000 }, async () => {
    const { stdout, seconds } = await program(
      'console.log(await load())',
      'await new Promise((go) => setTimeout(go, 2500))',
    )
    expect(stdout).toBe('1\n')
    expect(open.length).toBeGreaterThan(0)
    expect(seconds).toBeLessThan(4)
  })

  test('while a kept copy is in use and the server hangs', { timeout: 30_000 }, async () => {
    await program('await load()')
    await new Promise((go) => setTimeout(go, 1_100))
    const { stdout, seconds } = await program(
      'console.log(await load())',
      'await new Promise((go) => setTimeout(go, 200))',
    )
    expect(stdout).toBe('1\n')
    expect(open.length).toBeGreaterThan(0)
    expect(seconds).toBeLessThan(4)
  })

  test('while attestations of a model in memory are fetched', { timeout: 30_000 }, async () => {
    const policy = join(site.path, 'watched.json')
    const content = (require: object) => ({
      version: 1,
      trustRoots: { release: { publicKey: './release.pub' } },
      rules: [{ name: 'r', match: { url: '**' }, signers: [{ key: 'release' }], require }],
    })
    writeFileSync(policy, JSON.stringify(content({})))
    const attested = content({ attestations: [{ type: 'evaluation', signers: [{ key: 'release' }] }] })
    const origin = await serving((request, response) => {
      const name = (request.url ?? '').slice(1)
      if (name.endsWith('claims.jsonl')) return void open.push(response)
      const path = join(model, name)
      if (!existsSync(path)) return void response.writeHead(404).end()
      return void response.end(readFileSync(path))
    })
    const { stdout, seconds } = await program(
      `import { watchPolicy } from ${JSON.stringify(import.meta.resolve('@modelseal/core'))}`,
      `import { utimesSync, writeFileSync } from 'node:fs'`,
      `const path = ${JSON.stringify(policy)}`,
      'const policy = await watchPolicy(path)',
      `globalThis.model = await openVerifiedModel('${origin}/', { policy })`,
      `writeFileSync(path, ${JSON.stringify(JSON.stringify(attested))})`,
      'utimesSync(path, Date.now() / 1000 - 10, Date.now() / 1000 - 10)',
      'await policy.current()',
      'await new Promise((go) => setTimeout(go, 2000))',
      'console.log(globalThis.model.revoked.aborted)',
    )
    expect(stdout).toBe('false\n')
    expect(open.length).toBeGreaterThan(0)
    expect(seconds).toBeLessThan(4)
  })
})
