import * as fs from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { foreignFileSystem } from '../../source/local/file-system.ts'
import { identityOf, type SourceFile } from '../../source/local/source-file.ts'
import { procFile } from '../../source/proc-file.ts'
import { systemError } from '../../source/file-errors.ts'
import { elsewhere } from '../../testing/elsewhere.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { close, linkAny, linkHard, linkInPlace, notInPlace, withOpen } from './link-in-place.ts'

vi.mock('node:fs', { spy: true })
vi.mock(import('../../source/local/file-system.ts'), async (original) => {
  const real = await original()
  return { ...real, foreignFileSystem: vi.fn(real.foreignFileSystem) }
})
vi.mock(import('../../source/proc-file.ts'), async (original) => {
  const real = await original()
  return { ...real, procFile: vi.fn(real.procFile) }
})

const LINUX = process.platform === 'linux'

let directory: string
let file: SourceFile
let link: string

beforeEach(() => {
  directory = scratch({ weights: 'the weights' })
  fs.chmodSync(join(directory, 'weights'), 0o644)
  file = listed('weights')
  link = join(directory, 'link')
})
afterEach(() => {
  vi.mocked(foreignFileSystem).mockReset()
  vi.mocked(procFile).mockReset()
  vi.mocked(fs.linkSync).mockReset()
})

function listed(name: string): SourceFile {
  const path = join(directory, name)
  return { name, path, identity: identityOf(fs.lstatSync(path, { bigint: true })) }
}

/** Runs something on the open file, which stays open for the test. */
function open(use: typeof linkAny, path = link): SourceFile {
  const fd = fs.openSync(file.path, 'r')
  onTestFinished(() => fs.closeSync(fd))
  return use(file, fd, path)
}

const isOpen = (fd: number) => {
  try {
    return fs.fstatSync(fd).isFile()
  } catch {
    return false
  }
}

/** The descriptors that were opened, and which are still open. */
function opened(work: () => unknown): { all: number[]; still: number[] } {
  vi.mocked(fs.openSync).mockClear()
  work()
  const all = vi.mocked(fs.openSync).mock.results.map(({ value }) => value as number)
  return { all, still: all.filter(isOpen) }
}

describe('a link', () => {
  test.runIf(LINUX)('leads to the open file by its descriptor, and changes nothing about it', () => {
    let linked: SourceFile | undefined
    const { all, still } = opened(() => (linked = linkInPlace(file, link, linkAny)))
    expect(linked).toEqual({ ...file, fd: all[0] })
    expect(still).toEqual(all.slice(0, 1))
    expect(fs.readlinkSync(link)).toBe(`/proc/${process.pid}/fd/${all[0]}`)
    expect(fs.readFileSync(link, 'utf8')).toBe('the weights')
    expect(listed('weights')).toEqual(file)
    close([{ ...file, fd: undefined } as unknown as SourceFile, linked!])
    expect(all.filter(isOpen)).toEqual([])
  })

  test('is a hard link on other systems, and needs no descriptor', () => {
    elsewhere('darwin')
    let linked: SourceFile | undefined
    const { all, still } = opened(() => (linked = linkInPlace(file, link, linkAny)))
    expect([all.length, still]).toEqual([1, []])
    expect(linked).toEqual({ name: 'weights', path: link, identity: listed('weights').identity })
    expect(fs.lstatSync(link, { bigint: true }).ino).toBe(file.identity.ino)
  })

  test.each(['without /proc', 'with a /proc of other processes', 'with a /proc of another device'])(
    'is a hard link on Linux %s',
    (proc) => {
      elsewhere('linux')
      vi.mocked(foreignFileSystem).mockReturnValue(undefined)
      const other = scratch({ evil: 'EVIL weight' })
      vi.mocked(procFile).mockImplementation((name) => join(other, name))
      if (proc !== 'without /proc') {
        fs.symlinkSync('7', join(other, 'self'))
        fs.mkdirSync(join(other, '7/fd'), { recursive: true })
        for (let fd = 0; fd < 200; fd++) fs.symlinkSync(join(other, 'evil'), join(other, '7/fd', `${fd}`))
      }
      if (proc.endsWith('device'))
        vi.mocked(fs.statSync).mockImplementationOnce(
          () => ({ dev: file.identity.dev + 1n, ino: file.identity.ino }) as unknown as fs.Stats,
        )
      expect(open(linkAny)).toEqual({ name: 'weights', path: link, identity: listed('weights').identity })
      expect(fs.lstatSync(link).isFile()).toBe(true)
      expect(fs.readFileSync(link, 'utf8')).toBe('the weights')
    },
  )
})

describe('a hard link', () => {
  const weights = () => join(directory, 'weights')

  test('is refused, and removed, if it leads to another file', () => {
    const replaced = () => {
      fs.renameSync(weights(), join(directory, 'old'))
      fs.writeFileSync(weights(), 'the weights')
      fs.utimesSync(weights(), 1, 1)
    }
    const fd = fs.openSync(file.path, 'r')
    replaced()
    expect(() => linkHard(file, fd, link)).toThrow(
      refusal('FILE_CHANGED', { file: 'weights', message: expect.stringContaining('replaced') as string }),
    )
    fs.closeSync(fd)
    expect(fs.existsSync(link)).toBe(false)
  })

  test('is refused if it leads to a file with the same number on another device', () => {
    file.identity.dev += 1n
    expect(() => open(linkHard)).toThrow(refusal('FILE_CHANGED'))
    expect(fs.existsSync(link)).toBe(false)
  })

  test.each<[string, () => void]>([
    ['its size', () => (file.identity.size += 1)],
    ['the time of its last change', () => (file.identity.mtimeNs += 1n)],
  ])('is refused, and removed, if the file no longer has %s', (_, change) => {
    change()
    expect(() => open(linkHard)).toThrow(
      refusal('FILE_CHANGED', { file: 'weights', message: expect.stringContaining('written to') as string }),
    )
    expect(fs.existsSync(link)).toBe(false)
  })

  test('has the state that the file has with it', () => {
    file.identity.ctimeNs = 0n
    expect(open(linkHard).identity).toEqual(identityOf(fs.lstatSync(weights(), { bigint: true })))
  })

  const failing = (cause: Error) => {
    vi.mocked(fs.linkSync).mockImplementation(() => {
      throw cause
    })
    return () => open(linkHard)
  }

  test('is refused if it cannot be made', () => {
    fs.writeFileSync(link, 'there')
    expect(() => open(linkHard)).toThrow(
      refusal('ISOLATION_REFUSED', {
        file: 'weights',
        found: `a file that cannot be linked from ${JSON.stringify(directory)} (EEXIST)`,
        hint: expect.stringContaining('owner or mode') as string,
      }),
    )
    expect(fs.readFileSync(link, 'utf8')).toBe('there')
  })

  test('that is gone when it is to be removed hides no failure', () => {
    vi.mocked(fs.linkSync).mockImplementation(() => {})
    vi.mocked(fs.lstatSync).mockImplementationOnce(() => {
      throw new RangeError('mine')
    })
    expect(() => open(linkHard)).toThrow('mine')
  })

  test('says what helps if it cannot be made', () => {
    const hint = (text: string) => ({ hint: expect.stringContaining(text) as string })
    expect(failing(systemError('EXDEV'))).toThrow(refusal('ISOLATION_REFUSED', hint('TMPDIR')))
    const denied = Object.assign(new Error('denied'), { code: 'ERR_ACCESS_DENIED' })
    expect(failing(denied)).toThrow(refusal('ISOLATION_REFUSED', hint('--permission')))
  })
})

describe('a file that is not linked', () => {
  const refused = (details: object) => {
    const { all, still } = opened(() =>
      expect(() => linkInPlace(file, link, linkAny)).toThrow(
        refusal('ISOLATION_REFUSED', { file: 'weights', ...details }),
      ),
    )
    expect([all.length, still]).toEqual([1, []])
    expect(fs.existsSync(link)).toBe(false)
  }

  test.runIf(process.geteuid)('is one that others can write to', () => {
    fs.chmodSync(file.path, 0o666)
    file = listed('weights')
    refused({ found: 'the mode 0666' })
  })

  test('is one on a file system that is not local', () => {
    elsewhere('linux')
    vi.mocked(foreignFileSystem).mockReturnValue('a file system of others')
    refused({ found: 'a file system of others' })
    const [path] = vi.mocked(foreignFileSystem).mock.lastCall ?? []
    expect(path).toMatch(/^\/proc\/self\/fd\/\d+$/)
  })

  test('is one that changed since it was listed', () => {
    file.identity.ctimeNs -= 1n
    const { still } = opened(() => expect(() => linkInPlace(file, link, linkAny)).toThrow(refusal('FILE_CHANGED')))
    expect(still).toEqual([])
  })
})

test('the file system counts on Linux only', () => {
  elsewhere('darwin')
  vi.mocked(foreignFileSystem).mockReturnValue('a file system of others')
  expect(linkInPlace(file, link, linkAny).path).toBe(link)
})

test('a file is closed after it was used, also after a failure', () => {
  const { all, still } = opened(() => {
    withOpen(file, (given, fd) => expect([given, isOpen(fd)]).toEqual([file, true]))
    const use = () => {
      throw new RangeError('mine')
    }
    expect(() => withOpen(file, use)).toThrow('mine')
  })
  expect([all.length, still]).toEqual([2, []])
})

test('a refusal says what is expected', () => {
  expect(notInPlace(file, 'this')).toEqual(
    refusal('ISOLATION_REFUSED', {
      file: 'weights',
      expected: 'a file on a local file system that belongs to root or this user and that nobody else can write to',
      found: 'this',
    }),
  )
})
