import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type * as fs from 'node:fs/promises'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { keySigner } from '../../signing/methods/key.ts'
import { signModel } from '../../signing/sign-model.ts'
import { keyPair } from '../../testing/bundles.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { Destination } from './destination.ts'
import type * as places from './stays-in-place.ts'

// A directory that cannot be renamed, such as the volume of an init container.

vi.mock(import('node:fs/promises'), async (load) => {
  const real = await load()
  return { ...real, rename: vi.fn(real.rename) }
})
vi.mock(import('./stays-in-place.ts'), () => ({ staysInPlace: vi.fn(() => Promise.resolve(true)) }))

const namesIn = (...path: string[]) => readdirSync(join(...path)).sort()

async function volume(files: Record<string, string> = {}): Promise<string> {
  const directory = scratch({ ...files, key: keyPair().privateKey.export({ type: 'pkcs8', format: 'pem' }) })
  mkdirSync(join(directory, 'm/lost+found'), { recursive: true })
  if (Object.keys(files).length > 0)
    await signModel(join(directory, 'm'), { signer: await keySigner({ privateKey: join(directory, 'key') }) })
  return join(directory, 'm')
}

async function prepared(path: string): Promise<Destination> {
  const destination = await Destination.at(path, false)
  await destination.prepare(async (files) => {
    await mkdir(join(files, 'sub'))
    await writeFile(join(files, 'sub/new.bin'), 'new')
    await writeFile(join(files, 'model.sig'), 'bundle')
  })
  return destination
}

test('is known by its mount', async () => {
  const { staysInPlace: real } = await vi.importActual<typeof places>('./stays-in-place.ts')
  const directory = scratch({ 'd/x': '' })
  expect(await real(join(directory, 'd'))).toBe(false)
  expect(await real(join(directory, 'new'))).toBe(false)
  expect(await real('/')).toBe(true)
  if (process.platform === 'linux') expect(await real('/proc')).toBe(true)
})

describe('its entries are replaced:', () => {
  test('an empty volume gets the model', async () => {
    const path = await volume()
    const destination = await prepared(path)
    await destination.place()
    await destination.finish()
    expect(namesIn(path)).toEqual(['lost+found', 'model.sig', 'sub'])
    expect(namesIn(path, '..')).toEqual(['key', 'm'])
  })

  test('another model is replaced, and comes back if another one fails', async () => {
    const path = await volume({ 'm/old.bin': 'old' })
    const first = await prepared(path)
    await first.place()
    expect(namesIn(path)).toEqual(['.modelseal-pull', 'lost+found', 'model.sig', 'sub'])
    await first.discard()
    expect(namesIn(path)).toEqual(['lost+found', 'model.sig', 'old.bin'])
    const second = await prepared(path)
    await second.place()
    await second.finish()
    expect(namesIn(path)).toEqual(['lost+found', 'model.sig', 'sub'])
  })

  test.each([
    ['leaving', 'while the old entries left'],
    ['aside', 'while the new ones came'],
  ])('what a killed process left is put back: %s, %s', async (name) => {
    const path = await volume({ 'm/old.bin': 'old' })
    mkdirSync(join(path, '.modelseal-pull', name), { recursive: true })
    mkdirSync(join(path, '.modelseal-pull/files/rest'), { recursive: true })
    renameSync(join(path, 'old.bin'), join(path, '.modelseal-pull', name, 'old.bin'))
    if (name === 'aside') {
      renameSync(join(path, 'model.sig'), join(path, '.modelseal-pull', name, 'model.sig'))
      writeFileSync(join(path, '.modelseal-pull/placing'), '["gone","new.bin","rest"]')
      writeFileSync(join(path, 'new.bin'), 'new')
    }
    await (await Destination.at(path, false)).discard()
    expect(namesIn(path)).toEqual(['lost+found', 'model.sig', 'old.bin'])
  })

  test('a model that was complete when a process was killed stays', async () => {
    const path = await volume({ 'm/new.bin': 'new' })
    const staging = join(path, '.modelseal-pull')
    mkdirSync(join(staging, 'aside/sub'), { recursive: true })
    mkdirSync(join(staging, 'files'))
    writeFileSync(join(staging, 'placing'), '["model.sig","new.bin"]')
    const destination = await Destination.at(path, false)
    expect(namesIn(staging)).not.toContain('aside')
    await destination.discard()
    expect(namesIn(path)).toEqual(['lost+found', 'model.sig', 'new.bin'])
  })

  test('what somebody else put there after a process was killed stays, beside the old model', async () => {
    const path = await volume({ 'm/old.bin': 'old' })
    const first = await prepared(path)
    const { rename: real } = await vi.importActual<typeof fs>('node:fs/promises')
    // Killed once one entry is in place.
    vi.mocked(rename).mockImplementation((from, to) =>
      String(to) === join(path, 'model.sig') ? Promise.reject(new Error('killed')) : real(from, to),
    )
    await expect(first.place()).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
    await expect(first.discard()).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
    vi.mocked(rename).mockImplementation(real)
    writeFileSync(join(path, 'notes.txt'), 'mine')
    await expect(Destination.at(path, false)).rejects.toEqual(refusal('DESTINATION_REFUSED'))
    expect(namesIn(path)).toEqual(['lost+found', 'model.sig', 'notes.txt', 'old.bin'])
  })

  test.each(['leaving', 'aside'])('nothing is overwritten if its place was taken since: %s', async (name) => {
    const path = await volume({ 'm/old.bin': 'old' })
    const kept = join(path, '.modelseal-pull', name)
    mkdirSync(kept, { recursive: true })
    mkdirSync(join(path, '.modelseal-pull/files/rest'), { recursive: true })
    for (const each of ['old.bin', 'model.sig']) renameSync(join(path, each), join(kept, each))
    writeFileSync(join(path, 'old.bin'), 'mine')
    for (const force of [false, true])
      await expect(Destination.at(path, force)).rejects.toEqual(
        refusal('DESTINATION_REFUSED', {
          found: '"old.bin", which somebody else has put there since',
          hint: expect.stringContaining('.modelseal-pull/leaving') as string,
        }),
      )
    expect(readFileSync(join(path, 'old.bin'), 'utf8')).toBe('mine')
    expect(namesIn(path, '.modelseal-pull/leaving')).toEqual(['model.sig', 'old.bin'])
    rmSync(join(path, 'old.bin'))
    await (await Destination.at(path, false)).discard()
    expect(readFileSync(join(path, 'old.bin'), 'utf8')).toBe('old')
  })

  test('what a process left that was killed while it put the old entries back is put back', async () => {
    const path = await volume({ 'm/old.bin': 'old', 'm/other.bin': 'other' })
    const first = await prepared(path)
    await first.place()
    const { rename: real } = await vi.importActual<typeof fs>('node:fs/promises')
    const old = new Set(['model.sig', 'old.bin', 'other.bin'].map((name) => join(path, name)))
    let putBack = 0
    vi.mocked(rename).mockImplementation((from, to) => {
      const isBack = old.has(String(to)) && !String(from).includes('files')
      return isBack && ++putBack > 1 ? Promise.reject(new Error('killed')) : real(from, to)
    })
    await expect(first.discard()).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
    expect(putBack).toBe(2)
    vi.mocked(rename).mockImplementation(real)
    await (await Destination.at(path, false)).discard()
    expect(namesIn(path)).toEqual(['lost+found', 'model.sig', 'old.bin', 'other.bin'])
  })

  test('files that are no model are not replaced', async () => {
    const path = await volume()
    writeFileSync(join(path, 'other'), '')
    await expect(Destination.at(path, false)).rejects.toEqual(refusal('DESTINATION_REFUSED'))
    expect(namesIn(path)).toEqual(['lost+found', 'other'])
  })
})
