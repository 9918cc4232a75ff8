import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { refusal } from '../../testing/scratch.ts'
import type { ValuePath } from '../reading/policy-text.ts'
import { TrackedFiles, type SourceText } from '../reading/reading.ts'
import { Revocations } from '../revocations/revocations.ts'
import { RootFiles } from './root-files.ts'

const DIRECTORY = resolve('/policies')
const invalid = new ModelSealError('KEY_INVALID', 'No key.')
const ours = new TypeError('ours')

/** The files of the root `it`. A fault in one says where it is. */
function filesOf(forOneLoad = false) {
  const reading = new TrackedFiles({ forOneLoad })
  const text = { faultFrom: (at: ValuePath, cause: ModelSealError) => new ModelSealError(cause.code, at.join('.')) }
  const source = { directory: DIRECTORY, text } as unknown as SourceText
  const files = new RootFiles(source, ['trustRoots', 'it'], new Revocations(), reading)
  return { files, faults: () => reading.problems.map(({ code, message }) => `${code} ${message}`), reading }
}

describe('the files of a trust root', () => {
  test('are read one after the other, relative to the policy, without those that have a fault', async () => {
    const { files, faults, reading } = filesOf()
    const read = (path: string) => (path.endsWith('b') ? Promise.reject(invalid) : Promise.resolve([path, 'more']))
    const [a, b, c] = ['a', 'b', 'c'].map((name) => resolve(DIRECTORY, name)) as [string, string, string]
    expect(await files.all(['keys'], ['a', 'b', 'c'], read)).toEqual([a, 'more', c, 'more'])
    expect(faults()).toEqual(['KEY_INVALID trustRoots.it.keys.1'])
    expect([...reading.files.keys()]).toEqual([a, b, c])
    expect(await files.all(['keys'], 'a', read)).toEqual([a, 'more'])
    expect(await files.one(['key'], b, () => read(b))).toBeUndefined()
    expect(faults()[1]).toBe('KEY_INVALID trustRoots.it.key')
  })

  test('are not passed over because of a programming error', async () => {
    const { files, faults } = filesOf()
    await expect(files.all([], 'a', () => Promise.reject(ours))).rejects.toBe(ours)
    await expect(files.one([], undefined, () => Promise.reject(ours))).rejects.toBe(ours)
    expect(faults()).toEqual([])
  })
})

describe('what bundles need', () => {
  /** Fails the first time. */
  function failingOnce(error: Error) {
    let calls = 0
    const prepare = () => (calls++ === 0 ? Promise.reject(error) : Promise.resolve('prepared'))
    return { prepare, calls: () => calls }
  }

  test('is prepared at once, and a fault is one of the policy', async () => {
    const { files, faults, reading } = filesOf()
    const { prepare, calls } = failingOnce(invalid)
    const get = await files.whenNeeded(['file'], prepare)
    expect(faults()).toEqual(['KEY_INVALID trustRoots.it.file'])
    expect([...reading.files]).toEqual([])
    // It is tried again, and what it prepared is kept.
    expect([calls(), await get(), await get(), calls()]).toEqual([1, 'prepared', 'prepared', 2])
  })

  test('is prepared when it is needed for one load, and a fault is one of the bundle', async () => {
    const { files, faults } = filesOf(true)
    const { prepare, calls } = failingOnce(invalid)
    const get = await files.whenNeeded(['file'], prepare)
    expect(calls()).toBe(0)
    await expect(get()).rejects.toEqual(refusal('KEY_INVALID', { message: 'trustRoots.it.file' }))
    expect([await get(), calls(), faults()]).toEqual(['prepared', 2, []])
  })

  test('does not hide a programming error', async () => {
    await expect(filesOf().files.whenNeeded([], failingOnce(ours).prepare)).rejects.toBe(ours)
    const get = await filesOf(true).files.whenNeeded([], failingOnce(ours).prepare)
    await expect(get()).rejects.toBe(ours)
  })
})
