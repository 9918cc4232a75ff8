// Trains a small TensorFlow.js model from a verified dataset, signs it with a statement of what it was made from, loads it
// verified, and shows its lineage. Then one byte of the dataset is changed, and there is no training.
// Run it from the repository: npm run setup && npx node examples/training/main.mjs
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { verified } from '@modelseal/tfjs'
import * as tf from '@tensorflow/tfjs'
import { prepareDataset } from '../prepare.mjs'
import { lineageOf, percentage, readFlowers, save, signWithProvenance, train } from './training.mjs'

tf.enableProdMode() // no banner
const { dataset, model, policy, trainer } = await prepareDataset()

const flowers = await readFlowers(dataset, policy)
console.log(`Read ${flowers.species.length} flowers, signed by ${flowers.signer}`)

await save(await train(flowers), model)
await signWithProvenance(model, trainer, flowers.rootDigest)

const { loadLayersModel } = verified(tf, { policy })
const loaded = await loadLayersModel(`file://${model}/model.json`)
console.log(`The loaded model names ${percentage(loaded, flowers)} % of these flowers correctly`)
console.log(lineageOf(model, policy))

const file = join(dataset, 'iris.csv')
const bytes = readFileSync(file)
bytes[bytes.length >> 1] ^= 1
writeFileSync(file, bytes)
try {
  await train(await readFlowers(dataset, policy))
  console.log('Trained from data that nobody signed')
} catch (error) {
  console.log(`No training: ${error.code}, ${error.file}`)
}
