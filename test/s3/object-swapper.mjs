// A thread that alternates between the contents of an object, as fast as it can, until it is terminated.
import { copyFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { Random } from '../attacks/random.ts'

const { object, contents, seed } = workerData
const random = new Random(seed)
// On the same file system, where the store does not list it.
const next = join(object, '../../../../next')
const clock = new Int32Array(new SharedArrayBuffer(4))
for (let turn = 0; ; turn++) {
  copyFileSync(contents[turn % contents.length], next)
  renameSync(next, object)
  if (turn === 0) parentPort.postMessage('ready')
  // Usually shorter than a request, but occasionally long enough for several.
  Atomics.wait(clock, 0, 0, random.chance(0.3) ? 10 + random.below(30) : random.below(3_000) / 1_000)
}
