import { readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { MAX_BUNDLE_BYTES } from '../../bundle/bundle.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { signModel } from '../../signing/sign-model.ts'
import { keyPair, paddedBundle } from '../../testing/bundles.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { checkReplaceable } from './replaceable.ts'

let bundle: Buffer | undefined
let deepBundle: Buffer | undefined
beforeEach(async () => {
  if (bundle) return
  const key = keyPair().privateKey.export({ type: 'pkcs8', format: 'pem' })
  const directory = scratch({ 'm/a': 'a', 'n/deep/x': 'x', 'n/deep/y': 'y', key })
  const signer = await keySigner({ privateKey: join(directory, 'key') })
  for (const name of ['m', 'n']) await signModel(join(directory, name), { signer })
  bundle = readFileSync(join(directory, 'm/model.sig'))
  deepBundle = readFileSync(join(directory, 'n/model.sig'))
})

const HARMLESS = new Set(['lost+found'])
const check = (files: Record<string, string | Uint8Array>) => checkReplaceable(scratch(files), HARMLESS)
const NOT_EMPTY = 'a directory that is not empty and has no signature bundle'

describe('a directory is replaced', () => {
  test('if it is not there or empty', async () => {
    await checkReplaceable(join(scratch(), 'none'), HARMLESS)
    await check({})
    await check({ 'lost+found/x': '' })
  })

  test.each(['model.sig', 'vad.oms.sig', 'vad.onnx.sig'])('if it has the bundle %s', async (name) => {
    await check({ [name]: bundle!, a: 'changed' })
    await check({ [name]: bundle! })
  })

  test('if all that it has beside signed files belongs to a model', async () => {
    const hub = { '.cache/huggingface/x': '', '.gitattributes': '', '.gitignore': '', '.github/x': '' }
    await check({ 'model.sig': bundle!, a: 'a', 'claims.jsonl': '', 'a.claims.jsonl': '', ...hub })
  })

  test('if one of its bundles signs each file', async () => {
    await check({ 'a.oms.sig': bundle!, 'b.oms.sig': deepBundle!, a: '', 'deep/x': '', 'deep/unsigned': '' })
  })

  test('if it has only what a download from the hub left', async () => {
    await check({ '.cache/huggingface/x': '' })
    await check({ '.cache/huggingface/x': '', 'lost+found/x': '' })
  })
})

describe('a directory is not replaced', () => {
  const refused = (files: Record<string, string | Uint8Array>, found = NOT_EMPTY) =>
    expect(check(files)).rejects.toEqual(
      refusal('DESTINATION_REFUSED', {
        expected: 'a new directory, an empty one, or a signed model, which is replaced',
        found,
        hint: expect.stringContaining('--force') as string,
      }),
    )

  test.each<[string, Record<string, string>]>([
    ['has other files', { 'weights.bin': '' }],
    ['has a file with the name of a bundle', { 'model.sig': '{}' }],
    ['has other caches', { '.cache/huggingface/x': '', '.cache/pip/x': '' }],
    ['has another cache', { '.cache/pip/x': '' }],
    ['has a file with the name of a cache', { '.cache': '' }],
    ['has files beside the cache', { '.cache/huggingface/x': '', 'weights.bin': '' }],
    ['has something else with what is below a cache', { 'cache/huggingface/x': '' }],
  ])('if it %s', async (_, files) => refused(files))

  test('if it has anything that no bundle in it signs', async () => {
    const beside = (...names: string[]) =>
      `${names.map((name) => `"${name}"`).join(', ')}, which no signature bundle in it covers`
    await refused({ 'model.sig': bundle!, a: 'a', 'release.key': '' }, beside('release.key'))
    await refused({ 'model.sig': bundle!, a: 'a', '.cache/pip/x': '' }, beside('.cache'))
    await refused({ 'model.sig': bundle!, a: 'a', 'b.sig': 'no bundle' }, beside('b.sig'))
    await refused({ 'model.sig': deepBundle!, 'deep/x': '', 'a.claims.jsonl': '' }, beside('a.claims.jsonl'))
    const cache = { '.cache/huggingface/x': '' }
    await refused({ 'model.sig': bundle!, a: 'a', ...cache, 'release.key': '' }, beside('release.key'))
    await refused({ 'model.sig': bundle!, 1: '', 2: '', 3: '' }, beside('1', '2', '3'))
    const more = '"1", "2", "3" and 2 more, which no signature bundle in it covers'
    await refused({ 'model.sig': bundle!, 1: '', 2: '', 3: '', 4: '', 5: '' }, more)
  })

  test('because the bundle of a model elsewhere was written to it', async () => {
    // As `sign` does by default.
    const project = { 'model.sig': bundle!, 'package.json': '', 'models/a': 'a' }
    await refused(project, '"models", "package.json", which no signature bundle in it covers')
  })

  test('if its bundle has another name', async () => {
    await refused({ 'model.json': bundle! })
    await refused({ 'sub/model.sig': bundle! })
  })

  test('if it is a Git repository, even with a bundle', async () => {
    await refused({ 'model.sig': bundle!, '.git/HEAD': '' }, 'a Git repository, which would be removed')
    // Of a worktree.
    await refused({ 'model.sig': bundle!, '.git': 'gitdir: elsewhere' }, 'a Git repository, which would be removed')
  })

  test('if there are too many files that might be a bundle', async () => {
    const named = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}.sig`, bundle!]))
    await check(named(32))
    await expect(check(named(33))).rejects.toEqual(refusal('DESTINATION_REFUSED'))
  })
})

test('a bundle that was moved away no longer shows that it is a model', async () => {
  const directory = scratch({ 'model.sig': bundle!, a: '' })
  await checkReplaceable(directory, HARMLESS)
  renameSync(join(directory, 'model.sig'), join(directory, 'old'))
  await expect(checkReplaceable(directory, HARMLESS)).rejects.toEqual(refusal('DESTINATION_REFUSED'))
})

test('a bundle over several files covers no attestations of one of them, and may be large', async () => {
  const key = keyPair().privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const directory = scratch({ 'm/a': 'a', 'm/b': 'b', key })
  await signModel(join(directory, 'm'), { signer: await keySigner({ privateKey: join(directory, 'key') }) })
  const ofBoth = readFileSync(join(directory, 'm/model.sig'))
  await check({ 'model.sig': ofBoth, a: '', b: '' })
  await expect(check({ 'model.sig': ofBoth, a: '', 'a.claims.jsonl': '' })).rejects.toEqual(
    refusal('DESTINATION_REFUSED', { found: '"a.claims.jsonl", which no signature bundle in it covers' }),
  )
  const large = paddedBundle(ofBoth, key, MAX_BUNDLE_BYTES + 4)
  expect(large.length).toBeGreaterThan(MAX_BUNDLE_BYTES)
  await check({ 'model.sig': large, a: '' })
})
