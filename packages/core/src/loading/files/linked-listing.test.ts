import { symlinkSync, type Dirent } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import * as listing from '../../source/local/entries.ts'
import { MAX_DIRECTORIES, NAMES_PER_STEP } from '../../source/local/find-files.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { LinkedFiles } from './linked-files.ts'

vi.mock('../../source/local/entries.ts', async (original) => {
  const real = await original<typeof listing>()
  return { ...real, entriesOf: vi.fn(real.entriesOf) }
})

const MOST = 100_000
const entriesOf = vi.mocked(listing.entriesOf)
const real = entriesOf.getMockImplementation()!

beforeEach(() => void entriesOf.mockClear())
afterEach(() => {
  entriesOf.mockImplementation(real)
  vi.restoreAllMocks()
})

type Kind = 'file' | 'link' | 'directory'

function entry(name: string, kind: Kind): Dirent {
  const is = (asked: Kind) => () => kind === asked
  return { name, isFile: is('file'), isSymbolicLink: is('link'), isDirectory: is('directory') } as unknown as Dirent
}

/** Entries of a kind, named by their numbers. */
function* entries(kind: Kind, from: number, to: number, taken?: (name: string) => void): Generator<Dirent, undefined> {
  for (let at = from; at < to; at++) {
    taken?.(`${at}`)
    yield entry(`${at}`, kind)
  }
}

const list = (root: string, signal?: AbortSignal) =>
  LinkedFiles.open({ root, names: undefined }, { hashTypes: [], check: () => {} }, { signal })

describe('a directory', () => {
  test('with too many files and links is listed as far as the limit', async () => {
    const taken = vi.fn()
    entriesOf.mockImplementationOnce(function* (): Generator<Dirent, undefined> {
      // Links that lead nowhere count as well.
      yield* entries('link', 0, 3, taken)
      yield* entries('file', 3, MOST + 13, taken)
    })
    const { names } = await list(scratch())
    expect([names.length, taken.mock.calls.length]).toEqual([MOST - 3, MOST + 1])
  })

  test('with too many directories is entered as far as the limit', async () => {
    const entered: string[] = []
    entriesOf.mockImplementation(function* (path): Generator<Dirent, undefined> {
      entered.push(path)
      if (entered.length === 1) yield* entries('directory', 0, MAX_DIRECTORIES + 10)
    })
    const root = scratch()
    expect((await list(root)).names).toEqual([])
    expect(entered.length).toBe(MAX_DIRECTORIES)
    expect(entered[1]).toBe(join(root, `${MAX_DIRECTORIES - 1}/`))
  })

  test('is not listed to its end after an abort', async () => {
    const stop = new AbortController()
    const taken = vi.fn(() => stop.abort())
    let time = 0
    vi.spyOn(process, 'uptime').mockImplementation(() => time++)
    entriesOf.mockImplementationOnce(() => entries('file', 0, 10 * NAMES_PER_STEP, taken))
    await expect(list(scratch(), stop.signal)).rejects.toEqual(refusal('ABORTED'))
    expect(taken).toHaveBeenCalledTimes(NAMES_PER_STEP)
  })

  test('has its links followed only until an abort', async () => {
    const root = scratch({ file: '' })
    symlinkSync('file', `${root}/link`)
    const stop = new AbortController()
    entriesOf.mockImplementationOnce(function* (): Generator<Dirent, undefined> {
      yield entry('link', 'link')
      stop.abort()
    })
    await expect(list(root, stop.signal)).rejects.toEqual(refusal('ABORTED'))
  })
})
