// A program that does not use modelseal, for register.mjs: unchanged.mjs MODEL
import { InferenceSession, Tensor } from 'onnxruntime-node'

const session = await InferenceSession.create(process.argv[2])
const { output } = await session.run({
  input: new Tensor('float32', new Float32Array(512), [1, 512]),
  state: new Tensor('float32', new Float32Array(256), [2, 1, 128]),
  sr: new Tensor('int64', [16_000n]),
})
console.log(`Probability of speech in silence: ${output.data[0].toFixed(3)}`)
await session.release()
