// The steps of main.mjs, which the demo takes as well.
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openVerifiedDataset } from '@modelseal/core'
import { attestModel, makeProvenance } from '@modelseal/core/attestation'
import { signModel } from '@modelseal/core/signing'
import * as tf from '@tensorflow/tfjs'

const MODELSEAL = join(import.meta.dirname, '../../packages/cli/bin/modelseal.cjs')
const SPECIES = ['setosa', 'versicolor', 'virginica']

/** @returns the measurements and the species of each flower, who signed them, and the root digest of the dataset */
export async function readFlowers(dataset, policy) {
  const opened = await openVerifiedDataset(dataset, { policy })
  try {
    const measurements = []
    const species = []
    // The bytes of each record were compared with the signature before.
    for await (const { species: name, ...sizes } of await opened.records('iris.csv')) {
      measurements.push(Object.values(sizes).map(Number))
      species.push(SPECIES.indexOf(name))
    }
    const { signer } = opened.verdict.bundles.find(({ counted }) => counted)
    return { measurements, species, signer: signer.name, rootDigest: opened.manifest.rootDigest }
  } finally {
    await opened.close()
  }
}

/** The same weights each time. */
export async function train({ measurements, species }) {
  const kernelInitializer = tf.initializers.glorotUniform({ seed: 7 })
  const network = tf.sequential({
    layers: [
      tf.layers.dense({ inputShape: [4], units: 8, activation: 'relu', kernelInitializer }),
      tf.layers.dense({ units: SPECIES.length, activation: 'softmax', kernelInitializer }),
    ],
  })
  network.compile({ optimizer: tf.train.adam(0.05), loss: 'sparseCategoricalCrossentropy' })
  const sizes = tf.tensor2d(measurements)
  const names = tf.tensor1d(species, 'float32')
  await network.fit(sizes, names, { epochs: 80, batchSize: species.length, verbose: 0 })
  return network
}

/** Writes `model.json` and `weights.bin`. */
export async function save(network, directory) {
  mkdirSync(directory, { recursive: true })
  const write = async (artifacts) => {
    const { weightData, weightSpecs: weights, ...rest } = artifacts
    const weightsManifest = [{ paths: ['weights.bin'], weights }]
    writeFileSync(join(directory, 'model.json'), JSON.stringify({ ...rest, weightsManifest }))
    writeFileSync(join(directory, 'weights.bin'), new Uint8Array(weightData))
    return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) }
  }
  await network.save(tf.io.withSaveHandler(write))
}

/** Signs a model, and a statement beside it that names the dataset by its root digest. */
export async function signWithProvenance(model, signer, rootDigest) {
  await signModel(model, { signer })
  const predicate = makeProvenance({
    builder: 'https://ci.example/trainer',
    buildType: 'https://ci.example/training/v1',
    datasets: [`iris=sha256:${rootDigest}`],
  })
  await attestModel(model, { signer, type: 'provenance', predicate })
}

/** How many flowers a model names correctly. */
export function percentage(network, { measurements, species }) {
  const guesses = tf.tidy(() => network.predict(tf.tensor2d(measurements)).argMax(1).dataSync())
  return Math.round((100 * species.filter((one, index) => one === guesses[index]).length) / species.length)
}

/** What `modelseal inspect` says about the lineage of a model. */
export function lineageOf(model, policy) {
  const report = execFileSync(process.execPath, [MODELSEAL, 'inspect', model, '--policy', policy], { encoding: 'utf8' })
  return report.slice(report.indexOf('Lineage')).split('\n\n')[0]
}
