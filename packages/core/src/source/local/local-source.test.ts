import { renameSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import { fifo, socket } from '../../testing/special-files.ts'
import { findFiles } from './find-files.ts'
import { openLocalSource } from './local-source.ts'

async function namesIn(path: string): Promise<string[]> {
  const source = await openLocalSource(path)
  return (await findFiles(source, { ignored: () => false, followLinks: false })).map(({ name }) => name)
}

function inodeOf(path: string): { dev: bigint; ino: bigint } {
  const { dev, ino } = statSync(path, { bigint: true })
  return { dev, ino }
}

describe('opening a model', () => {
  test('refuses a path where nothing exists', async () => {
    const directory = scratch({ file: '' })
    await expect(openLocalSource(join(directory, 'none'))).rejects.toEqual(refusal('MODEL_NOT_FOUND'))
    await expect(openLocalSource(join(directory, 'file', 'below'))).rejects.toEqual(refusal('MODEL_NOT_FOUND'))
  })

  test('refuses an impossible path with a typed error', async () => {
    await expect(openLocalSource('a\0b')).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    await expect(openLocalSource(`/${'x'.repeat(300)}`)).rejects.toEqual(refusal('FILE_UNREADABLE'))
  })

  test('accepts a link to a directory and keeps its name', async () => {
    const directory = scratch({ 'v1/weights': 'w' })
    symlinkSync('v1', join(directory, 'current'))
    const source = await openLocalSource(join(directory, 'current'))
    expect(source).toEqual({
      kind: 'directory',
      path: join(directory, 'v1'),
      inode: inodeOf(join(directory, 'v1')),
      givenPath: join(directory, 'current'),
      name: 'current',
    })
    expect(await namesIn(join(directory, 'current'))).toEqual(['weights'])
  })

  test('accepts a file below a linked directory', async () => {
    const directory = scratch({ 'v1/weights': 'w' })
    symlinkSync('v1', join(directory, 'current'))
    const source = await openLocalSource(join(directory, 'current', 'weights'))
    expect(source).toMatchObject({ kind: 'file', path: join(directory, 'v1', 'weights'), name: 'weights' })
    expect(await namesIn(join(directory, 'current', 'weights'))).toEqual(['weights'])
  })

  test('refuses a single file that is itself a link', async () => {
    const directory = scratch({ weights: 'w' })
    symlinkSync('weights', join(directory, 'link'))
    await expect(openLocalSource(join(directory, 'link'))).rejects.toEqual(refusal('SYMLINK_REFUSED'))
  })

  test.each(['current', 'current/weights'])(
    'refuses %s if it points elsewhere by the time it is read',
    async (path) => {
      const directory = scratch({ 'v1/weights': 'w', 'v2/weights': 'w' })
      symlinkSync('v1', join(directory, 'current'))
      const source = await openLocalSource(join(directory, path))
      renameSync(join(directory, 'v1'), join(directory, 'v0'))
      renameSync(join(directory, 'v2'), join(directory, 'v1'))
      const finding = findFiles(source, { ignored: () => false, followLinks: false })
      await expect(finding).rejects.toEqual(refusal('FILE_CHANGED'))
    },
  )

  test('refuses ".." behind a link, which the kernel resolves differently', async () => {
    const directory = scratch({ 'a/model/weights': 'w', 'a/real/x': '', 'b/model/weights': 'w' })
    symlinkSync('../a/real', join(directory, 'b', 'link'))
    await expect(openLocalSource(`${directory}/b/link/../model`)).rejects.toEqual(refusal('PATH_AMBIGUOUS'))
    expect(await openLocalSource(`${directory}/b/../a/model`)).toMatchObject({ path: join(directory, 'a/model') })
    expect(await openLocalSource(`${directory}/b/link/../../a/model`)).toMatchObject({
      path: join(directory, 'a/model'),
    })
    expect(await openLocalSource(`${directory}/none/../a/model`)).toMatchObject({ path: join(directory, 'a/model') })
  })

  test('refuses a FIFO, a socket and a device as the model without waiting for them', async () => {
    const directory = scratch()
    fifo(join(directory, 'fifo'))
    await socket(join(directory, 'socket'))
    await expect(openLocalSource(join(directory, 'fifo'))).rejects.toEqual(refusal('FILE_SPECIAL'))
    await expect(openLocalSource(join(directory, 'socket'))).rejects.toEqual(refusal('FILE_SPECIAL'))
    await expect(openLocalSource('/dev/null')).rejects.toEqual(refusal('FILE_SPECIAL'))
  })
})

const start = process.cwd()
afterEach(() => process.chdir(start))

test.each(['~/models/vad', '~', '~alice/vad'])(
  'a path that begins with a tilde (%s) is refused, and the hint says what to write',
  async (path) => {
    process.chdir(scratch())
    await expect(openLocalSource(path)).rejects.toEqual(
      refusal('MODEL_NOT_FOUND', { hint: expect.stringContaining('Only a shell replaces "~"') as string }),
    )
  },
)

test.each([
  ['s3:/bucket/vad', 's3://bucket/vad'],
  ['arn:aws:s3:::bucket/vad', 's3://bucket/vad'],
])('a path like %s that does not exist is refused with the URL to write instead', async (path, url) => {
  process.chdir(scratch())
  await expect(openLocalSource(path)).rejects.toEqual(
    refusal('MODEL_NOT_FOUND', { hint: expect.stringContaining(`If you mean "${url}", write it`) as string }),
  )
})

describe('a path that looks like a Hub id', () => {
  test('and does not exist is refused with the URL to write instead', async () => {
    process.chdir(scratch())
    await expect(openLocalSource('Xenova/all-MiniLM-L6-v2')).rejects.toEqual(
      refusal('MODEL_NOT_FOUND', {
        hint: expect.stringMatching(
          /^"Xenova\/all-MiniLM-L6-v2" looks like the id .* Hugging Face\. Write "hf:\/\/Xenova\/all-MiniLM-L6-v2", /,
        ) as string,
      }),
    )
  })

  test('without an owner is refused with a hint, since it may be one', async () => {
    process.chdir(scratch())
    await expect(openLocalSource('gpt2')).rejects.toEqual(
      refusal('MODEL_NOT_FOUND', {
        hint: expect.stringMatching(
          /If "gpt2" is the id .* Hugging Face, write "hf:\/\/gpt2", which @modelseal\/hub loads\./,
        ) as string,
      }),
    )
  })

  test.each(['models/vad', './models/vad/x', '/no/such', 'vad.onnx', '../org/name', 'org/.hidden'])(
    'is not confused with %s, whose directory exists or which is not an id',
    async (path) => {
      process.chdir(scratch({ 'models/x': '' }))
      await expect(openLocalSource(path)).rejects.toEqual(
        refusal('MODEL_NOT_FOUND', { hint: expect.not.stringContaining('Hugging Face') as string }),
      )
    },
  )
})

test('names a path without a model only once', async () => {
  const missing = join(scratch(), 'missing')
  await expect(openLocalSource(missing)).rejects.toEqual(
    refusal('MODEL_NOT_FOUND', {
      message: `There is no model at ${JSON.stringify(missing)}. Give the path of a model directory or file.`,
    }),
  )
})
