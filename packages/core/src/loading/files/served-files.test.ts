import { availableMemory } from 'node:process'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Rule } from '../../policy/rule.ts'
import { refusal } from '../../testing/scratch.ts'
import { AllowedIsolation, AUTO_MEMORY_BYTES, type Isolation } from '../placing/isolation.ts'
import { Placing } from '../placing/placed-files.ts'
import { checkWithin, UnverifiedFiles, UNSIGNED, type UncheckedFiles } from './unverified-files.ts'
import { VerifiedFiles, type SignedFiles } from './verified-files.ts'

afterEach(() => vi.restoreAllMocks())

const SIZES: Record<string, number> = { small: 7, half: AUTO_MEMORY_BYTES / 2, most: AUTO_MEMORY_BYTES, one: 1 }
const size = (name: string) => SIZES[name] ?? Number.NaN
const readAll = (requests: readonly { name: string }[]) =>
  Promise.resolve(requests.map(({ name }) => new TextEncoder().encode(name)))
const noMemory = () => vi.spyOn(process, 'availableMemory').mockReturnValue(AUTO_MEMORY_BYTES)
const noPlace = () => vi.spyOn(Placing.prototype, 'impossible', 'get').mockReturnValue(true)

/** What both kinds of files do with large ones on this machine. */
function putsLargeFilesAside(files: () => { inMemory(names: readonly string[]): boolean }): void {
  expect(availableMemory()).toBeGreaterThan(2 * AUTO_MEMORY_BYTES)
  expect(files().inMemory(['small'])).toBe(true)
  expect(files().inMemory(['half', 'half'])).toBe(true)
  expect(files().inMemory(['most'])).toBe(true)
  expect(files().inMemory(['most', 'one'])).toBe(false)
  noPlace()
  expect(files().inMemory(['most', 'one'])).toBe(true)
  vi.spyOn(process, 'availableMemory').mockReturnValue(AUTO_MEMORY_BYTES + 1)
  expect(files().inMemory(['most', 'one'])).toBe(true)
  noMemory()
  expect(files().inMemory(['most', 'one'])).toBe(false)
}

describe('verified files', () => {
  function verified(isolation: Isolation = 'auto', more: Partial<SignedFiles> = {}, levels?: readonly string[]) {
    const files = {
      names: ['small'],
      checked: { files: 2, bytes: 9 },
      size,
      readAll,
      copy: () => Promise.resolve(),
      save: vi.fn(() => Promise.resolve()),
      checkRest: vi.fn(() => Promise.resolve()),
      onDisk: {} as never,
      ...more,
    }
    const rule = { name: 'r', require: levels ? { isolation: levels } : {} } as unknown as Rule
    const close = vi.fn(() => Promise.resolve())
    return { files, close, served: new VerifiedFiles(files, new AllowedIsolation(isolation, rule), close) }
  }

  test('are those of the manifest', async () => {
    const { served, files } = verified()
    expect([served.names, served.checked, served.size('small')]).toEqual([['small'], { files: 2, bytes: 9 }, 7])
    await served.save([])
    await served.checkRest()
    expect(files.save).toHaveBeenCalledWith([])
    expect(files.checkRest).toHaveBeenCalledOnce()
  })

  test('on this machine are in memory if they are small, or there is no place for them', () => {
    const { served } = verified()
    putsLargeFilesAside(() => served)
  })

  test('from elsewhere are in memory if that is allowed', () => {
    expect(verified('auto', { onDisk: undefined }).served.inMemory(['most', 'one'])).toBe(true)
    const copies = verified('auto', { onDisk: undefined }, ['copy']).served
    expect(copies.inMemory(['small'])).toBe(false)
    noPlace()
    expect(copies.inMemory(['small'])).toBe(false)
  })

  test('are read only if memory is allowed, and then count as used', async () => {
    const { served } = verified()
    expect(served.used).toEqual([])
    expect(new TextDecoder().decode(await served.read('small'))).toBe('small')
    expect(served.used).toEqual(['memory'])
    const copies = verified('auto', {}, ['copy']).served
    await expect(copies.readAll([{ name: 'small' }])).rejects.toEqual(refusal('ISOLATION_REFUSED'))
    expect(copies.used).toEqual([])
    const failing = verified('auto', { readAll: () => Promise.reject(new Error('broken')) }).served
    await expect(failing.read('small')).rejects.toThrow('broken')
    expect(failing.used).toEqual([])
  })

  test('without any bytes are empty', async () => {
    const { served } = verified('auto', { readAll: () => Promise.resolve([]) })
    expect(await served.read('small')).toEqual(new Uint8Array())
  })

  test('are placed, confirmed and disposed of', async () => {
    const { served, close } = verified()
    const notes = vi.spyOn(Placing.prototype, 'notes', 'get').mockReturnValue(['A note.'])
    expect(served.notes).toEqual(['A note.'])
    notes.mockRestore()
    const place = vi.spyOn(Placing.prototype, 'place').mockResolvedValue('placed' as never)
    expect(await served.place(['small'], { isolation: 'copy' })).toBe('placed')
    expect(place).toHaveBeenCalledWith(['small'], { isolation: 'copy' })
    const confirm = vi.spyOn(Placing.prototype, 'confirm').mockReturnValue(undefined)
    served.confirm()
    expect(confirm).toHaveBeenCalledOnce()
    const dispose = vi.spyOn(Placing.prototype, 'dispose')
    await served.dispose()
    expect(close).toHaveBeenCalledBefore(dispose)
    expect(dispose).toHaveBeenCalledOnce()
  })

  test('are removed even if the source cannot be closed', async () => {
    const { served, close } = verified()
    const dispose = vi.spyOn(Placing.prototype, 'dispose')
    close.mockRejectedValue(new Error('broken'))
    await expect(served.dispose()).rejects.toThrow('broken')
    expect(dispose).toHaveBeenCalledOnce()
  })
})

describe('unverified files', () => {
  const found = [{ name: 'small', path: '/m/small' }]

  function unverified(isJudged: boolean, isolation?: Isolation, onDisk: object | null = {}) {
    const disk =
      onDisk === null
        ? undefined
        : {
            root: '/m',
            find: vi.fn(() => Promise.resolve(found)),
            admit: vi.fn(),
            take: vi.fn(),
            leave: vi.fn(),
            ...onDisk,
          }
    const files = { names: ['small'], size, readAll, copy: () => Promise.resolve(), onDisk: disk }
    const handing = { entry: 'small', isolation, isJudged: () => isJudged }
    const served = new UnverifiedFiles(files as unknown as UncheckedFiles, handing, () => Promise.resolve())
    return { served, disk }
  }

  test('are those of the model', () => {
    const { served } = unverified(false)
    expect([served.names, served.entry, served.size('small'), served.used]).toEqual([['small'], 'small', 7, []])
  })

  test('on this machine are in memory if they are small, or there is no place for them', () => {
    const { served } = unverified(false)
    putsLargeFilesAside(() => served)
  })

  test('from elsewhere are in memory, and have no path', async () => {
    const { served } = unverified(false, undefined, null)
    expect(served.inMemory(['most', 'one'])).toBe(true)
    await expect(served.place(['small'])).rejects.toEqual(refusal('ISOLATION_REFUSED'))
    expect([...served.handedOut]).toEqual([])
  })

  test('are remembered by the names that were requested', async () => {
    const { served } = unverified(false)
    await served.readAll([{ name: 'small' }, { name: 'half' }])
    await served.read('most')
    await served.place(['one'])
    expect([...served.handedOut]).toEqual(['small', 'half', 'most', 'one'])
  })

  test('stay in place if nothing judges them', async () => {
    const { served, disk } = unverified(false)
    const placed = await served.place(['small'])
    expect(placed).toMatchObject({ directory: '/m', isolation: 'none' })
    expect(placed.path('small')).toBe('/m/small')
    expect(disk?.find).toHaveBeenCalledWith(['small'])
    expect(disk?.admit).toHaveBeenCalledWith(found)
    expect(disk?.take).not.toHaveBeenCalled()
  })

  test('are placed if something judges them, and left again if they are refused', async () => {
    const place = vi.spyOn(Placing.prototype, 'place').mockResolvedValueOnce('placed' as never)
    const { served, disk } = unverified(true)
    expect(await served.place(['small'], { isolation: 'copy' })).toBe('placed')
    expect(place).toHaveBeenCalledWith(['small'], { isolation: 'copy' })
    expect(disk?.take).toHaveBeenCalledWith(found)
    expect(disk?.leave).not.toHaveBeenCalled()
    expect(disk?.admit).not.toHaveBeenCalled()
    place.mockRejectedValueOnce(new Error('revoked'))
    await expect(served.place(['small'])).rejects.toThrow('revoked')
    expect(disk?.leave).toHaveBeenCalledWith(found)
  })

  test('have the name of a file below the model', () => {
    checkWithin('sub/weights.bin')
    for (const name of ['../x', '/x', '']) {
      expect(() => checkWithin(name)).toThrow(refusal('PATH_ESCAPES', { file: name }))
      expect(() => UNSIGNED.expected(name)).toThrow(refusal('PATH_ESCAPES'))
    }
    expect(UNSIGNED.expected('sub/weights.bin')).toBeUndefined()
    expect(UNSIGNED.digests).toBeUndefined()
    UNSIGNED.check('f', [], Buffer.alloc(0))
    expect(UNSIGNED.missing('f')).toEqual(refusal('FILE_NOT_FOUND', { file: 'f' }))
    expect(UNSIGNED.wrongSize('f', { expected: 1, found: '2' })).toEqual(refusal('FILE_NOT_FOUND', { file: 'f' }))
  })
})
