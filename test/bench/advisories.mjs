// What following advisory feeds costs a service that has many models in memory: what a load pays for the feeds, how long it
// takes from signing an advisory until every model that it denies is revoked, and memory. Run after a build:
//   npm run bench:advisories
//   npm run bench:advisories -- --feeds 10 --entries 100000 --models 1000
import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openVerifiedModel } from '@modelseal/core'
import { signFeed } from '@modelseal/core/advisory'
import { keySigner, signModel } from '@modelseal/core/signing'

const { values: given } = parseArgs({
  options: {
    feeds: { type: 'string', default: '10' },
    entries: { type: 'string', default: '10000' },
    models: { type: 'string', default: '1000' },
  },
})
const [feeds, entries, models] = [given.feeds, given.entries, given.models].map(Number)
const REFRESH_SECONDS = 1
const LOADS = 300

const directory = await mkdtemp(join(tmpdir(), 'modelseal-bench-'))
process.env.MODELSEAL_CACHE = join(directory, 'cache')
const server = createServer((request, response) => void serve(request, response))
try {
  await mkdir(join(directory, 'cache'), { mode: 0o700 })
  await mkdir(join(directory, 'model'))
  await writeFile(join(directory, 'model', 'weights.bin'), 'weights')
  for (const name of ['release', 'security']) await writeKey(name)
  const model = join(directory, 'model')
  await signModel(model, { signer: await signerOf('release') })
  for (let feed = 0; feed < feeds; feed++) await publish(feed, denied(feed))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const plain = await policyOf('plain.yaml', 0)
  const followed = await policyOf('followed.yaml', feeds)

  const empty = memory()
  const first = await timed(() => openVerifiedModel(model, { policy: followed }))
  console.log(`${feeds} feeds of ${entries} entries, ${models} models in memory`)
  console.log(`first load, which fetches the feeds  ${first.time.toFixed(0)} ms`)
  const costs = { plain: [], followed: [] }
  for (let load = 0; load < LOADS; load++)
    for (const [name, policy] of Object.entries({ plain, followed }).sort(() => Math.random() - 0.5)) {
      const { time, result } = await timed(() => openVerifiedModel(model, { policy }))
      await result.close()
      costs[name].push(time)
    }
  const more = median(costs.followed) - median(costs.plain)
  console.log(
    `what they add to a load              ${more.toFixed(2)} ms (${median(costs.followed).toFixed(2)} instead of ${median(costs.plain).toFixed(2)} ms; median of ${LOADS})`,
  )

  const loaded = []
  const all = await timed(async () => {
    for (let count = 0; count < models; count++) loaded.push(await openVerifiedModel(model, { policy: followed }))
  })
  console.log(`loading the models                   ${(all.time / models).toFixed(2)} ms each`)
  console.log(
    `memory                               ${(memory() - empty).toFixed(0)} MiB more than before the first load`,
  )

  const revoked = Promise.all(
    loaded.map(
      ({ revoked: signal }) =>
        new Promise((resolve) =>
          signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
        ),
    ),
  )
  // Timers of the feeds do not keep the process running.
  const limit = setTimeout(600_000)
  const { rootDigest } = loaded[0].verdict.model
  const begun = performance.now()
  await publish(0, [...denied(0), rootDigest])
  const signed = performance.now() - begun
  await Promise.race([revoked, limit])
  const left = loaded.filter(({ revoked: signal }) => !signal.aborted).length
  if (left > 0) throw new Error(`${left} models were not revoked`)
  console.log(
    `from signing to the last refusal     ${((performance.now() - begun - signed) / 1000).toFixed(1)} s (the feeds are refreshed every ${REFRESH_SECONDS} s)`,
  )
  await Promise.all(loaded.map((each) => each.close()))
} finally {
  server.closeAllConnections()
  server.close()
  await rm(directory, { recursive: true, force: true })
}
process.exit()

async function serve({ url = '', headers }, response) {
  const content = await readFile(join(directory, url)).catch(() => undefined)
  const etag = content && `"${createHash('sha256').update(content).digest('hex')}"`
  if (!content) response.writeHead(404).end()
  else if (headers['if-none-match'] === etag) response.writeHead(304).end()
  else response.writeHead(200, { etag }).end(content)
}

async function writeKey(name) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(join(directory, `${name}.key`), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await writeFile(join(directory, `${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }))
}

function signerOf(name) {
  return keySigner({ privateKey: join(directory, `${name}.key`) })
}

/** Digests of models that nobody has. */
function denied(feed) {
  return Array.from({ length: entries }, (_, index) => createHash('sha256').update(`${feed} ${index}`).digest('hex'))
}

async function publish(feed, rootDigests) {
  const source = join(directory, `${feed}.json`)
  await writeFile(source, JSON.stringify({ feed: `urn:feed:${feed}`, expires: '1d', denied: { rootDigests } }))
  await signFeed(source, {
    signer: await signerOf('security'),
    output: join(directory, `${feed}.jsonl`),
    expires: '1d',
  })
}

async function policyOf(name, count) {
  const { port } = server.address()
  const advisories = Array.from({ length: count }, (_, feed) => ({
    url: `http://127.0.0.1:${port}/${feed}.jsonl`,
    signers: [{ key: 'security' }],
    refresh: `${REFRESH_SECONDS}s`,
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

async function timed(work) {
  const begun = performance.now()
  const result = await work()
  return { time: performance.now() - begun, result }
}

function memory() {
  globalThis.gc?.()
  return process.memoryUsage().rss / 1024 / 1024
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
}
