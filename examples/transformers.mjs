// Loads a signed model into Transformers.js and compares sentences with it.
// Run it from the repository: npm run setup && npm run setup:transformers && npx node examples/transformers.mjs
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import * as transformers from '@huggingface/transformers'
import { verdictOf, verified } from '@modelseal/transformers'
import { prepare } from './prepare.mjs'

const MODEL = join(import.meta.dirname, '../.cache/transformers/all-MiniLM-L6-v2')
if (!existsSync(join(MODEL, 'config.json'))) {
  console.error('The model is missing. Create it with "npm run setup:transformers" (requires Python).')
  process.exit(1)
}
const { models, policy } = await prepare({ minilm: MODEL })

const { pipeline } = verified(transformers, { policy })
const embed = await pipeline('feature-extraction', models.minilm, { dtype: 'fp32' })

const { decision, bundles } = verdictOf(embed)
console.log(`${decision}: ${bundles.find(({ counted }) => counted)?.signer.name}`)

const sentences = ['A dog runs on the beach.', 'A puppy plays by the sea.', 'The bank raised its interest rates.']
const [dog, ...others] = (await embed(sentences, { pooling: 'mean', normalize: true })).tolist()
for (const [index, vector] of others.entries())
  console.log(`${transformers.cos_sim(dog, vector).toFixed(2)}  ${sentences[index + 1]}`)
