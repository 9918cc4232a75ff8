// Usage: node file-swapper.mjs KIND TARGET SEED FIRST SECOND
// Gives a file one content and the other, as fast as it can, until it is killed: by renaming, so that it
// is always whole, or by writing into it, so that it is also empty and half.
import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { Random } from './random.ts'

const [kind, target, seed, ...contents] = process.argv.slice(2)
const random = new Random(Number(seed))
const bytes = contents.map((path) => readFileSync(path))
for (let i = 0; ; i = 1 - i) {
  if (kind === 'write') writeFileSync(target, bytes[i])
  else {
    copyFileSync(contents[i], `${target}.next`)
    renameSync(`${target}.next`, target)
  }
  process.send?.('swapped')
  // Readers get their turn.
  await new Promise((done) => setTimeout(done, random.below(4)))
}
