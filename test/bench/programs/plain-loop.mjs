// What anybody would write: reads of 128 KiB into one buffer, file after file, on one thread.
import { createHash } from 'node:crypto'
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'

const buffer = Buffer.alloc(128 * 1024)
const filesOf = (path) => (statSync(path).isFile() ? [path] : readdirSync(path).map((name) => join(path, name)))
for (const file of process.argv.slice(2).flatMap(filesOf)) {
  const hash = createHash('sha256')
  const fd = openSync(file)
  for (let count; (count = readSync(fd, buffer)) > 0;) hash.update(buffer.subarray(0, count))
  closeSync(fd)
  console.log(hash.digest('hex'))
}
