// npm run bench:journal [-- --records N | --quick]: how long a question over journals of N records takes, beside SQLite with one row
// for each load, and beside reading the lines. Each answer comes from a process of its own, whose memory is measured. Before that, what writing a
// journal costs (journal-writing.mjs).
import { spawnSync } from 'node:child_process'
import { createReadStream, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { digestOf } from '../../packages/core/src/testing/journals.ts'
import { writeSyntheticJournals } from '../support/synthetic-journals.ts'

const HOSTS = 4
const QUESTIONS = {
  'one model of 200': { model: digestOf('model 7') },
  'one signer of ten': { signer: digestOf('key signer 3') },
  'everything (a policy)': { policy: digestOf('policy') },
  'everything, in a period': {
    policy: digestOf('policy'),
    since: new Date('2026-08-10T10:10:10Z'),
    until: new Date('2026-10-10T10:10:10Z'),
  },
}
const [how, directory, question] = process.argv.slice(2)
if (how?.startsWith('--child-')) await answer(how.slice('--child-'.length), directory, question)
else {
  await import('./journal-writing.mjs')
  console.log()
  measure()
}

function measure() {
  const at = process.argv.indexOf('--records')
  const records = process.argv.includes('--quick') ? 100_000 : at < 0 ? 10_000_000 : Number(process.argv[at + 1])
  const root = mkdtempSync(join(tmpdir(), 'modelseal-bench-'))
  try {
    writeSyntheticJournals(join(root, 'journals'), { records, hosts: HOSTS, days: 90 })
    const ask = (way, asked = '') => child(way, root, asked)
    console.log(`${records.toLocaleString('en')} records in ${HOSTS} journals of 90 days\n`)
    console.log('| | time | memory | file |\n|---|---|---|---|')
    row(
      'first question: reads, verifies and indexes',
      ask('index', 'one model of 200'),
      size(join(root, 'cache/journals')),
    )
    for (const name of Object.keys(QUESTIONS)) row(name, ask('index', name))
    row('plain SQLite, one row for each load: written', ask('fill'), size(join(root, 'plain')))
    row('plain SQLite: one signer of ten', ask('plain'))
    row('JSON lines: one signer of ten, nothing verified', ask('lines'))
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

function child(way, root, asked) {
  const args = ['--no-warnings', fileURLToPath(import.meta.url), `--child-${way}`, root, asked]
  const env = { ...process.env, MODELSEAL_CACHE: join(root, 'cache') }
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8', env })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

function row(name, { ms, mebibytes }, file = '') {
  console.log(
    `| ${name} | ${ms < 10_000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 1_000)} s`} | ${Math.round(mebibytes)} MiB | ${file} |`,
  )
}

function size(folder) {
  const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
  return `${Math.round(bytes / 2 ** 20)} MiB`
}

async function answer(way, root, asked) {
  const started = performance.now()
  const journals = readdirSync(join(root, 'journals')).map((name) => join(root, 'journals', name))
  if (way === 'index') {
    const { findIncident } = await import('@modelseal/journal')
    await findIncident(journals, QUESTIONS[asked])
  } else await plainly(way, root, journals)
  const mebibytes = process.resourceUsage().maxRSS / 1024
  console.log(JSON.stringify({ ms: performance.now() - started, mebibytes }))
}

async function plainly(way, root, journals) {
  const signer = digestOf('key signer 3')
  if (way === 'lines') {
    const found = new Map()
    for await (const load of loadsIn(journals))
      if (load.signers.some(({ fingerprint }) => fingerprint === signer))
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
      .all(signer)
    return
  }
  database.exec('create table load(service text, time text, root text, signer text, policy text, decision text); begin')
  const insert = database.prepare('insert into load values (?, ?, ?, ?, ?, ?)')
  for await (const { service, time, rootDigest, signers, policy, decision } of loadsIn(journals))
    insert.run(service, time, rootDigest, signers[0].fingerprint, policy.digest, decision)
  database.exec('commit; create index by_signer on load(signer); create index by_root on load(root)')
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
