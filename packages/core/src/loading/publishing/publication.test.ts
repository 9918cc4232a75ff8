import { rename, rm } from 'node:fs/promises'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { checkContents } from '../../manifest/check-contents.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { signModel } from '../../signing/sign-model.ts'
import { localModelSource } from '../../source/local/local-model-source.ts'
import type { ModelSource } from '../../source/model-source.ts'
import { checkServed } from './check-served.ts'
import { preparePublication, unsignedAmong } from './publication.ts'

vi.mock('../../manifest/check-contents.ts', { spy: true })

let site: TestSite
beforeEach(async () => {
  vi.mocked(checkContents).mockClear()
  site = await TestSite.make()
  onTestFinished(() => site.remove())
  await site.key('a')
  await site.key('b')
  await site.model('m')
})

const by = (key: string) => ({ signedBy: { verifier: { publicKey: site.file(`${key}.pub`) } } })

function policy(rule: object = {}): Promise<string> {
  const all = { name: 'all', match: { path: 'm' }, signers: [{ key: 'a' }, { key: 'b' }] }
  const roots = { a: { publicKey: 'a.pub' }, b: { publicKey: 'b.pub' } }
  return site.policy({ version: 1, trustRoots: roots, rules: [{ ...all, ...rule }] })
}

describe('a model is published', () => {
  test('with the bundle in it, by the names that were signed', async () => {
    const rootDigest = await site.sign('m', 'a', 'm/model.sig')
    const { manifest, files, bundles, signers } = await preparePublication(site.file('m'), by('a'))
    expect(manifest.rootDigest).toBe(rootDigest)
    expect(files.map(({ name, size, path }) => [name, size, path])).toEqual([
      ['config.json', 2, site.file('m/config.json')],
      ['weights.bin', 7, site.file('m/weights.bin')],
    ])
    expect(bundles.map(({ name }) => name)).toEqual(['model.sig'])
    expect(signers).toEqual([expect.stringMatching(/^key sha256:/)])
  })

  test('with a bundle beside it, which gets the usual name', async () => {
    await site.sign('m', 'a')
    const signature = site.file('m.sig')
    const { bundles } = await preparePublication(site.file('m'), { ...by('a'), signature })
    expect(bundles.map(({ name, path }) => [name, path])).toEqual([['model.sig', signature]])
  })

  test('with a bundle that was moved into it after it was signed, whatever its name', async () => {
    await site.sign('m', 'a')
    await rename(site.file('m.sig'), site.file('m/release.json'))
    const { files, bundles } = await preparePublication(site.file('m'), {
      ...by('a'),
      signature: site.file('m/release.json'),
    })
    expect(files.map(({ name }) => name)).toEqual(['config.json', 'weights.bin'])
    expect(bundles.map(({ name }) => name)).toEqual(['model.sig'])
  })

  test('with all bundles that a policy counts, by names that count together', async () => {
    await site.sign('m', 'a')
    await site.sign('m', 'b', 'm.other.sig')
    const threshold = await policy({ threshold: 2 })
    const { bundles, signers } = await preparePublication(site.file('m'), { signedBy: { policy: threshold } })
    expect(bundles.map(({ name }) => name).sort()).toEqual(['signer-1.oms.sig', 'signer-2.oms.sig'])
    expect(signers).toHaveLength(2)
  })

  test('after its files were hashed once, if its rule checks all of them', async () => {
    await site.sign('m', 'a', 'm/model.sig')
    await preparePublication(site.file('m'), { signedBy: { policy: await policy() } })
    expect(checkContents).not.toHaveBeenCalled()
    const signedBy = { policy: await policy({ require: { files: 'loaded' } }) }
    await preparePublication(site.file('m'), { signedBy })
    expect(checkContents).toHaveBeenCalledOnce()
  })

  test.each<[string, object]>([
    ['lists', { unsigned: ['notes.txt', 'logs'] }],
    ['lists, while it checks what is loaded', { files: 'loaded', unsigned: ['notes.txt', 'logs'] }],
    ['ignores', { files: 'ignore-unsigned' }],
  ])('without the unsigned files that its rule %s', async (_, require) => {
    await site.sign('m', 'a', 'm/model.sig')
    await site.write('m/notes.txt', 'notes')
    await site.write('m/logs/today', 'log')
    const signedBy = { policy: await policy({ require }) }
    const publication = await preparePublication(site.file('m'), { signedBy })
    const names = [...publication.files, ...publication.bundles].map(({ name }) => name)
    expect(names).toEqual(['config.json', 'weights.bin', 'model.sig'])
    expect(publication.attestations).toEqual([])
  })

  test('if it is a single file, under its name', async () => {
    await signModel(site.file('m/weights.bin'), { signer: await keySigner({ privateKey: site.file('a.key') }) })
    const { files, bundles } = await preparePublication(site.file('m/weights.bin'), by('a'))
    expect(files.map(({ name }) => name)).toEqual(['weights.bin'])
    expect(bundles.map(({ name }) => name)).toEqual(['model.sig'])
  })
})

describe('a model is not published', () => {
  test('if a signed file has the name of the bundle', async () => {
    const file = await site.write('m/model.sig', 'content')
    const signer = await keySigner({ privateKey: site.file('a.key') })
    await signModel(file, { signer, signature: site.file('other.sig') })
    const published = preparePublication(file, { ...by('a'), signature: site.file('other.sig') })
    await expect(published).rejects.toEqual(refusal('INVALID_ARGUMENT', { file: site.file('other.sig') }))
  })

  test('if another key signed it, or a file was changed or added', async () => {
    await site.sign('m', 'a', 'm/model.sig')
    await expect(preparePublication(site.file('m'), by('b'))).rejects.toEqual(refusal('KEY_MISMATCH'))
    await site.write('m/new.py', '')
    await expect(preparePublication(site.file('m'), by('a'))).rejects.toEqual(refusal('FILE_UNSIGNED'))
    await rm(site.file('m/new.py'))
    await site.write('m/config.json', '[]')
    await expect(preparePublication(site.file('m'), by('a'))).rejects.toEqual(refusal('FILE_MISMATCH'))
  })

  test('if the policy only tolerates it', async () => {
    await site.sign('m', 'a', 'm/model.sig')
    await site.write('m/config.json', '[]')
    const signedBy = { policy: await policy({ mode: 'audit' }) }
    await expect(preparePublication(site.file('m'), { signedBy })).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
  })

  test('if a file that its rule does not load was changed', async () => {
    await site.sign('m', 'a', 'm/model.sig')
    await site.write('m/config.json', '[]')
    const signedBy = { policy: await policy({ require: { files: 'loaded' } }) }
    await expect(preparePublication(site.file('m'), { signedBy })).rejects.toEqual(refusal('FILE_MISMATCH'))
  })

  test.each([{ unsigned: ['notes.txt'] }, { files: 'loaded', unsigned: ['notes.txt'] }, { files: 'loaded' }])(
    'if there is an unsigned file that its rule does not allow: %j',
    async (require) => {
      await site.sign('m', 'a', 'm/model.sig')
      await site.write('m/new.py', '')
      const signedBy = { policy: await policy({ require }) }
      await expect(preparePublication(site.file('m'), { signedBy })).rejects.toEqual(refusal('FILE_UNSIGNED'))
    },
  )

  test('if a signed file was changed, even where its rule allows unsigned ones', async () => {
    await site.sign('m', 'a', 'm/model.sig')
    await site.write('m/notes.txt', 'notes')
    await site.write('m/config.json', '[]')
    const signedBy = { policy: await policy({ require: { files: 'loaded', unsigned: ['notes.txt', 'config.json'] } }) }
    await expect(preparePublication(site.file('m'), { signedBy })).rejects.toEqual(refusal('FILE_MISMATCH'))
  })

  test('if the bundle is not the one that was just written', async () => {
    const signer = await keySigner({ privateKey: site.file('a.key') })
    const { bundleDigest } = await signModel(site.file('m'), { signer })
    const signedBy = { bundleDigest }
    expect((await preparePublication(site.file('m'), { signedBy })).signers).toEqual([])
    await site.sign('m', 'b', 'm/model.sig')
    await expect(preparePublication(site.file('m'), { signedBy })).rejects.toEqual(refusal('FILE_CHANGED'))
  })
})

test('files at the place that verifying would refuse are named, and no others', async () => {
  await site.sign('m', 'a', 'm/model.sig')
  const publication = await preparePublication(site.file('m'), by('a'))
  const names = ['.gitattributes', '.github/x', 'model.sig', 'config.json', 'old.bin', 'sub/model.sig']
  expect(
    unsignedAmong(
      publication,
      names.map((name) => ({ name, size: 1 })),
    ),
  ).toEqual(['old.bin', 'sub/model.sig'])
})

describe('what is served is compared with what was published:', () => {
  /** The directory `served`, as a source that states no digests. */
  async function served(): Promise<ModelSource> {
    const session = await localModelSource(site.file('served')).open({ signal: undefined })
    const files = { ...(await session.model()), local: undefined }
    const names = ['config.json', 'weights.bin', 'signer-1.oms.sig', 'signer-2.oms.sig', 'model.sig']
    const list = async function* () {
      for (const name of names) {
        let size: number | undefined
        await files.read({ name, signal: new AbortController().signal }, ({ size: found }) =>
          Promise.resolve(void (size = found)),
        )
        if (size !== undefined) yield { name, size }
      }
    }
    return {
      place: { url: 'store://served' },
      open: () => ({ model: () => ({ ...files, list }), bundles: (given) => session.bundles(given) }),
    }
  }

  test('several bundles are found where they were put', async () => {
    await site.sign('m', 'a')
    await site.sign('m', 'b', 'm.other.sig')
    const signedBy = { policy: await policy({ threshold: 2 }) }
    const publication = await preparePublication(site.file('m'), { signedBy })
    await rename(site.file('m'), site.file('served'))
    for (const { name, bytes } of publication.bundles) await site.write(`served/${name}`, bytes)
    expect(await checkServed(await served(), publication)).toMatchObject({ files: { listed: 2, read: 2 }, bytes: 9 })
    await rm(site.file('served/signer-2.oms.sig'))
    await expect(checkServed(await served(), publication)).rejects.toEqual(
      refusal('BUNDLE_NOT_FOUND', { file: 'signer-2.oms.sig' }),
    )
  })

  test('another file of the same size, a missing one and another size are refused', async () => {
    await site.sign('m', 'a', 'm/model.sig')
    const publication = await preparePublication(site.file('m'), by('a'))
    await rename(site.file('m'), site.file('served'))
    await site.write('served/weights.bin', 'WEIGHTS')
    await expect(checkServed(await served(), publication)).rejects.toEqual(
      refusal('FILE_MISMATCH', { file: 'weights.bin' }),
    )
    await site.write('served/weights.bin', 'more weights')
    await expect(checkServed(await served(), publication)).rejects.toEqual(
      refusal('FILE_MISMATCH', { expected: '7 bytes', found: '12 bytes' }),
    )
    await rm(site.file('served/weights.bin'))
    await expect(checkServed(await served(), publication)).rejects.toEqual(
      refusal('FILE_MISSING', { file: 'weights.bin' }),
    )
  })
})
