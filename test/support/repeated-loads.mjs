// node --expose-gc repeated-loads.mjs DIRECTORY POLICY LOADS…: loads a model of Transformers.js that often and disposes of it each time.
// Prints, for each number of loads, the bytes that are then still in use.
import * as transformers from '@huggingface/transformers'
import { verified } from '@modelseal/transformers'

const [directory, policy, ...numbers] = process.argv.slice(2)
const { pipeline } = verified(transformers, { policy })
const counts = numbers.map(Number)
const used = []
for (let load = 1; load <= Math.max(...counts); load++) {
  const embed = await pipeline('feature-extraction', directory, { dtype: 'fp32' })
  await embed.dispose()
  if (counts.includes(load)) used.push(await inUse())
}
console.log(JSON.stringify(used))

async function inUse() {
  for (let run = 0; run < 4; run++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    globalThis.gc()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
