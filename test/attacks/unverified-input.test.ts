import { execFile } from 'node:child_process'
import { createHash, sign } from 'node:crypto'
import { linkSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { signModel, keySigner } from '@modelseal/core/signing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addingModel, message } from '../onnx-models.ts'
import { publisherIn, scratchOfSuite, writeTree, type Publisher } from '../support/models.ts'

const MIB = 1024 * 1024
/** The promise is 50 ms. Measured as CPU time of the fastest of a few runs. */
const LONGEST_TURN = 50
const RUNS = 4
/** MiB: several bundles of 32 MiB at a time, in addition to Node.js itself. */
const MOST_MEMORY = 512

const site = scratchOfSuite()
let publisher: Publisher
let warm: string

beforeAll(async () => {
  publisher = publisherIn(site)
  writeTree(site, { 'warm/weights.bin': 'w', 'warm/model.json': '{}', 'warm/model.onnx': addingModel('w.bin') })
  const signer = await keySigner({ privateKey: publisher.privateKey })
  await signModel(join(site, 'warm'), { signer, signature: join(site, 'warm/model.sig') })
  warm = join(site, 'warm')
  const roots = `version: 1\ntrustRoots: { release: { publicKey: ./release.pub } }\n`
  const rule = (text: string) => `rules: [{ name: all, ${text} }]\n`
  writeTree(site, {
    'url.yaml': roots + rule(`match: { url: '**' }, signers: [{ key: release }]`),
    'named.yaml': roots + rule(`match: { name: 'm*' }, signers: [{ key: release }]`),
    'loaded.yaml': roots + rule(`match: { path: '**' }, signers: [{ key: release }], require: { files: loaded }`),
    'ignoring.yaml':
      roots + rule(`match: { path: '**' }, signers: [{ key: release }], require: { files: ignore-unsigned }`),
    'audit.yaml': roots + rule(`match: { path: '**' }, mode: audit, signers: [{ key: release }]`),
    'skip.yaml': roots + rule(`match: { path: '${site}/**' }, mode: skip, reason: a test`),
    'audit-revoked.yaml':
      roots +
      rule(`match: { path: '**' }, mode: audit, signers: [{ key: release }]`) +
      `revoked: { rootDigests: ['sha256:${'0'.repeat(64)}'] }\n`,
    'skip-revoked.yaml':
      roots +
      rule(`match: { path: '${site}/**' }, mode: skip, reason: a test`) +
      `revoked: { keys: ['${'0'.repeat(64)}'], rootDigests: ['sha256:${'0'.repeat(64)}'] }\n`,
  })
})

interface Load {
  model: string
  /** The code of the refusal, or the decision. */
  outcome: string
  adapter?: 'core' | 'onnx' | 'tfjs'
  options?: object
  /** True for a load that only warms up the others. */
  untimed?: boolean
}

interface Found {
  results: { outcome: string; /** Milliseconds that the event loop was kept from its next turn. */ longest: number }[]
  /** MiB. */
  memory: number
}

/** Loads in a separate process with a small heap, so that running out of memory is detected. */
async function run(loads: readonly Load[]): Promise<Found> {
  const given = loads.map(({ model, adapter = 'core', options = {} }) => ({
    model,
    adapter,
    options: { policy: publisher.policy, ...options },
  }))
  // The first loads import what every load needs.
  const warmUp = (['core', 'onnx', 'tfjs'] as const).map((adapter) => ({ ...given[0], model: warm, adapter }))
  const script = join(import.meta.dirname, 'hostile-load.mjs')
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--max-old-space-size=512', script, JSON.stringify([...warmUp, ...given])],
    { cwd: import.meta.dirname, encoding: 'utf8' },
  )
  const found = JSON.parse(stdout) as Found
  return { ...found, results: found.results.slice(warmUp.length) }
}

/** The outcomes are the same each time, in bounded memory, and at least one run of each does not block the event loop. */
async function expectHarmless(...loads: Load[]): Promise<void> {
  const longest = loads.map(() => Infinity)
  const kept = () =>
    loads.flatMap(({ model, outcome, untimed }, index) => {
      const time = longest[index] ?? Infinity
      return time > LONGEST_TURN && !untimed ? [`${model} (${outcome}) for ${time} ms`] : []
    })
  for (let count = 0; count < RUNS && kept().length > 0; count++) {
    const { results, memory } = await run(loads)
    expect(results.map(({ outcome }) => outcome)).toEqual(loads.map(({ outcome }) => outcome))
    expect(memory).toBeLessThan(MOST_MEMORY)
    for (const [index, result] of results.entries())
      longest[index] = Math.min(longest[index] ?? Infinity, result.longest)
  }
  expect(kept()).toEqual([])
}

let made = 0
/** A model of one file with this bundle. @returns path of the directory */
function modelWith(bundle: string | Uint8Array, files: Record<string, string | Uint8Array> = {}): string {
  const directory = join(site, `m${made++}`)
  writeTree(directory, { 'weights.bin': 'w', ...files, 'model.sig': bundle })
  return directory
}

const MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json'
const PAYLOAD_TYPE = 'application/vnd.in-toto+json'

/** With an invalid signature by the key that the policy trusts. */
function forged(payload: string | Buffer, more: object = {}): string {
  const hint = createHash('sha256').update(publisher.publicPem).digest('hex')
  const sig = sign('sha256', Buffer.from('something else'), publisher.key).toString('base64')
  return JSON.stringify({
    mediaType: MEDIA_TYPE,
    verificationMaterial: { publicKey: { hint }, ...more },
    dsseEnvelope: {
      payload: typeof payload === 'string' ? payload : payload.toString('base64'),
      payloadType: PAYLOAD_TYPE,
      signatures: [{ sig, keyid: '' }],
    },
  })
}

/** A statement of valid structure with the given length. */
function statement(bytes: number, resource = resourceAt): Buffer {
  const head = `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"m","digest":{"sha256":"${'0'.repeat(64)}"}}],"predicateType":"https://model_signing/signature/v1.0","predicate":{"serialization":{"method":"files","hash_type":"sha256","allow_symlinks":false},"resources":[`
  const resources: string[] = []
  for (let length = head.length + 3; ;) {
    const next = resource(resources.length)
    length += next.length + 1
    if (length > bytes) return Buffer.from(`${head}${resources.join(',')}]}}`)
    resources.push(next)
  }
}

function resourceAt(index: number): string {
  return `{"name":"f${String(index).padStart(8, '0')}","digest":"${'0'.repeat(64)}","algorithm":"sha256"}`
}

describe('refuses unsigned input without blocking the event loop:', () => {
  const largest = (length = 32 * MIB - 2_000) => statement(Math.floor(length / 4) * 3)

  test('bundles that are too large', async () => {
    const model = modelWith(forged(statement(40 * MIB)))
    const file = join(model, 'weights.bin')
    await expectHarmless({ model, outcome: 'BUNDLE_TOO_LARGE' }, { model: file, outcome: 'BUNDLE_TOO_LARGE' })
  })

  test('one or thirty-two bundles of maximum size, and claims that are too large', async () => {
    const model = modelWith(forged(largest()))
    const many = modelWith('')
    rmSync(join(many, 'model.sig'))
    linkSync(join(model, 'model.sig'), join(many, 'model.sig'))
    for (let count = 1; count < 32; count++) linkSync(join(model, 'model.sig'), `${many}.${count}.sig`)
    const old = JSON.parse(forged(largest(32 * MIB - 4_000))) as { verificationMaterial: object }
    old.verificationMaterial = { publicKey: { rawBytes: Buffer.from(publisher.publicPem).toString('base64') } }
    const file = join(model, 'weights.bin')
    await expectHarmless(
      { model, outcome: 'SIGNATURE_INVALID' },
      { model: file, outcome: 'CLAIM_TOO_LARGE' },
      { model: file, outcome: 'CLAIM_TOO_LARGE', options: { signature: join(model, 'model.sig') } },
      { model, outcome: 'CLAIM_TOO_LARGE', options: { policy: join(site, 'named.yaml') } },
      { model: many, outcome: 'SIGNATURE_INVALID' },
      { model: many, outcome: 'ABORTED', options: { abortAfter: 5 } },
      { model: modelWith(JSON.stringify(old)), outcome: 'SIGNATURE_INVALID' },
    )
  })

  test('bundles that are something else', async () => {
    const length = 30 * MIB
    const withPayload = (text: string) => forged('@').replace('@', () => text)
    const bundles: [string, string][] = [
      ['BUNDLE_TOO_LARGE', '['.repeat(length)],
      ['BUNDLE_TOO_LARGE', '"'.repeat(length)],
      ['BUNDLE_TOO_LARGE', `{${' '.repeat(length)}}`],
      ['BUNDLE_TOO_LARGE', newKeys(length)],
      ['JSON_TOO_COMPLEX', newKeys(MIB - 1000)],
      ['BUNDLE_MALFORMED', withPayload('\\"'.repeat(length / 2))],
      ['BASE64_INVALID', withPayload(`${'A'.repeat(76)}\\n`.repeat(length / 78))],
      ['SIGNATURE_INVALID', withPayload('\\u0041'.repeat(4 * Math.floor(length / 24)))],
      ['BASE64_INVALID', withPayload(`${'A'.repeat(length - 4)}*AAA`)],
      ['BUNDLE_TOO_LARGE', forged('e30=', { tlogEntries: Array(length / 4).fill({}) })],
      [
        'BUNDLE_TOO_LARGE',
        `{"verificationMaterial":{${Array.from({ length: 1_000_000 }, (_, i) => `"k${i}":${i}`).join()}}}`,
      ],
    ]
    await expectHarmless(...bundles.map(([outcome, bundle]) => ({ model: modelWith(bundle), outcome })))
  })

  test('claims of maximum size when a file is loaded', async () => {
    const claims: [string, Buffer][] = [
      ['ROOT_DIGEST_MISMATCH', statement(4 * MIB)],
      ['JSON_TOO_COMPLEX', statement(4 * MIB, () => '[]')],
      ['JSON_TOO_COMPLEX', statement(4 * MIB, (index) => `{"k${index}":0}`)],
      ['JSON_TOO_COMPLEX', statement(4 * MIB, (index) => `{"k${index}${'k'.repeat(40)}":0}`)],
      ['JSON_TOO_COMPLEX', Buffer.alloc(4 * MIB, '[')],
      ['JSON_INVALID', Buffer.from(`"${'é'.repeat(2 * MIB - 2)}`)],
    ]
    const fileWith = (payload: Buffer) => join(modelWith(forged(payload)), 'weights.bin')
    await expectHarmless(...claims.map(([outcome, payload]) => ({ model: fileWith(payload), outcome })))
  })

  test('claims that cannot be checked against revocations when models are loaded unverified', async () => {
    const claim = modelWith(forged(statement(5 * MIB)))
    const file = join(claim, 'weights.bin')
    const bundle = modelWith(Buffer.alloc(32 * MIB + 1))
    const under = (policy: string) => ({ options: { policy: join(site, `${policy}.yaml`) } })
    await expectHarmless(
      ...['audit', 'skip'].flatMap((mode) => {
        const outcome = mode === 'audit' ? 'tolerated' : 'skipped'
        return [
          { model: claim, outcome: 'CLAIM_TOO_LARGE', ...under(`${mode}-revoked`) },
          { model: file, outcome: 'CLAIM_TOO_LARGE', ...under(`${mode}-revoked`) },
          { model: bundle, outcome: 'BUNDLE_TOO_LARGE', ...under(`${mode}-revoked`) },
          { model: claim, outcome, ...under(mode) },
          { model: file, outcome, ...under(mode) },
          { model: bundle, outcome, ...under(mode) },
        ]
      }),
    )
  })

  test('directories full of names', async () => {
    const full = join(site, 'full')
    writeTree(full, { 'weights.bin': 'w', 'm/weights.bin': 'w' })
    const signer = await keySigner({ privateKey: publisher.privateKey })
    await signModel(full, { signer, signature: join(full, 'model.sig') })
    // One file has at most 65,000 links on ext4.
    for (let count = 0; count < 150_000; count++) {
      const file = join(full, `m.${count}.sig`)
      if (count % 50_000 === 0) writeTree(full, { [`m.${count}.sig`]: '' })
      else linkSync(join(full, `m.${count - (count % 50_000)}.sig`), file)
    }
    const bundles = join(full, 'm')
    await expectHarmless(
      { model: full, outcome: 'FILE_UNSIGNED' },
      { model: full, outcome: 'FILE_UNSIGNED', options: { policy: join(site, 'loaded.yaml') } },
      { model: full, outcome: 'accepted', options: { policy: join(site, 'ignoring.yaml') } },
      { model: full, outcome: 'skipped', options: { policy: join(site, 'skip.yaml') } },
      { model: full, outcome: 'ABORTED', options: { abortAfter: 5 } },
      { model: bundles, outcome: 'JSON_INVALID' },
      { model: bundles, outcome: 'ABORTED', options: { abortAfter: 5 } },
    )
  })

  test('model.json, before a signature holds and under a rule in the mode audit', async () => {
    const spec = '{"name":"w","shape":[0],"dtype":"float32"},'
    const list = spec.repeat(150_000).slice(0, -1)
    const weights = `{"format":"graph-model","modelTopology":{"node":[]},"weightsManifest":[{"paths":[],"weights":[${list}]}]}`
    const bundle = forged(statement(1000))
    const audit = { adapter: 'tfjs', options: { policy: join(site, 'audit.yaml') } } as const
    const withJson = (json: string) => modelWith(bundle, { 'model.json': json })
    await expectHarmless(
      { model: withJson(newKeys(60 * MIB)), outcome: 'SIGNATURE_INVALID', adapter: 'tfjs' },
      { model: withJson(newKeys(32 * MIB + 1)), outcome: 'MODEL_FORMAT', ...audit },
      { model: withJson(newKeys(32 * MIB)), outcome: 'JSON_TOO_COMPLEX', ...audit },
      { model: withJson(weights), outcome: 'tolerated', ...audit },
    )
  })

  test('models of ONNX Runtime, under a rule in the mode audit or skip', async () => {
    const long = (number: number, content: Uint8Array) => message([number, content])
    const nodes = long(7, Buffer.alloc(8_000_000).fill('\n\0'))
    const dimensions = long(7, long(5, long(1, Buffer.alloc(8_000_000, 1))))
    const ort = modelWith('', { 'model.ort': '\0\0\0\0ORTM' })
    truncateSync(join(ort, 'model.ort'), 2 ** 30)
    const models = [nodes, dimensions].map((onnx) => modelWith('', { 'model.onnx': onnx }))
    await expectHarmless(
      ...['audit', 'skip'].flatMap((mode): Load[] => {
        const outcome = mode === 'audit' ? 'tolerated' : 'skipped'
        const options = { policy: join(site, `${mode}.yaml`) }
        const loads = models.map((model): Load => ({ model, adapter: 'onnx', outcome, options }))
        const aborted: Load[] = loads.map((load) => ({
          ...load,
          outcome: 'ABORTED',
          options: { ...options, abortAfter: 30 },
        }))
        const ofOrt = { ...options, entry: 'model.ort', abortAfter: 100 }
        return [...loads, ...aborted, { model: ort, adapter: 'onnx', outcome: 'ABORTED', options: ofOrt }]
      }),
    )
  })

  describe('over HTTP', () => {
    const bodies = new Map<string, { body: Uint8Array; headers: Record<string, string> }>()
    const server = createServer((request, response) => {
      const found = bodies.get(request.url ?? '')
      if (!found) return void response.writeHead(404).end()
      response.writeHead(200, found.headers).end(found.body)
    })
    let origin = ''
    const options = { policy: join(site, 'url.yaml') }
    beforeAll(async () => {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    })
    afterAll(() => server.close())

    test('bundles that are larger decompressed than they arrive, or than "http.maxBytes" allows', async () => {
      const bomb = gzipSync(forged(statement(40 * MIB)), { level: 9 })
      bodies.set('/bomb/model.sig', { body: bomb, headers: { 'content-encoding': 'gzip' } })
      bodies.set('/large/model.sig', { body: Buffer.from(forged(statement(23 * MIB))), headers: {} })
      const bounded = { ...options, http: { maxBytes: 1_000_000 } }
      await expectHarmless(
        { model: `${origin}/none/`, outcome: 'BUNDLE_NOT_FOUND', options, untimed: true },
        { model: `${origin}/bomb/`, outcome: 'BUNDLE_TOO_LARGE', options },
        { model: `${origin}/bomb/`, outcome: 'BUNDLE_TOO_LARGE', options: bounded },
        { model: `${origin}/large/`, outcome: 'BUNDLE_TOO_LARGE', options: bounded },
        { model: `${origin}/large/`, outcome: 'SIGNATURE_INVALID', options },
      )
    })

    test('bundles that are together larger than "http.maxBytes" allows', async () => {
      const signer = await keySigner({ privateKey: publisher.privateKey })
      await signModel(join(site, 'warm'), { signer, signature: join(site, 'other.sig') })
      const other = readFileSync(join(site, 'other.sig'))
      // Each covers other files, so that the next one is fetched.
      for (const place of ['/a/b/model.sig', '/a/b.sig', '/a/model.sig', '/model.sig'])
        bodies.set(place, { body: other, headers: {} })
      const load = { model: `${origin}/a/b/f.bin` }
      const within = (maxBytes: number) => ({ ...options, http: { maxBytes } })
      await expectHarmless(
        { ...load, outcome: 'FILE_NOT_SIGNED', options: within(4 * other.length), untimed: true },
        { ...load, outcome: 'BUNDLE_TOO_LARGE', options: within(4 * other.length - 1) },
      )
    })
  })
})

/** JSON without duplicate keys: objects of 60 keys each. */
function newKeys(bytes: number): string {
  const objects: string[] = []
  for (let length = 20, key = 0; length < bytes - 1_000;) {
    const keys = Array.from({ length: 60 }, () => `"k${key++}":0`)
    const object = `{${keys.join(',')}}`
    objects.push(object)
    length += object.length + 1
  }
  const json = `{"modelTopology":[${objects.join(',')}]}`
  return json + ' '.repeat(Math.max(0, bytes - json.length))
}
