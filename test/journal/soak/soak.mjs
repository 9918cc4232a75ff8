// Writes one journal from processes and threads, some of which are killed, and verifies it: it holds, every record that was synced is there,
// and one flipped byte at any place makes it fail. Part of npm run test:journal; by hand:
//   node test/journal/soak/soak.mjs [--records 1000000] [--processes 8] [--threads 8] [--flips 100]
import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { verifyJournal } from '../../../packages/core/src/journal/reading/verify-journal.ts'

const { values: given } = parseArgs({
  options: Object.fromEntries(
    Object.entries({ records: '200000', processes: '8', threads: '8', flips: '100' }).map(([name, value]) => [
      name,
      { type: 'string', default: value },
    ]),
  ),
})
const [records, processes, threads, flips] = ['records', 'processes', 'threads', 'flips'].map((name) =>
  Number(given[name]),
)
/** The share of processes that are killed. */
const KILLED = 0.375
const FLIPS_IN_LARGE = 4
const SMALL = 1_200
const PROGRAM = fileURLToPath(new URL('writer.mjs', import.meta.url))

const root = mkdtempSync(join(tmpdir(), 'modelseal-soak-'))
try {
  const started = performance.now()
  const directory = join(root, 'journal')
  const synced = await write({ directory, records, processes, threads })
  const wrote = performance.now()
  const report = await verifyJournal(directory)
  const verified = performance.now()
  check(report.holds, `the journal does not hold: ${JSON.stringify(report.problems.slice(0, 3))}`)
  for (const [segment, index] of synced.places)
    check(index < linesIn(directory, segment), `the record ${index} of ${segment} was synced, and is not there`)
  // Most in a small journal, because each is verified completely.
  const small = join(root, 'small')
  await write({ directory: small, records: SMALL, processes: 3, threads: 2 })
  const seen = (await flipBytes(directory, FLIPS_IN_LARGE)) + (await flipBytes(small, flips - FLIPS_IN_LARGE))
  check(seen === flips, `${flips - seen} of ${flips} flipped bytes were not seen`)
  const { segments, uncovered, torn } = report
  console.log(
    `soak: ${report.records.toLocaleString('en')} records in ${segments} segments, ${synced.killed} of ${processes} processes killed; ` +
      `written in ${seconds(wrote - started)}, verified in ${seconds(verified - wrote)}, ${uncovered} not covered, ${torn} torn bytes; ` +
      `${seen} of ${flips} flipped bytes seen in ${seconds(performance.now() - verified)}; ` +
      `${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`,
  )
} finally {
  rmSync(root, { recursive: true, force: true })
}

/** @returns the last synced record of each segment */
async function write({ directory, records, processes, threads }) {
  const places = new Map()
  const each = Math.ceil(records / processes / threads / 50) * 50
  const toKill = Math.floor(processes * KILLED)
  const children = Array.from({ length: processes }, (_, index) =>
    child({ directory, threads, name: `writer-${index}`, records: each }, places),
  )
  // Each at another moment of its work.
  const killed = children.slice(0, toKill).map(async ({ process, ended, told }) => {
    const until = Math.random() * 0.8 * each * threads
    while (told() < until && process.exitCode === null) await new Promise((go) => setTimeout(go, 5))
    process.kill('SIGKILL')
    return ended
  })
  const codes = await Promise.all(children.map(({ ended }) => ended))
  await Promise.all(killed)
  for (const [index, [code, signal]] of codes.entries())
    check(
      index < toKill ? signal === 'SIGKILL' || code === 0 : code === 0,
      `writer-${index} ended by ${code ?? signal}`,
    )
  return { places, killed: codes.filter(([, signal]) => signal === 'SIGKILL').length }
}

function child(job, places) {
  const env = { ...process.env, SOAK: JSON.stringify(job) }
  const started = spawn(process.execPath, ['--no-warnings', PROGRAM], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let told = 0
  createInterface({ input: started.stdout }).on('line', (line) => {
    const { segment, index } = JSON.parse(line)
    places.set(segment, Math.max(places.get(segment) ?? 0, index))
    told += 50
  })
  const ended = new Promise((resolve) => started.once('close', (code, signal) => resolve([code, signal])))
  return { process: started, ended, told: () => told }
}

function linesIn(directory, segment) {
  const path = join(directory, 'segments', `${segment}.jsonl`)
  const chunk = Buffer.alloc(2 ** 20)
  const fd = openSync(path, 'r')
  let lines = 0
  for (let bytes = readSync(fd, chunk); bytes > 0; bytes = readSync(fd, chunk))
    for (let feed = chunk.indexOf(10); feed >= 0 && feed < bytes; feed = chunk.indexOf(10, feed + 1)) lines++
  closeSync(fd)
  return lines
}

/** @returns how many changes were seen */
async function flipBytes(directory, count) {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.tmp'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => lengthOf(path) > 0)
  let seen = 0
  for (let flip = 0; flip < count; flip++) {
    const path = files[Math.floor(Math.random() * files.length)]
    const at = Math.floor(Math.random() * lengthOf(path))
    const undo = flipByte(path, at, 1 << Math.floor(Math.random() * 8))
    // A bit of `journal.json` may make it unreadable, which is an error.
    const { holds } = await verifyJournal(directory).catch(() => ({ holds: false }))
    if (!holds) seen++
    else console.error(`not seen: ${path} ${at}`)
    undo()
  }
  return seen
}

/** Up to the last line feed: a line that was not completed is no record, and is reported as torn. */
function lengthOf(path) {
  return readFileSync(path).lastIndexOf(10) + 1
}

function flipByte(path, at, bit) {
  const fd = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(fd, byte, 0, 1, at)
  writeSync(fd, Buffer.from([byte[0] ^ bit]), 0, 1, at)
  return () => {
    writeSync(fd, byte, 0, 1, at)
    closeSync(fd)
  }
}

function seconds(milliseconds) {
  return `${(milliseconds / 1_000).toFixed(1)} s`
}

function check(isRight, message) {
  if (!isRight) throw new Error(message)
}
