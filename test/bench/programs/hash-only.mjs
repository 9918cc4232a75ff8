// Hashes that many MiB of memory in one thread, and prints how many seconds it took.
import { createHash } from 'node:crypto'

const BLOCK = Buffer.alloc(4 * 1024 * 1024)
const blocks = Number(process.argv[2]) / 4
const hash = createHash('sha256')
const start = process.hrtime.bigint()
for (let index = 0; index < blocks; index++) hash.update(BLOCK)
hash.digest()
console.log(Number(process.hrtime.bigint() - start) / 1e9)
