import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openVerifiedModel } from '../../../core/src/loading/open-verified-model.ts'
import { refusal } from '../../../core/src/testing/scratch.ts'
import { TestSite } from '../../../core/src/testing/site.ts'
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { MODEL_TAR, tarOf } from '../testing/oci-archives.ts'
import { BUNDLE, INDEX, TestRegistry, TITLE, type Layer } from '../testing/oci-registry.ts'
import { ociSource } from './oci-source.ts'

const WEIGHTS = Buffer.alloc(300_000, 'weights')
const CONFIG = Buffer.from('{}')

let site: TestSite
let policy: string
let bundle: Buffer
let others: Buffer

beforeAll(async () => {
  site = await TestSite.make()
  for (const key of ['release', 'stranger']) await site.key(key)
  await site.model('model', { 'config.json': String(CONFIG), 'weights.bin': String(WEIGHTS) })
  await site.sign('model', 'release', 'release.sig')
  await site.sign('model', 'stranger', 'stranger.sig')
  bundle = readFileSync(site.file('release.sig'))
  others = readFileSync(site.file('stranger.sig'))
  policy = await site.policy({
    version: 1,
    trustRoots: { release: { publicKey: 'release.pub' } },
    rules: [{ name: 'any', match: { format: 'any' }, signers: [{ key: 'release' }] }],
  })
})
afterAll(() => site.remove())

const titled = (name: string, content: Uint8Array, mediaType?: string): Layer => ({
  content,
  annotations: { [TITLE]: name },
  ...(mediaType === undefined ? {} : { mediaType }),
})
const model = (...more: Layer[]) => [titled('config.json', CONFIG), titled('weights.bin', WEIGHTS), ...more]

async function decision(registry: TestRegistry, version?: string, signature?: string): Promise<string> {
  const opened = await openVerifiedModel(ociSource(registry.url(version)), { policy, signature })
  await opened.close()
  return opened.verdict.decision
}

describe.each([[true], [false]])('a bundle that is attached to the model (referrers API: %s)', (referrersApi) => {
  test('is found', async () => {
    const registry = await TestRegistry.start({ referrersApi })
    registry.attach(bundle, registry.push(model(), { tag: '1.0' }))
    expect(await decision(registry)).toBe('accepted')
  })

  test('is found among those of others and among other things', async () => {
    const registry = await TestRegistry.start({ referrersApi, pageSize: 2 })
    const subject = registry.push(model(), { tag: '1.0' })
    registry.push([{ content: CONFIG, mediaType: 'application/spdx+json' }], { subject })
    registry.push([], { subject, artifactType: BUNDLE })
    registry.attach(others, subject)
    registry.attach(Buffer.from('{}'), subject)
    registry.attach(bundle, subject)
    expect(await decision(registry)).toBe('accepted')
  })

  const layerOf = (content: Buffer, more: object) => {
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
    return { layers: [{ mediaType: BUNDLE, digest, size: content.length, ...more }] }
  }
  test.each<[string, object]>([
    ['of a type that is none', { mediaType: 'of no type' }],
    ['with annotations that are no text', { annotations: { a: 1 } }],
    ['of a negative size', { size: -1 }],
    ['of a weak digest', { digest: `md5:${'a'.repeat(32)}` }],
    ['that is longer than stated', { size: 10 }],
    ['that is shorter than stated', { size: 1_000_000 }],
    ['that is missing', { digest: `sha256:${'0'.repeat(64)}` }],
  ])('is found after a malformed one: %s', async (_, more) => {
    const registry = await TestRegistry.start({ referrersApi })
    const subject = registry.push(model(), { tag: '1.0' })
    registry.attach(others, subject)
    // What was read before is not read again.
    const content = Buffer.concat([others, Buffer.from(' ')])
    registry.push([{ content }])
    registry.push([], { subject, artifactType: BUNDLE, ...layerOf(content, more) })
    await expect(decision(registry)).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
    registry.attach(bundle, subject)
    expect(await decision(registry)).toBe('accepted')
  })

  test('is not taken from a manifest that is attached to another model', async () => {
    const registry = await TestRegistry.start({ referrersApi })
    const subject = registry.push(model(), { tag: '1.0' })
    const other = registry.push([titled('other', CONFIG)])
    const attached = registry.manifests.get(registry.attach(bundle, other))
    // The registry lists it all the same.
    if (attached) attached.subject = subject
    if (!referrersApi) {
      const index = registry.manifests.get(registry.tags.get(other.replace(':', '-')) ?? '')
      registry.pushRaw(String(index?.bytes), { type: INDEX, tag: subject.replace(':', '-') })
    }
    await expect(decision(registry)).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
  })

  test('is missing', async () => {
    const registry = await TestRegistry.start({ referrersApi })
    registry.push(model(), { tag: '1.0' })
    await expect(decision(registry)).rejects.toEqual(
      refusal('BUNDLE_NOT_FOUND', { expected: expect.stringContaining('attached to sha256:') }),
    )
  })
})

describe('a bundle that is a layer', () => {
  test.each([
    ['model.sig', undefined],
    ['vad.oms.sig', undefined],
    ['release.sig', BUNDLE],
    ['release.sig', 'application/vnd.dev.sigstore.bundle+json;version=0.3'],
  ])('is found by its name %s and the type %s, without asking for referrers', async (name, type) => {
    const registry = await TestRegistry.start()
    registry.push(model(titled(name, bundle, type)), { tag: '1.0' })
    const opened = await openVerifiedModel(ociSource(registry.url()), {
      policy: await site.policy({
        version: 1,
        trustRoots: { release: { publicKey: 'release.pub' } },
        rules: [
          {
            name: 'any',
            match: { format: 'any' },
            signers: [{ key: 'release' }],
            require: { unsigned: ['*.sig'] },
          },
        ],
      }),
    })
    await opened.close()
    if (!name.endsWith('.oms.sig')) expect(registry.asked.join()).not.toContain('/referrers/')
  })

  test('with another name and type is a file, which nobody signed', async () => {
    const registry = await TestRegistry.start()
    registry.attach(bundle, registry.push(model(titled('release.sig', bundle)), { tag: '1.0' }))
    await expect(decision(registry)).rejects.toEqual(refusal('FILE_UNSIGNED', { file: 'release.sig' }))
  })
})

describe('a bundle that the option "signature" names', () => {
  test('is read by the digest of its manifest', async () => {
    const registry = await TestRegistry.start()
    const subject = registry.push(model(), { tag: '1.0' })
    const digest = registry.attach(bundle, subject)
    registry.attach(others, subject)
    expect(await decision(registry, ':1.0', registry.url(`@${digest}`))).toBe('accepted')
    expect(registry.asked.join()).not.toContain('/referrers/')
  })

  test('must be in the repository of the model', async () => {
    const registry = await TestRegistry.start()
    registry.push(model(), { tag: '1.0' })
    const elsewhere = 'oci://registry.example/models/vad@sha256:' + 'a'.repeat(64)
    await expect(decision(registry, ':1.0', elsewhere)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })
})

describe('a list of what is attached', () => {
  const listing = (registry: TestRegistry, manifests: unknown, headers: Record<string, string> = {}) => ({
    path: 'referrers/',
    answer: (_: unknown, response: Parameters<TestRegistry['send']>[0]) =>
      registry.send(response, 200, JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }), {
        'content-type': INDEX,
        ...headers,
      }),
  })

  test('with too many manifests is refused, before they are opened', async () => {
    const registry = await TestRegistry.start()
    registry.push(model(), { tag: '1.0' })
    const many = Array.from({ length: 901 }, (_, index) => ({
      mediaType: 'a/b',
      size: 1,
      digest: `sha256:${String(index).padStart(64, '0')}`,
    }))
    registry.faults.push(listing(registry, many))
    await expect(decision(registry)).rejects.toEqual(refusal('BUNDLES_TOO_MANY'))
    expect(registry.asked).toHaveLength(2)
  })

  test('with endless pages is refused', async () => {
    const registry = await TestRegistry.start()
    const digest = registry.push(model(), { tag: '1.0' })
    for (let page = 0; page < 50; page += 1)
      registry.faults.push(
        listing(registry, [], { link: `</v2/models/vad/referrers/${digest}?p=${page}>; rel="next"` }),
      )
    await expect(decision(registry)).rejects.toEqual(refusal('SOURCE_FAILED'))
    expect(registry.asked.length).toBeLessThan(25)
  })

  test.each([
    'https://evil.example/list',
    '//evil.example/list',
    '/v2/other/referrers/x',
    '/v2/models/vad/../x/y',
    '/v2/models/vad/.x/../../other/y',
  ])('does not lead to %s', async (target) => {
    const registry = await TestRegistry.start()
    registry.push(model(), { tag: '1.0' })
    registry.faults.push(listing(registry, [], { link: `<${target}>; rel="next"` }))
    await expect(decision(registry)).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
    expect(registry.asked).toHaveLength(2)
  })

  test('that is malformed is refused', async () => {
    const registry = await TestRegistry.start()
    registry.push(model(), { tag: '1.0' })
    registry.faults.push(listing(registry, [{ digest: 'sha256:..' }]))
    await expect(decision(registry)).rejects.toEqual(refusal('SOURCE_FAILED'))
  })
})

describe('a bundle in an archive with the model', () => {
  const packed = async (...files: [string, Buffer][]): Promise<Layer> => ({
    content: gzipSync(await tarOf(files)),
    mediaType: `${MODEL_TAR}+gzip`,
  })

  test('is found', async () => {
    const registry = await TestRegistry.start()
    const layer = await packed(['config.json', CONFIG], ['model.sig', bundle], ['weights.bin', WEIGHTS])
    registry.push([layer], { tag: '1.0' })
    await using opened = await openVerifiedModel(ociSource(registry.url()), { policy })
    expect(opened.verdict).toMatchObject({
      decision: 'accepted',
      bundles: [{ path: registry.url(':1.0/model.sig'), counted: true }],
    })
  })

  test('is not read if another one is attached, and counts by its signature alone', async () => {
    const registry = await TestRegistry.start()
    const layer = await packed(['config.json', CONFIG], ['model.sig', others], ['weights.bin', WEIGHTS])
    const digest = registry.push([layer], { tag: '1.0' })
    await expect(decision(registry)).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
    registry.attach(bundle, digest)
    expect(await decision(registry)).toBe('accepted')
  })

  test('is missing, and the message says where it was sought', async () => {
    const registry = await TestRegistry.start()
    registry.push([await packed(['config.json', CONFIG], ['weights.bin', WEIGHTS])], { tag: '1.0' })
    const expected = expect.stringContaining('model.sig within the first 64 MiB of its archives') as string
    await expect(decision(registry)).rejects.toEqual(refusal('BUNDLE_NOT_FOUND', { expected }))
  })
})

describe('a model that is refused', () => {
  test('for its signer costs four small answers, and no weights', async () => {
    const registry = await TestRegistry.start()
    registry.attach(others, registry.push(model(), { tag: '1.0' }))
    await expect(decision(registry)).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
    expect(registry.asked.map((path) => path.replace(/sha256:.*/, 'DIGEST'))).toEqual([
      '/v2/models/vad/manifests/1.0',
      '/v2/models/vad/referrers/DIGEST',
      '/v2/models/vad/manifests/DIGEST',
      '/v2/models/vad/blobs/DIGEST',
    ])
    expect(registry.bytesSent).toBeLessThan(6_000)
  })

  test('for its signer or its listing costs two, if the bundle is a layer', async () => {
    for (const layers of [
      model(titled('model.sig', others)),
      model(titled('model.sig', bundle), titled('evil.so', CONFIG)),
      [titled('config.json', CONFIG), titled('model.sig', bundle)],
      [
        titled('config.json', CONFIG),
        titled('weights.bin', Buffer.alloc(300_000, 'weightS')),
        titled('model.sig', bundle),
      ],
    ]) {
      const registry = await TestRegistry.start()
      registry.push(layers, { tag: '1.0' })
      await expect(decision(registry)).rejects.toEqual(
        refusal(expect.stringMatching(/^(?:SIGNER_NOT_TRUSTED|FILE_UNSIGNED|FILE_MISSING|FILE_MISMATCH)$/) as never),
      )
      expect(registry.asked).toHaveLength(2)
      expect(registry.bytesSent).toBeLessThan(6_000)
    }
  })
})

test('the verdict has the digest that a tag was resolved to, once', async () => {
  const registry = await TestRegistry.start()
  const digest = registry.push(model(titled('model.sig', bundle)), { tag: '1.0' })
  const opened = await openVerifiedModel(ociSource(registry.url()), { policy })
  expect(opened.verdict.model).toMatchObject({ url: registry.url(''), revision: digest, requested: '1.0' })
  const repository = registry.url('').replace('oci://', '')
  expect(opened.verdict.model.packageUrl).toBe(`pkg:oci/vad@${digest}?repository_url=${encodeURIComponent(repository)}`)
  await opened.close()
  expect(registry.asked.filter((path) => path.includes('/manifests/'))).toHaveLength(1)
  expect(await decision(registry, `@${digest}`)).toBe('accepted')
})

test('a rule that requires a digest accepts no tag', async () => {
  const registry = await TestRegistry.start()
  const digest = registry.push(model(titled('model.sig', bundle)), { tag: '1.0' })
  const pinned = await site.policy({
    version: 1,
    trustRoots: { release: { publicKey: 'release.pub' } },
    rules: [
      {
        name: 'any',
        match: { url: `oci://${registry.host}/models/*` },
        signers: [{ key: 'release' }],
        require: { pinned: true },
      },
    ],
  })
  const load = async (version: string) => {
    const opened = await openVerifiedModel(ociSource(registry.url(version)), { policy: pinned })
    await opened.close()
    return opened.verdict.decision
  }
  await expect(load(':1.0')).rejects.toEqual(refusal('REVISION_NOT_PINNED'))
  expect(await load(`@${digest}`)).toBe('accepted')
})
