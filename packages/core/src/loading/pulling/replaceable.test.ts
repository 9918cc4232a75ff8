import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { keySigner } from '../../signing/methods/key.ts'
import { signModel } from '../../signing/sign-model.ts'
import { keyPair } from '../../testing/bundles.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { checkReplaceable } from './replaceable.ts'

let bundle: Buffer | undefined
beforeEach(async () => {
  if (bundle) return
  const directory = scratch({ 'm/a': 'a', key: keyPair().privateKey.export({ type: 'pkcs8', format: 'pem' }) })
  await signModel(join(directory, 'm'), { signer: await keySigner({ privateKey: join(directory, 'key') }) })
  bundle = readFileSync(join(directory, 'm/model.sig'))
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
    await check({ [name]: bundle!, 'weights.bin': '', 'a.sig': 'no bundle' })
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
    ['has files beside the cache', { '.cache/huggingface/x': '', 'weights.bin': '' }],
    ['has something else with what is below a cache', { 'cache/huggingface/x': '' }],
  ])('if it %s', async (_, files) => refused(files))

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
    const named = (count: number) =>
      scratch(Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}.sig`, ''])))
    const place = (count: number) => {
      const directory = named(count)
      // The last one in the order in which they are looked at.
      const last = readdirSync(directory).at(-1)!
      writeFileSync(join(directory, last), bundle!)
      return directory
    }
    await checkReplaceable(place(32), HARMLESS)
    await expect(checkReplaceable(place(33), HARMLESS)).rejects.toEqual(refusal('DESTINATION_REFUSED'))
  })
})

test('a bundle that was moved away no longer shows that it is a model', async () => {
  const directory = scratch({ 'model.sig': bundle!, a: '' })
  await checkReplaceable(directory, HARMLESS)
  renameSync(join(directory, 'model.sig'), join(directory, 'old'))
  await expect(checkReplaceable(directory, HARMLESS)).rejects.toEqual(refusal('DESTINATION_REFUSED'))
})
