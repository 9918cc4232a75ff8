import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import { settled } from '../../source/local/settling.ts'
import { identityOf, type SourceFile } from '../../source/local/source-file.ts'
import { temporaryPlaces } from '../../source/private/temporary-places.ts'
import { elsewhere } from '../../testing/elsewhere.ts'
import { placingOf, type PlacingGiven } from '../../testing/placing-of.ts'
import { refusal, scratch } from '../../testing/scratch.ts'

vi.mock('node:fs', { spy: true })
vi.mock(import('../../source/local/settling.ts'), async (original) => {
  const real = await original()
  return { ...real, settled: vi.fn(real.settled) }
})
vi.mock(import('../../source/private/temporary-places.ts'), async (original) => {
  const real = await original()
  return { ...real, temporaryPlaces: vi.fn(real.temporaryPlaces) }
})

const LINUX = process.platform === 'linux'
/** Descriptors that may be open for links. */
const MOST = 254

let temporary: string
beforeEach(() => {
  temporary = scratch()
  const places = [join(temporary, 'first'), join(temporary, 'second')]
  for (const place of places) fs.mkdirSync(place)
  vi.mocked(temporaryPlaces).mockImplementation(() =>
    places.map((path) => ({ name: path, path: () => Promise.resolve(path) })),
  )
})
afterEach(() => void vi.mocked(temporaryPlaces).mockReset())

const failure = (code: ErrorCode, details = {}) => new ModelSealError(code, 'No.', details)
/** Everything in private directories. */
const placedFiles = () =>
  fs
    .readdirSync(temporary, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map(({ name }) => name)
    .filter((name) => ['a', 'b', 'c'].includes(name))
    .sort()

describe('a file in place', () => {
  test('is hashed before it is handed out, unless it was and has not changed since', async () => {
    const { placing, events } = placingOf(['a', 'b', 'c'], {
      checked: ['a', 'b'],
      listed: (file) => (file.name === 'b' ? { ...file, young: true } : { ...file, young: false }),
    })
    const { isolation } = await placing.place(['a', 'b', 'c'])
    // Another change of a young file might not show in its state.
    expect([isolation, events.checked]).toEqual(['in-place', [['b', 'c']]])
    expect(settled).toHaveBeenCalled()
    expect(placing.used).toEqual(['in-place'])
  })

  test('is young only if its own listing says so', async () => {
    const { placing, events } = placingOf(['a'], {
      checked: ['a'],
      listed: (file) => Object.assign(Object.create({ young: true }) as SourceFile, file),
    })
    await placing.place(['a'])
    expect(events.checked).toEqual([[]])
  })

  test('is read through its link from then on, and by its path when the link is gone', async () => {
    const { placing, files, model } = placingOf(['a'])
    const { identity } = files.get('a')!
    await placing.place(['a'])
    if (LINUX) expect(fs.fstatSync(files.get('a')!.fd!).ino).toBe(Number(identity.ino))
    await placing.dispose()
    if (LINUX) expect(files.get('a')).toEqual({ name: 'a', path: join(model, 'a'), identity })
  })

  test('is not kept if one of them is refused', async () => {
    const { placing, files } = placingOf(['a', 'b'], {
      check: () => {
        throw failure('FILE_MISMATCH')
      },
    })
    for (const mock of [fs.openSync, fs.closeSync]) vi.mocked(mock).mockClear()
    await expect(placing.place(['a', 'b'])).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect([placedFiles(), placing.used]).toEqual([[], []])
    expect(files.get('a')?.fd).toBeUndefined()
    const opened = vi.mocked(fs.openSync).mock.results.map(({ value }) => value as number)
    expect(opened).not.toEqual([])
    expect(vi.mocked(fs.closeSync).mock.calls.flat()).toEqual(expect.arrayContaining(opened))
    expect(() => placing.confirm()).not.toThrow()
  })

  test('is linked only if all of them may be', async () => {
    const { placing, model, files } = placingOf(['a', 'b'], { asked: 'in-place' })
    fs.chmodSync(join(model, 'b'), 0o666)
    files.set('b', { ...files.get('b')!, identity: identityOf(fs.lstatSync(join(model, 'b'), { bigint: true })) })
    vi.mocked(fs.symlinkSync).mockClear()
    vi.mocked(fs.linkSync).mockClear()
    await expect(placing.place(['a', 'b'])).rejects.toEqual(
      refusal('ISOLATION_REFUSED', { file: 'b', found: 'the mode 0666' }),
    )
    expect(fs.symlinkSync).not.toHaveBeenCalled()
    expect(fs.linkSync).not.toHaveBeenCalled()
  })

  test('is copied if it may not be linked and copies are allowed, and not for another reason', async () => {
    const check = (code: ErrorCode) => () => {
      throw failure(code)
    }
    const linked = placingOf(['a'], { check: check('ISOLATION_REFUSED') })
    expect((await linked.placing.place(['a'])).isolation).toBe('copy')
    expect([linked.events.copied, linked.placing.used]).toEqual([[['a']], ['copy']])
    const strict = placingOf(['a'], { asked: 'in-place', check: check('ISOLATION_REFUSED') })
    await expect(strict.placing.place(['a'])).rejects.toEqual(refusal('ISOLATION_REFUSED'))
    const changed = placingOf(['a'], { check: check('FILE_CHANGED') })
    await expect(changed.placing.place(['a'])).rejects.toEqual(refusal('FILE_CHANGED'))
    expect(changed.events.copied).toEqual([])
  })

  test.runIf(LINUX)('has a descriptor, or a hard link if there would be too many', async () => {
    const names = Array.from({ length: MOST + 1 }, (_, i) => `f${i}`)
    const { placing } = placingOf(names)
    const isLink = (path: string) => fs.lstatSync(path).isSymbolicLink()
    const first = await placing.place(names.slice(0, MOST))
    expect(isLink(first.path(`f${MOST - 1}`))).toBe(true)
    const last = await placing.place(names.slice(MOST))
    expect(isLink(last.path(`f${MOST}`))).toBe(false)
    const more = placingOf([...names, 'g'])
    expect(isLink((await more.placing.place(names)).path('f0'))).toBe(false)
    // Hard links need none.
    expect(isLink((await more.placing.place(['g'])).path('g'))).toBe(true)
  })

  test.runIf(LINUX)('is confirmed to be what was hashed, whether by its descriptor or by its path', async () => {
    const names = Array.from({ length: MOST + 1 }, (_, i) => `f${i}`)
    for (const some of [names.slice(0, 1), names]) {
      const { placing, model } = placingOf(some)
      await placing.place(some)
      expect(() => placing.confirm()).not.toThrow()
      fs.appendFileSync(join(model, 'f0'), '!')
      expect(() => placing.confirm()).toThrow(refusal('FILE_CHANGED', { file: 'f0' }))
    }
  })
})

test('other systems have neither procfs nor descriptors to link to', async () => {
  elsewhere('darwin')
  const { placing } = placingOf(['a'])
  const { isolation, path } = await placing.place(['a'])
  expect([isolation, fs.lstatSync(path('a')).isFile()]).toEqual(['in-place', true])
})

describe.runIf(LINUX)('a file that can be reached only through a link in procfs', () => {
  /** Behind the descriptor of its directory. */
  const behind = (given: PlacingGiven) =>
    placingOf(['a'], {
      ...given,
      listed: (file) => {
        const fd = fs.openSync(dirname(file.path), 'r')
        onTestFinished(() => fs.closeSync(fd))
        return { ...file, path: `/proc/self/fd/${fd}/${file.name}` }
      },
    })

  test.each(['auto', 'in-place'] as const)('is copied under %s', async (asked) => {
    const { placing, events } = behind({ asked })
    expect((await placing.place(['a'])).isolation).toBe('copy')
    expect(events).toEqual({ checked: [], copied: [['a']] })
  })

  test('is refused if the rule allows no copies', async () => {
    const { placing } = behind({ rule: ['in-place'] })
    await expect(placing.place(['a'])).rejects.toEqual(
      refusal('ISOLATION_REFUSED', {
        file: 'a',
        found: 'a file that can only be reached through a link in procfs',
        hint: expect.stringContaining('"copy" in "require.isolation"') as string,
      }),
    )
  })
})

describe('copies', () => {
  test.each<[string, PlacingGiven, 'copy' | undefined]>([
    ['the caller wants them', { asked: 'copy' }, undefined],
    ['the runtime needs them', {}, 'copy'],
    ['the rule allows nothing else', { rule: ['copy'] }, undefined],
    ['the files are elsewhere', { isRemote: true }, undefined],
  ])('are made if %s', async (_, given, isolation) => {
    const { placing, events } = placingOf(['a', 'b'], given)
    const placed = await placing.place(['a', 'b', 'a'], { isolation })
    expect(placed.isolation).toBe('copy')
    expect(events).toEqual({ checked: [], copied: [['a', 'b']] })
    expect(fs.readFileSync(placed.path('b'), 'utf8')).toBe('copy of b')
    expect(placing.used).toEqual(['copy'])
  })

  test('are made of all files of a call if one has been copied before', async () => {
    const { placing, events } = placingOf(['a', 'b'])
    await placing.place(['a'], { isolation: 'copy' })
    expect((await placing.place(['a', 'b'])).isolation).toBe('copy')
    expect(events).toEqual({ checked: [], copied: [['a'], ['b']] })
    expect((await placing.place(['a', 'b'], { isolation: 'copy' })).isolation).toBe('copy')
    expect(events.copied).toEqual([['a'], ['b'], []])
  })

  test('are refused if they are not allowed', async () => {
    const remote = placingOf(['a'], { asked: 'in-place', isRemote: true })
    await expect(remote.placing.place(['a'])).rejects.toEqual(
      refusal('ISOLATION_REFUSED', { expected: 'copy', found: 'in-place' }),
    )
    const both = placingOf(['a'], { rule: ['memory', 'in-place'], isRemote: true })
    await expect(both.placing.place(['a'])).rejects.toEqual(
      refusal('ISOLATION_REFUSED', { expected: 'copy', found: 'memory or in-place' }),
    )
    const memory = placingOf(['a'], { asked: 'memory' })
    await expect(memory.placing.place(['a'])).rejects.toEqual(refusal('ISOLATION_REFUSED'))
    for (const { events } of [remote, both, memory]) expect(events.copied).toEqual([])
  })

  test('that find no space are all made in the next place', async () => {
    const { placing, events } = placingOf(['a', 'b'], {
      asked: 'copy',
      copy: (names, directory) => {
        if (directory.includes('first') && names.includes('b')) throw failure('COPY_FAILED')
        for (const name of names) fs.writeFileSync(join(directory, name), name)
      },
    })
    const first = await placing.place(['a'])
    const second = await placing.place(['a', 'b'])
    expect(events.copied).toEqual([['a'], ['b'], ['a', 'b']])
    expect([first.directory.includes('first'), second.directory.includes('second')]).toEqual([true, true])
    expect(fs.readFileSync(first.path('a'), 'utf8')).toBe('a')
    expect(placing.notes).toHaveLength(2)
    expect(placing.impossible).toBe(false)
  })

  test('are impossible if no place has space', async () => {
    const { placing } = placingOf(['a'], {
      asked: 'copy',
      copy: () => {
        throw failure('COPY_FAILED', { file: 'a' })
      },
    })
    await expect(placing.place(['a'])).rejects.toEqual(refusal('COPY_FAILED', { file: 'a' }))
    expect([placing.impossible, placing.used]).toEqual([true, []])
  })

  test('that are refused are not tried in another place', async () => {
    const { placing, events } = placingOf(['a'], {
      asked: 'copy',
      copy: () => {
        throw failure('FILE_MISMATCH')
      },
    })
    await expect(placing.place(['a'])).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(events.copied).toEqual([['a']])
    // What failed was not placed.
    await expect(placing.place(['a'])).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(events.copied).toEqual([['a'], ['a']])
  })
})

describe('a path', () => {
  test('is given only of what was placed', async () => {
    const { placing } = placingOf(['a', 'b'])
    const placed = await placing.place(['a'])
    expect(placed.path('a')).toBe(join(placed.directory, 'a'))
    expect(() => placed.path('b')).toThrow(refusal('FILE_NOT_SIGNED', { file: 'b' }))
    await expect(placing.place(['../a'])).rejects.toEqual(refusal('FILE_NOT_SIGNED', { file: '../a' }))
  })

  test('is given to calls at the same time one after the other', async () => {
    const { placing, events } = placingOf(['a', 'b'])
    await Promise.all([placing.place(['a']), placing.place(['b', 'a']), placing.place(['a'])])
    expect(events.checked).toEqual([['a'], ['b'], []])
    const remote = placingOf(['a', 'b'], { isRemote: true })
    await Promise.all([remote.placing.place(['a']), remote.placing.place(['b', 'a']), remote.placing.place(['a'])])
    expect(remote.events.copied).toEqual([['a'], ['b'], []])
  })

  test('is given after an earlier call failed', async () => {
    let calls = 0
    const { placing } = placingOf(['a'], {
      check: () => {
        if (++calls === 1) throw failure('FILE_MISMATCH')
      },
    })
    const [first, second] = await Promise.allSettled([placing.place(['a']), placing.place(['a'])])
    expect([first.status, second.status]).toEqual(['rejected', 'fulfilled'])
  })

  test('is not given after the end', async () => {
    const { placing, events } = placingOf(['a'])
    const { directory } = await placing.place(['a'])
    await placing.dispose()
    expect(fs.existsSync(directory)).toBe(false)
    await expect(placing.place(['a'])).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    expect(events.checked).toHaveLength(1)
  })

  test('is not given after the end, although it was asked for before', async () => {
    const { placing, events } = placingOf(['a', 'b'])
    const [first, second] = [placing.place(['a']), placing.place(['b'])]
    const ended = placing.dispose()
    await expect(first).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    await expect(second).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    await ended
    expect(events).toMatchObject({ checked: [], copied: [] })
  })
})
