// A program that verifies its models itself. Its parent sends lists of loads, { how, model, other, options }, and finally 'end'.
import { subscribe } from 'node:diagnostics_channel'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { openVerifiedModel } from '@modelseal/core'
import { judgeMemory } from '@modelseal/core/adapter'

const require = createRequire(import.meta.url)
const verdicts = []
subscribe('modelseal:verdict', ({ by, decision, bytes }) => verdicts.push([by ?? 'program', decision, bytes]))

/** State of the current load. */
let options
let model
let other

async function onnx() {
  const ort = await import('onnxruntime-node')
  const adapter = await import('@modelseal/onnxruntime')
  return { ort, adapter }
}

async function run(session) {
  const { Tensor } = await import('onnxruntime-node')
  const { y } = await session.run({ x: new Tensor('float32', [1, 2], [2]) })
  return [...y.data].join()
}

/** The runtime, wrapped by a function of the program. */
async function wrapped(create) {
  const { ort, adapter } = await onnx()
  const { createSession } = adapter.verified({ ...ort, InferenceSession: { create: create(ort) } }, options)
  return run(await createSession(model))
}

async function tfjs() {
  const tf = require('@tensorflow/tfjs')
  tf.enableProdMode()
  return { tf, adapter: await import('@modelseal/tfjs') }
}

const shape = ({ inputs }) => inputs.map((input) => input.shape).join()

async function graph(tf) {
  const { adapter } = await tfjs()
  return shape(await adapter.verified(tf, options).loadGraphModel(pathToFileURL(model).href))
}

async function embed(transformers) {
  const { verified } = await import('@modelseal/transformers')
  const pipe = await verified(transformers, options).pipeline('feature-extraction', model, { dtype: 'fp32' })
  return (await pipe('hello')).tolist()[0].flat().join()
}

const ways = {
  'onnx loadVerifiedModel': async () => run((await (await onnx()).adapter.loadVerifiedModel(model, options)).session),
  'onnx CommonJS': async () => run((await require('@modelseal/onnxruntime').loadVerifiedModel(model, options)).session),
  'onnx createSession': async () => run(await (await onnx()).adapter.createSession(model)),
  'onnx verified': async () => {
    const { ort, adapter } = await onnx()
    return run(await adapter.verified(ort, options).createSession(model))
  },
  'onnx, unverified': async () => run(await (await onnx()).ort.InferenceSession.create(model)),
  'onnx entry': async () => {
    const { adapter } = await onnx()
    const source = { model: dirname(model), entry: 'model.onnx' }
    return run((await adapter.loadVerifiedModel(source, options)).session)
  },
  'onnx wrapped': () => wrapped((ort) => (source, more) => ort.InferenceSession.create(source, { ...more })),
  'onnx wrapped, changing the model': () =>
    wrapped((ort) => (source, more) => {
      source[source.length - 1] ^= 1
      return ort.InferenceSession.create(source, more)
    }),
  'onnx wrapped, changing the model later': () =>
    wrapped((ort) => (source, more) => {
      const session = ort.InferenceSession.create(source, more)
      source.fill(0)
      return session
    }),
  'onnx wrapped, changing the weights': () =>
    wrapped((ort) => (source, more) => {
      more.externalData[0].data[0] ^= 1
      return ort.InferenceSession.create(source, more)
    }),
  'onnx wrapped, with other weights': () =>
    wrapped((ort) => (source, { externalData, ...more }) => {
      const data = new Uint8Array(externalData[0].data.length)
      return ort.InferenceSession.create(source, { ...more, externalData: [{ ...externalData[0], data }] })
    }),
  'onnx wrapped, with the model as its weights': () =>
    wrapped(
      (ort) =>
        (source, { externalData, ...more }) =>
          ort.InferenceSession.create(source, { ...more, externalData: [{ ...externalData[0], data: source }] }),
    ),
  'onnx wrapped, without weights': () =>
    wrapped(
      (ort) => (source) =>
        ort.InferenceSession.create(source, {
          extra: { 'session.model_external_initializers_file_folder_path': dirname(other) },
        }),
    ),
  'onnx wrapped, with another model': () => wrapped((ort) => () => ort.InferenceSession.create(other)),
  'onnx wrapped, with another model beside': () =>
    wrapped((ort) => async (source, more) => {
      const session = await ort.InferenceSession.create(source, more)
      await ort.InferenceSession.create(other)
      return session
    }),
  'onnx wrapped, with another file in the place': () =>
    wrapped((ort) => async (source, more) => {
      const { copyFileSync, rmSync } = await import('node:fs')
      rmSync(source)
      copyFileSync(other, source)
      return ort.InferenceSession.create(source, more)
    }),
  'core read': async () => {
    const { ort } = await onnx()
    const opened = await openVerifiedModel(dirname(model), { ...options, format: 'onnx' })
    const [bytes, data] = [await opened.read('model.onnx'), await opened.read('w.bin')]
    await opened.close()
    return run(await ort.InferenceSession.create(bytes, { externalData: [{ path: 'w.bin', data }] }))
  },
  'core read, of another format': async () => {
    const { ort } = await onnx()
    const opened = await openVerifiedModel(dirname(model), { ...options, format: 'saved-model' })
    return run(await ort.InferenceSession.create(await opened.read('model.onnx')))
  },
  'core read before it is over': async () => {
    const { ort } = await onnx()
    let session
    const gather = async (reader) => (session = await ort.InferenceSession.create(await reader.read('model.onnx')))
    await openVerifiedModel(dirname(model), { ...options, format: 'onnx' }, gather)
    return run(session)
  },
  'core place': async () => {
    const { ort } = await onnx()
    const { placeOnnx } = await import('@modelseal/onnxruntime/model-files')
    const place = (reader) => placeOnnx(reader, 'model.onnx')
    const opened = await openVerifiedModel(dirname(model), { ...options, format: 'onnx' }, place)
    const session = await ort.InferenceSession.create(opened.gathered.path)
    opened.confirm()
    await opened.close()
    return run(session)
  },
  'core memory': async () => {
    const { ort } = await onnx()
    const { readFileSync } = await import('node:fs')
    const bytes = readFileSync(model)
    await judgeMemory(bytes, options)
    return run(await ort.InferenceSession.create(bytes))
  },
  'a fake guard': async () => {
    const { ort } = await onnx()
    const guard = globalThis[Symbol.for('modelseal.guard.3')]
    const opened = { source: other, options: { ...options, format: 'saved-model' }, sessionOptions: {} }
    const { session } = await guard.adapters.onnxruntime({ ort, ...opened })
    return run(session)
  },
  'an older adapter': async () => {
    const { ort } = await onnx()
    const { readFileSync } = await import('node:fs')
    const data = readFileSync(join(dirname(model), 'w.bin'))
    const extra = { 'session.load_model_format': 'ONNX' }
    return run(
      await ort.InferenceSession.create(readFileSync(model), { extra, externalData: [{ path: 'w.bin', data }] }),
    )
  },
  'tfjs loadVerifiedModel': async () => {
    const { tf, adapter } = await tfjs()
    return shape((await adapter.loadVerifiedModel(tf, model, options)).model)
  },
  'tfjs verified': async () => graph((await tfjs()).tf),
  'tfjs wrapped': async () => {
    const { tf } = await tfjs()
    return graph({ ...tf, io: tf.io, loadGraphModel: (...args) => tf.loadGraphModel(...args) })
  },
  'tfjs wrapped, with another model': async () => {
    const { tf } = await tfjs()
    return graph({ ...tf, loadGraphModel: () => tf.loadGraphModel(pathToFileURL(other).href) })
  },
  'tfjs wrapped, with another handler': async () => {
    const { tf } = await tfjs()
    return graph({ ...tf, loadGraphModel: (handler) => tf.loadGraphModel({ load: () => handler.load() }) })
  },
  'tfjs wrapped, with another loader': async () => {
    const { tf } = await tfjs()
    return graph({ ...tf, loadGraphModel: (handler) => tf.loadLayersModel(handler) })
  },
  'tfjs SavedModel': async () => {
    const { tf, adapter } = await tfjs()
    const node = require('./stand-in-tfjs-node.cjs')
    return adapter.verified({ ...tf, node }, options).loadSavedModel(model)
  },
  'tfjs SavedModel, from elsewhere': async () => {
    const { tf, adapter } = await tfjs()
    const { loadSavedModel } = require('./stand-in-tfjs-node.cjs')
    return adapter
      .verified({ ...tf, node: { loadSavedModel: () => loadSavedModel(other) } }, options)
      .loadSavedModel(model)
  },
  'onnx web': async () => {
    // The copy that another package of these tests depends on.
    const ort = createRequire(require.resolve('@ricky0123/vad-web'))('onnxruntime-web')
    const { createVerified } = await import('@modelseal/onnxruntime/any-runtime')
    const { session } = await createVerified(ort, model, options, {})
    const { y } = await session.run({ x: new ort.Tensor('float32', [1, 2], [2]) })
    return [...y.data].join()
  },
  transformers: async () => embed(await import('@huggingface/transformers')),
  'transformers wrapped, changing the model': async () => {
    const ort = createRequire(require.resolve('@huggingface/transformers'))('onnxruntime-node')
    const { create } = ort.InferenceSession
    ort.InferenceSession.create = (source, more) => {
      source[source.length - 1] ^= 1
      return create(source, more)
    }
    try {
      return await embed(await import('@huggingface/transformers'))
    } finally {
      ort.InferenceSession.create = create
    }
  },
}

/** The outcome of a load: the result of the model, or why and by whose policy it was refused. */
async function outcome(how) {
  try {
    return { loaded: await ways[how]() }
  } catch ({ code, message }) {
    const by = /Refused by (?:the policy of )?(.*?)(?:, "|\.$)/.exec(message)?.[1]
    return { refused: code ?? message, ...(by && { by }) }
  }
}

let stderr = ''
process.stderr.write = (text) => {
  stderr += text
  return true
}

process.on('message', async (jobs) => {
  if (jobs === 'end') return process.disconnect()
  stderr = ''
  const outcomes = []
  for (const job of jobs) {
    ;({ options, model, other } = job)
    outcomes.push({ ...(await outcome(job.how)), verdicts: verdicts.splice(0) })
  }
  process.send({ outcomes, stderr })
})
