import * as fs from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { removeAbandoned } from '../../source/private/abandoned.ts'
import { systemError } from '../../source/file-errors.ts'
import { makePrivateDirectory } from '../../source/private/private-directory.ts'
import { roomIn, temporaryPlaces } from '../../source/private/temporary-places.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { PrivatePlaces } from './private-places.ts'

vi.mock(import('../../source/private/temporary-places.ts'), async (original) => {
  const real = await original()
  return { ...real, roomIn: vi.fn(real.roomIn), temporaryPlaces: vi.fn(real.temporaryPlaces) }
})
vi.mock(import('../../source/private/private-directory.ts'), async (original) => {
  const real = await original()
  return { ...real, makePrivateDirectory: vi.fn(real.makePrivateDirectory) }
})
vi.mock(import('../../source/private/abandoned.ts'), async (original) => {
  const real = await original()
  return { ...real, removeAbandoned: vi.fn(real.removeAbandoned) }
})

let root: string
/** Free bytes in each place. */
let room: Record<string, number>

beforeEach(() => {
  root = scratch()
  room = {}
  vi.mocked(roomIn).mockImplementation((path) => room[path.slice(root.length + 1)] ?? Infinity)
})
afterEach(() => {
  for (const mocked of [temporaryPlaces, roomIn, makePrivateDirectory, removeAbandoned]) vi.mocked(mocked).mockReset()
})

/** Private places in these directories, in this order; those that begin with "no" are not there. */
function placesIn(...names: string[]): PrivatePlaces {
  for (const name of names) if (!name.startsWith('no')) fs.mkdirSync(join(root, name), { recursive: true })
  vi.mocked(temporaryPlaces).mockImplementation(() =>
    names.map((name) => ({
      name,
      path: () => Promise.resolve(name === 'nowhere' ? undefined : join(root, name)),
    })),
  )
  const places = new PrivatePlaces('copies', (remedy = 'Use TMPDIR') => `${remedy}.`)
  onTestFinished(() => places.remove())
  return places
}

const full = () => new ModelSealError('COPY_FAILED', 'It is full.', { hint: 'Make room.' })
const nameOf = (directory: string) => directory.slice(root.length + 1).split('/')[0]
const contentOf = (name: string) => fs.readdirSync(join(root, name))

describe('a place', () => {
  test('is the first one that this machine has', async () => {
    const places = placesIn('nowhere', 'none', 'first', 'second')
    const { directory } = await places.present()
    expect(nameOf(directory)).toBe('first')
    expect(contentOf('second')).toEqual([])
    expect((await places.present()).directory).toBe(directory)
    expect(places.exhausted).toBe(false)
  })

  test('is made once for calls at the same time', async () => {
    const places = placesIn('first', 'second')
    const [one, two] = await Promise.all([places.present(), places.present()])
    expect(two).toBe(one)
  })

  test('is used once it contains a file', async () => {
    const places = placesIn('none', 'first')
    const place = await places.present()
    expect([places.used, places.notes.length]).toEqual([false, 1])
    place.names.add('a')
    expect(places.used).toBe(true)
    expect(places.notes).toEqual([
      expect.stringMatching(/^Cannot use none for copies: .*none/),
      `The copies are in ${JSON.stringify(place.directory)}.`,
    ])
  })

  test('needs no note if it is the preferred one', async () => {
    const places = placesIn('first')
    ;(await places.present()).names.add('a')
    expect([places.used, places.notes]).toEqual([true, []])
  })

  test('that several files turn out to be too large for is left once', async () => {
    const places = placesIn('first', 'second')
    const first = await places.present()
    first.names.add('a')
    expect([places.leave(first, full()), places.leave(first, full())]).toEqual([true, true])
    const second = await places.present()
    second.names.add('b')
    expect(nameOf(second.directory)).toBe('second')
    expect(places.notes).toEqual([
      'Cannot use first for copies: It is full.',
      `The copies are in ${JSON.stringify(first.directory)} and ${JSON.stringify(second.directory)}.`,
    ])
  })

  test('is removed with all others, even if one cannot be removed', async () => {
    const places = placesIn('first', 'second')
    places.leave(await places.present(), full())
    await places.present()
    await places.remove()
    expect([contentOf('first'), contentOf('second')]).toEqual([[], []])
    const failing = placesIn('third', 'fourth')
    vi.mocked(makePrivateDirectory).mockImplementationOnce((path) =>
      Promise.resolve({ files: path, remove: () => Promise.reject(new RangeError('mine')) } as never),
    )
    failing.leave(await failing.present(), full())
    await failing.present()
    await expect(failing.remove()).rejects.toThrow('mine')
    expect(contentOf('fourth')).toEqual([])
    await failing.remove()
  })
})

describe('room', () => {
  test('must be there for all files, or the place is passed over', async () => {
    room = { first: 99, second: 100 }
    const places = placesIn('first', 'second')
    const place = await places.present(100)
    place.names.add('a')
    expect(nameOf(place.directory)).toBe('second')
    // The second call is that of the private directory.
    expect(vi.mocked(removeAbandoned).mock.calls).toEqual([[join(root, 'first')], [join(root, 'second')]])
    const path = JSON.stringify(join(root, 'first'))
    expect(places.notes[0]).toBe(`Cannot use first for copies: ${path} has room for 99 bytes, and 100 are needed.`)
    expect(contentOf('first')).toEqual([])
  })

  test('may be taken by what killed processes left', async () => {
    room = { first: 99 }
    vi.mocked(removeAbandoned).mockImplementation(async () => {
      await Promise.resolve()
      room.first = 100
    })
    const places = placesIn('first', 'second')
    expect(nameOf((await places.present(100)).directory)).toBe('first')
    expect(places.notes).toEqual([])
  })

  test('is a guess: the preferred place is tried at last', async () => {
    room = { first: 1, second: 2 }
    const places = placesIn('first', 'second', 'none')
    expect(nameOf((await places.present(100)).directory)).toBe('first')
    expect(places.exhausted).toBe(false)
  })
})

describe('no place', () => {
  test('is refused by the reason of the preferred one, with the names of the others', async () => {
    room = { first: 1 }
    const places = placesIn('none', 'nope', 'nope')
    const hint = 'Use TMPDIR. None of the other places is suitable: nope.'
    await expect(places.present()).rejects.toEqual(refusal('COPY_FAILED', { hint }))
    expect(places.exhausted).toBe(true)
    // Places are not tried again.
    await expect(places.present()).rejects.toEqual(refusal('COPY_FAILED', { hint }))
    expect(places.notes).toHaveLength(3)
    expect(places.used).toBe(false)
  })

  test('is refused by an error, rather than by a guess of the room, and each other place is named', async () => {
    room = { noroom: 1 }
    const places = placesIn('noroom', 'none')
    await expect(places.present(100)).rejects.toEqual(
      refusal('COPY_FAILED', {
        file: join(root, 'none'),
        hint: 'Use TMPDIR. None of the other places is suitable: none.',
      }),
    )
    expect(places.notes).toHaveLength(3)
  })

  test('names no others if there are none', async () => {
    await expect(placesIn('none').present()).rejects.toEqual(refusal('COPY_FAILED', { hint: 'Use TMPDIR.' }))
    await expect(placesIn('nowhere').present()).rejects.toEqual(
      refusal('COPY_FAILED', {
        hint: 'Use TMPDIR.',
        message: expect.stringContaining('Cannot find a place') as string,
      }),
    )
  })

  test('has a hint that helps, if another directory would not', async () => {
    const failing = async (code: string) => {
      vi.mocked(makePrivateDirectory).mockRejectedValue(
        new ModelSealError('COPY_FAILED', 'No.', { cause: systemError(code), file: join(root, 'first') }),
      )
      return placesIn('first').present()
    }
    const hint = (text: string) => ({ hint: expect.stringContaining(text) as string })
    await expect(failing('EMFILE')).rejects.toEqual(refusal('COPY_FAILED', hint('ulimit -n')))
    await expect(failing('EFBIG')).rejects.toEqual(refusal('COPY_FAILED', hint('ulimit -f')))
    await expect(failing('EACCES')).rejects.toEqual(refusal('COPY_FAILED', { hint: 'Use TMPDIR.' }))
  })

  test('names where Node.js must be allowed to write, which a name in the model does not say', async () => {
    const [place, resource] = [join(root, 'first'), join(root, 'first/private/weights')]
    const code = 'ERR_ACCESS_DENIED'
    const cause = Object.assign(new Error('denied'), { code, permission: 'FileSystemWrite', resource })
    for (const [file, named] of [
      [place, place],
      ['weights', resource],
      [undefined, resource],
    ]) {
      vi.mocked(makePrivateDirectory).mockRejectedValue(new ModelSealError('COPY_FAILED', 'No.', { cause, file }))
      const hint = expect.stringContaining(`--allow-fs-write=${JSON.stringify(named)} as well`) as string
      await expect(placesIn('first').present()).rejects.toEqual(refusal('COPY_FAILED', { hint }))
    }
  })

  test('is not a reason to hide a fault of the program', async () => {
    vi.mocked(makePrivateDirectory).mockRejectedValueOnce(new TypeError('a bug'))
    const places = placesIn('first', 'second')
    await expect(places.present()).rejects.toThrow(TypeError)
  })
})

test('only a failure to write says that a place is full', async () => {
  const places = placesIn('first', 'second')
  const first = await places.present()
  const bug = Object.assign(new Error('a bug'), { code: 'COPY_FAILED' })
  expect([places.leave(first, new ModelSealError('FILE_MISMATCH', 'No.')), places.leave(first, bug)]).toEqual([
    false,
    false,
  ])
  // A place that was removed in the meantime.
  await places.remove()
  expect(places.leave(first, full())).toBe(true)
  expect(places.notes).toEqual([])
})
