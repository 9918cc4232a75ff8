import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { serve } from '../../../core/src/testing/http-server.ts'
import { refusal } from '../../../core/src/testing/scratch.ts'
import { INDEX, MANIFEST, sha256, TestRegistry, TITLE, type Fault } from '../testing/oci-registry.ts'
import { ociSource } from './oci-source.ts'

const { signal } = new AbortController()
const CONTENT = Buffer.from('weights')

async function open(registry: TestRegistry, version?: string) {
  return ociSource(registry.url(version)).open({ signal: undefined })
}

/** Reads the file of a registry that was pushed for this test, as an unverified load does. */
async function read(registry: TestRegistry, range?: { start: number; end: number }): Promise<string> {
  const session = await open(registry)
  try {
    const files = await session.model()
    let text = ''
    await files.read({ name: 'weights.bin', signal, range }, async ({ chunks }) => {
      for await (const chunk of chunks) text += Buffer.from(chunk).toString()
    })
    return text
  } finally {
    await session.close?.()
  }
}

async function pushed(fault?: { path: string; answer: Fault }): Promise<TestRegistry> {
  const registry = await TestRegistry.start()
  registry.pushFiles(new Map([['weights.bin', CONTENT]]))
  if (fault) registry.faults.push(fault)
  return registry
}

const layer = (more: object = {}) => ({
  mediaType: 'application/octet-stream',
  digest: sha256(CONTENT),
  size: CONTENT.length,
  annotations: { [TITLE]: 'weights.bin' },
  ...more,
})
const manifest = (more: object = {}) =>
  JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, layers: [layer()], ...more })

describe('a manifest', () => {
  test.each<[string, string, string, { type?: string }?]>([
    ['that is no JSON', 'JSON_INVALID', '{'],
    ['with a repeated key', 'JSON_DUPLICATE_KEY', '{"layers":[],"layers":[]}'],
    ['that is a list', 'SOURCE_FAILED', '[]'],
    ['of another version', 'SOURCE_FAILED', manifest({ schemaVersion: 1 })],
    ['that says to be another type', 'SOURCE_FAILED', manifest({ mediaType: INDEX })],
    ['that is also an index', 'SOURCE_FAILED', manifest({ manifests: [] })],
    ['of an unknown type', 'SOURCE_FAILED', manifest({ mediaType: 'application/json' }), { type: 'application/json' }],
    ['without layers', 'SOURCE_FAILED', manifest({ layers: undefined })],
    ['with a layer without digest', 'SOURCE_FAILED', manifest({ layers: [layer({ digest: undefined })] })],
    ['with a digest that leads elsewhere', 'SOURCE_FAILED', manifest({ layers: [layer({ digest: '../../x' })] })],
    ['with a weak digest', 'SOURCE_FAILED', manifest({ layers: [layer({ digest: `md5:${'a'.repeat(32)}` })] })],
    ['with a negative size', 'SOURCE_FAILED', manifest({ layers: [layer({ size: -1 })] })],
    [
      'with annotations that are not text',
      'SOURCE_FAILED',
      manifest({ layers: [layer({ annotations: { [TITLE]: 5 } })] }),
    ],
    ['with two layers of one name', 'SOURCE_LISTING', manifest({ layers: [layer(), layer()] })],
    [
      'with a name in two cases',
      'SOURCE_LISTING',
      manifest({ layers: ['a', 'A'].map((name) => layer({ annotations: { [TITLE]: name } })) }),
    ],
    ['with too many layers', 'SOURCE_FAILED', manifest({ layers: Array.from({ length: 20_001 }, () => ({})) })],
    ['without names', 'MODEL_NOT_FOUND', manifest({ layers: [layer({ annotations: undefined })] })],
    [
      'with a ModelPack layer of an unknown kind',
      'SOURCE_FAILED',
      manifest({ layers: [layer({ annotations: { 'org.cncf.model.filepath': 'a' } })] }),
    ],
  ])('%s is refused (%s)', async (_, code, text, more = {}) => {
    const registry = await TestRegistry.start()
    registry.pushRaw(text, { ...more, tag: '1.0' })
    await expect(open(registry)).rejects.toEqual(refusal(code as 'SOURCE_FAILED'))
  })

  test('that is an index is refused, and the message names what is in it', async () => {
    const registry = await TestRegistry.start()
    const digest = registry.push([])
    const index = { schemaVersion: 2, mediaType: INDEX, manifests: [{ mediaType: MANIFEST, digest, size: 1 }] }
    registry.pushRaw(JSON.stringify(index), { type: INDEX, tag: '1.0' })
    const hint = `Name one of them: "${registry.url(`@${digest}`)}".`
    await expect(open(registry)).rejects.toEqual(refusal('MODEL_NOT_FOUND', { hint }))
  })

  test('that does not exist is refused', async () => {
    await expect(open(await TestRegistry.start())).rejects.toEqual(refusal('MODEL_NOT_FOUND'))
  })

  test('with another digest than the one asked for is refused', async () => {
    const registry = await pushed()
    const digest = `sha256:${'a'.repeat(64)}`
    registry.manifests.set(digest, { type: MANIFEST, bytes: Buffer.from(manifest()), subject: undefined })
    await expect(open(registry, `@${digest}`)).rejects.toEqual(refusal('SOURCE_FAILED', { expected: `"${digest}"` }))
  })

  test('with another digest than its header says is refused', async () => {
    const registry = await pushed({
      path: 'manifests/',
      answer: (_, response) =>
        registry.send(response, 200, manifest(), {
          'content-type': MANIFEST,
          'docker-content-digest': `sha256:${'a'.repeat(64)}`,
        }),
    })
    await expect(open(registry)).rejects.toEqual(refusal('SOURCE_FAILED'))
  })

  test('without end is refused at once', async () => {
    const registry = await pushed({
      path: 'manifests/',
      answer: (_, response) => {
        response.writeHead(200, { 'content-type': MANIFEST })
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536, ' ')));
        }
        response.on('drain', more)
        more()
      },
    })
    await expect(open(registry)).rejects.toEqual(refusal('SOURCE_FAILED', { expected: 'at most 4194304 bytes' }))
  })

  test('that expands without end is refused at once', async () => {
    const registry = await pushed({
      path: 'manifests/',
      answer: (_, response) =>
        registry.send(response, 200, gzipSync(Buffer.alloc(64 * 1024 * 1024)), {
          'content-type': MANIFEST,
          'content-encoding': 'gzip',
        }),
    })
    await expect(open(registry)).rejects.toEqual(refusal('SOURCE_FAILED'))
  })

  test('may be compressed in transit', async () => {
    const registry = await pushed({
      path: 'manifests/',
      answer: (_, response) =>
        registry.send(response, 200, gzipSync(manifest()), { 'content-type': MANIFEST, 'content-encoding': 'gzip' }),
    })
    expect(await read(registry)).toBe('weights')
  })
})

describe('a blob', () => {
  const blob = (answer: Fault) => ({ path: 'blobs/', answer })

  test.each<[string, Fault]>([
    ['with other content', (_, response) => void response.end('weightS')],
    ['that is longer', (_, response) => void response.end('weights and more')],
    ['that is shorter', (_, response) => void response.end('weight')],
    [
      'that is longer, without a length',
      (_, response) => void response.write('weights and more', () => response.end()),
    ],
    ['that is shorter, without a length', (_, response) => void response.write('weig', () => response.end())],
    ['that is missing', (_, response) => void response.writeHead(404).end()],
  ])('%s is refused', async (_, answer) => {
    await expect(read(await pushed(blob(answer)))).rejects.toEqual(refusal('SOURCE_FAILED'))
  })

  test('of which a part is asked for must be that part', async () => {
    expect(await read(await pushed(), { start: 1, end: 4 })).toBe('eig')
    const whole = blob((_, response) => void response.end('weights'))
    await expect(read(await pushed(whole), { start: 1, end: 4 })).rejects.toEqual(refusal('HTTP_RESPONSE'))
    const wrong = blob((_, response) => void response.writeHead(206).end('we'))
    await expect(read(await pushed(wrong), { start: 1, end: 4 })).rejects.toEqual(refusal('SOURCE_FAILED'))
    const unsatisfiable = blob((_, response) => void response.writeHead(416).end())
    await expect(read(await pushed(unsatisfiable), { start: 1, end: 4 })).rejects.toEqual(refusal('HTTP_RESPONSE'))
  })

  test('is fetched from where the registry redirects', async () => {
    const seen: (string | undefined)[] = []
    const store = await serve({
      '/store': ({ headers }, response) => {
        seen.push(headers.authorization)
        response.end('weights')
      },
    })
    const location = `${store.origin}/store?signature=secret`
    expect(await read(await pushed(blob((_, response) => void response.writeHead(307, { location }).end())))).toBe(
      'weights',
    )
    expect(seen).toEqual([undefined])
  })

  test.each([
    ['a file', 'file:///etc/passwd'],
    ['itself', ''],
    ['a host without https', 'http://93.184.216.34/'],
    ['nowhere', 'http://[nowhere'],
  ])('is refused if it is redirected to %s', async (_, location) => {
    const registry = await TestRegistry.start()
    registry.pushFiles(new Map([['weights.bin', CONTENT]]))
    for (let count = 0; count < 10; count += 1)
      registry.faults.push(blob((_request, response) => void response.writeHead(307, { location }).end()))
    await expect(read(registry)).rejects.toEqual(refusal('HTTP_REDIRECT'))
  })
})

describe('a registry that is busy', () => {
  const busy =
    (status: number, headers = {}): Fault =>
    (_, response) =>
      void response.writeHead(status, headers).end()

  test.each([
    [429, { 'retry-after': '0' }],
    [503, { 'retry-after': new Date(0).toUTCString() }],
    [500, {}],
  ])('with status %i is asked again', async (status, headers) => {
    expect(await read(await pushed({ path: 'blobs/', answer: busy(status, headers) }))).toBe('weights')
  })

  test('for too long is not waited for', async () => {
    const registry = await pushed({ path: 'manifests/', answer: busy(429, { 'retry-after': '3600' }) })
    await expect(open(registry)).rejects.toEqual(
      refusal('HTTP_RESPONSE', { found: 'status 429 and "Retry-After" "3600"' }),
    )
    expect(registry.asked).toHaveLength(1)
  })

  test('again and again is given up', async () => {
    const registry = await pushed()
    for (let count = 0; count < 20; count += 1)
      registry.faults.push({ path: 'manifests/', answer: busy(503, { 'retry-after': '0' }) })
    await expect(open(registry)).rejects.toEqual(refusal('HTTP_RESPONSE', { found: 'status 503' }))
    expect(registry.asked.length).toBeLessThan(6)
  })
})

test('a registry that does not exist is an error', async () => {
  // Never registered (RFC 6761 6.4).
  await expect(ociSource('oci://registry.invalid/vad:1').open({ signal: undefined })).rejects.toEqual(
    refusal('HTTP_UNREACHABLE'),
  )
})
