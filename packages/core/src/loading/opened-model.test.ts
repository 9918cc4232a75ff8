import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../errors.ts'
import type { ModelSource } from '../source/model-source.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import type { ServedFiles } from './files/served-files.ts'
import { emptyVerdict } from './judging/verdict-steps.ts'
import { modelClosed } from './model-closed.ts'
import { readerOf } from './model-reader.ts'
import { openVerifiedModel } from './open-verified-model.ts'
import { Standing } from './standing/standing.ts'
import { UnverifiedModel } from './verified-model.ts'

const encoded = (content: string) => new TextEncoder().encode(content)

/** Files that are read as `read NAME`, and placed with the content `placed NAME`. */
function served(more: object = {}) {
  const directory = scratch()
  const path = (name: string) => join(directory, name)
  return {
    names: ['a', 'b'],
    size: vi.fn((name: string) => name.length),
    inMemory: vi.fn(() => true),
    read: vi.fn((name: string) => Promise.resolve(encoded(`read ${name}`))),
    readAll: vi.fn(() => Promise.resolve([encoded('all')])),
    place: vi.fn((names: readonly string[]) => {
      for (const name of names) writeFileSync(path(name), `placed ${name}`)
      return Promise.resolve({ directory, isolation: 'copy', path })
    }),
    confirm: vi.fn(),
    dispose: vi.fn(() => Promise.resolve()),
    ...more,
  }
}

function opened(more: object = {}, decision = 'skipped') {
  const files = served(more)
  const verdict = { ...emptyVerdict({ path: 'm' }, {}), decision } as never
  const standing = new Standing(verdict, [])
  const model = new UnverifiedModel(files as unknown as ServedFiles, { verdict, gathered: 7, standing })
  return { files, verdict, standing, model }
}

describe('an opened model', () => {
  test('has what was loaded', () => {
    const { model, verdict, standing } = opened()
    expect(model.verdict).toBe(verdict)
    expect([model.gathered, model.files, model.manifest]).toEqual([7, ['a', 'b'], undefined])
    expect(model.revoked).toBe(standing.revoked)
    model.files.push('c')
    expect(model.files).toEqual(['a', 'b'])
  })

  test('was tolerated or skipped, whatever somebody writes into the verdict', () => {
    expect(opened({}, 'skipped').model.decision).toBe('skipped')
    for (const decision of ['tolerated', 'accepted', 'refused'])
      expect(opened({}, decision).model.decision).toBe('tolerated')
  })

  test('reads and places files by their names', async () => {
    const { model, files } = opened()
    expect(await model.read('a')).toEqual(encoded('read a'))
    expect((await model.place(['a'], { isolation: 'copy' })).isolation).toBe('copy')
    expect(files.place).toHaveBeenLastCalledWith(['a'], { isolation: 'copy' })
    await model.place(['a'])
    expect(files.place).toHaveBeenLastCalledWith(['a'], { isolation: undefined })
    expect(await model.path('b')).toMatch(/\/b$/)
    expect(files.place).toHaveBeenLastCalledWith(['b'], { isolation: undefined })
  })

  test('refuses names and options of another kind', async () => {
    const { model, files } = opened()
    const ofName = refusal('INVALID_ARGUMENT', { message: expect.stringContaining('the name of a file') as string })
    await expect(model.read(5 as never)).rejects.toEqual(ofName)
    await expect(model.stream(5 as never)).rejects.toEqual(ofName)
    const ofNames = refusal('INVALID_ARGUMENT', { message: expect.stringContaining('"names') as string })
    for (const names of ['a', [5]]) await expect(model.place(names as never)).rejects.toEqual(ofNames)
    await expect(model.place(['a'], { isolation: 'memory' as never })).rejects.toEqual(
      refusal('INVALID_ARGUMENT', { expected: '"copy"' }),
    )
    await expect(model.place(['a'], { other: 1 } as never)).rejects.toEqual(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('for place') as string }),
    )
    expect(files.place).not.toHaveBeenCalled()
    expect(files.inMemory).not.toHaveBeenCalled()
  })

  test('is confirmed by its files', () => {
    const { model, files } = opened()
    model.confirm()
    expect(files.confirm).toHaveBeenCalledOnce()
  })
})

describe('a stream', () => {
  test('is of the buffer that was hashed if the file is small', async () => {
    const { model, files } = opened()
    expect(await text(await model.stream('a'))).toBe('read a')
    expect(files.inMemory).toHaveBeenCalledWith(['a'])
    expect(files.place).not.toHaveBeenCalled()
  })

  test('is of the placed file otherwise', async () => {
    const { model, files } = opened({ inMemory: vi.fn(() => false) })
    expect(await text(await model.stream('a'))).toBe('placed a')
    expect(files.read).not.toHaveBeenCalled()
  })

  test('is of a buffer if there is no place for the file, but enough memory', async () => {
    const place = () => Promise.reject(new ModelSealError('COPY_FAILED', 'No.'))
    const inMemory = vi.fn().mockReturnValueOnce(false).mockReturnValueOnce(true)
    const { model } = opened({ place, inMemory })
    expect(await text(await model.stream('a'))).toBe('read a')
    expect(inMemory).toHaveBeenLastCalledWith(['a'])
    const { model: other } = opened({ place, inMemory: () => false })
    await expect(other.stream('a')).rejects.toEqual(refusal('COPY_FAILED'))
  })
})

describe('a model that is closed', () => {
  test('disposes of its files, and is no longer followed', async () => {
    const ways = [
      (model: object) => (model as UnverifiedModel).close(),
      (model: object) => (model as { [Symbol.asyncDispose](): Promise<void> })[Symbol.asyncDispose](),
      (model: object) => (model as Record<symbol, () => Promise<void>>)[Symbol.for('Symbol.asyncDispose')]!(),
    ]
    for (const close of ways) {
      const { model, files, standing } = opened()
      const closed = vi.spyOn(standing, 'close')
      await close(model)
      expect(files.dispose).toHaveBeenCalledOnce()
      expect(closed).toHaveBeenCalledOnce()
    }
  })

  test('hands out nothing', async () => {
    const { model, files } = opened({ inMemory: vi.fn(() => false) })
    await model.close()
    const CLOSED = modelClosed()
    expect(CLOSED).toEqual(refusal('INVALID_ARGUMENT'))
    for (const step of [model.read('a'), model.stream('a'), model.path('a'), model.place(['a'])])
      await expect(step).rejects.toEqual(CLOSED)
    for (const step of [() => model.confirm(), () => model.checkOpen()]) expect(step).toThrow(CLOSED.message)
    for (const step of [files.read, files.place, files.inMemory, files.confirm]) expect(step).not.toHaveBeenCalled()
  })

  test('hands out nothing either if it was revoked', async () => {
    const { model, standing, files } = opened()
    const revoked = new ModelSealError('MODEL_REVOKED', 'No.')
    vi.spyOn(standing, 'check').mockImplementation(() => {
      throw revoked
    })
    for (const step of [model.read('a'), model.stream('a'), model.path('a'), model.place(['a'])])
      await expect(step).rejects.toBe(revoked)
    for (const step of [() => model.confirm(), () => model.checkOpen()]) expect(step).toThrow(revoked)
    expect(files.read).not.toHaveBeenCalled()
  })

  test('is followed for as long as what was created from it', () => {
    const { model, standing } = opened()
    const held = vi.spyOn(standing, 'heldBy')
    const looked = vi.spyOn(standing, 'isChangeable', 'get').mockReturnValue(false)
    const created = {}
    model.keepWatching(created)
    expect(held).toHaveBeenCalledWith(created)
    expect(looked).toHaveBeenCalledOnce()
  })
})

test('a reader passes everything on to the files', async () => {
  const files = served()
  const reader = readerOf(files as unknown as ServedFiles, 'a')
  expect([reader.entry, reader.files]).toEqual(['a', ['a', 'b']])
  expect([reader.size('ab'), reader.inMemory(['a'])]).toEqual([2, true])
  expect(await reader.read('a')).toEqual(encoded('read a'))
  expect(await reader.readAll([{ name: 'a' }])).toEqual([encoded('all')])
  await reader.place(['a'], { isolation: 'copy' })
  expect(files.inMemory).toHaveBeenCalledWith(['a'])
  expect(files.readAll).toHaveBeenCalledWith([{ name: 'a' }])
  expect(files.place).toHaveBeenCalledWith(['a'], { isolation: 'copy' })
})

test('what gathers files must be a function', async () => {
  const source: ModelSource = { place: { url: 'store://m' }, open: () => expect.unreachable() }
  await expect(openVerifiedModel(source, {}, 5 as never)).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining('the gatherer') as string, expected: 'a function' }),
  )
  const policy = '/none/policy.yaml'
  await expect(openVerifiedModel(source, { policy }, () => Promise.resolve())).rejects.toEqual(
    refusal('POLICY_NOT_FOUND'),
  )
})
