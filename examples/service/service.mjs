// An inference service that detects speech: one verified ONNX model behind Fastify. It reports its health
// and metrics, reloads the model while it runs, and stops serving a model that the policy or an advisory feed revokes.
import { subscribe } from 'node:diagnostics_channel'
import { REVOKED_CHANNEL, VERDICT_CHANNEL, watchPolicy } from '@modelseal/core'
import { loadVerifiedModel, ModelSealError } from '@modelseal/onnxruntime'
import fastify from 'fastify'
import { Tensor } from 'onnxruntime-node'
import { Counter, Gauge, Registry } from 'prom-client'

const SAMPLES = 512

/**
 * @param options.model path of the model
 * @param options.policy path of the trust policy; default: as modelseal finds it
 */
export async function createService({ model: path, policy: policyPath, logger = true }) {
  const app = fastify({ logger })
  const metrics = countVerdicts()
  const policy = await watchPolicy(policyPath, {
    onError: (error) => app.log.error({ code: error.code }, error.message),
  })

  /** The model that serves requests; undefined until one is accepted. */
  let serving
  /** Why the last model that was loaded was refused. */
  let refusal
  await load()

  app.get('/healthz', (_, reply) =>
    isReady()
      ? { status: 'ready', ...describe(serving.verdict), refusal }
      : reply.code(503).send({ status: 'no model', refusal: whyNoModel() }),
  )

  app.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.metrics()))

  app.post('/v1/speech', { schema: { body: SPEECH_SCHEMA } }, async ({ body }, reply) => {
    if (!isReady()) return reply.code(503).send(whyNoModel())
    const { output } = await run(serving, {
      input: new Tensor('float32', Float32Array.from(body.samples), [1, SAMPLES]),
      state: new Tensor('float32', new Float32Array(256), [2, 1, 128]),
      sr: new Tensor('int64', [16_000n]),
    })
    return { probability: output.data[0] }
  })

  // Loads a new model. If it is refused, the previous one stays in service, unless it was revoked.
  app.post('/reload', async (_, reply) => {
    await load()
    return refusal ? reply.code(409).send({ refusal }) : describe(serving.verdict)
  })

  app.addHook('onClose', () => release(serving))
  return app

  async function load() {
    try {
      const loaded = await loadVerifiedModel(path, { policy, onRevoked: 'release' })
      loaded.revoked.addEventListener('abort', () => app.log.error(reasonOf(loaded.revoked.reason)))
      const before = serving
      serving = { ...loaded, running: new Set() }
      refusal = undefined
      await release(before)
    } catch (error) {
      if (!(error instanceof ModelSealError)) throw error
      refusal = reasonOf(error)
      app.log.error(refusal)
    }
  }

  function isReady() {
    return serving !== undefined && !serving.revoked.aborted
  }

  function whyNoModel() {
    return serving ? reasonOf(serving.revoked.reason) : refusal
  }
}

async function run({ session, running }, inputs) {
  const result = session.run(inputs)
  running.add(result)
  return result.finally(() => running.delete(result))
}

/** Releases a session when no request uses it any more. One that was revoked has been released already. */
async function release(model) {
  await Promise.allSettled(model?.running ?? [])
  if (!model?.revoked.aborted) await model?.session.release()
}

/** `because` is what revoked a loaded model, such as KEY_REVOKED. */
function reasonOf({ code, message, cause }) {
  return { code, message, because: cause?.code }
}

const SPEECH_SCHEMA = {
  type: 'object',
  required: ['samples'],
  properties: { samples: { type: 'array', minItems: SAMPLES, maxItems: SAMPLES, items: { type: 'number' } } },
}

function describe({ decision, rule, model, bundles, at }) {
  const signers = bundles.flatMap(({ counted, signer }) => (counted ? [signer.name] : []))
  return { decision, rule, signers, rootDigest: model.rootDigest, since: at }
}

/** Counts the verdicts of this process by decision and code, and the models that were revoked while they were loaded. */
function countVerdicts() {
  const register = new Registry()
  const verdicts = new Counter({
    name: 'modelseal_verdicts_total',
    help: 'Verdicts on models',
    labelNames: ['decision', 'code'],
    registers: [register],
  })
  const revocations = new Counter({
    name: 'modelseal_revocations_total',
    help: 'Models revoked after they were loaded',
    labelNames: ['because'],
    registers: [register],
  })
  const seconds = new Gauge({
    name: 'modelseal_hashing_seconds',
    help: 'Time it took to hash the last model',
    registers: [register],
  })
  subscribe(VERDICT_CHANNEL, ({ decision, error, durations }) => {
    verdicts.inc({ decision, code: error?.code ?? '' })
    seconds.set(durations.hashing / 1000)
  })
  subscribe(REVOKED_CHANNEL, ({ error }) => revocations.inc({ because: error.cause?.code ?? '' }))
  return register
}
