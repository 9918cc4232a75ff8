import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import type { OpenOptions } from '../open-options.ts'
import { downloadTo, type DownloadedModel } from '../downloading/download-model.ts'
import { Destination } from './destination.ts'
import { pullModels, type Pull, type PullOptions } from './pull-models.ts'

vi.mock('../downloading/download-model.ts', () => ({ downloadTo: vi.fn() }))

let directory: string
beforeEach(() => {
  directory = scratch({ 'model/a': 'A', 'models/b': 'B' })
  vi.mocked(downloadTo).mockReset()
  downloads()
})

/** What a download leaves, without a load. */
function downloads(given: Partial<DownloadedModel> = {}): void {
  vi.mocked(downloadTo).mockImplementation(async ({ directory: into }) => {
    await Promise.resolve()
    const model = {
      verdict: { decision: 'accepted' },
      files: ['a'],
      signature: 'model.sig',
      bundles: [Buffer.from('first')],
      attestations: 0,
      ...given,
    } as unknown as DownloadedModel
    const { writeFileSync } = await import('node:fs')
    for (const name of model.files) writeFileSync(join(into, name), 'content')
    if (!model.files.includes(model.signature)) writeFileSync(join(into, model.signature), 'first')
    return model
  })
}

const SOURCE = 'https://models.example/vad'
const pull = (options: PullOptions, ...directories: string[]) =>
  pullModels(
    directories.map((name) => ({ source: SOURCE, directory: join(directory, name) })),
    options,
  )
const namesIn = (name: string) => readdirSync(join(directory, name)).sort()

describe('directories that overlap are refused:', () => {
  const refused = (pulls: Pull[], file: string) =>
    expect(pullModels(pulls)).rejects.toEqual(
      refusal('INVALID_ARGUMENT', {
        file,
        expected: 'directories that do not overlap with each other or with the models to pull',
      }),
    )
  const to = (name: string, source: string | URL = SOURCE) => ({ source, directory: join(directory, name) })

  test('the same, one in the other, or the other way round', async () => {
    await refused([to('new'), to('new')], join(directory, 'new'))
    await refused([to('new'), to('new/deep')], join(directory, 'new/deep'))
    await refused([to('new/deep'), to('new')], join(directory, 'new'))
    symlinkSync('model', join(directory, 'link'))
    await refused([to('model'), to('link/sub')], join(directory, 'model/sub'))
    expect(existsSync(join(directory, 'new'))).toBe(false)
    expect(downloadTo).not.toHaveBeenCalled()
  })

  test('a model on this machine, above or below', async () => {
    const model = join(directory, 'model')
    await refused([to('model', model)], model)
    await refused([to('model/sub', model)], join(model, 'sub'))
    await refused([to('.', model)], directory)
    await refused([to('new'), to('model', model)], model)
    await refused([to('model'), to('new', model)], model)
    await refused([{ source: model, directory: '/' }], '/')
  })

  test('names that only begin alike do not', async () => {
    const pulled = await pull({ force: true }, 'model', 'models', 'mod')
    expect(pulled.map((each) => each.directory)).toEqual(
      ['model', 'models', 'mod'].map((name) => join(directory, name)),
    )
  })
})

describe('pulled models', () => {
  test('are described', async () => {
    const [pulled] = await pull({}, 'new')
    expect(pulled).toEqual({
      directory: join(directory, 'new'),
      verdict: { decision: 'accepted' },
      files: ['a'],
      signatures: ['model.sig'],
      attestations: 0,
    })
    expect(namesIn('new')).toEqual(['a', 'model.sig'])
    const [place] = vi.mocked(downloadTo).mock.lastCall!
    expect(place).toMatchObject({ replaced: join(directory, 'new') })
  })

  test('are put in place only once all of them are there', async () => {
    let calls = 0
    const { getMockImplementation } = vi.mocked(downloadTo)
    const real = getMockImplementation()!
    vi.mocked(downloadTo).mockImplementation((...args) => {
      expect(existsSync(join(directory, 'one'))).toBe(false)
      return ++calls === 2 ? Promise.reject(new RangeError('mine')) : real(...args)
    })
    await expect(pull({}, 'one', 'two')).rejects.toThrow('mine')
    expect(readdirSync(directory).sort()).toEqual(['model', 'models'])
  })

  test('that cannot be discarded are reported, once all were tried', async () => {
    vi.mocked(downloadTo).mockRejectedValue(new RangeError('mine'))
    const discard = vi.spyOn(Destination.prototype, 'discard').mockRejectedValueOnce(new RangeError('not put back'))
    onTestFinished(() => discard.mockRestore())
    await expect(pull({}, 'one', 'two')).rejects.toThrow('not put back')
    expect(discard).toHaveBeenCalledTimes(2)
  })

  test('replace something else only by force', async () => {
    await expect(pull({}, 'model')).rejects.toEqual(refusal('DESTINATION_REFUSED'))
    expect(namesIn('model')).toEqual(['a'])
    expect(downloadTo).not.toHaveBeenCalled()
    await pull({ force: true }, 'model')
    expect(namesIn('model')).toEqual(['a', 'model.sig'])
  })

  test('have all bundles that count, under names that a load finds', async () => {
    downloads({ bundles: [Buffer.from('first'), Buffer.from('second')] })
    const [pulled] = await pull({}, 'new')
    const { signatures = [] } = pulled ?? {}
    expect(signatures).toHaveLength(2)
    expect(namesIn('new')).toEqual(['a', ...signatures].sort())
    expect(signatures.map((name) => readFileSync(join(directory, 'new', name), 'utf8'))).toEqual(['first', 'second'])
  })

  test('keep a signed file that has the name of the bundle', async () => {
    downloads({ files: ['a', 'model.sig'] })
    const [pulled] = await pull({}, 'new')
    const [signature = ''] = pulled?.signatures ?? []
    expect(namesIn('new')).toEqual(['a', 'model.sig', signature].sort())
    expect(readFileSync(join(directory, 'new/model.sig'), 'utf8')).toBe('content')
    expect(readFileSync(join(directory, 'new', signature), 'utf8')).toBe('first')
  })
})

test.each<[string, unknown, unknown]>([
  ['no list', {}, {}],
  ['no source', [{ directory: 'x' }], {}],
  ['no directory', [{ source: SOURCE }], {}],
  ['an unknown field', [{ source: SOURCE, directory: 'x', into: 'y' }], {}],
  ['another value of "force"', [], { force: 'yes' }],
  ['an unknown option', [], { overwrite: true }],
])('arguments with %s are refused', async (_, pulls, options) => {
  await expect(pullModels(pulls as Pull[], options as OpenOptions)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
})

test('the values of "force" are named in the error', async () => {
  await expect(pullModels([], { force: 'yes' as never })).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining('"force"') as string }),
  )
})

test('nothing to pull is nothing', async () => {
  mkdirSync(join(directory, 'x'))
  expect(await pullModels([])).toEqual([])
})
