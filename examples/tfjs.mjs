// Loads a signed TensorFlow.js model with a drop-in replacement for tf.loadGraphModel.
// Run it from the repository: npm run setup && npx node examples/tfjs.mjs
import { subscribe } from 'node:diagnostics_channel'
import { VERDICT_CHANNEL } from '@modelseal/core'
import { verified } from '@modelseal/tfjs'
import * as tf from '@tensorflow/tfjs'
import { prepare } from './prepare.mjs'

tf.enableProdMode() // no banner
const { models, policy } = await prepare()
subscribe(VERDICT_CHANNEL, ({ decision, bundles, error }) => {
  // A refused model may have no bundle, or one without a valid signature.
  const signer = bundles.find(({ counted }) => counted)?.signer
  console.log(`${decision}: ${signer?.name ?? error?.code ?? 'nobody'}`)
})

const { loadGraphModel } = verified(tf, { policy })
const model = await loadGraphModel(`file://${models.blazeface}`)

const outputs = [model.execute(tf.zeros([1, 256, 256, 3]))].flat()
console.log(`BlazeFace gives ${outputs.map(({ shape }) => shape.join('×')).join(', ')}`)
