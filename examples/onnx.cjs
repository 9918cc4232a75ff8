// The same as onnx.mjs, in CommonJS.
// Run it from the repository: npm run setup && npx node examples/onnx.cjs
const { loadVerifiedModel } = require('@modelseal/onnxruntime')
const { Tensor } = require('onnxruntime-node')

async function main() {
  const { prepare } = await import('./prepare.mjs')
  const { models, policy } = await prepare()

  const { session, verdict } = await loadVerifiedModel(models.vad, { policy })

  const silence = new Tensor('float32', new Float32Array(512), [1, 512])
  const state = new Tensor('float32', new Float32Array(256), [2, 1, 128])
  const { output } = await session.run({ input: silence, state, sr: new Tensor('int64', [16_000n]) })

  const signer = verdict.bundles.find(({ counted }) => counted)?.signer
  console.log(`Signed by ${signer?.name}, ${verdict.decision} by the rule ${verdict.rule}.`)
  console.log(`Probability of speech in silence: ${output.data[0].toFixed(3)}`)

  await session.release()
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
