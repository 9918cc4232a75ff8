import * as fs from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import type { Placement } from '../../manifest/contents.ts'
import { systemError } from '../../source/file-errors.ts'
import { identityOf, type SourceFile } from '../../source/local/source-file.ts'
import { elsewhere } from '../../testing/elsewhere.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { copyFromDisk, pathIn, saveFromDisk, type FilesOnDisk } from './copy-from-disk.ts'

vi.mock('node:fs', { spy: true })

const LINUX = process.platform === 'linux'
const NAMES = ['a', 'sub/b']

let model: string
let target: string
let replaced: SourceFile[]
let placements: Placement[]

beforeEach(() => {
  model = scratch({ a: 'A', 'sub/b': 'B' })
  target = scratch()
  replaced = []
  placements = []
  // As on a file system that cannot clone.
  vi.mocked(fs.copyFileSync).mockReset()
  vi.mocked(fs.copyFileSync).mockImplementation(() => {
    throw systemError('ENOTSUP')
  })
})

/** A file system that can clone. */
function cloning(only: (path: string) => boolean = () => true): void {
  vi.mocked(fs.copyFileSync).mockImplementation((from, to) => {
    if (!only(to as string)) throw systemError('ENOTSUP')
    fs.writeFileSync(to, fs.readFileSync(from))
  })
}

/** Copies what is to be copied, and hashes nothing. */
function onDisk({ refuse, change }: { refuse?: () => Error; change?: (file: SourceFile) => void } = {}): FilesOnDisk {
  return {
    file: (name) => {
      const path = join(model, name)
      const file = { name, path, identity: identityOf(fs.lstatSync(path, { bigint: true })) }
      change?.(file)
      return file
    },
    isChecked: () => false,
    check: async (given) => {
      placements.push(...given)
      await Promise.resolve()
      for (const { file, copyTo } of given)
        if (copyTo !== undefined) fs.writeFileSync(copyTo, fs.readFileSync(file.path), { mode: 0o600 })
      if (refuse) throw refuse()
    },
    replace: (file) => void replaced.push(file),
  }
}

const targets = () => NAMES.map((name) => ({ name, path: join(target, name), partial: join(target, 'parts', name) }))
const refusing = (code: ErrorCode, details = {}) => ({ refuse: () => new ModelSealError(code, 'No.', details) })
const files = () =>
  fs
    .readdirSync(target, { recursive: true, withFileTypes: true })
    .flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name).slice(target.length + 1)] : []))
    .sort()

describe('copying', () => {
  test('replaces the files by their copies', async () => {
    await copyFromDisk(onDisk(), NAMES, target)
    expect(placements.map(({ copyTo }) => copyTo)).toEqual(NAMES.map((name) => join(target, name)))
    expect(replaced).toEqual(
      NAMES.map((name) => {
        const path = join(target, name)
        return { name, path, identity: identityOf(fs.lstatSync(path, { bigint: true })) }
      }),
    )
    expect(fs.readFileSync(join(target, 'sub/b'), 'utf8')).toBe('B')
  })

  test('leaves nothing of what was refused', async () => {
    await expect(copyFromDisk(onDisk(refusing('FILE_MISMATCH')), NAMES, target)).rejects.toEqual(
      refusal('FILE_MISMATCH'),
    )
    expect([files(), replaced]).toEqual([[], []])
  })

  test('passes on any other failure', async () => {
    const gone = onDisk()
    await expect(
      copyFromDisk({ ...gone, check: () => Promise.reject(new RangeError('mine')) }, NAMES, target),
    ).rejects.toThrow('mine')
    expect(files()).toEqual([])
  })
})

describe.runIf(LINUX)('a clone', () => {
  test('is what is hashed, with its own state', async () => {
    cloning()
    await copyFromDisk(onDisk(), NAMES, target)
    expect(placements.map(({ file, copyTo }) => [file.name, file.path, copyTo])).toEqual(
      NAMES.map((name) => [name, join(target, name), undefined]),
    )
    const { ino } = fs.lstatSync(join(target, 'a'), { bigint: true })
    expect(placements[0]?.file.identity.ino).toBe(ino)
  })

  test('is tried only as long as the file system can', async () => {
    cloning((path) => !path.endsWith('a'))
    await copyFromDisk(onDisk(), NAMES, target)
    expect(fs.copyFileSync).toHaveBeenCalledOnce()
    expect(placements.map(({ copyTo }) => copyTo !== undefined)).toEqual([true, true])
  })

  test('is made of the file that was listed only', async () => {
    cloning()
    const changed = onDisk({ change: (file) => (file.identity.mtimeNs -= 1n) })
    await expect(copyFromDisk(changed, NAMES, target)).rejects.toEqual(refusal('FILE_CHANGED', { file: 'a' }))
    expect(fs.copyFileSync).not.toHaveBeenCalled()
    expect([files(), placements]).toEqual([[], []])
  })

  test('leaves no descriptor open', async () => {
    for (const clone of [true, false]) {
      if (clone) cloning()
      vi.mocked(fs.openSync).mockClear()
      await copyFromDisk(onDisk(), NAMES, scratch())
      const opened = vi
        .mocked(fs.openSync)
        .mock.calls.flatMap(([path], call) =>
          path === join(model, 'a') ? [vi.mocked(fs.openSync).mock.results[call]?.value as number] : [],
        )
      expect(opened.length).toBeGreaterThan(0)
      expect(vi.mocked(fs.closeSync).mock.calls.flat()).toEqual(expect.arrayContaining(opened))
    }
  })
})

test('other systems clone nothing', async () => {
  elsewhere('darwin')
  cloning()
  await copyFromDisk(onDisk(), NAMES, target)
  expect(fs.copyFileSync).not.toHaveBeenCalled()
})

describe('saving', () => {
  test('gives all files their names at once, readable for all, and leaves the model where it is', async () => {
    await saveFromDisk(onDisk(), targets())
    expect(files()).toEqual(['a', 'sub/b'])
    expect(fs.readFileSync(join(target, 'sub/b'), 'utf8')).toBe('B')
    expect(fs.statSync(join(target, 'a')).mode & 0o777).toBe(0o644)
    expect(replaced).toEqual([])
    expect(placements.map(({ copyTo }) => copyTo)).toEqual(targets().map(({ partial }) => partial))
  })

  test('replaces what an earlier attempt left', async () => {
    fs.mkdirSync(join(target, 'parts'))
    fs.symlinkSync(join(model, 'sub/b'), join(target, 'parts/a'))
    await saveFromDisk(onDisk(), targets())
    expect(fs.lstatSync(join(target, 'a')).isFile()).toBe(true)
    expect(fs.readFileSync(join(model, 'sub/b'), 'utf8')).toBe('B')
  })

  test('gives no file its name if one is refused', async () => {
    await expect(saveFromDisk(onDisk(refusing('FILE_MISMATCH', { file: 'a' })), targets())).rejects.toEqual(
      refusal('FILE_MISMATCH', { file: 'a' }),
    )
    expect(files()).toEqual(['parts/a', 'parts/sub/b'])
  })

  test('says that it failed to write', async () => {
    const failed = refusal('FILE_WRITE_FAILED', { file: join(target, 'a') })
    await expect(saveFromDisk(onDisk(refusing('COPY_FAILED')), targets())).rejects.toEqual(failed)
    await expect(saveFromDisk(onDisk({ refuse: () => systemError('EIO') }), targets())).rejects.toEqual(failed)
    fs.rmSync(join(target, 'sub'), { recursive: true })
    fs.writeFileSync(join(target, 'sub'), 'a file')
    await expect(saveFromDisk(onDisk(), targets())).rejects.toEqual(failed)
  })
})

describe('the path of a file in a private directory', () => {
  test('has private directories above it', () => {
    expect(pathIn(target, 'x/y/z')).toBe(join(target, 'x/y/z'))
    for (const name of ['x', 'x/y']) expect(fs.statSync(join(target, name)).mode & 0o777).toBe(0o700)
    expect(pathIn(target, 'x/y/other')).toBe(join(target, 'x/y/other'))
  })

  test('is refused if there is something else', () => {
    fs.writeFileSync(join(target, 'x'), '')
    expect(() => pathIn(target, 'x/y')).toThrow(
      refusal('COPY_FAILED', { file: 'x/y', message: expect.stringContaining('EEXIST') as string }),
    )
  })
})
