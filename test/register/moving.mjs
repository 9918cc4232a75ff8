// Changes its working directory and environment before, or while, it loads: moving.mjs HOW DIRECTORY MODEL…
import { writeFileSync } from 'node:fs'
import { InferenceSession } from 'onnxruntime-node'

const [how, directory, ...models] = process.argv.slice(2)
const load = (model) =>
  InferenceSession.create(model).then(
    ({ inputNames }) => console.log(`loaded ${inputNames}`),
    (error) => console.log(error.code ?? error.message),
  )

if (how === 'before') process.chdir(directory)
if (how === 'variables') Object.assign(process.env, { MODELSEAL_POLICY: directory, MODELSEAL_MODE: 'audit' })
if (how === 'planted') writeFileSync('modelseal.policy.yaml', directory)
for (const model of models) {
  const loading = load(model)
  if (how === 'during') process.chdir(directory)
  await loading
}
