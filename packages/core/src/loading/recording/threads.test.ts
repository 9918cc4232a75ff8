import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { segmentsOf } from '../../testing/journal-reading.ts'
import { TestSite } from '../../testing/site.ts'

let site: TestSite
let policy: string

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.signedModel('model')
  policy = await site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'r', match: { path: '**' }, signers: [{ key: 'a' }] }],
  })
})
afterAll(() => site.remove())

/** Both threads load a model and keep it; then the main thread, or the other one, does something. */
async function segmentsAfter(name: string, { main = '', thread = '' }: { main?: string; thread?: string }) {
  const journal = site.file(name)
  const entries = ['../open-verified-model.ts', './enable-journal.ts'].map(
    (file) => pathToFileURL(join(import.meta.dirname, file)).href,
  )
  const program = await site.write(
    `${name}.mjs`,
    `import { isMainThread, parentPort, Worker } from 'node:worker_threads'
     import { openVerifiedModel } from ${JSON.stringify(entries[0])}
     import { enableJournal } from ${JSON.stringify(entries[1])}
     enableJournal({ directory: ${JSON.stringify(journal)}, required: true })
     globalThis.kept = await openVerifiedModel(${JSON.stringify(site.file('model'))}, { policy: ${JSON.stringify(policy)} })
     if (isMainThread) {
       const worker = new Worker(new URL(import.meta.url))
       worker.once('message', async () => { ${main} })
     } else {
       parentPort.on('message', () => parentPort.close())
       parentPort.postMessage('loaded')
       ${thread}
     }`,
  )
  spawnSync(process.execPath, [program])
  return segmentsOf(journal).map(({ records }) => records.map((one) => (one.type === 'end' ? one.why : one.type)))
}

const LOADED = ['segment', 'policy', 'model', 'load']
const ENDED = [...LOADED, 'exit', 'close']

test.each([
  ['by itself', { main: "worker.postMessage('end')" }],
  ['by its own process.exit()', { thread: 'setTimeout(() => process.exit(), 50)' }],
])(
  'a thread that ends %s records the ends of its loads',
  async (name, how) => {
    expect(await segmentsAfter(name.replaceAll(/\W/g, '-'), how)).toEqual([ENDED, ENDED])
  },
  60_000,
)

test.each([
  ['terminate()', 'await worker.terminate()'],
  ['process.exit()', 'process.exit()'],
  ['an exception', "throw new Error('of the program')"],
  ['SIGTERM', "process.kill(process.pid, 'SIGTERM')"],
  ['SIGTERM with a listener', "process.on('SIGTERM', () => process.exit()); process.kill(process.pid, 'SIGTERM')"],
])(
  'a thread that is stopped by %s of the main thread leaves its load open, and the main thread does not',
  async (name, main) => {
    expect(await segmentsAfter(name.replaceAll(/\W/g, '-'), { main })).toEqual([ENDED, LOADED])
  },
  60_000,
)
