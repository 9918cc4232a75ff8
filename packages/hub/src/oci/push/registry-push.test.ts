import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openVerifiedModel } from '@modelseal/core'
import { keySigner } from '@modelseal/core/signing'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { refusal, scratch } from '../../../../core/src/testing/scratch.ts'
import { pushModel } from '../../publishing/push-model.ts'
import type { PushOptions } from '../../publishing/push-options.ts'
import { INDEX, TestRegistry, type Fault } from '../../testing/oci-registry.ts'
import { signedDirectory } from '../../testing/signed-model.ts'
import { ociSource } from '../oci-source.ts'

type Signed = Awaited<ReturnType<typeof signedDirectory>>

async function push(registry: TestRegistry, given: Partial<PushOptions> & { version?: string; signed?: Signed } = {}) {
  const { version = ':1.0', signed = await signedDirectory(), ...options } = given
  return pushModel(signed.model, registry.url(version), {
    signedBy: { verifier: { publicKey: signed.publicKey } },
    ...options,
  })
}

/** What the registry has under a tag or digest. */
function manifestAt(registry: TestRegistry, version: string): Record<string, unknown> {
  const { bytes } = registry.manifests.get(registry.tags.get(version) ?? version) ?? { bytes: Buffer.from('{}') }
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, unknown>
}

async function loaded(registry: TestRegistry, { publicKey }: Signed) {
  const directory = scratch({ 'release.pub': readFileSync(publicKey) })
  const policy = join(directory, 'policy.yaml')
  const rule = { name: 'all', match: { url: 'oci://**' }, signers: [{ key: 'release' }] }
  writeFileSync(
    policy,
    JSON.stringify({ version: 1, trustRoots: { release: { publicKey: 'release.pub' } }, rules: [rule] }),
  )
  const model = await openVerifiedModel(ociSource(registry.url()), { policy })
  await model.close()
  return model.verdict
}

describe.each([true, false])('a model that is pushed to a registry (referrers API: %s)', (referrersApi) => {
  test('is served under the tag with its bundle attached', async () => {
    const registry = await TestRegistry.start({ referrersApi })
    const signed = await signedDirectory()
    const pushed = await push(registry, { signed })
    expect(pushed).toMatchObject({
      url: registry.url(`@${pushed.revision}`),
      requested: '1.0',
      rootDigest: signed.rootDigest,
      checked: { full: false, files: 4, read: 0, bytes: 0 },
    })
    expect(pushed.uploaded.map(({ isSent }) => isSent)).toEqual([true, true, true, true])
    expect(registry.tags.get('1.0')).toBe(pushed.revision)
    expect(manifestAt(registry, '1.0')).toMatchObject({
      artifactType: 'application/vnd.cncf.model.manifest.v1+json',
      config: { mediaType: 'application/vnd.cncf.model.config.v1+json' },
      layers: [
        ['README.md', 'doc'],
        ['config.json', 'weight.config'],
        ['empty.txt', 'weight.config'],
        ['onnx/weights.bin', 'weight'],
      ].map(([name, kind]) => ({
        mediaType: `application/vnd.cncf.model.${kind}.v1.raw`,
        annotations: { 'org.cncf.model.filepath': name, 'org.opencontainers.image.title': name },
      })),
    })
    expect((await loaded(registry, signed)).model.revision).toBe(pushed.revision)
  })

  test('keeps what others attached, and is the same however often it is pushed', async () => {
    const registry = await TestRegistry.start({ referrersApi })
    const signed = await signedDirectory()
    const first = await push(registry, { signed })
    registry.attach(Buffer.from('of another'), first.revision)
    const size = registry.manifests.size
    const again = await push(registry, { signed, verify: 'full' })
    expect(again.revision).toBe(first.revision)
    expect(again.uploaded.map(({ isSent }) => isSent)).toEqual([false, false, false, false])
    expect(again.checked).toMatchObject({ full: true, read: 4, bytes: 700_007 })
    expect(registry.manifests.size).toBe(size)
    if (!referrersApi)
      expect(manifestAt(registry, first.revision.replace(':', '-'))).toMatchObject({ manifests: [{}, {}] })
  })

  test('has a signature for cosign beside its own', async () => {
    const registry = await TestRegistry.start({ referrersApi })
    const signed = await signedDirectory()
    await push(registry, { signed, cosignSigner: await keySigner({ privateKey: signed.privateKey }) })
    const types = [...registry.manifests.values()].flatMap(({ bytes, subject }) => {
      const { annotations } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { annotations?: object }
      return subject === undefined ? [] : [annotations]
    })
    expect(types).toContainEqual(
      expect.objectContaining({ 'dev.sigstore.bundle.predicateType': 'https://sigstore.dev/cosign/sign/v1' }),
    )
    expect((await loaded(registry, signed)).decision).toBe('accepted')
  })
})

describe('a push to a registry', () => {
  test('reads back from the registry, and never from a cache', async () => {
    vi.stubEnv('ORAS_CACHE', join(scratch(), 'oras'))
    onTestFinished(() => void vi.unstubAllEnvs())
    const registry = await TestRegistry.start()
    const signed = await signedDirectory()
    await push(registry, { signed })
    await loaded(registry, signed)
    registry.asked.length = 0
    expect((await push(registry, { signed, verify: 'full' })).checked).toMatchObject({ read: 4 })
    expect(registry.asked.filter((path) => path.includes('/blobs/sha256')).length).toBeGreaterThan(2)
    await loaded(registry, signed)
  })

  test.each(['P-384', 'P-521'])('refuses a key on %s for cosign before it sends anything', async (namedCurve) => {
    const registry = await TestRegistry.start()
    const { privateKey } = generateKeyPairSync('ec', { namedCurve })
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
    const cosignSigner = await keySigner({ privateKey: join(scratch({ 'cosign.key': pem }), 'cosign.key') })
    await expect(push(registry, { cosignSigner })).rejects.toEqual(
      refusal('INVALID_ARGUMENT', {
        expected: expect.stringContaining('P-256') as string,
        found: `a key whose signatures use SHA${namedCurve === 'P-384' ? '384' : '512'}`,
      }),
    )
    expect(registry.asked).toEqual([])
  })

  test('hashes files that were signed with another hash', async () => {
    const registry = await TestRegistry.start()
    const signed = await signedDirectory(undefined, { hashType: 'blake2b' })
    expect((await push(registry, { signed })).checked).toMatchObject({ read: 4 })
  })

  test('logs in with the scope to push', async () => {
    const user = { name: 'me', password: 'secret' }
    const registry = await TestRegistry.start({ user })
    const auth = Buffer.from(`${user.name}:${user.password}`).toString('base64')
    vi.stubEnv('DOCKER_CONFIG', scratch({ 'config.json': JSON.stringify({ auths: { [registry.host]: { auth } } }) }))
    onTestFinished(() => void vi.unstubAllEnvs())
    await push(registry)
    expect(registry.asked.some((each) => each.includes('scope=repository%3Amodels%2Fvad%3Apull%2Cpush'))).toBe(true)
  })

  test('sends the manifest before what is attached, and the tag last', async () => {
    const registry = await TestRegistry.start()
    const order: string[] = []
    const answer = registry.answer.bind(registry)
    vi.spyOn(registry, 'answer').mockImplementation((request, response) => {
      if (request.method === 'PUT') order.push((request.url ?? '').replace(/^.*\/(manifests|uploads)\//, '$1 '))
      answer(request, response)
    })
    const pushed = await push(registry)
    const manifests = order.filter((each) => each.startsWith('manifests'))
    expect(manifests).toHaveLength(3)
    expect(manifests[0]).toBe(`manifests ${pushed.revision}`)
    expect(order.at(-1)).toBe('manifests 1.0')
  })

  test('refuses a digest, and options of Hugging Face', async () => {
    const registry = await TestRegistry.start()
    await expect(push(registry, { version: `@sha256:${'0'.repeat(64)}` })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    await expect(push(registry, { huggingFace: { createPr: true } })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test('refuses a file that changed while it was sent', async () => {
    const registry = await TestRegistry.start()
    const signed = await signedDirectory()
    registry.faults.push({
      path: 'blobs/sha256',
      answer: (_, response) => {
        writeFileSync(join(signed.model, 'onnx/weights.bin'), 'WEIGHTS'.repeat(100_000))
        registry.send(response, 404, '')
      },
    })
    await expect(push(registry, { signed })).rejects.toEqual(refusal('FILE_CHANGED', { file: 'onnx/weights.bin' }))
    expect(registry.tags.size).toBe(0)
  })

  test('refuses a registry that stores another manifest', async () => {
    const registry = await TestRegistry.start()
    registry.faults.push({
      path: 'manifests/sha256',
      answer: (request, response) => {
        request
          .resume()
          .on('end', () => registry.send(response, 201, '', { 'docker-content-digest': `sha256:${'0'.repeat(64)}` }))
      },
    })
    await expect(push(registry)).rejects.toEqual(refusal('PUSH_REFUSED'))
  })

  test('does not set the tag if the registry lost a file or serves other bytes', async () => {
    const registry = await TestRegistry.start()
    const signed = await signedDirectory()
    const answer = registry.answer.bind(registry)
    const lose = (change: (digest: string) => void) =>
      vi.spyOn(registry, 'answer').mockImplementation((request, response) => {
        const [, digest] = /PUT .*digest=(sha256%3A[0-9a-f]+)/.exec(`${request.method} ${request.url}`) ?? []
        if (digest !== undefined) response.on('finish', () => change(decodeURIComponent(digest)))
        answer(request, response)
      })
    const [weights] = [
      ...(await import('node:crypto'))
        .createHash('sha256')
        .update(readFileSync(join(signed.model, 'onnx/weights.bin')))
        .digest('hex')
        .matchAll(/.+/g),
    ]
    const digest = `sha256:${weights?.[0]}`
    lose((each) => each === digest && registry.blobs.set(digest, Buffer.from('WEIGHTS'.repeat(100_000))))
    await expect(push(registry, { signed, verify: 'full' })).rejects.toEqual(
      refusal('PUSH_UNPROVEN', { file: 'onnx/weights.bin' }),
    )
    registry.blobs.clear()
    lose((each) => each === digest && registry.blobs.delete(digest))
    await expect(push(registry, { signed })).rejects.toEqual(
      refusal('PUSH_UNPROVEN', { file: 'onnx/weights.bin', cause: expect.objectContaining({ code: 'FILE_MISSING' }) }),
    )
    expect(registry.tags.size).toBe(0)
  })

  test('does not replace a tag that another client moved, and notices if its own is moved', async () => {
    const registry = await TestRegistry.start()
    const other = registry.pushFiles(new Map([['a', Buffer.from('a')]]), 'other')
    const answer = registry.answer.bind(registry)
    const moving = vi.spyOn(registry, 'answer').mockImplementation((request, response) => {
      if (request.method === 'POST') registry.tags.set('1.0', other)
      answer(request, response)
    })
    await expect(push(registry)).rejects.toEqual(refusal('PUSH_CONFLICT', { found: other }))
    moving.mockImplementation((request, response) => {
      if (request.method === 'PUT' && request.url?.endsWith('/1.0') === true)
        response.on('finish', () => registry.tags.set('1.0', other))
      answer(request, response)
    })
    await expect(push(registry)).rejects.toEqual(refusal('PUSH_CONFLICT', { found: other }))
  })

  test('keeps its list of attachments if another client overwrites it, or gives up', async () => {
    const registry = await TestRegistry.start({ referrersApi: false })
    const answer = registry.answer.bind(registry)
    let overwritten = 0
    const overwriting = (most: number) =>
      vi.spyOn(registry, 'answer').mockImplementation((request, response) => {
        const tag = /PUT .*manifests\/(sha256-[0-9a-f]+)$/.exec(`${request.method} ${request.url}`)?.[1]
        if (tag !== undefined && overwritten < most)
          response.on('finish', () => {
            overwritten += 1
            registry.pushRaw(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [] }), {
              type: INDEX,
              tag,
            })
          })
        answer(request, response)
      })
    overwriting(2)
    await push(registry)
    expect(overwritten).toBe(2)
    overwriting(Infinity)
    await expect(push(registry)).rejects.toEqual(refusal('PUSH_CONFLICT'))
  })

  describe('sends blobs where the registry says', () => {
    /** Another origin, which keeps what it is sent. */
    async function storage() {
      const logins: (string | undefined)[] = []
      const server = createServer((request, response) => {
        logins.push(request.headers.authorization)
        request.resume().on('end', () => response.writeHead(201).end())
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      onTestFinished(() => void server.close())
      return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, logins }
    }
    const startingAt =
      (registry: TestRegistry, location: string): Fault =>
      (request, response) =>
        void request.resume().on('end', () => registry.send(response, 202, '', { location }))

    test('without credentials if that is elsewhere', async () => {
      const user = { name: 'me', password: 'secret' }
      const registry = await TestRegistry.start({ user })
      const { origin, logins } = await storage()
      const auth = Buffer.from(`${user.name}:${user.password}`).toString('base64')
      vi.stubEnv('DOCKER_CONFIG', scratch({ 'config.json': JSON.stringify({ auths: { [registry.host]: { auth } } }) }))
      onTestFinished(() => void vi.unstubAllEnvs())
      const answer = registry.answer.bind(registry)
      vi.spyOn(registry, 'answer').mockImplementation((request, response) => {
        if (request.method !== 'POST' || request.headers.authorization === undefined) answer(request, response)
        else startingAt(registry, `${origin}/upload?signature=1`)(request, response)
      })
      await expect(push(registry)).rejects.toEqual(expect.objectContaining({ name: 'ModelSealError' }))
      expect(logins.length).toBeGreaterThan(0)
      expect(new Set(logins)).toEqual(new Set([undefined]))
    })

    test.each(['ftp://127.0.0.1/upload', 'http://me:secret@127.0.0.1/upload', 'http://10.1.2.3/upload'])(
      'but not to %s',
      async (location) => {
        const registry = await TestRegistry.start()
        registry.faults.push({ path: 'blobs/uploads', answer: startingAt(registry, location) })
        await expect(push(registry)).rejects.toEqual(refusal('HTTP_REDIRECT'))
      },
    )

    test('and not to a redirect that changes the method', async () => {
      const registry = await TestRegistry.start()
      registry.faults.push({
        path: 'blobs/uploads',
        answer: (request, response) => {
          request.resume().on('end', () => registry.send(response, 302, '', { location: `${registry.origin}/v2/` }))
        },
      })
      await expect(push(registry)).rejects.toEqual(refusal('HTTP_REDIRECT'))
    })
  })
})
