// Hashing alone, without reading: one buffer of 256 KiB that stays in the cache. Prints its own time.
import { createHash } from 'node:crypto'

const bytes = Number(process.argv[2])
const buffer = Buffer.alloc(256 * 1024, 7)
const started = performance.now()
const hash = createHash('sha256')
for (let done = 0; done < bytes; done += buffer.length) hash.update(buffer)
hash.digest('hex')
console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000 }))
