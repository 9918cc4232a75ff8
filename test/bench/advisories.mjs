// What following advisory feeds costs a service that has many models in memory: the start, memory, what a load pays for the feeds, and
// how long it takes until every model is refused that a new version of one feed denies. Run after a build:
//   npm run bench:advisories
//   npm run bench:advisories -- --full            100 feeds of 100,000 entries, 1,000 models
//   npm run bench:advisories -- --feeds 10 --entries 100000 --models 1000 --refresh 2
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { keySigner, signModel } from '@modelseal/core/signing'
import { writeKey } from './advisories/keys.mjs'

const { values: given } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    feeds: { type: 'string' },
    entries: { type: 'string' },
    models: { type: 'string' },
    refresh: { type: 'string' },
  },
})
const size = given.full
  ? { feeds: 100, entries: 100_000, models: 1_000, refresh: 10 }
  : { feeds: 10, entries: 10_000, models: 1_000, refresh: 1 }
for (const name of Object.keys(size)) if (given[name] !== undefined) size[name] = Number(given[name])
const { feeds, entries, models, refresh } = size

const directory = await mkdtemp(join(tmpdir(), 'modelseal-bench-'))
const model = join(directory, 'model')
await mkdir(join(directory, 'cache'), { mode: 0o700 })
await mkdir(model)
await writeFile(join(model, 'weights.bin'), 'weights')
for (const name of ['release', 'security']) await writeKey(directory, name)
await signModel(model, { signer: await keySigner({ privateKey: join(directory, 'release.key') }) })

const publisher = started('publisher.mjs', { directory, feeds, entries })
try {
  const { port, bytes } = await answered(publisher)
  const policies = {
    plain: await policyOf('plain.yaml', 0, port),
    followed: await policyOf('followed.yaml', feeds, port),
  }
  console.log(`${feeds} feeds of ${entries} entries (${mib(bytes)} each), ${models} models in memory`)

  const service = started('service.mjs', { directory, model, models, policies })
  const first = await answered(service)
  report(
    'first load, which fetches the feeds',
    `${seconds(first.time)}; ${cpu(first)}${first.refusals > 0 ? `; ${first.refusals} loads were refused before` : ''}`,
  )
  report(
    '  event loop held up for',
    `${first.delay.p99.toFixed(0)} ms (99th percentile), ${first.delay.max.toFixed(0)} ms at most`,
  )
  report(
    '  memory',
    `${mib(first.memory.kept)} of heap and buffers more than before, ${perEntry(first.memory.kept)}; resident ${mib(first.memory.resident)}, ${mib(first.memory.peak)} at most`,
  )

  const loads = await answered(service)
  report(
    'a load',
    `${loads.followed.toFixed(2)} ms instead of ${loads.plain.toFixed(2)} ms: ${(loads.followed - loads.plain).toFixed(2)} ms more (median of ${loads.count})`,
  )

  const loaded = await answered(service)
  report(
    `loading ${models} models`,
    `${(loaded.time / models).toFixed(2)} ms each, ${mib(loaded.memory.kept)} more; resident ${mib(loaded.memory.resident)}`,
  )

  publisher.send({ deny: loaded.rootDigest })
  const { asked } = await answered(publisher)
  const refused = await answered(service)
  report(
    'refusal of all models',
    `the first ${seconds(refused.first - asked)}, the last ${seconds(refused.last - asked)} after a request found the new version (one every ${refresh} s)`,
  )
  report(
    '  event loop held up for',
    `${refused.delay.p99.toFixed(0)} ms (99th percentile), ${refused.delay.max.toFixed(0)} ms at most`,
  )
  await once(service, 'exit')

  const again = started('service.mjs', { directory, model, models: 0, policies })
  const kept = await answered(again)
  report('first load, from kept copies', `${seconds(kept.time)}; ${cpu(kept)}`)
  report(
    '  event loop held up for',
    `${kept.delay.p99.toFixed(0)} ms (99th percentile), ${kept.delay.max.toFixed(0)} ms at most`,
  )
  report('  memory', `resident ${mib(kept.memory.resident)}, ${mib(kept.memory.peak)} at most`)
  again.kill()
} finally {
  publisher.kill()
  await rm(directory, { recursive: true, force: true })
}

function started(name, task) {
  const child = fork(join(import.meta.dirname, 'advisories', name), [JSON.stringify(task)], {
    execArgv: ['--expose-gc'],
    env: { ...process.env, MODELSEAL_CACHE: join(directory, 'cache') },
  })
  child.inbox = []
  child.on('message', (message) => {
    child.inbox.push(message)
    child.emit('answer')
  })
  return child
}

/** The next message of a process. */
async function answered(child) {
  const ended = new AbortController()
  const fail = (code) => ended.abort(new Error(`A process of the benchmark ended with the code ${code}.`))
  child.once('exit', fail)
  while (child.inbox.length === 0) await once(child, 'answer', { signal: ended.signal })
  child.off('exit', fail)
  return child.inbox.shift()
}

async function policyOf(name, count, port) {
  const advisories = Array.from({ length: count }, (_, feed) => ({
    url: `http://127.0.0.1:${port}/${feed}.jsonl`,
    signers: [{ key: 'security' }],
    refresh: `${refresh}s`,
  }))
  const policy = {
    version: 1,
    trustRoots: { release: { publicKey: 'release.pub' }, security: { publicKey: 'security.pub' } },
    ...(count > 0 ? { advisories } : {}),
    rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 'release' }] }],
  }
  const path = join(directory, name)
  await writeFile(path, JSON.stringify(policy))
  return path
}

function report(what, text) {
  console.log(`${what.padEnd(38)} ${text}`)
}

function seconds(milliseconds) {
  return milliseconds < 1_000 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1_000).toFixed(1)} s`
}

function mib(bytes) {
  return `${(bytes / 1024 / 1024).toFixed(bytes < 10e6 ? 1 : 0)} MiB`
}

function cpu({ processor }) {
  return `${seconds(processor)} of processor time`
}

function perEntry(bytes) {
  return `${(bytes / feeds / entries).toFixed(0)} bytes an entry`
}
