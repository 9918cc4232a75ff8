import { existsSync, linkSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { PartialFile } from './partial-file.ts'
import { ThreadFile, WriteError, type OpenFile } from './thread-file.ts'

const DATA = Buffer.from('from the thread')

/** A file as the thread that created it describes it. */
function created(path: string): OpenFile {
  writeFileSync(path, 'begun')
  const { dev, ino } = statSync(path, { bigint: true })
  return { path, dev, ino }
}

test('the very file that was created is written at any position', () => {
  const file = created(join(scratch(), 'partial'))
  const opened = ThreadFile.open(file)!
  opened.write(DATA, 5)
  opened.close()
  expect(readFileSync(file.path, 'utf8')).toBe('begunfrom the thread')
})

test.each<[string, string, (path: string) => void]>([
  ['another file', 'EEXIST', (path) => writeFileSync(`${path}.new`, 'other')],
  ['a link to the file', 'ELOOP', (path) => symlinkSync(`${path}.old`, `${path}.new`)],
  ['nothing', 'ENOENT', () => {}],
])('%s at its path is not written (%s)', (_, code, replace) => {
  const file = created(join(scratch(), 'partial'))
  linkSync(file.path, `${file.path}.old`)
  replace(file.path)
  const isReplaced = code !== 'ENOENT'
  renameSync(isReplaced ? `${file.path}.new` : file.path, isReplaced ? file.path : `${file.path}.gone`)
  expect(() => ThreadFile.open(file)).toThrow(expect.objectContaining({ code }) as Error)
  expect(readFileSync(`${file.path}.old`, 'utf8')).toBe('begun')
})

test.runIf(existsSync('/dev/full'))('a full disk is reported by its code', () => {
  const { dev, ino } = statSync('/dev/full', { bigint: true })
  const opened = ThreadFile.open({ path: '/dev/full', dev, ino })!
  expect(() => opened.write(DATA, 0)).toThrow(WriteError)
  expect(() => opened.write(DATA, 0)).toThrow(expect.objectContaining({ code: 'ENOSPC' }) as Error)
  opened.close()
})

test('what a thread wrote stays if it was not complete, unless its thread may still be writing', async () => {
  const left: Record<string, boolean> = {}
  for (const code of ['FILE_WRITE_FAILED', 'WORKER_FAILED'] as const) {
    const path = join(scratch(), 'partial')
    const partial = await PartialFile.open(path, 'weights.bin')
    partial.passedOn(Promise.resolve())
    partial.passedOn(Promise.reject(new ModelSealError(code, 'It failed.')))
    await partial.leave()
    left[code] = existsSync(path)
  }
  expect(left).toEqual({ FILE_WRITE_FAILED: true, WORKER_FAILED: false })
})

test('a file is closed only when no thread writes it, and is not written after that', async () => {
  const path = join(scratch(), 'partial')
  const partial = await PartialFile.open(path, 'weights.bin')
  const done = Promise.withResolvers<true>()
  partial.passedOn(done.promise)
  let isLeft = false
  const leaving = partial.leave().then(() => (isLeft = true))
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(isLeft).toBe(false)
  expect(() => partial.passedOn(Promise.resolve())).toThrow(refusal('FILE_WRITE_FAILED'))
  done.resolve(true)
  await leaving
  expect(isLeft).toBe(true)
})
