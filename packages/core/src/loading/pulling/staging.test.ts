import * as fs from 'node:fs'
import * as promises from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { systemError } from '../../source/file-errors.ts'
import { claimDirectory } from '../../source/private/sign-of-life.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { moveEntries, Staging } from './staging.ts'

vi.mock('node:fs/promises', { spy: true })
vi.mock(import('../../source/private/sign-of-life.ts'), async (original) => {
  const real = await original()
  return { ...real, claimDirectory: vi.fn(real.claimDirectory) }
})

let above: string
let path: string
const DESTINATION = '/models/vad'

beforeEach(() => {
  above = scratch()
  path = join(above, '.vad')
})
afterEach(() => void vi.mocked(promises.rm).mockReset())

const namesIn = (directory = path) =>
  fs
    .readdirSync(directory)
    .filter((name) => name !== 'alive')
    .sort()
const begin = () => Staging.at(path, DESTINATION)

describe('a directory to prepare a model in', () => {
  test('is private, and removed at the end', async () => {
    const staging = await begin()
    expect(staging.files).toBe(join(path, 'files'))
    for (const made of [path, staging.files]) expect(fs.statSync(made).mode & 0o777).toBe(0o700)
    expect([staging.isTakenOver, namesIn()]).toEqual([false, ['files']])
    fs.writeFileSync(join(staging.files, 'a'), '')
    await staging.remove()
    expect(fs.readdirSync(above)).toEqual([])
  })

  test('is refused while another process uses it, and not after that left it', async () => {
    const first = await begin()
    const found = 'another pull to the same directory that is still running'
    await expect(begin()).rejects.toEqual(refusal('DESTINATION_REFUSED', { file: DESTINATION, found }))
    first.leave()
    const second = await begin()
    expect(second.isTakenOver).toBe(true)
    await second.remove()
    await (await begin()).remove()
  })

  test('is taken over with its files', async () => {
    for (const name of ['files', 'aside']) {
      fs.mkdirSync(join(path, name), { recursive: true })
      fs.writeFileSync(join(path, name, 'a'), '')
    }
    const staging = await begin()
    onTestFinished(() => staging.remove())
    expect([staging.isTakenOver, namesIn(), namesIn(staging.files)]).toEqual([true, ['aside', 'files'], ['a']])
    await staging.clear()
    expect(namesIn(staging.files)).toEqual([])
    expect(fs.statSync(staging.files).mode & 0o777).toBe(0o700)
    fs.rmdirSync(staging.files)
    await staging.clear()
    expect(namesIn(staging.files)).toEqual([])
  })

  test('whose model was placed keeps nothing of the old one', async () => {
    fs.mkdirSync(join(path, 'aside/sub'), { recursive: true })
    const staging = await begin()
    expect([staging.isTakenOver, namesIn()]).toEqual([false, ['files']])
    await staging.remove()
  })

  test('whose old model cannot be removed is left to the next pull', async () => {
    fs.mkdirSync(join(path, 'aside'), { recursive: true })
    vi.mocked(promises.rm).mockRejectedValueOnce(systemError('EIO'))
    await expect(begin()).rejects.toThrow('EIO')
    expect(namesIn()).toEqual(['aside'])
    await (await begin()).remove()
  })

  test('is refused if something else has its name', async () => {
    fs.writeFileSync(path, '')
    await expect(begin()).rejects.toEqual(
      refusal('DESTINATION_REFUSED', {
        file: DESTINATION,
        found: `something other than a directory at ${JSON.stringify(path)}`,
      }),
    )
    fs.rmSync(path)
    fs.mkdirSync(join(above, 'elsewhere'))
    fs.symlinkSync('elsewhere', path)
    await expect(begin()).rejects.toEqual(refusal('DESTINATION_REFUSED'))
    expect(namesIn(join(above, 'elsewhere'))).toEqual([])
  })

  test.runIf(process.geteuid?.() === 0)('is refused if it belongs to somebody else', async () => {
    fs.mkdirSync(path)
    fs.chownSync(path, 65_534, 65_534)
    await expect(begin()).rejects.toEqual(
      refusal('DESTINATION_REFUSED', { found: `a directory of another user at ${JSON.stringify(path)}` }),
    )
    expect(namesIn()).toEqual([])
  })

  test('remembers which entries are being placed', async () => {
    const staging = await begin()
    onTestFinished(() => staging.remove())
    expect(await staging.placing()).toEqual([])
    await staging.notePlacing(['a', 'sub'])
    expect(await staging.placing()).toEqual(['a', 'sub'])
    fs.writeFileSync(join(path, 'placing'), '["a", "su')
    expect(await staging.placing()).toEqual([])
  })

  test('is no longer in use even if it cannot be removed', async () => {
    const staging = await begin()
    vi.mocked(promises.rm).mockRejectedValueOnce(systemError('EIO'))
    await expect(staging.remove()).rejects.toThrow('EIO')
    const next = await begin()
    expect(next.isTakenOver).toBe(true)
    await next.remove()
  })

  test('is removed even if its sign of life is missing', async () => {
    const staging = await begin()
    fs.rmSync(join(path, 'alive'))
    await staging.remove()
    expect(fs.readdirSync(above)).toEqual([])
  })

  test('shows that it is in use until all else is removed', async () => {
    const staging = await begin()
    vi.mocked(promises.rm).mockClear()
    await staging.remove()
    expect(vi.mocked(promises.rm).mock.calls.map(([removed]) => removed)).toEqual([
      join(path, 'files'),
      join(path, 'alive'),
    ])
  })
})

test('a directory in which nobody can show that they use it is used all the same', async () => {
  fs.mkdirSync(join(path, 'aside'), { recursive: true })
  vi.mocked(claimDirectory).mockResolvedValue(undefined)
  onTestFinished(() => void vi.mocked(claimDirectory).mockReset())
  vi.mocked(promises.rm).mockRejectedValueOnce(systemError('EIO'))
  await expect(begin()).rejects.toThrow('EIO')
  const left = await begin()
  left.leave()
  await (await begin()).remove()
  expect(fs.readdirSync(above)).toEqual([])
})

test('entries are moved, except some', async () => {
  const from = scratch({ a: 'A', 'sub/b': 'B', keep: '' })
  await moveEntries(from, above, new Set(['keep']))
  expect([namesIn(from), namesIn(above)]).toEqual([['keep'], ['a', 'sub']])
})
