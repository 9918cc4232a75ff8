// npm run bench:journal [-- --records N | --quick] [--directory DIRECTORY]: how long `modelseal incident` takes over journals of N records (default: 10 million), beside
// SQLite with one row for each load, and beside reading the lines. Each answer comes from a process of its own, which is measured completely.
// Before that, what writing a journal costs (journal-writing.mjs). With a directory, only reading is measured, and the journals stay there for the
// next time: to write ten million records takes minutes.
import { spawnSync } from 'node:child_process'
import { createReadStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { digestOf } from '../../packages/core/src/testing/journals.ts'
import { syntheticFile, writeSyntheticJournals } from '../support/synthetic-journals.ts'
import { root as repository } from './data.mjs'

const OPTIONS = {
  records: { type: 'string', default: '10000000' },
  quick: { type: 'boolean' },
  directory: { type: 'string' },
}
const HOSTS = 4
const DAYS = 90
/** Records that are appended before the index is brought up to date. */
const FEW = 1_000
const PERIOD = ['--since', '2026-08-10T10:10:10Z', '--until', '2026-10-10T10:10:10Z']
const SIGNER = digestOf('key signer 3')
const QUESTIONS = {
  'one model of 200 (`--model`)': ['--model', digestOf('model 7')],
  'one signer of ten (`--signer`)': ['--signer', SIGNER],
  'one file of 600 (`--file`)': ['--file', syntheticFile(7, 'model.onnx')],
  'everything (`--policy`)': ['--policy', digestOf('policy')],
  'everything, in a period (`--since`, `--until`)': ['--policy', digestOf('policy'), ...PERIOD],
}
const [how, directory] = process.argv.slice(2)
if (how?.startsWith('--child-')) await work(how.slice('--child-'.length), directory)
else {
  const { directory: kept, quick, records } = parseArgs({ options: OPTIONS }).values
  const count = quick ? 100_000 : Number(records)
  if (kept === undefined) {
    await import('./journal-writing.mjs')
    console.log()
    const root = mkdtempSync(join(tmpdir(), 'modelseal-bench-'))
    try {
      measure(root, count)
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  } else {
    for (const made of ['cache', 'plain']) rmSync(join(kept, made), { recursive: true, force: true })
    measure(resolve(kept), count)
  }
}

function measure(root, records) {
  const here = journalsIn(root)
  const journals =
    here.length > 0 ? here : writeSyntheticJournals(join(root, 'journals'), { records, hosts: HOSTS, days: DAYS })
  console.log(`${records.toLocaleString('en')} records in ${HOSTS} journals of ${DAYS} days, ${sizeOf(journals)}\n`)
  console.log('| | time | processor time | memory | file |\n|---|---|---|---|---|')
  measureIndex(root, journals)
  const child = (way) => run(root, [fileURLToPath(import.meta.url), `--child-${way}`, root])
  row('plain SQLite, one row for each load: written', child('fill'), sizeOf([join(root, 'plain')]))
  row('plain SQLite: one signer of ten', child('plain'))
  row('JSON lines: one signer of ten, nothing verified', child('lines'))
}

function measureIndex(root, journals) {
  const modelseal = (...args) => run(root, [join(repository, 'packages/cli/bin/modelseal.cjs'), ...args])
  const ask = (name) => modelseal('incident', ...QUESTIONS[name], ...journals)
  const [first] = Object.keys(QUESTIONS)
  row('first question: reads, verifies and indexes', ask(first), sizeOf([join(root, 'cache/journals')]))
  for (const name of Object.keys(QUESTIONS)) row(name, ask(name))
  run(root, [fileURLToPath(import.meta.url), '--child-append', root])
  row(`the first again, after ${FEW.toLocaleString('en')} more records`, ask(first))
  row('`journal verify` of one of the journals', modelseal('journal', 'verify', journals[0]))
}

/** Runs a program of Node.js, and measures it. */
function run(root, args) {
  const use = join(root, 'use')
  const env = { ...process.env, MODELSEAL_CACHE: join(root, 'cache'), MODELSEAL_BENCH_USE: use }
  const reporting = ['--no-warnings', '--import', new URL('programs/report-use.mjs', import.meta.url).href]
  const started = performance.now()
  const { stderr, status } = spawnSync(process.execPath, [...reporting, ...args], { encoding: 'utf8', env })
  const ms = performance.now() - started
  if (status !== 0) throw new Error(stderr)
  return { ms, ...JSON.parse(readFileSync(use, 'utf8')) }
}

function row(name, { ms, cpu, mebibytes }, file = '') {
  const time = (all) => (all < 10_000 ? `${Math.round(all)} ms` : `${Math.round(all / 1_000)} s`)
  console.log(`| ${name} | ${time(ms)} | ${time(cpu)} | ${Math.round(mebibytes)} MiB | ${file} |`)
}

function journalsIn(root) {
  const directory = join(root, 'journals')
  return existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : []
}

function sizeOf(folders) {
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()),
  )
  const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
  return `${Math.round(bytes / 2 ** 20)} MiB`
}

async function work(way, root) {
  const journals = journalsIn(root)
  if (way === 'append') return append(journals[0])
  if (way === 'lines') {
    const found = new Map()
    for await (const load of loadsIn(journals))
      if (load.signers.some(({ fingerprint }) => fingerprint === SIGNER))
        found.set(load.service, (found.get(load.service) ?? 0) + 1)
    return
  }
  const { mkdirSync } = await import('node:fs')
  const { DatabaseSync } = await import('node:sqlite')
  mkdirSync(join(root, 'plain'), { recursive: true })
  const database = new DatabaseSync(join(root, 'plain/loads.sqlite'))
  if (way === 'plain') {
    database
      .prepare(
        'select service, root, decision, count(*), min(time), max(time) from load where signer = ? group by 1, 2, 3',
      )
      .all(SIGNER)
    return
  }
  database.exec('create table load(service text, time text, root text, signer text, policy text, decision text); begin')
  const insert = database.prepare('insert into load values (?, ?, ?, ?, ?, ?)')
  for await (const { service, time, rootDigest, signers, policy, decision } of loadsIn(journals))
    insert.run(service, time, rootDigest, signers[0].fingerprint, policy.digest, decision)
  database.exec('commit; create index by_signer on load(signer); create index by_root on load(root)')
}

async function append(directory) {
  const { intoJournal } = await import('./into-journal.mjs')
  const { loadRecord } = await import('../../packages/core/src/testing/journals.ts')
  const write = await intoJournal(directory)
  await write(loadRecord({ time: new Date().toISOString() }), FEW)
}

async function* loadsIn(journals) {
  for (const journal of journals)
    for (const name of readdirSync(join(journal, 'segments'))) {
      let service = ''
      for await (const line of createInterface({ input: createReadStream(join(journal, 'segments', name)) })) {
        const record = JSON.parse(line)
        if (record.type === 'segment') service = record.service
        if (record.type === 'load') yield { ...record, service }
      }
    }
}
