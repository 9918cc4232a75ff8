// Sets the stage for the examples: a temporary directory with two real models from npm, a new key
// pair, a signature of each model, and a trust policy. In real life the publisher of a model
// signs, the security team writes the policy, and only the loading is in your program.
import { generateKeyPairSync } from 'node:crypto'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { keySigner, signModel } from '@modelseal/core'

const require = createRequire(import.meta.url)
const human = join(dirname(require.resolve('@vladmandic/human')), '../models')

/** File in the model's directory, and where it comes from. */
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

/**
 * @param further directories of further models, by name
 * @returns paths of the models, the policy and its text, and what was signed; all is removed when
 * the program ends
 */
export async function prepare(further = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'modelseal-example-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))

  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = join(directory, 'release.key')
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  writeFileSync(join(directory, 'release.pub'), publicKey.export({ type: 'spki', format: 'pem' }))

  const signer = await keySigner({ privateKey: key })
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
