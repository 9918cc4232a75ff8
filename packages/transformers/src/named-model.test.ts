import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { scratch } from '../../core/src/testing/scratch.ts'
import { isHubId } from './hub-id.ts'
import { namedModel } from './named-model.ts'

const ENV = {
  allowLocalModels: true,
  allowRemoteModels: true,
  localModelPath: '/nowhere',
  remoteHost: 'https://huggingface.co/',
  remotePathTemplate: '{model}/resolve/{revision}/',
}
const refusal = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) as string }) as Error

function named(
  given: unknown,
  { env = {}, options = {}, hub = true }: Partial<Record<'env' | 'options', object>> & { hub?: boolean } = {},
) {
  const naming = {
    given,
    hub,
    env: { ...ENV, ...env },
    options: { revision: undefined, localFilesOnly: false, ...options },
  }
  return namedModel(naming)
}

test.each(['Xenova/all-MiniLM-L6-v2', 'gpt2', 'org/v_1.0'])('%s is an id', (id) => expect(isHubId(id)).toBe(true))
test.each([
  './org/vad',
  '/org/vad',
  'org/vad/onnx',
  'models/vad',
  'datasets/x',
  'org/a--b',
  'org/a..b',
  'org/x.git',
  'hf://org/vad',
  '',
  7,
])('%s is no id', (id) => expect(isHubId(id)).toBe(false))

describe('an id on the hub', () => {
  test('is a source with its revision', async () => {
    const { name, source } = named('org/vad', { options: { revision: 'refs/pr/1' } })
    expect(name).toBe('org/vad')
    expect(await source()).toMatchObject({ place: { url: 'hf://org/vad' } })
  })

  test('is a directory in env.localModelPath if there is one and the program allows it', async () => {
    const localModelPath = scratch({})
    mkdirSync(join(localModelPath, 'org/vad'), { recursive: true })
    const env = { localModelPath }
    expect(await named('org/vad', { env }).source()).toBe(join(localModelPath, 'org/vad'))
    expect(await named('org/other', { env }).source()).toMatchObject({ place: { url: 'hf://org/other' } })
    const remote = { localModelPath, allowLocalModels: false }
    expect(await named('org/vad', { env: remote }).source()).toMatchObject({ place: { url: 'hf://org/vad' } })
    // A caller that requests a revision must not get whatever is in the directory.
    expect(() => named('org/vad', { env, options: { revision: 'v1' } })).toThrow(
      refusal('INVALID_ARGUMENT', 'revision'),
    )
  })

  test('is refused where the program allows no remote models, or has another kind of hub', () => {
    expect(() => named('org/vad', { env: { allowRemoteModels: false } })).toThrow(
      refusal('MODEL_NOT_FOUND', 'env.allowRemoteModels is false'),
    )
    for (const env of [{ remotePathTemplate: 'models/{model}/' }, { remoteHost: undefined }])
      expect(() => named('org/vad', { env })).toThrow(refusal('INVALID_ARGUMENT', 'for a verified model on a hub'))
  })

  test('is refused with a revision that is no Unicode', async () => {
    await expect(named('org/vad', { options: { revision: '\ud800' } }).source()).rejects.toThrow(
      refusal('INVALID_ARGUMENT', 'Invalid URL of a model on Hugging Face'),
    )
  })

  test('names the package to install', async () => {
    vi.doMock('@modelseal/hub', () => {
      throw new Error('not installed')
    })
    const error = refusal('SCHEME_UNKNOWN', 'Install @modelseal/hub.')
    await expect(named('org/vad').source()).rejects.toThrow(error)
    await expect(named('hf://org/vad').source()).rejects.toThrow(error)
    vi.doUnmock('@modelseal/hub')
  })
})

test.each(['models/vad', './org/vad'])('%s is a path, for which no revision can be requested', async (path) => {
  expect(await named(path).source()).toBe(join(process.cwd(), path))
  expect(() => named(path, { options: { revision: 'v1' } })).toThrow(refusal('INVALID_ARGUMENT', 'revision'))
})
test('without the option, an id is a path', async () => {
  expect(await named('org/vad', { hub: false }).source()).toBe(join(process.cwd(), 'org/vad'))
})
