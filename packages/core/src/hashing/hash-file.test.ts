import { createHash, randomBytes } from 'node:crypto'
import { appendFileSync, renameSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { listFiles } from '../testing/list-files.ts'
import { openLocalSource } from '../source/local/local-source.ts'
import type { SourceFile } from '../source/local/source-file.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { fifo } from '../testing/special-files.ts'
import { hashFile, wholeFile } from './hash-file.ts'
import type { HashControl } from './shared-control.ts'

const free: HashControl = { aborted: () => false, advance: () => {} }

async function listed(path: string): Promise<SourceFile> {
  const [file] = await listFiles(await openLocalSource(path), { ignored: () => false, followLinks: false })
  return file!
}

const KIB = 1024
describe.each([0, 1, 128 * KIB - 1, 128 * KIB, 128 * KIB + 1, 256 * KIB, 300 * KIB + 7])(
  'a file of %i bytes',
  (size) => {
    const content = randomBytes(size)

    test.each([
      ['sha256', 'sha256'],
      ['blake2b', 'blake2b512'],
    ] as const)('has the %s digest that node:crypto gives', async (hashType, algorithm) => {
      const file = await listed(join(scratch({ file: content }), 'file'))
      const digest = createHash(algorithm).update(content).digest('hex')
      expect(hashFile(wholeFile(file), hashType, free)).toEqual({ digests: [digest] })
      const kept = hashFile(wholeFile(file, true), hashType, free)
      expect(kept.digests).toEqual([digest])
      expect(Buffer.from(kept.bytes!).equals(content)).toBe(true)
    })
  },
)

test('gives each range its own digest, whether or not bytes are kept', async () => {
  const content = randomBytes(300 * KIB)
  const file = await listed(join(scratch({ file: content }), 'file'))
  const ranges = [
    { start: 0, end: 200 * KIB },
    { start: 200 * KIB, end: 300 * KIB },
  ]
  const digests = ranges.map(({ start, end }) =>
    createHash('sha256').update(content.subarray(start, end)).digest('hex'),
  )
  expect(hashFile({ file, ranges, keep: false }, 'sha256', free).digests).toEqual(digests)
  expect(hashFile({ file, ranges, keep: true }, 'sha256', free).digests).toEqual(digests)
})

describe.each([false, true])('a file that changed after it was listed (bytes kept: %s)', (keep) => {
  const content = randomBytes(200 * KIB)

  test.each<[string, (path: string) => void]>([
    ['was replaced by another with the same content', (path) => replace(path, content)],
    ['was replaced by another of the same size', (path) => replace(path, randomBytes(content.length))],
    ['was overwritten in place', (path) => writeFileSync(path, randomBytes(content.length))],
    ['grew', (path) => appendFileSync(path, 'x')],
    ['shrank', (path) => truncateSync(path, content.length - 1)],
    ['lost all its bytes', (path) => truncateSync(path, 0)],
    ['had its times set back', (path) => utimesSync(path, 0, 0)],
    ['disappeared', (path) => rmSync(path)],
    ['became a link to itself under another name', becomeLink],
    ['became a FIFO', becomeFifo],
  ])('is refused when it %s', async (_, change) => {
    const directory = scratch({ 'model/file': content })
    const path = join(directory, 'model', 'file')
    const file = await listed(path)
    change(path)
    expect(() => hashFile(wholeFile(file, keep), 'sha256', free)).toThrow(refusal('FILE_CHANGED', { file: 'file' }))
  })

  test('is refused when a directory above it became a link to another directory', async () => {
    const directory = scratch({ 'model/sub/file': content, 'evil/file': content })
    const [file] = await listFiles(await openLocalSource(join(directory, 'model')), {
      ignored: () => false,
      followLinks: false,
    })
    renameSync(join(directory, 'model/sub'), join(directory, 'aside'))
    symlinkSync(join(directory, 'evil'), join(directory, 'model/sub'))
    expect(() => hashFile(wholeFile(file!, keep), 'sha256', free)).toThrow(refusal('FILE_CHANGED'))
  })

  test.each<[string, (path: string) => void]>([
    ['is written to', (path) => writeFileSync(path, randomBytes(content.length))],
    ['grows', (path) => appendFileSync(path, 'x')],
    ['shrinks', (path) => truncateSync(path, 1)],
  ])('is refused when it %s between two reads', async (_, change) => {
    const path = join(scratch({ file: content }), 'file')
    const file = await listed(path)
    let reads = 0
    const advance = () => {
      if (reads++ === 0) change(path)
    }
    const control = { aborted: () => false, advance }
    expect(() => hashFile(wholeFile(file, keep), 'sha256', control)).toThrow(refusal('FILE_CHANGED'))
  })
})

test('stops at the next chunk when it is aborted', async () => {
  const file = await listed(join(scratch({ file: randomBytes(1024 * KIB) }), 'file'))
  let bytes = 0
  const control = { aborted: () => bytes >= 256 * KIB, advance: (count: number) => void (bytes += count) }
  expect(() => hashFile(wholeFile(file), 'sha256', control)).toThrow(refusal('ABORTED'))
  expect(bytes).toBe(256 * KIB)
})

test('refuses a file that does not fit into one buffer', async () => {
  const path = join(scratch({ file: '' }), 'file')
  truncateSync(path, 2 ** 42)
  const file = await listed(path)
  expect(() => hashFile(wholeFile(file, true), 'sha256', free)).toThrow(refusal('FILE_TOO_LARGE'))
})

function replace(path: string, content: Uint8Array): void {
  writeFileSync(`${path}.new`, content)
  renameSync(`${path}.new`, path)
}

function becomeLink(path: string): void {
  renameSync(path, `${path}.moved`)
  symlinkSync(`${path}.moved`, path)
}

function becomeFifo(path: string): void {
  rmSync(path)
  fifo(path)
}
