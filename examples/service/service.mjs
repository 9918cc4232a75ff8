// An inference service that detects speech: one verified ONNX model behind Fastify. It reports its health
// and metrics, and reloads the model and the policy while it runs.
import { subscribe } from 'node:diagnostics_channel'
import { judgeModel, VERDICT_CHANNEL, watchPolicy } from '@modelseal/core'
import { loadVerifiedModel, ModelSealError } from '@modelseal/onnxruntime'
import fastify from 'fastify'
import { Tensor } from 'onnxruntime-node'
import { Counter, Gauge, Registry } from 'prom-client'

const SAMPLES = 512

/**
 * @param options.model path of the model
 * @param options.policy path of the trust policy
 * @param options.policyInterval how often to check the policy's files for changes, in milliseconds
 */
export async function createService({ model: path, policy: policyPath, policyInterval = 10_000, logger = true }) {
  const app = fastify({ logger })
  const metrics = countVerdicts()
  const policy = await watchPolicy(policyPath, {
    onReload: () => void judgeAgain(),
    onError: (error) => app.log.error({ code: error.code }, error.message),
  })

  /** The session that serves requests, and its verdict; undefined while no model is trusted. */
  let serving
  /** Why the last model that was loaded was refused. */
  let refusal
  await load()

  app.get('/healthz', (_, reply) =>
    serving
      ? { status: 'ready', ...describe(serving.verdict), refusal }
      : reply.code(503).send({ status: 'no model', refusal }),
  )

  app.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.metrics()))

  app.post('/v1/speech', { schema: { body: SPEECH_SCHEMA } }, async ({ body }, reply) => {
    if (!serving) return reply.code(503).send({ error: 'no model', refusal })
    const { output } = await run(serving, {
      input: new Tensor('float32', Float32Array.from(body.samples), [1, SAMPLES]),
      state: new Tensor('float32', new Float32Array(256), [2, 1, 128]),
      sr: new Tensor('int64', [16_000n]),
    })
    return { probability: output.data[0] }
  })

  // Loads a new model. If it is refused, the previous one stays in service.
  app.post('/reload', async (_, reply) => {
    await load()
    return refusal ? reply.code(409).send({ refusal }) : describe(serving.verdict)
  })

  const timer = setInterval(() => void policy.current(), policyInterval).unref()
  app.addHook('onClose', async () => {
    clearInterval(timer)
    await release(serving)
  })
  return app

  async function load() {
    try {
      const before = serving
      serving = { ...(await loadVerifiedModel(path, { policy })), running: new Set() }
      refusal = undefined
      await release(before)
    } catch (error) {
      if (!(error instanceof ModelSealError)) throw error
      refusal = { code: error.code, message: error.message }
      app.log.error(refusal)
    }
  }

  // The policy changed, perhaps to revoke a model: if it refuses the current model, that model stops serving at once.
  async function judgeAgain() {
    const { decision, error } = await judgeModel(path, { policy })
    if (decision === 'refused') {
      refusal = { code: error.code, message: error.message }
      const before = serving
      serving = undefined
      await release(before)
    } else if (!serving) await load()
  }
}

async function run({ session, running }, inputs) {
  const result = session.run(inputs)
  running.add(result)
  return result.finally(() => running.delete(result))
}

/** Releases a session when no request uses it any more. */
async function release(model) {
  await Promise.allSettled(model?.running ?? [])
  await model?.session.release()
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

/** Counts the verdicts of this process by decision and, for refusals, by code. */
function countVerdicts() {
  const register = new Registry()
  const verdicts = new Counter({
    name: 'modelseal_verdicts_total',
    help: 'Verdicts on models',
    labelNames: ['decision', 'code'],
    registers: [register],
  })
  const seconds = new Gauge({
    name: 'modelseal_hashing_seconds',
    help: 'Time at which the last model was hashed',
    registers: [register],
  })
  subscribe(VERDICT_CHANNEL, ({ decision, error, durations }) => {
    verdicts.inc({ decision, code: error?.code ?? '' })
    seconds.set(durations.hashing / 1000)
  })
  return register
}
