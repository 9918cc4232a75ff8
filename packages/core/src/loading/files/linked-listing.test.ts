import type { Dirent } from 'node:fs'
import { expect, test, vi } from 'vitest'
import * as listing from '../../source/local/entries.ts'
import { scratch } from '../../testing/scratch.ts'
import { LinkedFiles } from './linked-files.ts'

vi.mock('../../source/local/entries.ts', async (original) => {
  const real = await original<typeof listing>()
  return { ...real, entriesOf: vi.fn(real.entriesOf) }
})

const MOST = 100_000

/** Some links that lead nowhere, and then files. */
function* entries(links: number, files: number, taken: { count: number }): Generator<Dirent, undefined> {
  for (let at = 0; at < links + files; at++) {
    taken.count++
    const isFile = at >= links
    const entry = { name: `${at}`, isFile: () => isFile, isSymbolicLink: () => !isFile, isDirectory: () => false }
    yield entry as unknown as Dirent
  }
}

test('a directory with too many files and links is listed as far as the limit', async () => {
  const taken = { count: 0 }
  vi.mocked(listing.entriesOf).mockReturnValueOnce(entries(3, MOST + 10, taken))
  const { names } = await LinkedFiles.open(
    { root: scratch(), names: undefined },
    { hashTypes: [], check: () => {} },
    {},
  )
  expect([names.length, taken.count]).toEqual([MOST - 3, MOST + 1])
})
