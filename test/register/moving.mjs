// Changes its working directory and environment before, or while, it loads: moving.mjs HOW DIRECTORY MODEL…
import { fork } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { InferenceSession } from 'onnxruntime-node'

const [how, directory, ...models] = process.argv.slice(2)
const load = (model) =>
  InferenceSession.create(model).then(
    ({ inputNames }) => console.log(`loaded ${inputNames}`),
    (error) => console.log(error.code ?? error.message),
  )

if (how === 'before') process.chdir(directory)
if (how === 'variables') Object.assign(process.env, { MODELSEAL_POLICY: directory, MODELSEAL_MODE: 'audit' })
if (how.startsWith('planted')) writeFileSync('modelseal.policy.yaml', directory)
if (how === 'remove') rmSync(directory)
if (how === 'planted-thread') new Worker(new URL(import.meta.url), { argv: ['none', '', ...models], env: {} })
else if (how === 'planted-child') fork(process.argv[1], ['none', '', ...models], { env: {} })
else
  for (const model of models) {
    const loading = load(model)
    if (how === 'during') process.chdir(directory)
    await loading
  }
