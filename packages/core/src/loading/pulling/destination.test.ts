import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import type * as fs from 'node:fs/promises'
import { cp, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { signModel } from '../../signing/sign-model.ts'
import { keyPair } from '../../testing/bundles.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { Destination } from './destination.ts'

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>()
  return { ...real, rename: vi.fn(real.rename), rm: vi.fn(real.rm) }
})

const OLD = { 'm/old.bin': 'old', 'm/sub/a': 'a' }

/** A directory with a signed model in `m`. */
async function site(files: Record<string, string> = OLD): Promise<string> {
  const directory = scratch({ ...files, key: keyPair().privateKey.export({ type: 'pkcs8', format: 'pem' }) })
  await signModel(join(directory, 'm'), { signer: await keySigner({ privateKey: join(directory, 'key') }) })
  return directory
}

function prepare(destination: Destination): Promise<void> {
  return destination.prepare(async (files) => {
    await writeFile(join(files, 'new.bin'), 'new')
    await writeFile(join(files, 'model.sig'), 'bundle')
  })
}

const NEW = ['model.sig', 'new.bin']
const OLD_NAMES = ['model.sig', 'old.bin', 'sub']
const namesIn = (...path: string[]) => readdirSync(join(...path)).sort()

describe('a directory is replaced as a whole:', () => {
  test('nothing changes before, and nothing is left after', async () => {
    const directory = await site()
    const destination = await Destination.at(join(directory, 'm'), false)
    await prepare(destination)
    expect(namesIn(directory, 'm')).toEqual(OLD_NAMES)
    await destination.place()
    expect(namesIn(directory, 'm')).toEqual(NEW)
    await destination.finish()
    expect(namesIn(directory)).toEqual(['key', 'm'])
  })

  test('what was placed is taken back, if another model fails', async () => {
    const directory = await site()
    const destination = await Destination.at(join(directory, 'm'), false)
    await prepare(destination)
    await destination.place()
    await destination.discard()
    expect(namesIn(directory, 'm')).toEqual(OLD_NAMES)
    expect(namesIn(directory)).toEqual(['key', 'm'])
  })

  test('a new directory is made with those above it, or none of them', async () => {
    const directory = scratch()
    const path = join(directory, 'a/b/m')
    const first = await Destination.at(path, false)
    await prepare(first)
    await first.discard()
    expect(namesIn(directory)).toEqual([])
    const second = await Destination.at(path, false)
    await prepare(second)
    await second.place()
    await second.discard()
    expect(namesIn(directory)).toEqual([])
    const third = await Destination.at(path, false)
    await prepare(third)
    await third.place()
    await third.finish()
    expect(namesIn(path)).toEqual(NEW)
    expect(namesIn(path, '..')).toEqual(['m'])
    mkdirSync(join(directory, 'usual'))
    expect(statSync(path).mode).toBe(statSync(join(directory, 'usual')).mode)
  })

  test('a link to it stays, and leads to the new model', async () => {
    const directory = await site()
    symlinkSync('m', join(directory, 'current'))
    const destination = await Destination.at(join(directory, 'current'), false)
    await prepare(destination)
    await destination.place()
    await destination.finish()
    expect(namesIn(directory)).toEqual(['current', 'key', 'm'])
    expect(namesIn(directory, 'current')).toEqual(NEW)
  })
})

describe('refused:', () => {
  const kinds: [string, Record<string, string>][] = [
    ['a directory without a bundle', { 'd/file': 'x' }],
    ['a directory whose bundle is none', { 'd/model.sig': 'no bundle' }],
    ['a file', { d: 'x' }],
    ['a cache with more than the hub leaves', { 'd/.cache/huggingface/x': '', 'd/.cache/other': '' }],
  ]
  test.each(kinds)('%s', async (kind, files) => {
    const directory = scratch(files)
    // A file stays even then.
    const hint = expect.stringMatching(kind === 'a file' ? /remove what is there\.$/ : /--force/) as string
    await expect(Destination.at(join(directory, 'd'), false)).rejects.toEqual(refusal('DESTINATION_REFUSED', { hint }))
    expect(namesIn(directory)).toEqual(['d'])
  })

  test('a signed model in a Git repository, because the history would be lost', async () => {
    const directory = await site({ ...OLD, 'm/.git/HEAD': 'ref: refs/heads/main' })
    await expect(Destination.at(join(directory, 'm'), false)).rejects.toEqual(
      refusal('DESTINATION_REFUSED', { found: 'a Git repository, which would be removed' }),
    )
    expect(namesIn(directory, 'm')).toEqual(['.git', ...OLD_NAMES])
    await (await Destination.at(join(directory, 'm'), true)).discard()
  })

  test('all but one of several pulls that begin at the same time', async () => {
    const directory = await site()
    const path = join(directory, 'm')
    const pull = async () => {
      const destination = await Destination.at(path, false)
      await prepare(destination)
      await destination.place()
      await destination.finish()
    }
    const results = await Promise.allSettled(Array.from({ length: 4 }, pull))
    const refused = results.filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(3)
    for (const result of refused)
      expect(result).toMatchObject({
        reason: { code: 'DESTINATION_REFUSED', found: 'another pull to the same directory that is still running' },
      })
    expect(namesIn(path)).toEqual(NEW)
    expect(namesIn(directory)).toEqual(['key', 'm'])
  })

  test('while another pull starts, but not if it was killed then', async () => {
    const directory = scratch({ '.m.modelseal-pull/starting': '' })
    await expect(Destination.at(join(directory, 'm'), false)).rejects.toEqual(refusal('DESTINATION_REFUSED'))
    utimesSync(join(directory, '.m.modelseal-pull/starting'), 0, 0)
    await (await Destination.at(join(directory, 'm'), false)).discard()
    expect(namesIn(directory)).toEqual([])
  })

  test('a directory into which another pull is running', async () => {
    const directory = scratch()
    const first = await Destination.at(join(directory, 'm'), false)
    await expect(Destination.at(join(directory, 'm'), true)).rejects.toEqual(refusal('DESTINATION_REFUSED'))
    await first.discard()
    await (await Destination.at(join(directory, 'm'), false)).discard()
    expect(namesIn(directory)).toEqual([])
  })

  test.each([{ 'd/file': 'x' }, { 'd/.cache/huggingface/download/w.metadata': 'x' }, {}])(
    'but not by force, and not what hf download leaves alone: %o',
    async (files: Record<string, string>) => {
      const directory = scratch(files)
      const destination = await Destination.at(join(directory, 'd'), 'd/file' in files)
      await prepare(destination)
      await destination.place()
      await destination.finish()
      expect(namesIn(directory, 'd')).toEqual(NEW)
    },
  )
})

describe('a killed process left', () => {
  test('its download, which is there for the next one', async () => {
    const directory = scratch({ '.m.modelseal-pull/files/part': 'x' })
    const destination = await Destination.at(join(directory, 'm'), false)
    const names = await destination.prepare((files) => Promise.resolve(readdirSync(files)))
    expect(names).toEqual(['part'])
    await destination.discard()
  })

  test('what cannot be continued, which is removed', async () => {
    const directory = scratch({ '.m.modelseal-pull/files/part': 'x' })
    const destination = await Destination.at(join(directory, 'm'), false)
    const seen: string[][] = []
    const failing = destination.prepare((files) => {
      seen.push(readdirSync(files))
      return Promise.reject(new ModelSealError('FILE_WRITE_FAILED', 'Cannot continue.'))
    })
    await expect(failing).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
    expect(seen).toEqual([['part'], []])
    await destination.discard()
    expect(namesIn(directory)).toEqual([])
  })

  test('the old model aside, which is put back', async () => {
    const directory = await site()
    mkdirSync(join(directory, '.m.modelseal-pull/files'), { recursive: true })
    renameSync(join(directory, 'm'), join(directory, '.m.modelseal-pull/aside'))
    const destination = await Destination.at(join(directory, 'm'), false)
    expect(namesIn(directory, 'm')).toEqual(OLD_NAMES)
    await destination.discard()
    expect(namesIn(directory)).toEqual(['key', 'm'])
  })

  test('the old model aside while it was removed, as a copy, which is put back', async () => {
    const directory = await site()
    mkdirSync(join(directory, '.m.modelseal-pull/files'), { recursive: true })
    mkdirSync(join(directory, '.m.modelseal-pull/leaving'))
    // As the pull copies it.
    const copied = { recursive: true, preserveTimestamps: true }
    await cp(join(directory, 'm'), join(directory, '.m.modelseal-pull/aside'), copied)
    rmSync(join(directory, 'm/old.bin'))
    await (await Destination.at(join(directory, 'm'), false)).discard()
    expect(namesIn(directory, 'm')).toEqual(OLD_NAMES)
    expect(namesIn(directory)).toEqual(['key', 'm'])
  })

  test('the old model aside, and somebody made its directory anew, where it is put back', async () => {
    const directory = await site()
    mkdirSync(join(directory, '.m.modelseal-pull/files'), { recursive: true })
    renameSync(join(directory, 'm'), join(directory, '.m.modelseal-pull/aside'))
    mkdirSync(join(directory, 'm'))
    await (await Destination.at(join(directory, 'm'), false)).discard()
    expect(namesIn(directory, 'm')).toEqual(OLD_NAMES)
    expect(namesIn(directory)).toEqual(['key', 'm'])
  })

  test.each([
    ['another model', { 'model.sig': '{}', 'weights.bin': 'other' }, 'model.sig'],
    ['a file in a directory of the old one', { 'sub/mine': 'x' }, 'sub/mine'],
    ['a file of another kind', { sub: 'x' }, 'sub'],
  ])('the old model aside, and since then somebody put %s there, which is not removed', async (_, files, found) => {
    const directory = await site()
    const aside = join(directory, '.m.modelseal-pull/aside')
    mkdirSync(join(directory, '.m.modelseal-pull/files'), { recursive: true })
    renameSync(join(directory, 'm'), aside)
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(directory, 'm', dirname(name)), { recursive: true })
      writeFileSync(join(directory, 'm', name), text)
    }
    for (const force of [false, true])
      await expect(Destination.at(join(directory, 'm'), force)).rejects.toEqual(
        refusal('DESTINATION_REFUSED', {
          found: `"${found}", which somebody else has put there since`,
          hint: expect.stringContaining(aside) as string,
        }),
      )
    expect(namesIn(directory, 'm')).toEqual(Object.keys(files).map((name) => name.split('/')[0]))
    expect(namesIn(aside)).toEqual(OLD_NAMES)
    renameSync(join(directory, 'm'), join(directory, 'mine'))
    await (await Destination.at(join(directory, 'm'), false)).discard()
    expect(namesIn(directory, 'm')).toEqual(OLD_NAMES)
  })

  test('the old model aside although the new one is there, which stays', async () => {
    const directory = await site()
    mkdirSync(join(directory, '.m.modelseal-pull/aside'), { recursive: true })
    await (await Destination.at(join(directory, 'm'), false)).discard()
    expect(namesIn(directory, 'm')).toEqual(OLD_NAMES)
    expect(existsSync(join(directory, '.m.modelseal-pull'))).toBe(false)
  })
})

test('a process that is killed while it removes the old model leaves the new one in place', async () => {
  const directory = await site()
  mkdirSync(join(directory, '.m.modelseal-pull/aside/rest'), { recursive: true })
  vi.mocked(rm).mockRejectedValueOnce(Object.assign(new Error('EIO'), { code: 'EIO' }))
  await expect(Destination.at(join(directory, 'm'), false)).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
  await (await Destination.at(join(directory, 'm'), false)).discard()
  expect(namesIn(directory, 'm')).toEqual(OLD_NAMES)
  expect(namesIn(directory)).toEqual(['key', 'm'])
})

test('a directory that cannot be renamed, as in a lower layer of a container, is copied aside', async () => {
  const directory = await site()
  const destination = await Destination.at(join(directory, 'm'), false)
  await prepare(destination)
  vi.mocked(rename).mockRejectedValueOnce(Object.assign(new Error('EXDEV'), { code: 'EXDEV' }))
  await destination.place()
  expect(namesIn(directory, 'm')).toEqual(NEW)
  await destination.discard()
  expect(namesIn(directory, 'm')).toEqual(OLD_NAMES)
  expect(namesIn(directory)).toEqual(['key', 'm'])
})

test('an old model that cannot be put back is kept', async () => {
  const directory = await site()
  const destination = await Destination.at(join(directory, 'm'), false)
  await prepare(destination)
  await destination.place()
  vi.mocked(rename).mockRejectedValueOnce(Object.assign(new Error('EACCES'), { code: 'EACCES' }))
  await expect(destination.discard()).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
  expect(namesIn(directory, '.m.modelseal-pull/aside')).toEqual(OLD_NAMES)
})
