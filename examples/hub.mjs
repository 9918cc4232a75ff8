// A service that turns text into vectors, with a model from Hugging Face that the policy accepts:
// MODELSEAL_POLICY=modelseal.policy.yaml node examples/hub.mjs ORG/NAME [REVISION]
// Then: curl --data 'A sentence.' http://127.0.0.1:PORT
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import * as transformers from '@huggingface/transformers'
import { explain } from '@modelseal/core/policy'
import { verdictOf, verified } from '@modelseal/transformers'

const [model, revision = 'main'] = process.argv.slice(2)
const { pipeline } = verified(transformers, { hub: true })

// A refused model throws, and the service does not start.
const embed = await pipeline('feature-extraction', model, { revision, dtype: 'fp32' })
console.log(explain(verdictOf(embed)))

const server = createServer(async (request, response) => {
  const vectors = await embed([await text(request)], { pooling: 'mean', normalize: true })
  response.end(JSON.stringify(vectors.tolist()[0]))
})
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`Listening on http://127.0.0.1:${server.address().port}`)
})
