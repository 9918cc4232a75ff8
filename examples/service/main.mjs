// Starts the service: with the given model and the policy in MODELSEAL_POLICY, or else with those of prepare.mjs.
// Run it from the repository: npm run setup && npx node examples/service/main.mjs [MODEL]
import { prepare } from '../prepare.mjs'
import { createService } from './service.mjs'

const [given] = process.argv.slice(2)
const { model, policy } = given ? { model: given } : await example()
const app = await createService({ model, policy })
const address = await app.listen({ port: Number(process.env.PORT ?? 3000) })

console.log(`
  curl ${address}/healthz
  curl ${address}/metrics
  echo x >> ${model} && curl -X POST ${address}/reload
`)
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void app.close().then(() => process.exit()))

async function example() {
  const { models, policy } = await prepare()
  return { model: models.vad, policy }
}
