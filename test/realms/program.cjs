// A program as a user would write it. Each step returns its outcome: a word, or the code of a refusal.
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const core = require('@modelseal/core')
const adapter = require('@modelseal/core/adapter')
const signing = require('@modelseal/core/signing')
const verification = require('@modelseal/core/verification')
const onnx = require('@modelseal/onnxruntime')
const ort = require('onnxruntime-node')
const tf = require('@tensorflow/tfjs')
const { verified } = require('@modelseal/tfjs')

module.exports = async ({ workspace, policy, large, onnxModel, layersModel, beside }) => {
  const options = { policy }
  const byMethods = path.join(workspace, 'methods/modelseal.policy.yaml')
  const decisionOf = async (model) => {
    const opened = await core.openVerifiedModel(model, options)
    await opened.close()
    return opened.verdict.decision
  }
  const byMethod = async (name) => {
    const model = await core.openVerifiedModel(path.join(workspace, 'methods', name), { policy: byMethods })
    await model.close()
    return model.verdict.decision
  }
  const steps = {
    'a directory': () => decisionOf(onnxModel),
    'a directory with its bundle beside it': () => decisionOf(beside),
    'a model that threads hash': () => decisionOf(large),
    'a model that was signed with a certificate': () => byMethod('by-certificate'),
    'a model that was signed by Sigstore': () => byMethod('by-sigstore'),
    'a certificate of another authority': () => byMethod('by-certificate-of-another'),
    'another identity': () => byMethod('by-sigstore-as-another'),
    'an ONNX model': async () => (await onnx.loadVerifiedModel(onnxModel, options)).verdict.decision,
    'an ONNX model by createSession': async () => {
      const { createSession } = onnx.verified(ort, options)
      await (await createSession(path.join(onnxModel, 'model.onnx'))).release()
      return 'accepted'
    },
    'a TensorFlow.js model': async () => {
      const model = await verified(tf, { ...options, signal: new AbortController().signal }).loadLayersModel(
        `file://${path.join(layersModel, 'model.json')}`,
      )
      return `${model.predict(tf.tensor2d([[3]])).dataSync()[0]}`
    },
    'a model over HTTP': async () => {
      const server = http.createServer((request, response) => {
        fs.createReadStream(path.join(workspace, request.url))
          .on('error', () => response.writeHead(404).end())
          .pipe(response)
      })
      await new Promise((done) => server.listen(0, '127.0.0.1', done))
      const { port } = server.address()
      const url = `http://127.0.0.1:${port}/models/${path.basename(onnxModel)}/`
      try {
        const model = await core.openVerifiedModel(url, { policy: path.join(workspace, 'http.yaml') })
        const text = new TextDecoder().decode(await model.read('config.json'))
        await model.close()
        return text
      } finally {
        server.close()
        server.closeAllConnections()
      }
    },
    'bytes in memory': () => adapter.judgeMemory(new Uint8Array([1, 2, 3]), options),
    'an ArrayBuffer in memory': () => adapter.judgeMemory(new Uint8Array([1, 2, 3]).buffer, options),
    'a placed file': async () => {
      const model = await core.openVerifiedModel(onnxModel, options)
      const text = fs.readFileSync(await model.path('config.json'), 'utf8')
      model.confirm()
      await model.close()
      return text
    },
    'a stream': async () => {
      const model = await core.openVerifiedModel(onnxModel, options)
      let text = ''
      for await (const chunk of await model.stream('config.json')) text += new TextDecoder().decode(chunk)
      await model.close()
      return text
    },
    'await using': async () => {
      const model = await core.openVerifiedModel(onnxModel, options)
      await model[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]()
      await model.close()
      return Object.getOwnPropertyNames(Object.getPrototypeOf(model)).includes('undefined') ? 'undefined' : 'closed'
    },
    signing: async () => {
      const signer = await signing.keySigner({ privateKey: path.join(workspace, 'release.key') })
      await signing.signModel(onnxModel, {
        signer,
        signature: path.join(workspace, 'again.sig'),
        ignorePaths: ['model.sig'],
      })
      const verifier = { publicKey: path.join(workspace, 'release.pub') }
      const signature = path.join(workspace, 'again.sig')
      const { files } = await verification.verifyModel(onnxModel, { signature, verifier, ignorePaths: ['model.sig'] })
      return `${files.checked ?? files}`
    },
    'a timestamp of bytes': async () => {
      await signing.timestampFrom({ url: 'http://127.0.0.1:9/', data: new Uint8Array([1]) })
    },
    'a watched policy': async () => {
      const watched = await core.watchPolicy(policy)
      return (await core.judgeModel(onnxModel, { policy: watched })).decision
    },
    'the policy that the search finds': async () => {
      process.chdir(onnxModel)
      return (await core.judgeModel('.')).decision
    },
    'no policy': () => core.openVerifiedModel(onnxModel, { policy: '/nowhere' }),
    'no model': () => core.openVerifiedModel(path.join(workspace, 'models/nowhere'), options),
    'no bundle': () => core.openVerifiedModel(path.join(workspace, 'models/unsigned'), options),
    'a changed file': () => core.openVerifiedModel(path.join(workspace, 'models/changed'), options),
    'a policy that is not YAML': () => core.loadPolicy(path.join(workspace, 'broken.yaml')),
    'a policy with an invalid glob': () => core.loadPolicy(path.join(workspace, 'glob.yaml')),
    'an invalid key': () => signing.keySigner({ privateKey: path.join(workspace, 'broken.yaml') }),
    'a bundle that is not JSON': () => verification.readBundle(path.join(workspace, 'broken.yaml')),
    'an aborted load': () => core.openVerifiedModel(onnxModel, { ...options, signal: AbortSignal.abort() }),
    'a gatherer that throws': () => core.openVerifiedModel(onnxModel, options, () => Promise.reject(new Error('mine'))),
    'an error of another copy': () => {
      const own = new core.ModelSealError('ABORTED', 'Enough.')
      const { ModelSealError } = require('@modelseal/core/errors')
      return `${own instanceof ModelSealError} ${own instanceof Error} ${own.constructor.name}`
    },
  }
  const results = {}
  for (const [name, step] of Object.entries(steps)) {
    try {
      results[name] = await step()
    } catch (error) {
      const typed = error instanceof core.ModelSealError
      results[name] = typed ? error.code : `untyped ${error?.code}: ${error?.stack}`
      if (error?.code === 'INTERNAL') results[name] += ` ${error.message}`
    }
  }
  return results
}
