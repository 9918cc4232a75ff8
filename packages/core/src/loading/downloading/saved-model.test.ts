import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { FoundBundle } from '../../bundle/bundle.ts'
import { ModelSealError } from '../../errors.ts'
import type { Verdict } from '../../results.ts'
import type { ModelFiles } from '../../source/model-source.ts'
import type { Target } from '../../source/private/partial-file.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import type { VerifiedFiles } from '../files/verified-files.ts'
import { saveModel } from './saved-model.ts'

let directory: string
beforeEach(() => {
  directory = scratch()
  fs.chmodSync(directory, 0o700)
})

interface Given {
  /** The names of the signed files. */
  names?: string[]
  model?: Partial<ModelFiles>
  bundles?: object[]
  /** Paths of bundles, and whether they count. */
  judged?: Record<string, boolean>
  attestations?: string
  replaced?: string
  save?: (targets: readonly Target[]) => Promise<void>
}

/** Saves a model, and tells in which file it looked for attestations. */
async function saved(given: Given = {}) {
  const { names = ['a', 'sub/b'], model, bundles = [{ path: 'x', bundle: {}, bytes: Buffer.from('bundle x') }] } = given
  const { judged = { x: true }, attestations = '', replaced } = given
  const save = async (targets: readonly Target[]) => {
    await given.save?.(targets)
    for (const { path, name } of targets) {
      fs.mkdirSync(dirname(path), { recursive: true })
      fs.writeFileSync(path, `content of ${name}`)
    }
  }
  const asked: (string | undefined)[] = []
  const found = await saveModel(
    { directory, ...(replaced === undefined ? {} : { replaced }) },
    {
      files: { names, save } as unknown as VerifiedFiles,
      model: { name: 'vad.onnx', isFile: false, ...model } as ModelFiles,
      bundles: bundles as FoundBundle[],
      verdict: { bundles: Object.entries(judged).map(([path, counted]) => ({ path, counted })) } as unknown as Verdict,
      attestations: (there) => {
        asked.push(there)
        return Promise.resolve(Buffer.from(attestations))
      },
    },
  )
  return { ...found, bundles: found.bundles.map((bytes) => String(bytes)), asked }
}

const contents = () => {
  const names = (fs.readdirSync(directory, { recursive: true }) as string[]).sort()
  const files = names.filter((name) => fs.statSync(join(directory, name)).isFile())
  return Object.fromEntries(files.map((name) => [name, fs.readFileSync(join(directory, name), 'utf8')]))
}
const FILES = { a: 'content of a', 'sub/b': 'content of sub/b' }

describe('a model is saved', () => {
  test('with its bundle and its attestations', async () => {
    expect(await saved({ attestations: '1\n22\n' })).toEqual({
      signature: 'model.sig',
      bundles: ['bundle x'],
      attestations: 2,
      asked: [undefined],
    })
    expect(contents()).toEqual({ ...FILES, 'model.sig': 'bundle x', 'claims.jsonl': '1\n22\n' })
  })

  test('without attestations, if there are none', async () => {
    expect(await saved({ replaced: '/replaced' })).toMatchObject({ attestations: 0, asked: ['/replaced/claims.jsonl'] })
    expect(contents()).toEqual({ ...FILES, 'model.sig': 'bundle x' })
  })

  test('as a single file, beside which both have its name', async () => {
    const file = { names: ['vad.onnx'], model: { isFile: true }, attestations: '1\n' }
    expect(await saved({ ...file, replaced: '/replaced' })).toMatchObject({
      signature: 'vad.onnx.sig',
      attestations: 1,
      asked: ['/replaced/vad.onnx.claims.jsonl'],
    })
    expect(contents()).toEqual({
      'vad.onnx': 'content of vad.onnx',
      'vad.onnx.sig': 'bundle x',
      'vad.onnx.claims.jsonl': '1\n',
    })
  })

  test('with the first bundle that counts, and returns all that do', async () => {
    const bundles = [
      { path: 'refused', bundle: {}, bytes: Buffer.from('refused') },
      { path: 'unreadable', error: new ModelSealError('BUNDLE_MALFORMED', 'No.'), bytes: Buffer.from('unreadable') },
      { path: 'forgotten', bundle: {} },
      { path: 'one', bundle: {}, bytes: Buffer.from('one') },
      { path: 'two', bundle: {}, bytes: Buffer.from('two') },
    ]
    const judged = { two: true, one: true, refused: false, unreadable: true, forgotten: true }
    expect(await saved({ bundles, judged })).toMatchObject({ bundles: ['one', 'two'] })
    expect(contents()['model.sig']).toBe('one')
  })

  test('without a bundle, if none counts', async () => {
    expect(await saved({ judged: { x: false } })).toMatchObject({ bundles: [] })
    expect(contents()).toEqual(FILES)
  })

  test('with signed files that have the names of both', async () => {
    const names = ['claims.jsonl', 'model.sig']
    expect(await saved({ names, attestations: '1\n' })).toEqual({
      signature: 'model.sig',
      bundles: ['bundle x'],
      attestations: 0,
      asked: [],
    })
    expect(contents()).toEqual({ 'claims.jsonl': 'content of claims.jsonl', 'model.sig': 'content of model.sig' })
  })
})

test('the directory is free for another download after one that failed', async () => {
  const failure = new Error('cut')
  await expect(saved({ save: () => Promise.reject(failure) })).rejects.toBe(failure)
  expect(contents()).not.toHaveProperty('model.sig')
  const running = saved({ save: async () => expect(saved()).rejects.toEqual(refusal('FILE_WRITE_FAILED')) })
  await running
  expect(contents()).toEqual({ ...FILES, 'model.sig': 'bundle x' })
})
