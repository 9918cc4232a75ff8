import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { openVerifiedModel, pullModels } from '@modelseal/core'
import { attestModel } from '@modelseal/core/attestation'
import { keySigner } from '@modelseal/core/signing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { refusal, scratch } from '../../../../core/src/testing/scratch.ts'
import { TestSite } from '../../../../core/src/testing/site.ts'
import { orasDirectory, tarOf } from '../../testing/oci-archives.ts'
import { TestRegistry, TITLE, type Layer } from '../../testing/oci-registry.ts'
import '../../index.ts'
import { ociSource } from '../oci-source.ts'

const REVIEW = 'https://example.org/review/v1'
/** Among them a directory with the name of the model, with a file whose name is also outside of it. */
const FILES = { 'config.json': '{}', 'vad/config.json': '{"vad":1}', 'weights.bin': 'weights'.repeat(10_000) }

let site: TestSite
let bundle: Buffer
/** Of the directory that contains the model. */
let outerBundle: Buffer
let claims: Buffer

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('release')
  await site.model('vad', FILES)
  await site.model('outer', { 'vad/config.json': '{}', 'vad/weights.bin': FILES['weights.bin'] })
  await site.sign('vad', 'release', 'vad.sig')
  await site.sign('outer', 'release', 'outer.sig')
  bundle = readFileSync(site.file('vad.sig'))
  outerBundle = readFileSync(site.file('outer.sig'))
  const signer = await keySigner({ privateKey: site.file('release.key') })
  const output = site.file('claims.jsonl')
  await attestModel(site.file('vad'), { signer, type: REVIEW, predicate: {}, output })
  claims = readFileSync(output)
})
afterAll(() => site.remove())

const titled = (name: string, content: Uint8Array): Layer => ({ content, annotations: { [TITLE]: name } })
const packed = (files: object, name = 'vad') => orasDirectory(name, Object.entries(files) as [string, Buffer][])

async function registryWith(layers: readonly Layer[], attached?: Buffer): Promise<TestRegistry> {
  const registry = await TestRegistry.start()
  const digest = registry.push(layers, { tag: '1.0', artifactType: 'application/vnd.unknown.artifact.v1' })
  if (attached) registry.attach(attached, digest)
  return registry
}

const policyWith = (rule: object) =>
  site.policy({
    version: 1,
    trustRoots: { release: { publicKey: 'release.pub' } },
    rules: [{ name: 'any', match: { url: 'oci://**' }, signers: [{ key: 'release' }], ...rule }],
  })

async function load(registry: TestRegistry, rule: object = {}) {
  await using model = await openVerifiedModel(ociSource(registry.url()), { policy: await policyWith(rule) })
  const { verdict, files } = model
  return { verdict, files: [...files].sort() }
}

describe('a directory that "oras push REF ./DIR" packed is the model', () => {
  test.each(['vad', 'models/vad'])('with its bundle inside (%s)', async (name) => {
    const registry = await registryWith([await packed({ ...FILES, 'model.sig': bundle }, name)])
    const { verdict, files } = await load(registry)
    expect(verdict.bundles).toMatchObject([{ path: registry.url(':1.0/model.sig'), counted: true }])
    expect(files).toEqual(Object.keys(FILES).sort())
  })

  test.each([
    ['attached', [], true],
    ['in a layer beside it', ['model.sig'], false],
  ])('with its bundle %s', async (_, names, isAttached) => {
    const beside = names.map((name) => titled(name, bundle))
    const registry = await registryWith([await packed(FILES), ...beside], isAttached ? bundle : undefined)
    expect((await load(registry)).files).toEqual(Object.keys(FILES).sort())
  })

  test('with its attestations inside or beside it', async () => {
    const require = { attestations: [{ type: REVIEW, signers: [{ key: 'release' }] }] }
    const signed = { ...FILES, 'model.sig': bundle }
    for (const layers of [
      [await packed({ ...signed, 'claims.jsonl': claims })],
      [await packed(signed), titled('claims.jsonl', claims)],
    ]) {
      const registry = await registryWith(layers)
      const { verdict } = await load(registry, { require })
      expect(verdict.attestations).toMatchObject([{ path: registry.url(':1.0/claims.jsonl:1'), satisfies: [REVIEW] }])
    }
    await expect(load(await registryWith([await packed(signed)]), { require })).rejects.toEqual(
      refusal('ATTESTATION_MISSING'),
    )
  })

  test('and is pulled with its bundle and its attestations', async () => {
    const files = { ...FILES, 'claims.jsonl': claims, 'model.sig': bundle }
    const registry = await registryWith([await packed(files)])
    const policy = await policyWith({})
    const directory = join(scratch({}), 'pulled')
    await pullModels([{ source: registry.url(), directory }], { policy })
    for (const [name, content] of Object.entries(files))
      expect(readFileSync(join(directory, name)).equals(Buffer.from(content))).toBe(true)
  })

  test('unless the directory above it was signed', async () => {
    const files = { 'config.json': '{}', 'weights.bin': FILES['weights.bin'] }
    const { files: loaded } = await load(await registryWith([await packed(files)], outerBundle))
    expect(loaded).toEqual(['vad/config.json', 'vad/weights.bin'])
  })

  test('unless there is other content beside it', async () => {
    const layers = [await packed({ ...FILES, 'model.sig': bundle }), titled('README.md', Buffer.from('# vad'))]
    await expect(load(await registryWith(layers))).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
    await expect(load(await registryWith(layers, bundle))).rejects.toEqual(refusal('FILE_MISMATCH'))
    const two = [await packed({ 'weights.bin': FILES['weights.bin'] }), await packed({ 'config.json': '{}' }, 'other')]
    await expect(load(await registryWith(two, bundle))).rejects.toEqual(refusal('FILE_MISSING'))
  })

  test('unless a file is outside of it', async () => {
    const { annotations = {} } = await packed({})
    for (const name of ['config.json', 'vad', 'VAD/config.json', 'vadim/config.json']) {
      const tar = await tarOf([
        ['vad/weights.bin', FILES['weights.bin']],
        [name, '{}'],
      ])
      const registry = await registryWith([{ annotations, content: gzipSync(tar) }], bundle)
      await expect(load(registry)).rejects.toEqual(
        refusal('SOURCE_LISTING', { message: expect.stringContaining('is not in the directory "vad"') as string }),
      )
    }
  })

  test('but not one that leads elsewhere', async () => {
    for (const name of ['..', '/vad', 'vad/../..']) {
      const registry = await registryWith([await packed(FILES, name)], bundle)
      await expect(load(registry)).rejects.toEqual(refusal('SOURCE_LISTING'))
    }
    const { files } = await load(await registryWith([await packed({ ...FILES, 'model.sig': bundle }, '.')]))
    expect(files).toHaveLength(3)
  })

  test('whose files are those that were signed', async () => {
    const changed = { ...FILES, 'weights.bin': 'weightS'.repeat(10_000), 'model.sig': bundle }
    await expect(load(await registryWith([await packed(changed)]))).rejects.toEqual(refusal('FILE_MISMATCH'))
    // Not the file of that name outside of it.
    const rest = { 'config.json': FILES['config.json'], 'weights.bin': FILES['weights.bin'] }
    await expect(load(await registryWith([await packed(rest)], bundle))).rejects.toEqual(refusal('FILE_MISMATCH'))
  })
})

describe('the places that a rule names', () => {
  const rule = { bundle: ['signatures/*.sig', 'other.sig'] }

  test('are looked for at the beginning of an archive', async () => {
    const signed = { 'model.sig': 'not looked for', 'signatures/a.sig': bundle, ...FILES, 'other.sig': bundle }
    const registry = await registryWith([await packed(signed)])
    expect((await load(registry, rule)).verdict.bundles).toMatchObject([
      { path: registry.url(':1.0/signatures/a.sig'), counted: true },
      { path: registry.url(':1.0/other.sig') },
    ])
    expect((await load(registry, { bundle: 'other.sig' })).verdict.decision).toBe('accepted')
  })

  test('are the only ones', async () => {
    const registry = await registryWith([await packed({ ...FILES, 'model.sig': bundle })], bundle)
    await expect(load(registry, rule)).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
  })
})
