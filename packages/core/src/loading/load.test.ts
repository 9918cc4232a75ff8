import { describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../errors.ts'
import { DATASET_FORMAT } from '../policy/model-formats.ts'
import type { SourceReader } from '../source/answers/source-reader.ts'
import type { ModelSource } from '../source/model-source.ts'
import { memorySource } from '../testing/memory-source.ts'
import { refusal } from '../testing/scratch.ts'
import { Load, type LoadRequest } from './load.ts'
import { openOptions } from './open-options.ts'

const URL = 'store://models/vad'
const gather = () => Promise.resolve(undefined)

function loadOf(source: LoadRequest<undefined>['source'], more: Partial<LoadRequest<undefined>> = {}, count = 1) {
  const options = openOptions({})
  const [first, ...others] = [{}, { by: 'second' }].slice(0, count)
  return new Load({ source, options, gather, ...more }, [first!, ...others], undefined)
}

/** A source, and how often it was opened and closed. */
function counted(session: object = {}) {
  const open = vi.fn()
  const close = vi.fn(() => Promise.resolve())
  const { place, open: opening } = memorySource(URL, new Map(), { session: { close, ...session } })
  const source: ModelSource = {
    place,
    open: (load) => {
      open(load)
      return opening(load)
    },
  }
  return { source, open, close }
}

describe('a load', () => {
  test('has a judgement for each judge, the first of which is that of the load', () => {
    const load = loadOf(urlSource(), {}, 2)
    expect(load.judgings.map(({ by }) => by)).toEqual([undefined, 'second'])
    expect(load.place).toEqual({ url: URL })
    expect(load.isWatched).toBe(false)
  })

  test('records nothing that only looks, and keeps bundles only for a model that is saved', () => {
    expect([loadOf('/m').isUnrecorded, loadOf('/m').keepsBundles]).toEqual([false, false])
    const other = loadOf('/m', { isUnrecorded: true, keepsBundles: true })
    expect([other.isUnrecorded, other.keepsBundles]).toEqual([true, true])
  })

  test('is called by its path, or its URL without secrets', () => {
    expect(loadOf('/models/vad').label).toBe('/models/vad')
    expect(loadOf('https://models.example/vad?token=1').label).toBe('https://models.example/vad')
  })

  test('reads a dataset if the program says so', () => {
    expect(loadOf('/m').isDataset).toBe(false)
    expect(loadOf('/m', { options: openOptions({ format: DATASET_FORMAT }) }).isDataset).toBe(true)
  })

  test('is watched if one of its policies can change', () => {
    const load = loadOf('/m', {}, 2)
    Object.defineProperty(load.judgings[1], 'judgedBy', { value: { versions: '' } })
    expect(load.isWatched).toBe(true)
  })

  test('does not take its request from Object.prototype', () => {
    const options = openOptions({})
    expect(new Load({ source: '/m', options, gather }, [{}], undefined).isUnrecorded).toBe(false)
  })
})

function urlSource(): ModelSource {
  return memorySource(URL, new Map())
}

describe('the source of a load', () => {
  test('is opened once, with the signal and the limit of the load', async () => {
    const { source, open } = counted()
    const { signal } = new AbortController()
    const load = loadOf(source, { options: openOptions({ signal, maxBytes: 9 }) })
    expect(open).not.toHaveBeenCalled()
    expect(await load.opened()).toBe(await load.opened())
    expect(open).toHaveBeenCalledOnce()
    expect(open.mock.calls[0]).toMatchObject([{ signal, maxBytes: 9 }])
  })

  test('is opened again if that failed', async () => {
    const { source } = counted()
    const open = vi.fn(source.open)
    open.mockImplementationOnce(() => {
      throw new ModelSealError('FILE_UNREADABLE', 'No.')
    })
    const load = loadOf({ place: source.place, open })
    await expect(load.opened()).rejects.toEqual(refusal('FILE_UNREADABLE'))
    await load.opened()
    expect(open).toHaveBeenCalledTimes(2)
  })

  test('says in every verdict which model it is', async () => {
    const packageUrl = `pkg:huggingface/acme/vad@${'a1'.repeat(20)}`
    const said = { revision: 'a1'.repeat(20), requested: 'main', packageUrl }
    const load = loadOf(counted(said).source, {}, 2)
    await load.opened()
    for (const { verdict } of load.judgings) expect(verdict.model).toMatchObject(said)
    const silent = loadOf(counted().source)
    await silent.opened()
    for (const name of Object.keys(said)) expect(silent.judgings[0].verdict.model).not.toHaveProperty(name)
  })

  test('is opened once more for what is read later, without the signal of the load', async () => {
    const { source, open } = counted()
    const load = loadOf(source, { options: openOptions({ signal: AbortSignal.abort(), maxBytes: 9 }) })
    await load.reopening()()
    expect(open.mock.calls).toMatchObject([[{ signal: undefined, maxBytes: 9, detached: true }]])
  })
})

describe('the end of a load', () => {
  test('closes the source, if it was opened', async () => {
    const { source, close } = counted()
    const load = loadOf(source)
    await load.close()
    expect(close).not.toHaveBeenCalled()
    await load.opened()
    await load.close()
    await load.close()
    expect(close).toHaveBeenCalledOnce()
    expect(load.judgings[0].verdict).not.toHaveProperty('warnings')
  })

  test('does not fail if the source could not be opened', async () => {
    const load = loadOf({ place: { url: URL }, open: () => Promise.reject(new Error('broken')) })
    const opening = load.opened()
    await load.close()
    await expect(opening).rejects.toEqual(refusal('SOURCE_FAILED'))
  })

  test('warns in every verdict if the source cannot be closed', async () => {
    const load = loadOf(counted({ close: () => Promise.reject(new Error('broken')) }).source, {}, 2)
    await load.opened()
    await load.close()
    for (const { verdict } of load.judgings)
      expect(verdict.warnings).toEqual([
        {
          code: 'MODELSEAL_SOURCE_CLOSE',
          message: expect.stringMatching(/^Cannot close the source of the model: .+\. Check the package/) as string,
        },
      ])
  })

  test('waits until the model belongs to the caller', async () => {
    const { source, close } = counted()
    const load = loadOf(source)
    await load.opened()
    const stop = vi.fn(() => Promise.resolve())
    const closing = load.closing({ stop } as unknown as SourceReader)
    await closing()
    expect(stop).toHaveBeenCalledOnce()
    expect(close).not.toHaveBeenCalled()
    load.handOver()
    await closing()
    expect(close).toHaveBeenCalledOnce()
  })
})

test('a warning is recorded in the verdicts that it concerns', () => {
  const load = loadOf('/m', {}, 2)
  const [one, two] = load.judgings
  load.warnInto([two!])?.({ code: 'MODELSEAL_NO_THREADS', message: 'No threads.' })
  expect(one.verdict.warnings).toBeUndefined()
  expect(two?.verdict.warnings).toHaveLength(1)
})
