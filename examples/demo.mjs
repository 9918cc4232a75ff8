// Shows modelseal with two real models: signs them, judges them by a policy, loads and runs them, requires an
// evaluation of one of them, revokes it while it is in memory, finds out who loaded it, refuses both after they were
// tampered with, and trains a third one from a dataset that was signed.
// Run it from the repository: npm run demo
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { styleText } from 'node:util'
import { ModelSealError } from '@modelseal/core'
import { addToFeed, createFeedSource, signFeed } from '@modelseal/core/advisory'
import { attestModel, makeEvaluation } from '@modelseal/core/attestation'
import { findIncident } from '@modelseal/journal'
import { loadVerifiedModel as loadOnnx } from '@modelseal/onnxruntime'
import { loadVerifiedModel as loadTfjs } from '@modelseal/tfjs'
import * as tf from '@tensorflow/tfjs'
import { Tensor } from 'onnxruntime-node'
import { newSigner, prepare, prepareDataset } from './prepare.mjs'
import { lineageOf, readFlowers, save, signWithProvenance, train } from './training/training.mjs'

tf.enableProdMode() // no banner

const style = (format, text) => styleText(format, text, { stream: process.stdout })
const say = (line = '') => console.log(line === '' ? '' : `  ${line}`)
const detail = (name, text) => say(`    ${style('dim', name.padEnd(10))}${text}`)

say()
say(style('bold', 'modelseal: no unsigned byte reaches the inference runtime'))

chapter(1, 'The publisher signs two models')
const { models, policy, policyText, signed } = await prepare()
const demos = [
  { title: 'Silero VAD', what: 'ONNX, detects speech', path: models.vad, weights: 'silero_vad.onnx', run: hearSilence },
  {
    title: 'BlazeFace',
    what: 'TensorFlow.js, detects faces',
    path: models.blazeface,
    weights: 'blazeface.bin',
    run: seeGrey,
  },
]
for (const [index, { rootDigest, files, bytes }] of Object.values(signed).entries()) {
  const { title, what } = demos[index]
  say(`${good()} ${style('bold', title)} ${style('dim', `(${what})`)}`)
  detail('signed', `${count(files, 'file')}, ${megabytes(bytes)}`)
  detail('digest', `sha256:${rootDigest.slice(0, 16)}…`)
}

chapter(2, 'The security team writes one trust policy')
for (const line of policyText.trimEnd().split('\n')) say(style('cyan', `  ${line}`))

chapter(3, 'The service loads both models under the policy')
for (const { title, path, run } of demos) {
  const { verdict, result } = await run(path)
  const { signer } = verdict.bundles.find(({ counted }) => counted)
  say(`${good()} ${style('bold', title)} ${style('green', verdict.decision)}`)
  detail('signer', `${signer.name} ${style('dim', `(key ${signer.fingerprint.slice(0, 16)}…)`)}`)
  detail('rule', verdict.rule)
  detail(
    'checked',
    `${count(verdict.files.checked, 'file')}, ${megabytes(verdict.bytes)}, in ${verdict.durations.hashing.toFixed(1)} ms`,
  )
  detail('result', result)
}

chapter(4, 'The security team also requires an evaluation of the models by another team')
const evaluators = await newSigner(dirname(policy), 'evaluation')
const strict = join(dirname(policy), 'strict.policy.yaml')
const requirement = `    require:
      attestations:
        - type: evaluation
          signers: [{ key: evaluation-team }]
          where: [{ metric: accuracy, atLeast: 0.92 }]
`
writeFileSync(
  strict,
  policyText.replace('rules:', '  evaluation-team: { publicKey: ./evaluation.pub }\nrules:') + requirement,
)
for (const line of requirement.trimEnd().split('\n')) say(style('cyan', `  ${line}`))
const vad = dirname(models.vad)
await showRefusal('not evaluated', 'ATTESTATION_MISSING')
await attestAccuracy(0.88)
await showRefusal('evaluated, accuracy 0.88', 'ATTESTATION_CONDITION')
const { output } = await attestAccuracy(0.95)
const { verdict } = await hearSilence(models.vad, strict)
say(`${good()} ${style('bold', 'Silero VAD')} evaluated, accuracy 0.95: ${style('green', verdict.decision)}`)
detail('found in', basename(output))
detail('signer', verdict.attestations.find(({ satisfies }) => satisfies).signer.name)

chapter(5, 'The security team revokes a model that is in use, by an advisory feed that the policy follows')
const security = await newSigner(dirname(policy), 'security')
const source = join(dirname(policy), 'advisories.yaml')
const publish = () => signFeed(source, { signer: security, output: join(dirname(policy), 'advisories.jsonl') })
await createFeedSource(source, { feed: 'advisories' })
await publish()
const following = join(dirname(policy), 'following.policy.yaml')
const advisories = `advisories:
  - file: ./advisories.jsonl
    signers: [{ key: security-team }]
journal: { directory: ./journal, service: captions }
`
writeFileSync(
  following,
  policyText.replace('rules:', '  security-team: { publicKey: ./security.pub }\nrules:') + advisories,
)
for (const line of advisories.trimEnd().split('\n')) say(style('cyan', `  ${line}`))
const { session } = await loadOnnx(models.vad, { policy: following, onRevoked: 'release' })
say(`${good()} ${style('bold', 'Silero VAD')} in use`)
detail('result', await speechIn(session))
await addToFeed(source, { rootDigests: [{ digest: signed.vad.rootDigest, reason: 'trained on poisoned data' }] })
await publish()
const published = performance.now()
const { code, found } = await refusalOf(() => runForever(session), 'MODEL_REVOKED')
say(`${style('red', '✘')} ${style('bold', 'Silero VAD')} in use: ${style('red', 'revoked')}`)
detail('code', code)
detail('found', found)
detail('after', `${((performance.now() - published) / 1000).toFixed(1)} s, without another load`)

chapter(6, 'Incident response asks the journal who loaded it')
say(style('cyan', `  modelseal incident --model sha256:${signed.vad.rootDigest.slice(0, 16)}… journal`))
const { services, signers, refusals } = await findIncident([join(dirname(policy), 'journal')], {
  model: signed.vad.rootDigest,
})
for (const { service, host, loads, last, loadedNow } of services.items) {
  say(`${style('red', '✘')} ${style('bold', service)} on ${host}`)
  detail('loads', `${loads}, the last at ${last}; loaded now: ${loadedNow}`)
}
detail('signer', signers.items.map(({ name }) => name).join(', '))
detail('refused', refusals.items.map(({ code, kind }) => `${code} (${kind})`).join(', '))

chapter(7, 'An attacker changes one byte of the weights, and the service loads them again')
for (const { title, path, weights, run } of demos) {
  changeOneByte(join(dirname(path), weights))
  const error = await refusalOf(() => run(path), 'FILE_MISMATCH')
  say(`${style('red', '✘')} ${style('bold', title)} ${style('red', 'refused')}`)
  detail('code', error.code)
  detail('file', basename(error.file))
  detail('expected', `${error.expected.slice(0, 23)}…`)
  detail('found', `${error.found.slice(0, 23)}…`)
}

chapter(8, 'A model is trained from a dataset that the data team signed, until one byte of it is changed')
const training = await prepareDataset(dirname(policy))
for (const line of training.policyText.trimEnd().split('\n')) say(style('cyan', `  ${line}`))
const flowers = await readFlowers(training.dataset, training.policy)
await save(await train(flowers), training.model)
await signWithProvenance(training.model, training.trainer, flowers.rootDigest)
say(`${good()} ${style('bold', 'Iris')} trained from ${count(flowers.species.length, 'record')}, and signed`)
say(style('cyan', '  modelseal inspect models/iris --policy training.policy.yaml'))
for (const line of lineageOf(training.model, training.policy).split('\n')) say(`    ${line}`)
changeOneByte(join(training.dataset, 'iris.csv'))
const changed = await refusalOf(
  async () => train(await readFlowers(training.dataset, training.policy)),
  'FILE_MISMATCH',
)
say(`${style('red', '✘')} ${style('bold', 'Iris')} ${style('red', 'not trained again')}`)
detail('code', changed.code)
detail('file', changed.file)

say()
say('All models ran as signed. After the change, neither they nor the dataset were used.')
say()

async function hearSilence(path, by = policy) {
  const { session, verdict } = await loadOnnx(path, { policy: by })
  const result = await speechIn(session)
  await session.release()
  return { verdict, result }
}

/** As a service does. */
async function runForever(session) {
  for (;;) {
    await speechIn(session)
    await setTimeout(20)
  }
}

async function speechIn(session) {
  const { output } = await session.run({
    input: new Tensor('float32', new Float32Array(512), [1, 512]),
    state: new Tensor('float32', new Float32Array(256), [2, 1, 128]),
    sr: new Tensor('int64', [16_000n]),
  })
  return `speech in 32 ms of silence: ${(100 * output.data[0]).toFixed(1)} % likely`
}

async function seeGrey(path) {
  const { model, verdict } = await loadTfjs(tf, path, { policy })
  const outputs = model.execute(tf.fill([1, 256, 256, 3], 0.5))
  // Two of the outputs contain one score for each possible position of a face.
  const scores = outputs.filter(({ shape }) => shape.at(-1) === 1).flatMap((output) => [...output.sigmoid().dataSync()])
  const faces = scores.filter((score) => score > 0.5).length
  return { verdict, result: `faces in a grey picture: ${faces}, of ${scores.length} places looked at` }
}

function changeOneByte(path) {
  const bytes = readFileSync(path)
  bytes[bytes.length >> 1] ^= 0xff
  writeFileSync(path, bytes)
}

/** Anything other than the expected refusal ends the demo with an error. */
async function refusalOf(load, code) {
  try {
    await load()
  } catch (error) {
    if (error instanceof ModelSealError && error.code === code) return error
    throw error
  }
  throw new Error('Something was loaded that has to be refused.')
}

/** Signs an evaluation of Silero VAD, and adds it beside the model. */
function attestAccuracy(value) {
  const predicate = makeEvaluation({ results: [{ metric: 'accuracy', value }], evaluatedOn: new Date().toISOString() })
  return attestModel(vad, { signer: evaluators, type: 'evaluation', predicate })
}

async function showRefusal(state, code) {
  const { expected, found } = await refusalOf(() => hearSilence(models.vad, strict), code)
  say(`${style('red', '✘')} ${style('bold', 'Silero VAD')} ${state}: ${style('red', 'refused')}`)
  detail('code', code)
  if (found) detail('required', expected)
}

function chapter(number, title) {
  say()
  say(style('bold', `${number}. ${title}`))
}

function good() {
  return style('green', '✔')
}

function count(number, noun) {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
