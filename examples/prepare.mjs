// Prepares the examples: a temporary directory with two real models from npm, a new key pair, a signature
// of each model, and a trust policy. In practice, the publisher signs the model, the security team writes
// the policy, and your program only loads the model.
import { generateKeyPairSync } from 'node:crypto'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { keySigner, signModel } from '@modelseal/core/signing'

const require = createRequire(import.meta.url)
const human = join(dirname(require.resolve('@vladmandic/human')), '../models')

/** Files of each model, and where they are copied from. */
const MODELS = {
  vad: { 'silero_vad.onnx': require.resolve('@ricky0123/vad-web/dist/silero_vad_v5.onnx') },
  blazeface: { 'model.json': join(human, 'blazeface.json'), 'blazeface.bin': join(human, 'blazeface.bin') },
}

const POLICY = `version: 1
trustRoots:
  release-team: { publicKey: ./release.pub }
rules:
  - name: production-models
    match: { path: "models/**" }
    signers: [{ key: release-team }]
`

const DATASET_POLICY = `version: 1
trustRoots:
  data-team: { publicKey: ./data.pub }
  training: { publicKey: ./training.pub }
rules:
  - name: training-data
    match: { format: dataset, path: "data/**" }
    signers: [{ key: data-team }]
  - name: trained-models
    match: { path: "models/**" }
    signers: [{ key: training }]
    require:
      attestations:
        - type: provenance # signed by "training", as the model is
          where: [{ field: dataset, oneOf: ["sha256:ROOT_DIGEST"] }]
`

/**
 * @param further directories of additional models, by name
 * @returns paths of the models and the policy, the text of the policy, and the signed models; all files are removed when
 * the program exits
 */
export async function prepare(further = {}) {
  const directory = newDirectory()
  const signer = await newSigner(directory, 'release')
  const signed = {}
  for (const [name, files] of Object.entries(MODELS)) {
    const model = join(directory, 'models', name)
    mkdirSync(model, { recursive: true })
    for (const [file, from] of Object.entries(files)) copyFileSync(from, join(model, file))
    signed[name] = await signModel(model, { signer })
  }
  for (const [name, from] of Object.entries(further)) {
    const model = join(directory, 'models', name)
    cpSync(from, model, { recursive: true })
    signed[name] = await signModel(model, { signer })
  }

  const policy = join(directory, 'modelseal.policy.yaml')
  writeFileSync(policy, POLICY)
  const models = {
    vad: join(directory, 'models/vad/silero_vad.onnx'),
    blazeface: join(directory, 'models/blazeface/model.json'),
    ...Object.fromEntries(Object.keys(further).map((name) => [name, join(directory, 'models', name)])),
  }
  return { models, policy, policyText: POLICY, signed }
}

/**
 * Prepares a dataset that the data team signed, and a policy that accepts it, and models that were trained with it.
 *
 * @returns paths of the dataset, of the policy, and for a trained model, and what signs that model; all files are removed
 * when the program exits
 */
export async function prepareDataset(directory = newDirectory()) {
  const dataset = join(directory, 'data/iris')
  mkdirSync(dataset, { recursive: true })
  copyFileSync(join(import.meta.dirname, 'training/iris.csv'), join(dataset, 'iris.csv'))
  const trainer = await newSigner(directory, 'training')
  const { rootDigest } = await signModel(dataset, { signer: await newSigner(directory, 'data'), format: 'dataset' })
  const policy = join(directory, 'training.policy.yaml')
  const policyText = DATASET_POLICY.replace('ROOT_DIGEST', rootDigest)
  writeFileSync(policy, policyText)
  return { dataset, model: join(directory, 'models/iris'), policy, policyText, trainer }
}

/** Removed when the program exits. */
function newDirectory() {
  const directory = mkdtempSync(join(tmpdir(), 'modelseal-example-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }))
  // So that examples leave nothing in the cache of the user.
  process.env.MODELSEAL_CACHE = join(directory, 'cache')
  mkdirSync(process.env.MODELSEAL_CACHE, { mode: 0o700 })
  return directory
}

/** Writes a new key pair, `NAME.key` and `NAME.pub`, and signs with it. */
export function newSigner(directory, name) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = join(directory, `${name}.key`)
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  writeFileSync(join(directory, `${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }))
  return keySigner({ privateKey: key })
}
