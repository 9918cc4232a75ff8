import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import { replaceUnlessChanged } from '../../source/replace-file.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { addToFeed, createFeedSource, readFeedSource, removeFromFeed } from './edit-feed.ts'

vi.mock(import('../../source/replace-file.ts'), { spy: true })

const HEX = 'a'.repeat(64)

let directory: string
const at = (name: string) => join(directory, name)

beforeEach(() => {
  vi.mocked(replaceUnlessChanged).mockClear()
  directory = scratch({ 'feed.yaml': 'feed: f\nexpires: 7d\ndenied: {}\n' })
})

test('a source that exists is not created again, and says where it is', async () => {
  const before = readFileSync(at('feed.yaml'), 'utf8')
  await expect(createFeedSource(at('feed.yaml'), { feed: 'g' })).rejects.toEqual(
    refusal('INVALID_ARGUMENT', {
      file: at('feed.yaml'),
      cause: expect.objectContaining({ code: 'EEXIST' }) as object,
    }),
  )
  expect(readFileSync(at('feed.yaml'), 'utf8')).toBe(before)
})

test('a source that cannot be written is not one that exists', async () => {
  await expect(createFeedSource(at('no/such/feed.yaml'), { feed: 'g' })).rejects.toEqual(
    refusal('FILE_WRITE_FAILED', {
      file: at('no/such/feed.yaml'),
      message: expect.stringContaining('the source of the advisory feed') as string,
    }),
  )
})

test('a source can be read by everybody, and written by its owner', async () => {
  expect(statSync(await createFeedSource(at('new.yaml'), { feed: 'g' })).mode & 0o777).toBe(0o644)
  await addToFeed(at('new.yaml'), { keys: [HEX] })
  expect(statSync(at('new.yaml')).mode & 0o777).toBe(0o644)
})

test('options that are not known are refused, and so are invalid ones', async () => {
  await expect(createFeedSource(at('new.yaml'), { feed: 'g', expire: '7d' } as never)).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining('for createFeedSource') as string }),
  )
  await expect(addToFeed(at('feed.yaml'), { keys: [HEX] }, { replaces: true } as never)).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining('for addToFeed') as string }),
  )
  for (const given of [{ feed: 1 }, {}, { feed: 'g', expires: 7 }])
    await expect(createFeedSource(at('new.yaml'), given as never)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  await expect(addToFeed(at('feed.yaml'), { keys: [HEX] }, { replace: 'yes' } as never)).rejects.toEqual(
    refusal('INVALID_ARGUMENT'),
  )
})

test('a source that is too large or not a file is neither read nor edited', async () => {
  directory = scratch({ 'large.yaml': Buffer.alloc(32 * 1024 * 1024 + 1, ' ') })
  mkdirSync(at('folder.yaml'))
  for (const [name, code] of [
    ['large.yaml', 'ADVISORY_TOO_LARGE'],
    ['folder.yaml', 'FILE_SPECIAL'],
    ['missing.yaml', 'FILE_NOT_FOUND'],
  ] as const) {
    const refused = refusal(code, {
      file: at(name),
      message: expect.stringContaining('source of the advisory feed') as string,
    })
    await expect(readFeedSource(at(name))).rejects.toEqual(refused)
    await expect(addToFeed(at(name), { keys: [HEX] })).rejects.toEqual(refused)
    await expect(removeFromFeed(at(name), { keys: [HEX] })).rejects.toEqual(refused)
  }
})

test('a source that other programs keep changing is given up after twenty attempts', async () => {
  const replace = vi.mocked(replaceUnlessChanged)
  const before = readFileSync(at('feed.yaml'), 'utf8')
  // An attempt too many would succeed.
  for (let tries = 0; tries < 20; tries++) replace.mockResolvedValueOnce(false)
  await expect(addToFeed(at('feed.yaml'), { keys: [HEX] })).rejects.toEqual(
    refusal('FILE_CHANGED', { file: at('feed.yaml') }),
  )
  expect(replace).toHaveBeenCalledTimes(20)
  expect(readFileSync(at('feed.yaml'), 'utf8')).toBe(before)
  for (let tries = 0; tries < 19; tries++) replace.mockResolvedValueOnce(false)
  expect((await addToFeed(at('feed.yaml'), { keys: [HEX] })).added).toHaveLength(1)
})
