import { expect, test } from 'vitest'
import { sha256 } from '../testing/bundles.ts'
import { Manifest } from './manifest.ts'

const NAMES = ['a', 'b/c', 'b/d']
const plain = new Map(NAMES.map((name) => [name, { name, digests: [sha256(name)] }]))

function manifestOf(): Manifest {
  const serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false } as const
  const resources = NAMES.map((name) => ({ name, digest: sha256(name) }))
  return new Manifest('m', serialization, resources)
}

test('the files of a manifest behave like a map', () => {
  const { files } = manifestOf()
  expect(files.size).toBe(3)
  expect([...files]).toEqual([...plain])
  expect([...files.keys()]).toEqual(NAMES)
  expect([...files.values()]).toEqual([...plain.values()])
  expect([...files.entries()]).toEqual([...plain.entries()])
  expect(new Map(files)).toEqual(plain)
  expect([files.has('b/c'), files.has('b')]).toEqual([true, false])
  expect([files.get('b/c'), files.get('b')]).toEqual([plain.get('b/c'), undefined])
  const seen: unknown[] = []
  files.forEach((file, name, all) => seen.push([file, name, all === files]))
  expect(seen).toEqual(NAMES.map((name) => [plain.get(name), name, true]))
})

test('each file has its position in the manifest', () => {
  const files = manifestOf()
  expect(NAMES.map((name) => files.placeOf(name))).toEqual([0, 1, 2])
  expect(files.placeOf('none')).toBeUndefined()
  const shards = { method: 'shards', shardSize: 1, hashType: 'sha256', allowSymlinks: false } as const
  const resources = ['a:0:1', 'a:1:2', 'b:0:1'].map((name) => ({ name, digest: sha256(name) }))
  const sharded = new Manifest('m', shards, resources)
  expect([...sharded.files].map(([name, { size }]) => [name, sharded.placeOf(name), size])).toEqual([
    ['a', 0, 2],
    ['b', 1, 1],
  ])
})
