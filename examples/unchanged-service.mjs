// An inference service that does not use modelseal, for the drill: unchanged-service.mjs MODEL
import fastify from 'fastify'
import { InferenceSession, Tensor } from 'onnxruntime-node'

const session = await InferenceSession.create(process.argv[2])
const app = fastify()

app.post('/v1/speech', async ({ body }) => {
  const { output } = await session.run({
    input: new Tensor('float32', Float32Array.from(body.samples), [1, 512]),
    state: new Tensor('float32', new Float32Array(256), [2, 1, 128]),
    sr: new Tensor('int64', [16_000n]),
  })
  return { probability: output.data[0] }
})

app.setErrorHandler(({ code, message }, _, reply) => reply.code(503).send({ code, message }))

console.log(`Listening on ${await app.listen({ port: Number(process.env.PORT ?? 3000) })}/v1/speech`)
