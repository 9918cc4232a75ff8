import { tracingChannel } from 'node:diagnostics_channel'
import { readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { LOAD_CHANNEL, type LoadTrace } from '../events.ts'
import { DATASET_FORMAT } from '../policy/model-formats.ts'
import { SourceReader } from '../source/answers/source-reader.ts'
import type { ModelFiles, SourceSession } from '../source/model-source.ts'
import { filesAt } from '../source/model-sources.ts'
import { memorySource } from '../testing/memory-source.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { TestSite } from '../testing/site.ts'
import type { SignedParts } from './files/signed-parts.ts'
import type { LoadRequest } from './load.ts'
import type { SavingReader } from './model-reader.ts'
import { openJudged } from './open-judged.ts'
import { openOptions, type OpenOptions } from './open-options.ts'

const MODEL = 'store://models/vad'
const CONTENT = { 'config.json': '{}', 'weights.bin': 'weights' }
const ONLY_LOADED = 'A rule with "require: { files: loaded }" fetches only what is loaded.'

let site: TestSite
let signature: Buffer

beforeAll(async () => {
  site = await TestSite.make()
  for (const key of ['a', 'b']) await site.key(key)
  await site.model('model', CONTENT)
  await site.sign('model', 'a', 'model/model.sig')
  signature = await readFile(site.file('model/model.sig'))
})
afterAll(() => site.remove())

interface Rule {
  key?: string
  mode?: 'audit'
  require?: object
}

const policy = ({ key = 'a', ...rule }: Rule) =>
  site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' }, b: { publicKey: 'b.pub' } },
    rules: [{ name: 'r', match: { format: 'any' }, signers: [{ key }], ...rule }],
  })

interface Opening extends Rule, Pick<OpenOptions, 'isolation' | 'signal' | 'maxBytes' | 'format' | 'audit'> {
  source?: LoadRequest<unknown>['source']
  gather?: (reader: SavingReader) => Promise<unknown>
  request?: Partial<LoadRequest<unknown>>
}

async function open({ key, mode, require, source = site.file('model'), gather, request, ...options }: Opening = {}) {
  const trust = await policy({ ...(key ? { key } : {}), ...(mode ? { mode } : {}), ...(require ? { require } : {}) })
  const own = openOptions({ ...options, policy: trust })
  const nothing = () => Promise.resolve()
  const model = await openJudged({ source, options: own, gather: gather ?? nothing, ...request }, [own])
  onTestFinished(() => model.close())
  return model
}

function remote({ files, ...session }: Partial<SourceSession> & { files?: Partial<ModelFiles> } = {}) {
  const content = new Map<string, Uint8Array>([['model.sig', signature]])
  for (const [name, text] of Object.entries(CONTENT)) content.set(name, Buffer.from(text))
  return memorySource(MODEL, content, { session, files: files ?? {} })
}

type Opened = Awaited<ReturnType<typeof open>>
const told = ({ verdict }: Opened, name = 'files') => verdict.checks.find(({ check }) => check === name)?.reason

describe('the verdict of a load', () => {
  test('says what was hashed, and how it was handed out', async () => {
    const { verdict } = await open({ gather: (reader) => reader.read('weights.bin') })
    expect(verdict).toMatchObject({
      decision: 'accepted',
      files: { checked: 2, signed: 2 },
      bytes: 9,
      isolation: ['memory'],
      hashed: 'files',
    })
    expect(verdict.durations.hashing).toBeGreaterThan(0)
  })

  test('says which isolation is allowed', async () => {
    const allowed = (words: string) => `The runtime gets what was hashed. Allowed isolation: ${words}.`
    expect(told(await open(), 'isolation')).toBe(allowed('memory, in-place, copy'))
    expect(told(await open({ isolation: 'copy' }), 'isolation')).toBe(allowed('copy'))
    const required = { require: { isolation: ['memory', 'copy'] } }
    expect(told(await open(required), 'isolation')).toBe(allowed('memory, copy'))
    await expect(open({ ...required, isolation: 'in-place' })).rejects.toEqual(refusal('ISOLATION_REFUSED'))
  })

  test('says how much was fetched only to be checked', async () => {
    const source = remote()
    const read = (...names: string[]) => ({
      source,
      gather: (reader: SavingReader) => reader.readAll(names.map((name) => ({ name }))),
    })
    const cost = '2 bytes in 1 of them were fetched only to be checked.'
    expect(told(await open(read('weights.bin')))).toContain(`${cost} ${ONLY_LOADED}`)
    for (const opening of [
      read(),
      read('weights.bin', 'config.json'),
      { ...read('weights.bin'), source: site.file('model') },
      { ...read('weights.bin'), require: { files: 'loaded' } },
    ])
      expect(told(await open(opening))).not.toContain('only to be checked')
  })

  test('says that there may be unsigned files if the rule allows them', async () => {
    const may = (where: string) => `The model may also contain unsigned files${where}; none of them is handed out.`
    const ignoring = { files: 'ignore-unsigned' }
    for (const source of [site.file('model'), remote()]) {
      expect(told(await open({ source }))).not.toContain('unsigned')
      expect(told(await open({ source, require: ignoring }))).toContain(may(''))
      expect(told(await open({ source, require: { unsigned: ['x'] } }))).toContain(
        may(' where "require.unsigned" allows them'),
      )
    }
    const unlisted = remote({ files: { list: undefined } })
    expect(told(await open({ source: unlisted, require: ignoring }))).toBe(told(await open({ source: remote() })))
  })

  test('says how ranges of a dataset are verified', async () => {
    expect(told(await open({ format: DATASET_FORMAT }))).toMatch(/\. They are signed whole/)
    // Nothing but how many files were hashed.
    expect(told(await open())).toMatch(/^[^.]*\.$/)
  })

  test('of a model that is loaded unverified says that nothing is revoked', async () => {
    const model = await open({ key: 'b', mode: 'audit' })
    expect(model.decision).toBe('tolerated')
    expect(told(model, 'revocation')).toBe('Neither its root digest nor anything that its bundles claim is revoked.')
  })

  test('is that of the trace, whether the model is accepted or refused', async () => {
    const ends: LoadTrace[] = []
    const handlers = { asyncEnd: (trace: LoadTrace) => void ends.push(trace) }
    tracingChannel<object, LoadTrace>(LOAD_CHANNEL).subscribe(handlers as never)
    onTestFinished(() => tracingChannel<object, LoadTrace>(LOAD_CHANNEL).unsubscribe(handlers as never))
    const { verdict } = await open()
    await expect(open({ key: 'b' })).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
    expect(ends.map((trace) => [trace.model, trace.verdict?.decision])).toEqual([
      [site.file('model'), 'accepted'],
      [site.file('model'), 'refused'],
    ])
    expect(ends[0]?.verdict).toBe(verdict)
  })
})

describe('the limit of a load', () => {
  test('comes with the advice to fetch less, unless the model is on this machine', async () => {
    const large = { maxBytes: 8, gather: (reader: SavingReader) => reader.read('weights.bin') }
    const list = () => Object.keys(CONTENT).map((name) => ({ name }))
    const advised = expect.stringContaining(ONLY_LOADED) as string
    await expect(open({ ...large, source: remote({ files: { list } }) })).rejects.toEqual(
      refusal('FILE_TOO_LARGE', { hint: advised }),
    )
    await expect(open(large)).rejects.toEqual(
      refusal('FILE_TOO_LARGE', { hint: expect.not.stringContaining(ONLY_LOADED) as string }),
    )
    await expect(open({ maxBytes: 0 })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })
})

describe('the format of a load', () => {
  const claimed = () => Promise.resolve('onnx' as const)
  const several = { format: { oneOf: ['onnx', 'gguf'], claimed } as OpenOptions['format'] }
  const loads =
    (...formats: string[]) =>
    (reader: SavingReader) => {
      for (const format of formats) reader.loads(format)
      return Promise.resolve()
    }

  test.each<[string, Rule]>([
    ['verified', {}],
    ['unverified', { key: 'b', mode: 'audit' }],
  ])('is the one that the loader of a model reports: %s', async (_, rule) => {
    expect((await open({ ...rule, format: 'onnx' })).verdict.model.format).toBe('onnx')
    expect((await open({ ...rule, ...several, gather: loads('gguf') })).verdict.model.format).toBe('gguf')
    await expect(open({ ...rule, format: 'onnx', gather: loads('gguf') })).rejects.toEqual(
      refusal('MODEL_FORMAT', { file: site.file('model'), expected: '"onnx"', found: '"gguf"' }),
    )
    await expect(open({ ...rule, ...several })).rejects.toEqual(
      refusal('MODEL_FORMAT', { found: 'a loader that does not report the format' }),
    )
  })
})

describe('a load that ends early', () => {
  test.each<[string, Rule]>([
    ['verified', {}],
    ['unverified', { key: 'b', mode: 'audit' }],
  ])('closes its source: %s', async (_, rule) => {
    const close = vi.fn(() => Promise.resolve())
    const gather = () => Promise.reject(new Error('broken'))
    await expect(open({ ...rule, source: remote({ close }), gather })).rejects.toEqual(
      refusal('INTERNAL', { found: 'broken' }),
    )
    expect(close).toHaveBeenCalledOnce()
    const stop = new AbortController()
    const aborting = () => {
      stop.abort()
      return Promise.resolve()
    }
    await expect(
      open({ ...rule, gather: aborting, signal: stop.signal, require: { files: 'loaded' } }),
    ).rejects.toEqual(refusal('ABORTED'))
  })

  test('because it only looks hands out nothing', async () => {
    const model = await open({ request: { isUnrecorded: true } })
    expect(model.verdict.decision).toBe('accepted')
    await expect(model.read('weights.bin')).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test('not at all keeps its source open until the model is closed', async () => {
    const close = vi.fn(() => Promise.resolve())
    const model = await open({ source: remote({ close }) })
    expect(close).not.toHaveBeenCalled()
    expect(Buffer.from(await model.read('weights.bin')).toString()).toBe('weights')
    await model.close()
    expect(close).toHaveBeenCalledOnce()
  })
})

describe('what a loader gets', () => {
  const seen = async (opening: Opening) => {
    let entry: string | undefined
    let saves: boolean | undefined
    const gather = (reader: SavingReader) => {
      entry = reader.entry
      saves = reader.save !== undefined
      return Promise.resolve(7)
    }
    const { gathered, files } = await open({ ...opening, gather })
    return { entry, saves, gathered, files: [...files].sort() }
  }

  test('is the directory, or the file in it', async () => {
    const files = Object.keys(CONTENT)
    expect(await seen({})).toEqual({ entry: undefined, saves: true, gathered: 7, files })
    const source = site.file('model/config.json')
    expect(await seen({ source })).toMatchObject({ entry: 'config.json', files })
    expect((await open({ source })).verdict.model.entry).toBe('config.json')
    await site.write('alone.bin', 'alone')
    await site.sign('alone.bin', 'a')
    expect(await seen({ source: site.file('alone.bin') })).toMatchObject({ entry: 'alone.bin', files: ['alone.bin'] })
  })

  test('can be read in parts, within the limit of the load', async () => {
    const gather = (reader: SavingReader) => Promise.resolve(reader.parts)
    const { gathered, manifest } = await open({ maxBytes: 1_000, gather })
    expect(gathered).toMatchObject({ files: { path: site.file('model') }, further: { hashTypes: [] } })
    const { manifest: signed, reader, limit } = gathered as SignedParts
    expect(signed).toBe(manifest)
    expect(reader).toBeInstanceOf(SourceReader)
    expect(() => limit?.admit('weights.bin', 1_001)).toThrow(refusal('FILE_TOO_LARGE'))
  })

  test('cannot be saved if it is unverified', async () => {
    expect(await seen({ key: 'b', mode: 'audit' })).toMatchObject({ saves: false, gathered: 7 })
  })

  test('has the signal of the load', async () => {
    const { signal } = new AbortController()
    const { gathered } = await open({ signal, gather: (reader) => Promise.resolve(reader.signal === signal) })
    expect(gathered).toBe(true)
  })

  test('can be saved with its bundle', async () => {
    const directory = scratch()
    const gather = (reader: SavingReader) => reader.save!(directory)
    const { gathered } = await open({ gather, request: { keepsBundles: true } })
    expect(gathered).toMatchObject({ signature: 'model.sig', bundles: [signature], attestations: 0 })
    expect(readdirSync(directory).sort()).toEqual(['config.json', 'model.sig', 'weights.bin'])
    expect(readFileSync(`${directory}/model.sig`)).toEqual(signature)
  })
})

describe('a cache of the source', () => {
  test('that is damaged is no reason to refuse the model, unless the source is damaged, too', async () => {
    await site.model('cache', { ...CONTENT, 'config.json': '[]' })
    const onDisk = () => filesAt(site.file('cache'))
    const model = await open({ source: remote({ files: { onDisk } }) })
    expect(model.verdict).toMatchObject({ decision: 'accepted', files: { checked: 2 } })
    const read: ModelFiles['read'] = (_, receive) => receive({ chunks: [Buffer.from('[]')] })
    await expect(open({ source: remote({ files: { onDisk, read } }) })).rejects.toEqual(refusal('FILE_MISMATCH'))
  })

  test('does not hide another failure', async () => {
    await site.model('whole', CONTENT)
    const gather = vi.fn(() => Promise.reject(new Error('broken')))
    const source = remote({ files: { onDisk: () => filesAt(site.file('whole')) } })
    await expect(open({ source, gather })).rejects.toEqual(refusal('INTERNAL'))
    expect(gather).toHaveBeenCalledOnce()
  })
})
