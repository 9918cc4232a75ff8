// An inference service that counts faces: one verified TensorFlow.js model behind Fastify. It answers 503 as soon as the
// policy or an advisory feed revokes the model. Starts with the given model and the policy in MODELSEAL_POLICY, or else
// with those of prepare.mjs. Run it from the repository: npm run setup && npx node examples/tfjs-service.mjs [MODEL]
import { loadVerifiedModel } from '@modelseal/tfjs'
import * as tf from '@tensorflow/tfjs'
import fastify from 'fastify'
import { prepare } from './prepare.mjs'

/** Width and height of the pictures, in pixels. */
const SIZE = 256

tf.enableProdMode() // no banner
const [given] = process.argv.slice(2)
const { models, policy } = given ? { models: { blazeface: given } } : await prepare()
const { model, revoked } = await loadVerifiedModel(tf, models.blazeface, { policy, onRevoked: 'release' })

const app = fastify()
app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, async (_, body) => body)

app.get('/healthz', async () => {
  revoked.throwIfAborted()
  return { status: 'ready' }
})

// A picture: 256 × 256 pixels of three bytes.
app.post('/v1/faces', async ({ body: picture }, reply) => {
  if (picture?.length === SIZE * SIZE * 3) return { faces: tf.tidy(() => countFaces(picture)) }
  return reply.code(400).send({ message: `Expected ${SIZE} × ${SIZE} pixels of three bytes.` })
})

// A revoked model is released, and every further call of it throws MODEL_REVOKED.
app.setErrorHandler((error, _, reply) =>
  error.code === 'MODEL_REVOKED' ? reply.code(503).send({ code: error.code, message: error.message }) : error,
)

console.log(`Listening on ${await app.listen({ port: Number(process.env.PORT ?? 3000) })}/v1/faces`)
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void app.close().then(() => process.exit()))

function countFaces(picture) {
  const outputs = model.execute(tf.tensor(picture, [1, SIZE, SIZE, 3], 'float32').div(127.5).sub(1))
  // Two of the outputs contain one score for each possible position of a face.
  const scores = outputs.filter(({ shape }) => shape.at(-1) === 1).flatMap((output) => [...output.sigmoid().dataSync()])
  return scores.filter((score) => score > 0.5).length
}
