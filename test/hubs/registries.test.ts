import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contentsOf, modelseal, policyFor, signedModel, type SignedModel } from './models.ts'
import { client, startRegistry, temporary } from './programs.ts'

// Real registries and their clients: what is pushed, they read and verify; what ORAS pushes is verified.

const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json'
const OMS = 'https://model_signing/signature/v1.0'

describe.each(['distribution', 'ociregistry'] as const)('with %s,', (kind) => {
  let registry: Awaited<ReturnType<typeof startRegistry>>
  beforeAll(async () => {
    registry = await startRegistry(kind)
  })
  afterAll(() => registry.stop())

  async function push(model: SignedModel, repository: string, ...options: string[]) {
    const url = `oci://${registry.host}/${repository}:1.0`
    const args = ['push', model.path, url, '--public-key', model.publicKey, '--json', ...options]
    const { code, stdout } = await modelseal(args)
    expect({ code, stdout }).toMatchObject({ code: 0 })
    const { result } = JSON.parse(stdout) as { result: { revision: string; uploaded: { isSent?: boolean }[] } }
    return { ...result, name: `${registry.host}/${repository}:1.0`, url }
  }

  test('ORAS pulls what is pushed, and finds the bundle', async () => {
    const model = await signedModel()
    const { name } = await push(model, 'models/oras')
    const folder = temporary()
    expect(await client('oras', ['pull', '--plain-http', name, '-o', folder])).toMatchObject({ code: 0 })
    const { 'model.sig': bundle, ...files } = contentsOf(model.path)
    expect(contentsOf(folder)).toEqual(files)
    const found = await client('oras', [
      'discover',
      '--plain-http',
      '--format',
      'json',
      '--artifact-type',
      BUNDLE,
      name,
    ])
    const { referrers = [] } = JSON.parse(found.stdout) as {
      referrers?: { digest: string; annotations?: Record<string, string> }[]
    }
    expect(referrers.map(({ annotations }) => annotations?.['dev.sigstore.bundle.predicateType'])).toEqual([OMS])
    const attached = temporary()
    const repository = name.replace(/:1\.0$/, '')
    const manifest = await client('oras', [
      'manifest',
      'fetch',
      '--plain-http',
      `${repository}@${referrers[0]?.digest}`,
    ])
    const [layer] = (JSON.parse(manifest.stdout) as { layers: { digest: string }[] }).layers
    await client('oras', [
      'blob',
      'fetch',
      '--plain-http',
      '-o',
      `${attached}/model.sig`,
      `${repository}@${layer?.digest}`,
    ])
    expect(contentsOf(attached)).toEqual({ 'model.sig': bundle })
  })

  test('crane validates what is pushed, under the digest that was printed', async () => {
    const { name, revision } = await push(await signedModel(), 'models/crane', '--verify', 'full')
    expect(await client('crane', ['validate', '--insecure', '--remote', name])).toMatchObject({ code: 0 })
    expect((await client('crane', ['digest', '--insecure', name])).stdout.trim()).toBe(revision)
  })

  test('cosign verifies what is pushed with a signature for it, and refuses it without', async () => {
    const model = await signedModel()
    const verify = (name: string) =>
      client('cosign', [
        ...['verify', '--key', model.publicKey, '--insecure-ignore-tlog=true', '--allow-http-registry', name],
      ])
    const signed = await push(model, 'models/cosign', '--cosign-key', model.privateKey)
    const verified = await verify(signed.name)
    expect({ code: verified.code, stderr: verified.stderr }).toMatchObject({ code: 0 })
    expect(verified.stdout).toContain(signed.revision)
    const unsigned = await push(model, 'models/unsigned')
    expect((await verify(unsigned.name)).code).not.toBe(0)
    // The signature for cosign does not get in the way of ours.
    expect(await modelseal(['verify', signed.url, '--policy', policyFor(model)])).toMatchObject({ code: 0 })
  })

  test('a model that ORAS pushes and attaches its bundle to is verified', async () => {
    const model = await signedModel()
    const name = `${registry.host}/models/by-oras:1.0`
    const files = Object.keys(contentsOf(model.path)).filter((file) => file !== 'model.sig')
    const pushed = await client('oras', ['push', '--plain-http', name, ...files], model.path)
    expect(pushed).toMatchObject({ code: 0 })
    const attach = ['attach', '--plain-http', '--artifact-type', BUNDLE, name, `model.sig:${BUNDLE}`]
    expect(await client('oras', attach, model.path)).toMatchObject({ code: 0 })
    const args = ['verify', `oci://${name}`, '--policy', policyFor(model)]
    expect(await modelseal(args)).toMatchObject({ code: 0, stderr: '' })
  })

  test('a directory that ORAS pushes in one archive is verified and pulled', async () => {
    const model = await signedModel()
    const name = `${registry.host}/models/directory:1.0`
    const pushed = await client('oras', ['push', '--plain-http', name, './vad'], dirname(model.path))
    expect(pushed).toMatchObject({ code: 0 })
    const target = join(temporary(), 'pulled')
    const args = ['pull', `oci://${name}`, target, '--policy', policyFor(model)]
    expect(await modelseal(args)).toMatchObject({ code: 0, stderr: '' })
    expect(contentsOf(target)).toEqual(contentsOf(model.path))
  })

  test('a second push sends nothing again, and keeps what others attached', async () => {
    const model = await signedModel()
    const first = await push(model, 'models/again')
    const attach = [
      'attach',
      '--plain-http',
      '--artifact-type',
      'application/vnd.example.card',
      first.name,
      'README.md',
    ]
    expect(await client('oras', attach, model.path)).toMatchObject({ code: 0 })
    const second = await push(model, 'models/again')
    expect(second.revision).toBe(first.revision)
    expect(second.uploaded.filter(({ isSent }) => isSent === true)).toEqual([])
    const { stdout } = await client('oras', ['discover', '--plain-http', '--format', 'json', first.name])
    expect((JSON.parse(stdout) as { referrers: unknown[] }).referrers).toHaveLength(2)
  })
})
