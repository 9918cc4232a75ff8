import { closeSync, mkdirSync, openSync, readlinkSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import { isPlain, realPathIfAny, realPlace } from './real-path.ts'

const LINUX = process.platform === 'linux'

function opened(directory: string): string {
  const fd = openSync(directory, 'r')
  onTestFinished(() => closeSync(fd))
  return `/proc/self/fd/${fd}`
}

describe('resolving a path', () => {
  test('follows every link on the way', () => {
    const directory = scratch({ 'real/sub/file': '' })
    symlinkSync('real', join(directory, 'relative'))
    symlinkSync(join(directory, 'relative', 'sub'), join(directory, 'absolute'))
    symlinkSync('../real/../absolute/file', join(directory, 'real', 'up'))
    const { dev, ino } = statSync(join(directory, 'real/sub/file'), { bigint: true })
    for (const way of ['relative/sub/file', 'absolute/file', 'real/up'])
      expect(realPlace(join(directory, way))).toEqual({ path: join(directory, 'real/sub/file'), inode: { dev, ino } })
  })

  test('resolves ".." from the target of a link, as the kernel does', () => {
    const directory = scratch({ 'real/sub/file': '', 'real/other/file': '', 'other/file': '' })
    symlinkSync('real/sub', join(directory, 'linked'))
    symlinkSync('linked/../other/file', join(directory, 'link'))
    symlinkSync(`..${'/..'.repeat(40)}${join(directory, 'linked')}/..`, join(directory, 'root'))
    expect(realPlace(join(directory, 'link')).path).toBe(join(directory, 'real/other/file'))
    expect(realPlace(join(directory, 'root')).path).toBe(join(directory, 'real'))
  })

  test('leaves a missing path as it is, and refuses a cycle of links', () => {
    const directory = scratch()
    symlinkSync('b', join(directory, 'a'))
    symlinkSync('a', join(directory, 'b'))
    expect(() => realPlace(join(directory, 'none'))).toThrow(expect.objectContaining({ code: 'ENOENT' }))
    expect(() => realPlace(join(directory, 'a'))).toThrow(expect.objectContaining({ code: 'ELOOP' }))
    expect(realPathIfAny(join(directory, 'none'))).toBe(join(directory, 'none'))
  })

  test.runIf(LINUX)('uses the plain path if a link of procfs leads to the same file', () => {
    const directory = scratch({ 'model/file': '' })
    const model = join(directory, 'model')
    expect(realPlace(opened(model)).path).toBe(model)
    expect(realPlace(join(opened(directory), 'model/file')).path).toBe(join(model, 'file'))
    expect(realPlace(`/proc/self/root${model}`).path).toBe(model)
    expect(realPlace('/proc/self/cwd').path).toBe(process.cwd())
    expect(isPlain(model)).toBe(true)
  })

  test.runIf(LINUX)('keeps a link of procfs to a deleted file, even if another file took its name', () => {
    const directory = scratch({ 'model/file': '' })
    const model = join(directory, 'model')
    const link = opened(model)
    rmSync(model, { recursive: true })
    mkdirSync(model)
    // The text of the link that the kernel makes up.
    mkdirSync(readlinkSync(link))
    const { dev, ino } = statSync(link, { bigint: true })
    const place = realPlace(link)
    expect(place.inode).toEqual({ dev, ino })
    expect(place.path).toBe(link.replace('self', String(process.pid)))
    expect(isPlain(place.path)).toBe(false)
  })

  test.runIf(LINUX)('follows a directory that was moved while it was open', () => {
    const directory = scratch({ 'model/file': '', 'other/file': '' })
    const link = opened(join(directory, 'model'))
    renameSync(join(directory, 'model'), join(directory, 'moved'))
    renameSync(join(directory, 'other'), join(directory, 'model'))
    expect(realPlace(join(link, 'file')).path).toBe(join(directory, 'moved/file'))
  })

  test.runIf(LINUX)('does not resolve ".." in a place that has no path', () => {
    const directory = scratch({ 'model/file': '' })
    const link = opened(join(directory, 'model'))
    rmSync(join(directory, 'model'), { recursive: true })
    symlinkSync(`${link}/..`, join(directory, 'link'))
    expect(() => realPlace(join(directory, 'link'))).toThrow(refusal('PATH_AMBIGUOUS'))
  })
})
