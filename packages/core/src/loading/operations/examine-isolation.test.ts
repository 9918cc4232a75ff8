import { fstatSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { foreignFileSystem } from '../../source/local/file-system.ts'
import { elsewhere } from '../../testing/elsewhere.ts'
import { openFilesIn } from '../../testing/open-files.ts'
import { scratch } from '../../testing/scratch.ts'
import { PLACE_HINT } from '../placing/isolation.ts'
import { linkAny } from '../placing/link-in-place.ts'
import { examineHost } from './examine-host.ts'

vi.mock(import('../../source/local/file-system.ts'), { spy: true })
vi.mock(import('../placing/link-in-place.ts'), { spy: true })

const link = vi.mocked(linkAny)
const foreign = vi.mocked(foreignFileSystem)
let directory: string

beforeEach(() => {
  directory = scratch()
  for (const name of ['tmp', 'cache']) mkdirSync(join(directory, name), { mode: 0o700 })
  vi.stubEnv('TMPDIR', join(directory, 'tmp'))
  vi.stubEnv('MODELSEAL_CACHE', join(directory, 'cache'))
  vi.stubEnv('XDG_RUNTIME_DIR', '')
})

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  link.mockReset()
  foreign.mockReset()
})

const left = () => readdirSync(join(directory, 'tmp'))

describe('the places of links', () => {
  test('are tried with a link to a private file, which is closed again', async () => {
    const seen: object[] = []
    link.mockImplementation((file, fd, path) => {
      const { mode, ino } = statSync(file.path)
      seen.push({
        name: file.name,
        file: basename(file.path),
        isBesideLink: dirname(file.path) === dirname(path),
        mode: mode & 0o777,
        isOpen: fstatSync(fd).ino === ino && file.identity.ino === BigInt(ino),
        content: readFileSync(file.path, 'utf8'),
      })
      return file
    })
    const { isolation } = await examineHost()
    const probe = { name: 'probe', file: 'probe', isBesideLink: true, mode: 0o600, isOpen: true, content: 'modelseal' }
    expect(seen).toEqual([probe])
    const place = join(directory, 'tmp')
    expect(isolation).toEqual({ copy: { place, notes: [] }, inPlace: { place, notes: [] } })
    expect(left()).toEqual([])
  })

  test.skipIf(process.platform !== 'linux')('leave no file open', async () => {
    await examineHost()
    expect(openFilesIn(directory)).toEqual([])
  })

  test.each([
    ['a refusal', new ModelSealError('ISOLATION_REFUSED', 'No links.'), { code: 'ISOLATION_REFUSED' }],
    [
      'an error of the system',
      Object.assign(new Error('full'), { code: 'ENOSPC' }),
      { code: 'INTERNAL', found: 'ENOSPC' },
    ],
  ])('have a problem if %s prevents links, which copies do not have', async (_, error, problem) => {
    link.mockImplementation(() => {
      throw error
    })
    const { isolation } = await examineHost()
    expect(isolation.inPlace).toEqual({ notes: [], problem: expect.objectContaining(problem) as object })
    expect(isolation.copy).toEqual({ place: join(directory, 'tmp'), notes: [] })
    expect(left()).toEqual([])
  })
})

test.skipIf(process.platform !== 'linux')('says what to set if no place is suitable', async () => {
  vi.stubEnv('TMPDIR', join(directory, 'nowhere'))
  foreign.mockReturnValue('a file system of others')
  const { isolation } = await examineHost()
  for (const { place, problem } of [isolation.copy, isolation.inPlace]) {
    expect(place).toBeUndefined()
    expect(problem).toMatchObject({ code: 'COPY_FAILED', file: join(directory, 'nowhere') })
  }
  expect(isolation.copy.problem?.hint).toContain(`${PLACE_HINT}.`)
})

describe('the working directory', () => {
  const notes = async () => {
    const { isolation } = await examineHost()
    expect(isolation.copy.notes).toEqual([])
    return isolation.inPlace.notes
  }
  const foreignIs = (there: string) =>
    foreign.mockImplementation((path) => (path === there ? 'a file system of others' : undefined))

  test.skipIf(process.platform !== 'linux')('is named if models in it are not used in place', async () => {
    foreignIs(process.cwd())
    expect(await notes()).toEqual([expect.stringContaining('a file system of others')])
    foreignIs(directory)
    expect(await notes()).toEqual([])
  })

  test('may be anywhere on other systems than Linux', async () => {
    elsewhere('darwin')
    link.mockImplementation((file) => file)
    foreignIs(process.cwd())
    expect(await notes()).toEqual([])
  })

  test('may have been deleted', async () => {
    vi.spyOn(process, 'cwd').mockImplementation(() => {
      throw Object.assign(new Error('gone'), { code: 'ENOENT' })
    })
    expect(await notes()).toEqual([])
  })
})
