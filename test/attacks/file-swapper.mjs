// Usage: node file-swapper.mjs KIND TARGET SEED FIRST SECOND
// Alternates between two contents of a file, as fast as it can, until it is killed: by renaming, so that
// the file is always complete, or by writing to it, so that it is sometimes empty or incomplete.
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
  // Gives readers a chance.
  await new Promise((done) => setTimeout(done, random.below(4)))
}
