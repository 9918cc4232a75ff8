import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { refusal, scratch } from '../testing/scratch.ts'
import { writeFileWhole, type WholeFile } from './write-file.ts'

const FILE: WholeFile = { what: 'bundle', failed: 'SIGNATURE_WRITE_FAILED', mode: 0o644 }

test('writes a new file, replaces an old one, and leaves nothing else behind', async () => {
  const directory = scratch({ old: 'before' })
  await writeFileWhole(join(directory, 'old'), Buffer.from('after'), FILE)
  await writeFileWhole(join(directory, 'new'), Buffer.from('new'), FILE)
  expect(readdirSync(directory).sort()).toEqual(['new', 'old'])
  expect(readFileSync(join(directory, 'old'), 'utf8')).toBe('after')
  expect(lstatSync(join(directory, 'new')).mode & 0o022).toBe(0)
})

test.each(['target', 'nowhere'])('replaces a symbolic link at the place, and never follows it (to %s)', async (to) => {
  const directory = scratch({ target: 'untouched' })
  symlinkSync(to, join(directory, 'model.sig'))
  await writeFileWhole(join(directory, 'model.sig'), Buffer.from('bundle'), FILE)
  expect(lstatSync(join(directory, 'model.sig')).isFile()).toBe(true)
  expect(readFileSync(join(directory, 'model.sig'), 'utf8')).toBe('bundle')
  expect(readFileSync(join(directory, 'target'), 'utf8')).toBe('untouched')
  expect(readdirSync(directory).sort()).toEqual(['model.sig', 'target'])
})

test('leaves what is there if it may not be replaced', async () => {
  const directory = scratch({ old: 'before' })
  const path = join(directory, 'old')
  const complete: string[] = []
  const mayReplace = (temporary: string) => {
    complete.push(readFileSync(temporary, 'utf8'))
    return Promise.resolve(complete.length > 1)
  }
  expect(await writeFileWhole(path, Buffer.from('after'), { ...FILE, mayReplace })).toBe(false)
  expect(readFileSync(path, 'utf8')).toBe('before')
  expect(await writeFileWhole(path, Buffer.from('after'), { ...FILE, mayReplace })).toBe(true)
  expect(readFileSync(path, 'utf8')).toBe('after')
  expect(complete).toEqual(['after', 'after'])
  expect(readdirSync(directory)).toEqual(['old'])
})

test('leaves nothing half-written if the file cannot be replaced', async () => {
  const directory = scratch()
  mkdirSync(join(directory, 'model.sig', 'in the way'), { recursive: true })
  await expect(writeFileWhole(join(directory, 'model.sig'), Buffer.from('x'), FILE)).rejects.toEqual(
    refusal('SIGNATURE_WRITE_FAILED'),
  )
  expect(readdirSync(directory)).toEqual(['model.sig'])
})

test('refuses a directory that does not exist, and an impossible name', async () => {
  const directory = scratch()
  for (const path of [join(directory, 'none', 'model.sig'), join(directory, 'x'.repeat(300)), join(directory, 'a\0b')])
    await expect(writeFileWhole(path, Buffer.from('x'), FILE)).rejects.toEqual(refusal('SIGNATURE_WRITE_FAILED'))
  expect(readdirSync(directory)).toEqual([])
})
