import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import { listFiles } from '../../testing/list-files.ts'
import { openLocalSource } from './local-source.ts'

const BLOB = 'a'.repeat(64)
const GIT_BLOB = 'b'.repeat(40)

/** A cache with one model, in the layout of the Hugging Face hub client. */
function cache() {
  const root = scratch({
    [`models--org--name/blobs/${BLOB}`]: 'weights',
    [`models--org--name/blobs/${GIT_BLOB}`]: '{}',
    [`models--org--other/blobs/${BLOB}`]: 'of another',
    'models--org--name/refs/main': 'rev',
    outside: 'outside',
  })
  const repository = join(root, 'models--org--name')
  const snapshot = join(repository, 'snapshots', 'rev')
  mkdirSync(join(snapshot, 'onnx'), { recursive: true })
  symlinkSync(`../../blobs/${GIT_BLOB}`, join(snapshot, 'config.json'))
  symlinkSync(`../../../blobs/${BLOB}`, join(snapshot, 'onnx', 'model.onnx'))
  return { root, repository, snapshot }
}

async function listed(path: string) {
  const files = await listFiles(await openLocalSource(path), { ignored: () => false, followLinks: false })
  return files.map(({ name, path }) => `${name} ${path}`).sort()
}

describe('a snapshot of a Hugging Face cache', () => {
  test('counts as plain files, which are read from their blobs', async () => {
    const { repository, snapshot } = cache()
    expect(await listed(snapshot)).toEqual([
      `config.json ${join(repository, 'blobs', GIT_BLOB)}`,
      `onnx/model.onnx ${join(repository, 'blobs', BLOB)}`,
    ])
  })

  test('has a file that can be opened alone', async () => {
    const { repository, snapshot } = cache()
    expect(await listed(join(snapshot, 'config.json'))).toEqual([`config.json ${join(repository, 'blobs', GIT_BLOB)}`])
  })

  test('can be reached through a link', async () => {
    const { root, snapshot } = cache()
    symlinkSync(snapshot, join(root, 'current'))
    expect(await listed(join(root, 'current'))).toHaveLength(2)
  })

  test.each([
    ['out of the cache', () => '../../../outside'],
    ['to a blob of another repository', () => `../../../models--org--other/blobs/${BLOB}`],
    ['through the blobs to elsewhere', () => `../../blobs/../refs/main`],
    ['to something other than a blob in the blob directory', () => '../../blobs/main'],
    ['to a directory below the blobs', () => `../../blobs/sub/${BLOB}`],
    ['to the blobs themselves', () => '../../blobs'],
    ['to a missing blob', () => `../../blobs/${'c'.repeat(64)}`],
    ['to another file of the snapshot', () => 'onnx/model.onnx'],
    ['to itself', () => 'evil'],
  ])('is refused with a link that leads %s', async (_, target) => {
    const { repository, snapshot } = cache()
    mkdirSync(join(repository, 'blobs', 'sub'))
    writeFileSync(join(repository, 'blobs', 'sub', BLOB), 'x')
    writeFileSync(join(repository, 'blobs', 'main'), 'x')
    symlinkSync(target(), join(snapshot, 'evil'))
    await expect(listed(snapshot)).rejects.toEqual(refusal('SYMLINK_REFUSED', { file: 'evil' }))
  })

  test('is refused if a blob or the directory of blobs is itself a link', async () => {
    const one = cache()
    const blob = join(one.repository, 'blobs', BLOB)
    renameSync(blob, join(one.root, 'moved'))
    symlinkSync(join(one.root, 'moved'), blob)
    await expect(listed(one.snapshot)).rejects.toEqual(refusal('SYMLINK_REFUSED', { file: 'onnx/model.onnx' }))
    const two = cache()
    renameSync(join(two.repository, 'blobs'), join(two.root, 'moved'))
    symlinkSync(join(two.root, 'moved'), join(two.repository, 'blobs'))
    await expect(listed(two.snapshot)).rejects.toEqual(refusal('SYMLINK_REFUSED'))
  })

  test('is recognized only in a repository of models', async () => {
    const root = scratch({ [`blobs/${BLOB}`]: 'x', 'snapshots/rev/a': '' })
    symlinkSync(`../../blobs/${BLOB}`, join(root, 'snapshots', 'rev', 'b'))
    await expect(listed(join(root, 'snapshots', 'rev'))).rejects.toEqual(refusal('SYMLINK_REFUSED', { file: 'b' }))
  })
})
