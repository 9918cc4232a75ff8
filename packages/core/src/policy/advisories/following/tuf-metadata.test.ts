import { chmod, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { LooseJson } from '../../../testing/bundles.ts'
import { refusal, scratch } from '../../../testing/scratch.ts'
import { keepTufMetadata, readTufMetadata } from './tuf-metadata.ts'

const ID = 'ab'.repeat(32)
const ANCHOR = Buffer.from('{"root":1}')
const METADATA = new Map([
  ['timestamp.json', Buffer.from('{"a":1}')],
  ['2.root.json', Buffer.from([0, 255])],
])

let cache: string
let path: string
beforeEach(async () => {
  cache = join(scratch({ 'cache/.keep': '' }), 'cache')
  await chmod(cache, 0o700)
  vi.stubEnv('MODELSEAL_CACHE', cache)
  path = join(cache, 'advisories', `${ID}.tuf.json`)
})
afterEach(() => void vi.unstubAllEnvs())

const edited = async (change: (kept: LooseJson) => void) => {
  await keepTufMetadata(ID, ANCHOR, METADATA)
  const kept = JSON.parse(await readFile(path, 'utf8'))
  change(kept)
  await writeFile(path, JSON.stringify(kept))
  return readTufMetadata(ID, ANCHOR)
}

test('metadata is read as it was kept, for the root that it began with', async () => {
  expect(await readTufMetadata(ID, ANCHOR)).toEqual(new Map())
  await keepTufMetadata(ID, ANCHOR, METADATA)
  expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ format: 'modelseal-advisory-tuf-1' })
  expect(await readTufMetadata(ID, ANCHOR)).toEqual(METADATA)
  expect(await readTufMetadata(ID, Buffer.from('{"root":2}'))).toEqual(new Map())
  expect(await readTufMetadata('cd'.repeat(32), ANCHOR)).toEqual(new Map())
  expect(await readdir(join(cache, 'advisories'))).toEqual([`${ID}.tuf.json`])
})

describe('kept metadata counts as absent', () => {
  test.each<[string, (kept: LooseJson) => void]>([
    ['of another format', (kept) => (kept.format = 'modelseal-advisory-tuf-2')],
    ['of another root', (kept) => (kept.root = 'a'.repeat(64))],
    ['without a root', (kept) => delete kept.root],
    ['with another digest', (kept) => (kept.digest = 'a'.repeat(64))],
    ['with another content', (kept) => (kept.files['timestamp.json'] = 'AAAA')],
    ['with another name', (kept) => (kept.files['x.json'] = 'AAAA')],
    ['without files', (kept) => delete kept.files],
  ])('%s', async (_, change) => {
    expect(await edited(change)).toEqual(new Map())
    expect(await edited(() => {})).toEqual(METADATA)
  })

  test('that is no JSON, or that others can read', async () => {
    await keepTufMetadata(ID, ANCHOR, METADATA)
    await chmod(path, 0o644)
    expect(await readTufMetadata(ID, ANCHOR)).toEqual(new Map())
    await chmod(path, 0o600)
    await writeFile(path, '{')
    expect(await readTufMetadata(ID, ANCHOR)).toEqual(new Map())
  })
})

test('only names of metadata are read', async () => {
  const names = ['../x.json', 'a\\b.json', '.json', 'x.txt', 'x.json.txt', `${'x'.repeat(241)}.json`]
  const good = ['x.json', `${'x'.repeat(240)}.json`]
  const all = new Map([...names, ...good].map((name) => [name, Buffer.from('x')]))
  await keepTufMetadata(ID, ANCHOR, all)
  expect([...(await readTufMetadata(ID, ANCHOR)).keys()]).toEqual(good)
})

test('metadata that could not be read again is not kept', async () => {
  await keepTufMetadata(ID, ANCHOR, METADATA)
  await keepTufMetadata(ID, ANCHOR, new Map([['x.json', Buffer.alloc(12 * 1024 * 1024)]]))
  expect(await readTufMetadata(ID, ANCHOR)).toEqual(METADATA)
  await chmod(cache, 0o777)
  await expect(keepTufMetadata(ID, ANCHOR, METADATA)).rejects.toEqual(refusal('CACHE_UNSAFE'))
})
