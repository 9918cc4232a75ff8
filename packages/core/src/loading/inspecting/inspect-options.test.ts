import { mkdir, readFile, rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import type { ModelFiles } from '../../source/model-source.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { inspectModel } from './inspect-model.ts'

let site: TestSite
beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.model('vad')
  await site.sign('vad', 'a')
  await site.write('bundle.json', await readFile(site.file('vad.sig')))
})
afterAll(() => site.remove())

describe('how a model is inspected', () => {
  test('can be chosen: its bundle, and how large that may be', async () => {
    const options = { signature: site.file('bundle.json') }
    const { model, bundles } = await inspectModel(site.file('vad'), options)
    expect([model, bundles.map(({ path }) => path)]).toEqual([site.file('vad'), [site.file('bundle.json')]])
    for (const given of [site.file('vad'), site.file('vad.sig')])
      expect((await inspectModel(given, { maxBundleBytes: 100 })).bundles).toMatchObject([
        { error: { code: 'BUNDLE_TOO_LARGE' } },
      ])
  })

  test.each([{ maxBundleBytes: 0 }, { signature: 1 }, { signal: 1 }, { more: true }])(
    'is refused if an option is wrong: %j',
    async (options) => {
      await expect(inspectModel(site.file('vad'), options as never)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    },
  )

  test('can be abandoned', async () => {
    for (const given of ['vad', 'vad.sig'])
      await expect(inspectModel(site.file(given), { signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
  })
})

describe('a single file', () => {
  test('is a bundle by its content, or a model', async () => {
    const found = await inspectModel(site.file('bundle.json'))
    expect(found).toMatchObject({ bundles: [{ method: 'key' }], attestations: [] })
    expect(found).not.toHaveProperty('model')
    await site.write('config.json', '{}')
    await site.sign('config.json', 'a')
    const { model, bundles } = await inspectModel(site.file('config.json'))
    expect(model).toBe(site.file('config.json'))
    expect(bundles).toMatchObject([
      { path: site.file('config.json.sig'), statement: { files: [{ name: 'config.json', size: 2 }] } },
    ])
  })

  test.each(['broken.sig', 'BROKEN.SIGSTORE'])(
    'that has the name of a bundle is one, even if it is broken: %s',
    async (name) => {
      const path = await site.write(name, '{}')
      expect(await inspectModel(path)).toMatchObject({ bundles: [{ path, error: { code: 'BUNDLE_MALFORMED' } }] })
    },
  )

  test.each(['a.sig.bin', 'a.sigs'])('that has another name is not a bundle: %s', async (name) => {
    await expect(inspectModel(await site.write(name, '{}'))).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
  })
})

describe('a single file elsewhere', () => {
  /** What is read of it, and of the bundle beside it. */
  async function inspected(name: string, content: string | Buffer | ModelSealError) {
    const asked: string[] = []
    const files: Partial<ModelFiles> = {
      name,
      isFile: true,
      list: undefined as never,
      read: async (request, receive) => {
        asked.push(request.name)
        if (content instanceof ModelSealError) throw content
        await receive({ chunks: [Buffer.from(content)] })
      },
    }
    const beside = new Map([['model.sig', await readFile(site.file('vad.sig'))]])
    const found = await inspectModel(memorySource(`store://${name}`, beside, { files }))
    return { ...found, asked }
  }

  test.each(['m.sig', 'm.SIGSTORE', 'm.json', 'm.jsonl'])('is a bundle: %s', async (name) => {
    const { bundles, model, asked } = await inspected(name, await readFile(site.file('vad.sig')))
    expect(bundles).toMatchObject([{ path: `store://${name}`, method: 'key', statement: { name: 'vad' } }])
    expect(model).toBeUndefined()
    expect(asked).toEqual([name])
  })

  test.each(['m.bin', 'm.sig.bin', 'm.jsonlx', 'msig'])('is a model that is not read: %s', async (name) => {
    const { bundles, model, asked } = await inspected(name, 'weights')
    expect([model, asked]).toEqual([`store://${name}`, []])
    expect(bundles).toMatchObject([{ path: `store://${name}/model.sig` }])
  })

  test('that is broken is a bundle only by its name', async () => {
    for (const name of ['m.sig', 'm.sigstore'])
      expect(await inspected(name, '{}')).toMatchObject({ bundles: [{ path: `store://${name}`, error: {} }] })
    for (const name of ['m.json', 'm.sig.json'])
      expect(await inspected(name, '{}')).toMatchObject({ model: `store://${name}`, bundles: [{ method: 'key' }] })
  })
})

describe('sizes of files', () => {
  const signed = async () => new Map([['model.sig', await readFile(site.file('vad.sig'))]])
  const sizesIn = async (files: Partial<ModelFiles>) => {
    const { bundles } = await inspectModel(memorySource('store://vad', await signed(), { files }))
    expect(bundles[0]).not.toHaveProperty('error')
    return bundles[0]?.statement?.files.map((file) => ('size' in file ? file.size : 'none'))
  }

  test('are unknown if nothing states them', async () => {
    expect(await sizesIn({ list: undefined as never })).toEqual(['none', 'none'])
    expect(await sizesIn({ list: () => [{ name: 'config.json' }, { name: 'weights.bin', size: 7 }] })).toEqual([
      'none',
      7,
    ])
  })

  test('are those that were signed, for a model in shards', async () => {
    await site.model('sharded', { 'a.bin': 'weights' })
    await site.sign('sharded', 'a', 'sharded.sig', { shardSize: 4 })
    await site.write('sharded/a.bin', 'other weights')
    const { bundles } = await inspectModel(site.file('sharded'))
    expect(bundles[0]?.statement?.files).toMatchObject([{ name: 'a.bin', size: 7 }])
  })

  test('are those of files on disk', async () => {
    await site.model('other', { 'a.bin': 'weights', 'b.bin': 'b', 'c.bin': 'c' })
    await site.sign('other', 'a')
    for (const name of ['a.bin', 'b.bin']) await rm(site.file('other', name))
    await mkdir(site.file('other/b.bin'))
    const { bundles } = await inspectModel(site.file('other'))
    expect(bundles[0]?.statement?.files.map((file) => ('size' in file ? file.size : 'none'))).toEqual([
      'none',
      'none',
      1,
    ])
  })
})

test('attestations that cannot be read are reported beside the bundles', async () => {
  const content = new Map([['model.sig', await readFile(site.file('vad.sig'))]])
  const claims = (error: Error) => () => {
    throw error
  }
  const tooMany = new ModelSealError('ATTESTATIONS_TOO_MANY', 'No.')
  const opened = (error: Error) =>
    inspectModel(memorySource('store://vad', content, { session: { claims: claims(error) } }))
  const found = await opened(tooMany)
  expect(found).toMatchObject({
    bundles: [{ method: 'key' }],
    attestations: [],
    attestationsError: { code: 'ATTESTATIONS_TOO_MANY' },
  })
  await expect(opened(new ModelSealError('ABORTED', 'No.'))).rejects.toEqual(refusal('ABORTED'))
})

test('the source is closed, whether or not a bundle was found', async () => {
  let closed = 0
  const session = {
    close: () => {
      closed++
    },
  }
  const content = new Map([['model.sig', await readFile(site.file('vad.sig'))]])
  await inspectModel(memorySource('store://vad', content, { session }))
  await expect(inspectModel(memorySource('store://vad', new Map(), { session }))).rejects.toEqual(
    refusal('BUNDLE_NOT_FOUND'),
  )
  expect(closed).toBe(2)
})

test('a directory is a model, whatever its name', async () => {
  await site.model('dir.sig')
  await site.sign('dir.sig', 'a', 'dir.sig/model.sig')
  expect(await inspectModel(site.file('dir.sig'))).toMatchObject({
    model: site.file('dir.sig'),
    bundles: [{ path: site.file('dir.sig/model.sig'), method: 'key' }],
  })
})

test('a model on disk has no fields for commits', async () => {
  expect(Object.keys(await inspectModel(site.file('vad'))).sort()).toEqual(['attestations', 'bundles', 'model'])
})
