import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { buildManifest } from '../../manifest/build.ts'
import { openLocalSource } from '../../source/local/local-source.ts'
import type { SourceFile } from '../../source/local/source-file.ts'
import { filesAt } from '../../source/model-sources.ts'
import { digestModel } from '../../signing/digest-model.ts'
import { blake2b, sha256 } from '../../testing/bundles.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import * as manifests from '../files/unrevoked-manifest.ts'
import { LinkedFiles } from '../files/linked-files.ts'
import type { RevokedFiles } from '../files/revoked-files.ts'
import { hashAgain } from './hash-again.ts'
import type { JudgedLoad, VerifiedContent } from './judged-load.ts'
import { LoadedContent } from './loaded-content.ts'
import { SeenFiles } from './seen-files.ts'

vi.mock('../files/unrevoked-manifest.ts', { spy: true })

const MODEL = { 'config.json': '{}', 'weights.bin': 'weights' }
const FILES = { method: 'files', hashType: 'sha256', allowSymlinks: false } as const
const BLAKE = { hashTypes: ['blake2b'], rootDigest: false, attestations: false } as const
const ROOT = { hashTypes: [], rootDigest: true, attestations: false } as const

/** The file's content is known to be that of its state. */
const settled = (file: SourceFile): SourceFile => ({ name: file.name, path: file.path, identity: file.identity })

async function loaded(more: Partial<VerifiedContent> | undefined, content = new LoadedContent()) {
  const root = scratch(MODEL)
  const local = await openLocalSource(root)
  const { manifest } = await buildManifest(local, FILES, {})
  const verified = more && ({ manifest, files: { isFile: false }, local, ...more } as unknown as VerifiedContent)
  return { root, content, load: { content, verified } as unknown as JudgedLoad }
}

/** The refusal of a model of which a digest is not known. */
const unknown = (code: 'FILE_REVOKED' | 'MODEL_REVOKED', cause: unknown) => refusal(code, { cause })
const NOT_HERE = refusal('FILE_NOT_FOUND')

describe('a verified model', () => {
  test('has further digests of its files', async () => {
    const { content, load, root } = await loaded({})
    writeFileSync(join(root, 'added'), 'not part of what was loaded')
    await hashAgain(load, BLAKE)
    expect(content.digestsBy('blake2b')).toEqual(
      new Map([
        ['config.json', new Set([blake2b('{}')])],
        ['weights.bin', new Set([blake2b('weights')])],
      ]),
    )
    expect(content.rootDigests).toBeUndefined()
  })

  test('must still match its signature', async () => {
    const { content, load, root } = await loaded({})
    writeFileSync(join(root, 'weights.bin'), 'changed')
    await expect(hashAgain(load, BLAKE)).rejects.toEqual(unknown('FILE_REVOKED', refusal('FILE_MISMATCH')))
    expect(content.digestsBy('blake2b')).toBeUndefined()
  })

  test('is refused if one of its files is revoked by such a digest', async () => {
    const { content, load } = await loaded({})
    const revoked = new ModelSealError('FILE_REVOKED', 'No.')
    const check = (name: string) => {
      if (name === 'weights.bin') throw revoked
    }
    content.alsoBy({}, { hashTypes: [], check } as unknown as RevokedFiles)
    await expect(hashAgain(load, BLAKE)).rejects.toBe(revoked)
    expect(content.digestsBy('blake2b')).toBeUndefined()
  })

  test('may be in a directory in which its source keeps files, or nowhere', async () => {
    const kept = scratch(MODEL)
    const onDisk = vi.fn(() => filesAt(kept))
    const cached = await loaded({ local: undefined, files: { isFile: false, onDisk } as never })
    await hashAgain(cached.load, BLAKE)
    expect(onDisk).toHaveBeenCalledWith(Object.keys(MODEL), undefined)
    expect(cached.content.digestsBy('blake2b')?.size).toBe(2)
    for (const files of [
      { isFile: false },
      { isFile: true, onDisk },
      { isFile: false, onDisk: () => undefined },
      { isFile: false, onDisk: () => filesAt(join(kept, 'config.json')) },
    ]) {
      const { load } = await loaded({ local: undefined, files: files as never })
      await expect(hashAgain(load, BLAKE)).rejects.toEqual(unknown('FILE_REVOKED', NOT_HERE))
    }
  })
})

describe('a model that was loaded unverified', () => {
  async function seen(...names: string[]) {
    const { root, content, load } = await loaded(undefined)
    const linked = await LinkedFiles.open({ root, names: undefined }, { hashTypes: [], check: () => {} }, {})
    const states = new SeenFiles((await linked.find(names)).map(settled))
    content.unverified = { root, names: new Set(names), seen: states }
    return { root, content, load }
  }

  test('has digests of the files that were handed out', async () => {
    const { content, load } = await seen('weights.bin')
    await hashAgain(load, BLAKE)
    expect(content.digestsBy('blake2b')).toEqual(new Map([['weights.bin', new Set([blake2b('weights')])]]))
  })

  test('cannot be judged if one of them changed', async () => {
    const { root, content, load } = await seen('weights.bin')
    writeFileSync(join(root, 'weights.bin'), 'changed')
    await expect(hashAgain(load, BLAKE)).rejects.toEqual(unknown('FILE_REVOKED', refusal('FILE_CHANGED')))
    expect(content.digestsBy('blake2b')).toBeUndefined()
    const elsewhere = await loaded(undefined)
    await expect(hashAgain(elsewhere.load, BLAKE)).rejects.toEqual(unknown('FILE_REVOKED', NOT_HERE))
  })
})

describe('the root digest of a model that was loaded unverified', () => {
  async function published(change: (root: string) => void = () => {}) {
    const { root, content, load } = await loaded(undefined)
    content.path = root
    content.published = new SeenFiles((await manifests.publishedFiles(root, [], {})).map(settled))
    change(root)
    return { root, content, load }
  }

  test('is computed from the files as they were', async () => {
    const { root, content, load } = await published()
    await hashAgain(load, ROOT)
    expect(content.rootDigests).toEqual([(await digestModel(root)).rootDigest])
  })

  test('leaves out the bundle that was given, and is with and without what may be unsigned', async () => {
    const { root, content, load } = await published((root) => writeFileSync(join(root, 'own.sig'), 'junk'))
    const without = sha256(Buffer.from(sha256('weights'), 'hex'))
    const given = { ...load, signature: join(root, 'own.sig'), mayBeUnsigned: (name: string) => name === 'config.json' }
    await hashAgain(given, ROOT)
    expect(content.rootDigests).toHaveLength(2)
    expect(content.rootDigests?.[1]).toBe(without)
    await expect(hashAgain(load, ROOT)).rejects.toEqual(unknown('MODEL_REVOKED', refusal('FILE_CHANGED')))
  })

  test.each<[string, (root: string) => void]>([
    ['changed', (root) => writeFileSync(join(root, 'weights.bin'), 'changed')],
    ['was added', (root) => writeFileSync(join(root, 'added'), 'added')],
  ])('cannot be computed any more if a file %s', async (_, change) => {
    const { content, load } = await published(change)
    await expect(hashAgain(load, ROOT)).rejects.toEqual(unknown('MODEL_REVOKED', refusal('FILE_CHANGED')))
    expect(content.rootDigests).toBeUndefined()
  })

  test('does not count if a file changed while the files were hashed', async () => {
    const { root, content, load } = await published()
    const { publishedManifests: compute } = await vi.importActual<typeof manifests>('../files/unrevoked-manifest.ts')
    vi.spyOn(manifests, 'publishedManifests').mockImplementationOnce((...model) => {
      writeFileSync(join(root, 'weights.bin'), 'changed')
      return compute(...model)
    })
    await expect(hashAgain(load, ROOT)).rejects.toEqual(unknown('MODEL_REVOKED', refusal('FILE_CHANGED')))
    expect(content.rootDigests).toBeUndefined()
  })

  test('cannot be computed elsewhere, or if its files were not seen, or cannot be read', async () => {
    const elsewhere = await loaded(undefined)
    await expect(hashAgain(elsewhere.load, ROOT)).rejects.toEqual(unknown('MODEL_REVOKED', NOT_HERE))
    const unseen = await published()
    unseen.content.published = undefined
    await expect(hashAgain(unseen.load, ROOT)).rejects.toEqual(unknown('MODEL_REVOKED', refusal('FILE_UNREADABLE')))
    const linked = await published((root) => symlinkSync('weights.bin', join(root, 'link')))
    await expect(hashAgain(linked.load, ROOT)).rejects.toEqual(unknown('MODEL_REVOKED', refusal('SYMLINK_REFUSED')))
    const both = { ...BLAKE, rootDigest: true }
    await expect(hashAgain(elsewhere.load, both)).rejects.toEqual(unknown('FILE_REVOKED', NOT_HERE))
  })
})
