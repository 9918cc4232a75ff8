import * as fs from 'node:fs'
import * as promises from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { systemError } from '../../source/file-errors.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { Destination, placeOf } from './destination.ts'
import { staysInPlace } from './stays-in-place.ts'

vi.mock('node:fs/promises', { spy: true })
vi.mock(import('./stays-in-place.ts'), async (original) => {
  const real = await original()
  return { ...real, staysInPlace: vi.fn(real.staysInPlace) }
})

let directory: string
let path: string
const STAGING = '.m.modelseal-pull'

beforeEach(() => {
  directory = scratch({ 'm/old': 'old', 'm/sub/a': 'a' })
  path = join(directory, 'm')
})
afterEach(() => {
  for (const mocked of [promises.rename, promises.rm, promises.mkdir, promises.cp]) vi.mocked(mocked).mockReset()
  vi.mocked(staysInPlace).mockReset()
})

const namesIn = (...at: string[]) => fs.readdirSync(join(...at)).sort()
/** All files and directories, without signs of life. */
const allIn = (at: string) =>
  (fs.readdirSync(at, { recursive: true }) as string[]).filter((name) => basename(name) !== 'alive').sort()
const OLD = ['old', 'sub', 'sub/a']

async function prepared(at = path): Promise<Destination> {
  const destination = await Destination.at(at, true)
  await destination.prepare(async (files) => {
    for (const name of ['a.sig', 'model.sig', 'new', 'z']) await promises.writeFile(join(files, name), 'new')
  })
  return destination
}
const NEW = ['a.sig', 'model.sig', 'new', 'z']

describe('a model that cannot be prepared', () => {
  const failing = async (code: 'FILE_WRITE_FAILED' | 'FILE_MISMATCH') => {
    const destination = await Destination.at(path, true)
    const work = vi.fn((files: string) => {
      fs.writeFileSync(join(files, 'new'), '')
      return Promise.reject(new ModelSealError(code, 'No.'))
    })
    await expect(destination.prepare(work)).rejects.toEqual(refusal(code))
    await destination.discard()
    expect(allIn(directory)).toEqual(['m', ...OLD.map((name) => `m/${name}`)])
    return work.mock.calls.length
  }
  const takenOver = () => fs.mkdirSync(join(directory, STAGING, 'files'), { recursive: true })

  test('is tried again only if what was left by a killed process might be in the way', async () => {
    expect(await failing('FILE_WRITE_FAILED')).toBe(1)
    takenOver()
    expect(await failing('FILE_MISMATCH')).toBe(1)
    takenOver()
    expect(await failing('FILE_WRITE_FAILED')).toBe(2)
  })

  test('may be a fault of the program', async () => {
    takenOver()
    const destination = await Destination.at(path, true)
    const bug = Object.assign(new TypeError('a bug'), { code: 'FILE_WRITE_FAILED' })
    const work = vi.fn(() => Promise.reject(bug))
    await expect(destination.prepare(work)).rejects.toBe(bug)
    expect(work).toHaveBeenCalledOnce()
    await destination.discard()
  })

  test('leaves the old one in place even if somebody has removed what was prepared', async () => {
    const destination = await Destination.at(path, true)
    fs.rmSync(join(directory, STAGING, 'files'), { recursive: true })
    await destination.discard()
    expect(allIn(directory)).toEqual(['m', ...OLD.map((name) => `m/${name}`)])
  })

  test('is prepared by what is returned', async () => {
    const destination = await Destination.at(path, true)
    expect(await destination.prepare((files) => Promise.resolve(files))).toBe(join(directory, STAGING, 'files'))
    await destination.discard()
  })
})

describe('a new model', () => {
  test.each([0o700, 0o750, 0o755])('has the mode of the old one: %o', async (mode) => {
    fs.chmodSync(path, mode)
    const destination = await prepared()
    await destination.place()
    await destination.finish()
    expect(fs.statSync(path).mode & 0o7777).toBe(mode)
    expect(allIn(directory)).toEqual(['m', ...NEW.map((name) => `m/${name}`)])
  })

  test('leaves no sample of a mode', async () => {
    const destination = await prepared(join(directory, 'other'))
    await destination.place()
    expect(namesIn(directory, '.other.modelseal-pull').filter((name) => name !== 'alive')).toEqual([])
    await destination.finish()
  })

  test('stays in place even if the old one cannot be removed', async () => {
    const destination = await prepared()
    await destination.place()
    vi.mocked(promises.rm).mockRejectedValueOnce(systemError('EIO'))
    await destination.finish()
    expect(namesIn(path)).toEqual(NEW)
    expect(namesIn(directory, STAGING, 'aside')).toEqual(['old', 'sub'])
    await (await Destination.at(path, true)).discard()
    expect(allIn(directory)).toEqual(['m', ...NEW.map((name) => `m/${name}`)])
  })
})

describe('a failure to place a model', () => {
  test.each([1, 2])('puts the old one back: rename %i', async (number) => {
    const destination = await prepared()
    const { rename: real } = await vi.importActual<typeof promises>('node:fs/promises')
    let renames = 0
    vi.mocked(promises.rename).mockImplementation((from, to) =>
      ++renames === number ? Promise.reject(systemError('EIO')) : real(from, to),
    )
    await expect(destination.place()).rejects.toEqual(
      refusal('FILE_WRITE_FAILED', {
        file: path,
        message: expect.stringContaining('EIO') as string,
        hint: expect.stringContaining('disk is not full') as string,
      }),
    )
    expect(allIn(path)).toEqual(OLD)
    expect(promises.cp).not.toHaveBeenCalled()
    await destination.discard()
    expect(allIn(directory)).toEqual(['m', ...OLD.map((name) => `m/${name}`)])
  })

  test('is what is reported, even if the old one cannot be put back', async () => {
    const destination = await prepared()
    const { rename: real } = await vi.importActual<typeof promises>('node:fs/promises')
    let renames = 0
    vi.mocked(promises.rename).mockImplementation((from, to) =>
      ++renames > 1 ? Promise.reject(systemError(renames === 2 ? 'EIO' : 'EROFS')) : real(from, to),
    )
    await expect(destination.place()).rejects.toEqual(
      refusal('FILE_WRITE_FAILED', { message: expect.stringContaining('EIO') as string }),
    )
    const kept = join(directory, STAGING)
    await expect(destination.discard()).rejects.toEqual(
      refusal('FILE_WRITE_FAILED', {
        file: path,
        message: expect.stringMatching(/Cannot put the old model back .* EROFS/) as string,
        hint: expect.stringContaining(JSON.stringify(kept)) as string,
      }),
    )
    vi.mocked(promises.rename).mockImplementation(real)
    // The next pull puts it back.
    await (await Destination.at(path, true)).discard()
    expect(allIn(directory)).toEqual(['m', ...OLD.map((name) => `m/${name}`)])
  })

  test('while a directory is copied aside leaves it as it is', async () => {
    const destination = await prepared()
    vi.mocked(promises.rename).mockRejectedValueOnce(systemError('EXDEV'))
    vi.mocked(promises.cp).mockImplementationOnce((_, to) => {
      fs.mkdirSync(to)
      return Promise.reject(systemError('ENOSPC'))
    })
    await expect(destination.place()).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
    expect(allIn(path)).toEqual(OLD)
    await destination.discard()
    expect(allIn(directory)).toEqual(['m', ...OLD.map((name) => `m/${name}`)])
  })

  test('names what is in the way of the old one', async () => {
    const destination = await prepared()
    await destination.place()
    fs.renameSync(path, join(directory, STAGING, 'files'))
    fs.mkdirSync(path)
    fs.writeFileSync(join(path, 'mine'), '')
    await expect(destination.discard()).rejects.toEqual(
      refusal('DESTINATION_REFUSED', { found: '"mine", which somebody else has put there since' }),
    )
    expect([namesIn(path), namesIn(directory, STAGING, 'aside')]).toEqual([['mine'], ['old', 'sub']])
  })
})

describe('a copy of the old model', () => {
  test('has nothing of an older copy that was interrupted', async () => {
    fs.mkdirSync(join(directory, STAGING, 'leaving/stale'), { recursive: true })
    fs.mkdirSync(join(directory, STAGING, 'files'))
    const destination = await prepared()
    vi.mocked(promises.rename).mockRejectedValueOnce(systemError('EXDEV'))
    await destination.place()
    await destination.discard()
    expect(allIn(path)).toEqual(OLD)
  })

  test('has its links and times', async () => {
    fs.symlinkSync('old', join(path, 'link'))
    fs.utimesSync(join(path, 'old'), 100, 100)
    const destination = await prepared()
    vi.mocked(promises.rename).mockRejectedValueOnce(systemError('EXDEV'))
    await destination.place()
    await destination.discard()
    expect(fs.readlinkSync(join(path, 'link'))).toBe('old')
    expect(fs.statSync(join(path, 'old')).mtimeMs).toBe(100_000)
    expect(allIn(path)).toEqual(['link', ...OLD])
  })
})

describe('a destination that stays in place', () => {
  beforeEach(() => void vi.mocked(staysInPlace).mockResolvedValue(true))

  test('gets its bundles last', async () => {
    const destination = await prepared()
    vi.mocked(promises.rename).mockClear()
    await destination.place()
    const placed = vi.mocked(promises.rename).mock.calls.map(([, to]) => to as string)
    expect(
      placed.filter((to) => to.startsWith(`${path}/`) && !to.includes('.modelseal-pull')).map((to) => basename(to)),
    ).toEqual(['new', 'z', 'a.sig', 'model.sig'])
    await destination.finish()
    expect(allIn(path)).toEqual(NEW)
  })

  test.each(Array.from({ length: 8 }, (_, i) => i + 1))(
    'gets its old entries back if rename %i fails',
    async (number) => {
      const destination = await prepared()
      const { rename: real } = await vi.importActual<typeof promises>('node:fs/promises')
      let renames = 0
      vi.mocked(promises.rename).mockImplementation((from, to) =>
        ++renames === number ? Promise.reject(systemError('EIO')) : real(from, to),
      )
      if (number <= 7) await expect(destination.place()).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
      else await destination.place()
      vi.mocked(promises.rename).mockImplementation(real)
      await destination.discard()
      expect(allIn(path)).toEqual(OLD)
    },
  )
})

describe('a destination', () => {
  test('that cannot be begun leaves no directories', async () => {
    const at = join(directory, 'new/deep/m')
    vi.mocked(staysInPlace).mockRejectedValueOnce(systemError('EACCES'))
    await expect(Destination.at(at, false)).rejects.toEqual(
      refusal('FILE_WRITE_FAILED', { file: at, message: expect.stringContaining('EACCES') as string }),
    )
    expect(namesIn(directory)).toEqual(['m'])
    const existing = scratch({ 'keep/x': '' })
    vi.mocked(staysInPlace).mockRejectedValueOnce(systemError('EACCES'))
    await expect(Destination.at(join(existing, 'keep/m'), false)).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
    expect(allIn(existing)).toEqual(['keep', 'keep/x'])
  })

  test('that is refused leaves what was there', async () => {
    fs.writeFileSync(join(directory, 'file'), '')
    const found = 'something other than a directory'
    for (const force of [false, true])
      await expect(Destination.at(join(directory, 'file'), force)).rejects.toEqual(
        refusal('DESTINATION_REFUSED', { file: join(directory, 'file'), found }),
      )
    await expect(Destination.at(path, false)).rejects.toEqual(refusal('DESTINATION_REFUSED'))
    expect(allIn(directory)).toEqual(['file', 'm', ...OLD.map((name) => `m/${name}`)])
  })

  test('is the place to which links lead', () => {
    fs.symlinkSync('m', join(directory, 'current'))
    expect(placeOf(join(directory, 'current'))).toBe(path)
    expect(placeOf(join(directory, 'current/none'))).toBe(join(path, 'none'))
    expect(placeOf(join(directory, 'none/x'))).toBe(join(directory, 'none/x'))
  })
})
