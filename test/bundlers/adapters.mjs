// A service that uses two adapters, and prints the outcome for a model of each.
import * as tf from '@tensorflow/tfjs'
import { loadVerifiedModel } from '@modelseal/onnxruntime'
import { verified } from '@modelseal/tfjs'

const [policy, model, directory] = process.argv.slice(2)
const loads = [
  async () => (await loadVerifiedModel(model, { policy })).verdict.decision,
  () => verified(tf, { policy }).loadGraphModel(`file://${directory}/model.json`),
]
for (const load of loads) console.log(JSON.stringify(await load().catch(({ code }) => code)))
process.exit()
