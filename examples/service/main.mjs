// Starts the service with a model and a policy from prepare.mjs.
// Run it from the repository: npm run setup && npx node examples/service/main.mjs
import { prepare } from '../prepare.mjs'
import { createService } from './service.mjs'

const { models, policy } = await prepare()
const app = await createService({ model: models.vad, policy })
const address = await app.listen({ port: Number(process.env.PORT ?? 3000) })

console.log(`
  curl ${address}/healthz
  curl ${address}/metrics
  echo x >> ${models.vad} && curl -X POST ${address}/reload
`)
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void app.close().then(() => process.exit()))
