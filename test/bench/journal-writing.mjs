// What a journal costs: for each load, with none, `interval`, `required` and `each`, in random order in one process; and how many
// records a second writers make, beside JSON lines and SQLite. Part of npm run bench:journal; alone: node test/bench/journal-writing.mjs [--quick]
import { generateKeyPairSync } from 'node:crypto'
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { intoJournal } from './into-journal.mjs'
import { median } from './measure.mjs'

const WAYS = {
  none: undefined,
  interval: {},
  required: { required: true },
  each: { required: true, durability: 'each' },
}
/** Files of a model, each of 1 KiB: hashing them takes little beside what is measured. */
const FILES = 20
const SETTLED = 150
const WRITERS = 4
const quick = process.argv.includes('--quick')
const [loads, records] = quick ? [40, 4_000] : [1_000, 100_000]

if (isMainThread) await measureAll()
else parentPort.postMessage(await recordsPerSecond(workerData.way, workerData.directory, workerData.count))

async function measureAll() {
  const directory = await mkdtemp(join(tmpdir(), 'modelseal-bench-'))
  try {
    await costOfLoads(directory)
    await rates(directory)
  } finally {
    // The last commits may be in progress.
    await rm(directory, { recursive: true, force: true, maxRetries: 20 })
  }
}

async function costOfLoads(directory) {
  const { openVerifiedModel } = await import('@modelseal/core')
  const model = await signedModel(directory)
  const policies = Object.fromEntries(
    await Promise.all(Object.entries(WAYS).map(async ([way, journal]) => [way, await policy(directory, way, journal)])),
  )
  await sleep(SETTLED)
  const once = async (way) => {
    const [started, cpu] = [performance.now(), process.cpuUsage()]
    const opened = await openVerifiedModel(model, { policy: policies[way] })
    const ms = performance.now() - started
    await opened.close()
    const { user, system } = process.cpuUsage(cpu)
    return { ms, cpu: (user + system) / 1_000 }
  }
  const first = Object.fromEntries(await eachInTurn(Object.keys(WAYS), async (way) => [way, (await once(way)).ms]))
  for (let round = 0; round < 20; round++) for (const way of Object.keys(WAYS)) await once(way)
  const measured = Object.fromEntries(Object.keys(WAYS).map((way) => [way, []]))
  for (let round = 0; round < loads; round++)
    for (const way of shuffled(Object.keys(WAYS))) measured[way].push(await once(way))
  console.log(`A load of a model of ${FILES} small files, ${loads} times each, in random order\n`)
  console.log(
    '| journal | first | median | p95 | more than none, median | processor time, median |\n|---|---|---|---|---|---|',
  )
  const none = median(measured.none.map(({ ms }) => ms))
  for (const [way, all] of Object.entries(measured)) {
    const times = all.map(({ ms }) => ms).sort((a, b) => a - b)
    const p95 = times[Math.floor(times.length * 0.95)]
    const cells = [first[way], median(times), p95, median(times) - none, median(all.map(({ cpu }) => cpu))]
    console.log(`| ${way} | ${cells.map((ms) => `${ms.toFixed(2)} ms`).join(' | ')} |`)
  }
}

async function rates(directory) {
  console.log(`\n${records.toLocaleString('en')} records of loads\n\n| | records a second |\n|---|---|`)
  const row = (name, rate) => console.log(`| ${name} | ${Math.round(rate).toLocaleString('en')} |`)
  const rate = (way, count) => recordsPerSecond(way, join(directory, way), count)
  row('journal, one writer', await rate('journal', records))
  const together = await Promise.all(
    Array.from({ length: WRITERS }, () => inThread('journal', join(directory, 'shared'), records / WRITERS)),
  )
  row(
    `journal, ${WRITERS} writers`,
    together.reduce((sum, one) => sum + one, 0),
  )
  row('journal, each record synced, at most 64 together', await rate('synced', records / 20))
  row('JSON lines, appendFile, not synced', await rate('lines', records / 5))
  row('SQLite, one transaction for 64, not synced', await rate('sqlite', records))
  row('SQLite, one transaction each, not synced', await rate('sqlite-each', records / 20))
}

async function recordsPerSecond(way, directory, count) {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const { loadRecord } = await import('../../packages/core/src/testing/journals.ts')
  const record = loadRecord()
  const write = await (way.startsWith('sqlite')
    ? intoSqlite(directory, way === 'sqlite' ? 64 : 1)
    : way === 'lines'
      ? intoLines(directory)
      : intoJournal(directory, way === 'synced'))
  const started = performance.now()
  await write(record, count)
  return (count * 1_000) / (performance.now() - started)
}

async function intoLines(directory) {
  return async (record, count) => {
    for (let index = 0; index < count; index++)
      await appendFile(join(directory, 'lines.jsonl'), `${JSON.stringify(record)}\n`)
  }
}

async function intoSqlite(directory, together) {
  const { DatabaseSync } = await import('node:sqlite')
  const database = new DatabaseSync(join(directory, 'records.sqlite'))
  database.exec('pragma journal_mode=wal; pragma synchronous=normal; create table record(line text)')
  const insert = database.prepare('insert into record values (?)')
  return async (record, count) => {
    for (let done = 0; done < count; done += together) {
      if (together > 1) database.exec('begin')
      for (let index = 0; index < together; index++) insert.run(JSON.stringify(record))
      if (together > 1) database.exec('commit')
    }
    database.close()
  }
}

function inThread(way, directory, count) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { way, directory, count } })
    worker.once('message', resolve).once('error', reject)
  })
}

async function signedModel(directory) {
  const { keySigner, signModel } = await import('@modelseal/core/signing')
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(join(directory, 'release.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await writeFile(join(directory, 'release.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  const model = join(directory, 'model')
  await mkdir(model)
  for (let index = 0; index < FILES; index++) await writeFile(join(model, `${index}.bin`), Buffer.alloc(1_024, index))
  await signModel(model, { signer: await keySigner({ privateKey: join(directory, 'release.key') }) })
  return model
}

async function policy(directory, way, journal) {
  const path = join(directory, `${way}.yaml`)
  const rules = [{ name: 'all', match: { path: '**' }, signers: [{ key: 'release' }] }]
  const trustRoots = { release: { publicKey: 'release.pub' } }
  const written = journal && { journal: { directory: `journal-${way}`, ...journal } }
  await writeFile(path, JSON.stringify({ version: 1, trustRoots, rules, ...written }))
  return path
}

async function eachInTurn(items, work) {
  const results = []
  for (const item of items) results.push(await work(item))
  return results
}

function shuffled(items) {
  const left = [...items]
  return items.map(() => left.splice(Math.floor(Math.random() * left.length), 1)[0])
}
