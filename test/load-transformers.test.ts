import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as transformers from '@huggingface/transformers'
import { httpModelSource } from '@modelseal/core/source'
import { keySigner, signModel } from '@modelseal/core/signing'
import { verdictOf, verified } from '@modelseal/transformers'
import { afterAll, afterEach, beforeEach, describe, expect, expectTypeOf, test, vi } from 'vitest'
import { file, serve, type Answer } from '../packages/core/src/testing/http-server.ts'
import { graph, model, node, value } from './onnx-models.ts'
import { flipBit, Workspace } from './signed-models.ts'
import { chunkedModel, embeddingModel, embeddingOfHello, tinyModel } from './transformers-models.ts'

const { env } = transformers
const workspace = new Workspace()
const { policy } = workspace
const fetched = vi.fn(() => Promise.reject(new Error('there is no network')))
const unhandled = vi.fn()

beforeEach(() => {
  fetched.mockClear()
  unhandled.mockClear()
  env.fetch = fetched
  env.logLevel = transformers.LogLevel.NONE
  process.on('unhandledRejection', unhandled)
})
afterEach(async () => {
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', unhandled)
  expect(unhandled).not.toHaveBeenCalled()
})
afterAll(() => workspace[Symbol.dispose]())

const { pipeline, AutoModel, AutoTokenizer, AutoConfig, AutoProcessor } = verified(transformers, { policy })

function refusal(code: string, more = {}) {
  return expect.objectContaining({ name: 'ModelSealError', code, ...more }) as Error
}

type Embed = (text: string) => Promise<{ tolist(): unknown }>

async function hello(embed: Embed): Promise<unknown> {
  return ((await embed('hello')).tolist() as unknown[])[0]
}

/** A verified load whose runtime must never be called. */
async function expectRefused(directory: string, code: string, more = {}, options = {}): Promise<void> {
  const spied = { ...transformers, pipeline: vi.fn(transformers.pipeline) }
  const loaders = verified(spied, { policy, ...options })
  await expect(loaders.pipeline('feature-extraction', directory)).rejects.toThrow(refusal(code, more))
  expect(spied.pipeline).not.toHaveBeenCalled()
}

describe('a tiny model', async () => {
  const directory = await workspace.sign('tiny', tinyModel({ mark: 7 }))

  test('gives the same result through a verified pipeline as in plain Transformers.js', async () => {
    const plain = await transformers.pipeline('feature-extraction', directory, { dtype: 'fp32' })
    const embed = await pipeline('feature-extraction', directory)
    expect(await hello(embed)).toEqual(embeddingOfHello(7))
    expect(await hello(plain)).toEqual(embeddingOfHello(7))
    expect(verdictOf(embed)).toMatchObject({ decision: 'accepted', rule: 'models', files: { checked: 5, signed: 5 } })
    expect(verdictOf(plain)).toBeUndefined()
  })

  test.each([
    ['auto', ['memory']],
    ['memory', ['memory']],
    ['copy', ['memory', 'copy']],
    ['in-place', ['memory', 'in-place']],
  ] as const)('loads under the isolation %s', async (isolation, used) => {
    const loaders = verified(transformers, { policy, isolation })
    const embed = await loaders.pipeline('feature-extraction', directory)
    expect(await hello(embed)).toEqual(embeddingOfHello(7))
    expect(verdictOf(embed)?.isolation).toEqual(used)
  })

  test.each(['memory', 'copy'] as const)(
    'loads with weights in a file that only the ONNX file names, from %s',
    async (isolation) => {
      const files = tinyModel({ mark: 3, location: 'sub/weights.bin', config: {} })
      const other = await workspace.sign(`own-name-${isolation}`, files)
      const loaders = verified(transformers, { policy, isolation })
      expect(await hello(await loaders.pipeline('feature-extraction', other))).toEqual(embeddingOfHello(3))
    },
  )

  test('loads by from_pretrained, as instances of the same classes', async () => {
    const tokenizer = await AutoTokenizer.from_pretrained(directory)
    const model = await AutoModel.from_pretrained(directory, { dtype: 'fp32' })
    const config = await AutoConfig.from_pretrained(directory)
    expect(tokenizer).toBeInstanceOf(transformers.PreTrainedTokenizer)
    expect(model).toBeInstanceOf(transformers.BertModel)
    expect(config.model_type).toBe('bert')
    const { last_hidden_state: state } = (await model(tokenizer('hello'))) as {
      last_hidden_state: { tolist(): unknown[] }
    }
    expect(state.tolist()[0]).toEqual(embeddingOfHello(7))
    for (const loaded of [tokenizer, model, config]) expect(verdictOf(loaded)?.decision).toBe('accepted')
  })

  test('loads by a concrete class, whose other members are unchanged', async () => {
    const { BertModel } = verified(transformers, { policy })
    const model = await BertModel.from_pretrained(directory)
    expect(model).toBeInstanceOf(BertModel)
    expect(BertModel.name).toBe('BertModel')
    expect(verified(transformers).AutoModel.supports('bert')).toBe(true)
  })

  test('keeps the types of Transformers.js', () => {
    expectTypeOf(pipeline).toEqualTypeOf(transformers.pipeline)
    expectTypeOf(AutoTokenizer).toEqualTypeOf(transformers.AutoTokenizer)
    expectTypeOf<'cos_sim'>().not.toExtend<keyof ReturnType<typeof verified<typeof transformers>>>()
  })

  describe('on a web server', async () => {
    const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    const files = names.filter((name) => statSync(join(directory, name)).isFile())
    const answers = files.map((name): [string, Answer] => [`/tiny/${name}`, file(readFileSync(join(directory, name)))])
    const overHttp = join(workspace.path, 'http-policy.yaml')
    writeFileSync(overHttp, readFileSync(policy, 'utf8').replace('path: "models/**"', 'url: "http://127.0.0.1:*/**"'))
    const loaders = verified(transformers, { policy: overHttp })

    test.each([
      ['URL', (url: string) => url],
      ['URL without its last slash', (url: string) => url.slice(0, -1)],
      ['URL object', (url: string) => new URL(url)],
      ['source', (url: string) => httpModelSource(url, {})],
    ])('loads by its %s', async (_, given) => {
      const { origin } = await serve(Object.fromEntries(answers))
      const url = `${origin}/tiny/`
      const embed = await loaders.pipeline('feature-extraction', given(url) as string, { dtype: 'fp32' })
      expect(await hello(embed)).toEqual(embeddingOfHello(7))
      expect(verdictOf(embed)).toMatchObject({ decision: 'accepted', model: { url } })
      expect(fetched).not.toHaveBeenCalled()
    })

    test('is refused if the server changed a file', async () => {
      const config = Buffer.from(readFileSync(join(directory, 'config.json')))
      config[0]! ^= 1
      const { origin } = await serve({ ...Object.fromEntries(answers), '/tiny/config.json': file(config) })
      const refused = loaders.pipeline('feature-extraction', `${origin}/tiny/`)
      await expect(refused).rejects.toThrow(refusal('FILE_MISMATCH', { file: 'config.json' }))
    })

    test('is named without the query of its URL', async () => {
      const { origin } = await serve(Object.fromEntries(answers))
      const names = new Set<string | undefined>()
      const progress_callback = ({ name, model }: { name?: string; model?: string }) => names.add(name ?? model)
      await loaders.pipeline('feature-extraction', `${origin}/tiny/?token=secret`, { progress_callback })
      expect([...names]).toEqual([`${origin}/tiny/`])
    })
  })

  test('loads by a `file:` URL object', async () => {
    const embed = await pipeline('feature-extraction', pathToFileURL(directory) as unknown as string)
    expect(await hello(embed)).toEqual(embeddingOfHello(7))
  })

  test('reports progress under its path', async () => {
    const reports: { status: string; name?: string; model?: string; file?: string }[] = []
    const report = (info: (typeof reports)[number]) => reports.push(info)
    for (const isolation of ['memory', 'copy'] as const) {
      const loaders = verified(transformers, { policy, isolation })
      await loaders.pipeline('feature-extraction', directory, { progress_callback: report })
    }
    expect(reports.filter(({ file }) => file === 'onnx/model.onnx').length).toBeGreaterThan(1)
    for (const { name, model } of reports) expect(name ?? model).toBe(directory)
    expect(reports.at(-1)).toEqual({ status: 'ready', task: 'feature-extraction', model: directory })
  })

  test('loads with this package as ES module and as CommonJS in one process', async () => {
    const common = createRequire(import.meta.url)('@modelseal/transformers') as { verified: typeof verified }
    const [one, other] = await Promise.all([
      pipeline('feature-extraction', directory),
      common.verified(transformers, { policy }).pipeline('feature-extraction', directory),
    ])
    expect(await hello(one)).toEqual(embeddingOfHello(7))
    expect(await hello(other)).toEqual(embeddingOfHello(7))
  })

  test('is loaded and reported as unverified by a rule in the mode audit', async () => {
    const unsigned = workspace.write('unsigned', tinyModel({ mark: 5 }))
    const audit = join(workspace.path, 'audit.yaml')
    writeFileSync(
      audit,
      'version: 1\ntrustRoots: { release: { publicKey: ./release.pub } }\nrules: [{ name: seen, mode: audit, match: { path: "**" }, signers: [{ key: release }] }]\n',
    )
    for (const isolation of ['memory', 'copy'] as const) {
      const embed = await verified(transformers, { policy: audit, isolation }).pipeline('feature-extraction', unsigned)
      expect(await hello(embed)).toEqual(embeddingOfHello(5))
      expect(verdictOf(embed)).toMatchObject({ decision: 'tolerated', wouldRefuse: { code: 'BUNDLE_NOT_FOUND' } })
    }
  })
})

describe('changed, added and missing files', () => {
  test.each(['config.json', 'tokenizer.json', 'tokenizer_config.json', 'onnx/model.onnx', 'onnx/model.onnx_data'])(
    'refuses a model whose %s was changed, before Transformers.js is called',
    async (file) => {
      const directory = await workspace.sign(`changed-${file.replace('/', '-')}`, tinyModel())
      flipBit(join(directory, file))
      for (const isolation of ['memory', 'copy', 'in-place'] as const)
        await expectRefused(directory, 'FILE_MISMATCH', { file }, { isolation })
    },
  )

  test('refuses a model with an added variant of the weights', async () => {
    const directory = await workspace.sign('variant', tinyModel())
    writeFileSync(join(directory, 'onnx/model_quantized.onnx'), embeddingModel('model.onnx_data'))
    await expectRefused(directory, 'FILE_UNSIGNED', { file: 'onnx/model_quantized.onnx' })
  })

  test('refuses that variant even if the rule ignores unsigned files', async () => {
    const directory = await workspace.sign('variant-ignored', tinyModel())
    writeFileSync(join(directory, 'onnx/model_quantized.onnx'), embeddingModel('model.onnx_data'))
    const lenient = join(workspace.path, 'lenient.yaml')
    writeFileSync(
      lenient,
      'version: 1\ntrustRoots: { release: { publicKey: ./release.pub } }\nrules: [{ name: lenient, match: { path: "**" }, signers: [{ key: release }], require: { files: ignore-unsigned } }]\n',
    )
    const loaders = verified(transformers, { policy: lenient })
    await loaders.pipeline('feature-extraction', directory)
    const load = loaders.pipeline('feature-extraction', directory, { dtype: 'q8' })
    await expect(load).rejects.toThrow(refusal('FILE_NOT_SIGNED', { file: 'onnx/model_quantized.onnx' }))
  })

  test('refuses a changed tokenizer even if the rule only hashes files that are loaded', async () => {
    const directory = await workspace.sign('only-loaded', tinyModel({ mark: 9 }))
    const loadedOnly = join(workspace.path, 'loaded.yaml')
    writeFileSync(
      loadedOnly,
      'version: 1\ntrustRoots: { release: { publicKey: ./release.pub } }\nrules: [{ name: loaded, match: { path: "**" }, signers: [{ key: release }], require: { files: loaded } }]\n',
    )
    flipBit(join(directory, 'tokenizer.json'))
    const loaders = verified(transformers, { policy: loadedOnly })
    const mismatch = refusal('FILE_MISMATCH', {
      file: 'tokenizer.json',
      verdict: expect.objectContaining({ decision: 'refused' }) as unknown,
    })
    await expect(loaders.pipeline('feature-extraction', directory)).rejects.toThrow(mismatch)
    await expect(loaders.AutoTokenizer.from_pretrained(directory)).rejects.toThrow(mismatch)
    await expect(loaders.AutoConfig.from_pretrained(directory)).rejects.toThrow(mismatch)
    const model = await loaders.AutoModel.from_pretrained(directory)
    expect(verdictOf(model)?.files).toEqual({ checked: 3, signed: 5 })
  })

  test('refuses a model without a file that Transformers.js needs', async () => {
    const directory = workspace.write('no-tokenizer', tinyModel())
    rmSync(join(directory, 'tokenizer.json'))
    await workspace.sign('no-tokenizer', {})
    const load = pipeline('feature-extraction', directory)
    await expect(load).rejects.toThrow(refusal('FILE_NOT_SIGNED', { file: 'tokenizer.json' }))
    expect(fetched).not.toHaveBeenCalled()
  })

  test('refuses a model whose configuration names missing external data', async () => {
    const config = { 'transformers.js_config': { use_external_data_format: 2 } }
    const directory = await workspace.sign('no-second-part', tinyModel({ config }))
    const load = pipeline('feature-extraction', directory)
    await expect(load).rejects.toThrow(refusal('FILE_NOT_SIGNED', { file: 'onnx/model.onnx_data_1' }))
  })

  test('refuses an unsigned model, and one that no rule covers', async () => {
    await expectRefused(workspace.write('nobody', tinyModel()), 'BUNDLE_NOT_FOUND')
    const directory = await workspace.sign('covered', tinyModel())
    const moved = join(workspace.path, 'elsewhere')
    renameSync(directory, moved)
    await expectRefused(moved, 'POLICY_NO_MATCH')
  })

  test('refuses a model that another key signed', async () => {
    const directory = workspace.write('other-key', tinyModel())
    const other = new Workspace()
    const privateKey = join(other.path, 'release.key')
    await signModel(directory, { signer: await keySigner({ privateKey }) })
    other[Symbol.dispose]()
    await expectRefused(directory, 'SIGNER_NOT_TRUSTED')
  })
})

describe('references in a model', () => {
  test.each([
    ['../../secret.bin', 'PATH_ESCAPES'],
    ['/etc/passwd', 'PATH_ESCAPES'],
    ['absent.bin', 'FILE_NOT_SIGNED'],
  ])('refuses weights at %s', async (location, code) => {
    const files = tinyModel({ location, weightsAt: 'onnx/model.onnx_data' })
    const directory = await workspace.sign(`weights-${code}-${location.length}`, files)
    await expectRefused(directory, code)
  })

  test('reads no weights from the working directory', async () => {
    const files = tinyModel({ location: 'package.json', weightsAt: 'onnx/model.onnx_data' })
    await expectRefused(await workspace.sign('working-directory', files), 'FILE_NOT_SIGNED')
  })

  test('refuses a file that is ONNX by name but has another format', async () => {
    const directory = await workspace.sign('ort', { ...tinyModel(), 'onnx/model.onnx': 'abcdORTM' })
    for (const isolation of ['memory', 'copy'] as const)
      await expectRefused(directory, 'MODEL_FORMAT', { file: 'onnx/model.onnx' }, { isolation })
  })

  test('fetches nothing that its configuration names', async () => {
    const files = tinyModel({
      mark: 2,
      config: {
        _name_or_path: 'evil/base',
        base_model_name_or_path: 'evil/base',
        auto_map: { AutoModel: 'evil/code--modeling.Model' },
        'transformers.js_config': { use_external_data_format: true },
      },
      tokenizerConfig: { name_or_path: 'evil/tokenizer', tokenizer_file: 'https://evil.example/tokenizer.json' },
    })
    const adapter = { 'adapter_config.json': '{"base_model_name_or_path":"evil/base"}' }
    const directory = await workspace.sign('names-others', { ...files, ...adapter })
    expect(await hello(await pipeline('feature-extraction', directory))).toEqual(embeddingOfHello(2))
    expect(fetched).not.toHaveBeenCalled()
  })

  test('refuses a processor that Transformers.js would complete from another repository', async () => {
    const processor = {
      'preprocessor_config.json': '{"processor_class":"MgpstrProcessor","image_processor_type":"ViTImageProcessor"}',
    }
    const directory = await workspace.sign('mgp-str', { ...tinyModel(), ...processor })
    await expect(AutoProcessor.from_pretrained(directory)).rejects.toThrow(refusal('FILE_NOT_SIGNED'))
    expect(fetched).not.toHaveBeenCalled()
  })
})

test('refuses to read a tokenizer into memory if the rule allows only copies', async () => {
  const copies = join(workspace.path, 'copies.yaml')
  writeFileSync(
    copies,
    'version: 1\ntrustRoots: { release: { publicKey: ./release.pub } }\nrules: [{ name: copies, match: { path: "**" }, signers: [{ key: release }], require: { isolation: [copy] } }]\n',
  )
  const directory = await workspace.sign('copies', tinyModel())
  await expectRefused(directory, 'ISOLATION_REFUSED', {}, { policy: copies })
})

describe('options of the caller', async () => {
  const directory = await workspace.sign('asked', tinyModel({ mark: 4 }))

  test.each([
    ['a revision', { revision: 'refs/pr/1' }],
    ['external data', { session_options: { externalData: ['x'] } }],
    [
      'a folder to read from',
      { session_options: { extra: { session: { model_external_initializers_file_folder_path: '/' } } } },
    ],
    ['an option that is not known', { adapter: 'evil/adapter' }],
  ])('refuses %s', async (_, options) => {
    const load = pipeline('feature-extraction', directory, options as object)
    await expect(load).rejects.toThrow(refusal('INVALID_ARGUMENT'))
  })

  test.each([
    ['no model', undefined],
    ['a file', join(directory, 'onnx/model.onnx')],
  ])('refuses %s', async (_, path) => {
    await expect(pipeline('feature-extraction', path)).rejects.toThrow(refusal('INVALID_ARGUMENT'))
    expect(fetched).not.toHaveBeenCalled()
  })

  test('takes a web address for the URL of a signed directory, which the policy must match', async () => {
    const address = 'https://huggingface.co/Xenova/all-MiniLM-L6-v2'
    await expect(pipeline('feature-extraction', address)).rejects.toThrow(refusal('POLICY_NO_MATCH'))
    expect(fetched).not.toHaveBeenCalled()
  })

  test('names the scheme that no package provides', async () => {
    await expect(pipeline('feature-extraction', 'hf://owner/model')).rejects.toThrow(refusal('SCHEME_UNKNOWN'))
  })

  test('treats a hub name as a path, which does not exist', async () => {
    await expect(pipeline('feature-extraction', 'models/nothing-here')).rejects.toThrow(refusal('POLICY_NO_MATCH'))
    expect(fetched).not.toHaveBeenCalled()
  })

  test('accepts options that select files of the model or have no effect', async () => {
    const options = { dtype: 'fp32', device: 'cpu', local_files_only: true, cache_dir: '/nowhere' } as const
    const session_options = { graphOptimizationLevel: 'disabled' } as const
    const embed = await pipeline('feature-extraction', directory, { ...options, session_options })
    expect(await hello(embed)).toEqual(embeddingOfHello(4))
    const { 'onnx/model.onnx': onnx, 'onnx/model.onnx_data': data, ...others } = tinyModel({ mark: 6 })
    const flat = await workspace.sign('flat', { ...others, 'main.onnx': onnx!, 'model.onnx_data': data! })
    for (const isolation of ['memory', 'in-place'] as const) {
      const loaders = verified(transformers, { policy, isolation })
      const names = { subfolder: '', model_file_name: 'main', use_external_data_format: false }
      const model = await loaders.pipeline('feature-extraction', flat, names)
      expect(await hello(model)).toEqual(embeddingOfHello(6))
    }
  })

  test('reports by its path a verified model that Transformers.js cannot load', async () => {
    const unknown = model(
      graph({ nodes: [node('NoSuchOperator', ['x'], ['y'])], inputs: [value('x', 1)], outputs: [value('y', 1)] }),
    )
    const broken = await workspace.sign('broken', { ...tinyModel(), 'onnx/model.onnx': unknown })
    for (const isolation of ['memory', 'copy'] as const) {
      const load = verified(transformers, { policy, isolation }).pipeline('feature-extraction', broken)
      await expect(load).rejects.toThrow(refusal('RUNTIME_FAILED', { file: broken }))
      await expect(load).rejects.not.toThrow('modelseal/')
    }
    const load = pipeline('no-such-task' as 'feature-extraction', directory)
    await expect(load).rejects.toThrow(refusal('RUNTIME_FAILED'))
  })

  test('refuses anything other than Transformers.js 4', () => {
    const third = { ...transformers, env: { version: '3.8.1' } }
    expect(() => verified(third)).toThrow(refusal('INVALID_ARGUMENT'))
    expect(() => verified({ ...transformers, env: Object.freeze({ ...env }) })).toThrow(refusal('INVALID_ARGUMENT'))
  })
})

describe('files that Transformers.js did not say it would load', () => {
  const ModelRegistry = {
    get_pipeline_files: () => Promise.reject(new Error('not known')),
    get_model_files: () => Promise.reject(new Error('not known')),
  }
  /** Transformers.js itself uses the functions behind this registry. */
  const uncertain = { ...transformers, ModelRegistry }

  test.each(['memory', 'copy', 'in-place'] as const)('are verified when it loads them, from %s', async (isolation) => {
    const directory = await workspace.sign(`uncertain-${isolation}`, tinyModel({ mark: 31 }))
    const loaders = verified(uncertain, { policy, isolation })
    expect(await hello(await loaders.pipeline('feature-extraction', directory))).toEqual(embeddingOfHello(31))
  })

  test.each([
    ['../../secret.bin', 'PATH_ESCAPES'],
    ['absent.bin', 'FILE_NOT_SIGNED'],
  ])('are refused when it does, with weights at %s', async (location, code) => {
    const files = tinyModel({ location, weightsAt: 'onnx/model.onnx_data' })
    const directory = await workspace.sign(`uncertain-${code}`, files)
    for (const isolation of ['memory', 'copy'] as const) {
      const load = verified(uncertain, { policy, isolation }).pipeline('feature-extraction', directory)
      await expect(load).rejects.toThrow(refusal(code))
    }
  })
})

describe('swapped while it is loaded', () => {
  /** Changes a file when Transformers.js is about to load it. */
  async function loadWhile(isolation: 'memory' | 'copy' | 'in-place', change: (directory: string) => void) {
    const directory = await workspace.sign(`swapped-${isolation}-${Math.random()}`, tinyModel({ mark: 8 }))
    const progress_callback = ({ status }: { status: string }) => {
      if (status === 'initiate') change(directory)
    }
    const loaders = verified(transformers, { policy, isolation })
    return hello(await loaders.pipeline('feature-extraction', directory, { progress_callback }))
  }

  function replace(directory: string): void {
    for (const [name, content] of Object.entries(tinyModel({ mark: 666 }))) {
      rmSync(join(directory, name), { force: true })
      writeFileSync(join(directory, name), content)
    }
  }

  test.each(['memory', 'copy'] as const)('has the signed content under the isolation %s', async (isolation) => {
    expect(await loadWhile(isolation, replace)).toEqual(embeddingOfHello(8))
  })

  test('is never loaded with other content under the isolation in-place', async () => {
    const result = await loadWhile('in-place', replace).catch((error: unknown) => error)
    if (result instanceof Error) expect(result).toMatchObject({ name: 'ModelSealError' })
    else expect(result).toEqual(embeddingOfHello(8))
    const dispose = vi.spyOn(transformers.BertModel.prototype, 'dispose')
    const written = loadWhile('in-place', (directory) => flipBit(join(directory, 'onnx/model.onnx_data')))
    await expect(written).rejects.toThrow(refusal('FILE_CHANGED'))
    expect(dispose).toHaveBeenCalledOnce()
    dispose.mockRestore()
  })
})

describe('a model with its weights in several chunks', () => {
  test.each([
    [2, 'memory'],
    [2, 'copy'],
    [true, 'memory'],
    [true, 'copy'],
  ] as const)('loads where its configuration says %s, under the isolation %s', async (chunks, isolation) => {
    const directory = await workspace.sign(`chunks-${chunks}-${isolation}`, chunkedModel(9, chunks))
    const { pipeline } = verified(transformers, { policy, isolation })
    expect(await hello(await pipeline('feature-extraction', directory))).toEqual(embeddingOfHello(9))
  })

  test("gives the same result as plain Transformers.js, and respects the caller's number of chunks", async () => {
    const directory = await workspace.sign('chunks', chunkedModel(9, true))
    const options = { dtype: 'fp32', use_external_data_format: 2 } as const
    const plain = await transformers.pipeline('feature-extraction', directory, options)
    expect(await hello(plain)).toEqual(embeddingOfHello(9))
    expect(await hello(await pipeline('feature-extraction', directory, options))).toEqual(embeddingOfHello(9))
  })

  test.each(['model.onnx_data', 'model.onnx_data_1'])('is refused when %s was changed', async (chunk) => {
    const directory = await workspace.sign(`changed-${chunk}`, chunkedModel(9, 2))
    flipBit(join(directory, 'onnx', chunk))
    await expectRefused(directory, 'FILE_MISMATCH')
  })
})

describe('several loads at once', () => {
  test('never mix, even with the same file names in the models', async () => {
    const marks = [11, 12, 13]
    const directories = await Promise.all(marks.map((mark) => workspace.sign(`mark-${mark}`, tinyModel({ mark }))))
    const isolations = ['memory', 'copy', 'in-place'] as const
    const loads = Array.from({ length: 18 }, async (_, index) => {
      const isolation = isolations[Math.floor(index / 3) % 3]!
      const loaders = verified(transformers, { policy, isolation })
      const embed = await loaders.pipeline('feature-extraction', directories[index % 3])
      expect(await hello(embed)).toEqual(embeddingOfHello(marks[index % 3]!))
    })
    await Promise.all(loads)
  })

  test("leave the program's loads to its own cache and fetch, which see nothing of verified loads", async () => {
    const directory = await workspace.sign('beside', tinyModel({ mark: 21 }))
    const own = tinyModel({
      mark: 22,
      location: 'model.onnx_data',
      config: { 'transformers.js_config': { use_external_data_format: true } },
    })
    const asked: string[] = []
    const stored = workspace.write('own-cache', own)
    const settings = {
      useCustomCache: true,
      customCache: {
        match: (key: string) => {
          asked.push(key)
          const name = key.split('/resolve/main/')[1]
          if (name === undefined || !(name in own)) return Promise.resolve(undefined)
          return Promise.resolve(name.includes('.onnx') ? join(stored, name) : new Response(own[name] as string))
        },
        put: () => Promise.resolve(),
      },
    }
    const before = { ...env }
    Object.assign(env, settings)
    try {
      const loads = Array.from({ length: 6 }, async (_, index) => {
        const mark = index % 2 === 0 ? 21 : 22
        const embed =
          mark === 21
            ? await pipeline('feature-extraction', directory)
            : await transformers.pipeline('feature-extraction', `own/model-${index}`, { dtype: 'fp32' })
        expect(await hello(embed)).toEqual(embeddingOfHello(mark))
      })
      await Promise.all(loads)
      expect({ ...env }).toEqual({ ...before, ...settings })
    } finally {
      Object.assign(env, before)
    }
    expect(asked.length).toBeGreaterThan(0)
    expect(asked.filter((key) => !key.includes('own/model-'))).toEqual([])
  })

  test('let a progress callback load models as the program would', async () => {
    const directory = await workspace.sign('calling', tinyModel())
    const inner: Promise<unknown>[] = []
    const progress_callback = () => {
      if (inner.length === 0) inner.push(transformers.AutoTokenizer.from_pretrained('own/tokenizer').catch(String))
    }
    await pipeline('feature-extraction', directory, { progress_callback })
    expect(await inner[0]).toContain('there is no network')
    expect(fetched).toHaveBeenCalled()
  })

  test('leave the settings of env unchanged and writable', async () => {
    const directory = await workspace.sign('settings', tinyModel())
    const before = { ...env }
    const load = pipeline('feature-extraction', directory)
    env.cacheDir = '/changed/while/loading'
    env.localModelPath = '/changed/while/loading'
    await load
    expect({ ...env }).toEqual({
      ...before,
      cacheDir: '/changed/while/loading',
      localModelPath: '/changed/while/loading',
    })
    Object.assign(env, before)
    expect({ ...env }).toEqual(before)
  })
})
