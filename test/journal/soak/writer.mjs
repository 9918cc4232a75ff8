// One process of the soak, with threads: each appends records, and tells over a pipe how many of its own have been synced.
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, threadId, Worker } from 'node:worker_threads'
import { writersFor } from '../../../packages/core/src/journal/writing/writers.ts'
import { loadRecord } from '../../../packages/core/src/testing/journals.ts'

const { directory, threads, records, name } = JSON.parse(process.env.SOAK)
/** Records that are made together; the last of them is synced. */
const BATCH = 50

const workers = isMainThread
  ? Array.from({ length: threads - 1 }, () => new Worker(new URL(import.meta.url), { env: process.env }))
  : []
const ended = workers.map((worker) => new Promise((exited) => worker.once('exit', exited)))
const settings = { directory, place: 'soak', required: false, durability: 'interval', service: name, paths: 'full' }
const [writer] = (await writersFor([settings])).keys()
for (let made = 0; made < records; made += BATCH) {
  const batch = await Promise.all(Array.from({ length: BATCH }, (_, index) => recorded(index === BATCH - 1)))
  // Atomic: shorter than PIPE_BUF.
  process.stdout.write(`${JSON.stringify(batch.at(-1))}\n`)
  if (made % 1_000 === 0) await sleep(Math.random() * 20)
}
await Promise.all(ended)

function recorded(isSynced) {
  const at = {}
  return new Promise((resolve, reject) =>
    writer.add({
      make: () => [{ ...loadRecord(), time: new Date().toISOString(), rule: `${name} ${threadId}` }],
      isSynced,
      isRequired: true,
      ended: (failure) => (failure ? reject(failure) : resolve(at.place)),
      at,
    }),
  )
}
