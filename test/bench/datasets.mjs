// Reads one row, and the first 100 rows, of a large Parquet file in a signed dataset, beside plain hyparquet: on disk, and from
// an object store on this machine (versitygw). Run after a build:
//   npm run bench:datasets
//   npm run bench:datasets -- --mib 64
// The goal is about bytes: at most the footer, the row group, and a shard at each end. Where the footer and the row group are in more
// shards than that, it cannot be met, since a shard is the least that can be verified. Reading anything besides these shards fails
// the program.
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { keySigner, signModel } from '@modelseal/core/signing'
import { startGateway } from '../s3/gateway.mjs'
import { setupS3 } from '../s3/setup.mjs'
import { median } from './measure.mjs'
import { GROUP_ROWS, writeParquet } from './parquet-file.mjs'

const MIB = 1024 * 1024
const SHARD_BYTES = 16 * MIB
/** Headers of the answers of the store, and files that Node.js reads meanwhile. */
const OTHER_BYTES = 64 * 1024
const DATASET = 'bench/rows'
const FILE = 'train.parquet'
const { values: given } = parseArgs({
  options: {
    mib: { type: 'string', default: '2048' },
    rounds: { type: 'string', default: '3' },
    directory: { type: 'string', default: tmpdir() },
  },
})
const rounds = Number(given.rounds)

if (process.env.S3_BINARIES === undefined) setupS3()
const root = await mkdtemp(join(given.directory, 'modelseal-bench-'))
let store
try {
  store = await startGateway(given.directory)
  const directory = join(store.bucket, DATASET)
  const { policy, rows, footer, groups } = await signedDataset(directory)
  const { size } = await stat(join(directory, FILE))
  const largestGroup = Math.max(...groups.map(({ start, end }) => end - start))
  const goal = footer + largestGroup + 2 * SHARD_BYTES
  console.log(
    `${mib(size)} in row groups of ${mib(largestGroup)} and shards of ${mib(SHARD_BYTES)}, median of ${rounds}:`,
  )
  // In the middle of a row group in the middle.
  const middle = Math.floor(rows / GROUP_ROWS / 2) * GROUP_ROWS + GROUP_ROWS / 2
  const reads = { 'one row': [middle, middle + 1], 'the first 100 rows': [0, 100] }
  const places = { 'on disk': directory, 'in S3': `s3://models/${DATASET}` }
  let isMet = true
  let isLeast = true
  for (const [what, range] of Object.entries(reads)) {
    const needed = bytesOfShards([groups[Math.floor(range[0] / GROUP_ROWS)], { start: size - footer, end: size }], size)
    console.log(`  ${what}: in shards of ${mib(needed)} together, with the footer`)
    for (const [where, place] of Object.entries(places)) {
      const measured = { plain: [], verified: [] }
      for (let round = 0; round < rounds; round++)
        for (const way of round % 2 ? ['verified', 'plain'] : ['plain', 'verified'])
          measured[way].push(read(way, place, policy, range))
      print(`${what} ${where}`, measured)
      isMet &&= measured.verified.every(({ bytes }) => bytes <= goal)
      isLeast &&= measured.verified.every(({ bytes }) => bytes <= needed + OTHER_BYTES)
    }
  }
  console.log(`The goal of ${mib(goal)} (footer, row group, a shard at each end) is ${isMet ? '' : 'not '}met.`)
  console.log(isLeast ? 'Nothing but these shards was read.' : 'More than these shards was read.')
  if (!isLeast) process.exitCode = 1
} finally {
  store?.stop()
  await rm(root, { recursive: true, force: true })
}

/** Each read has a process of its own, so that nothing is in a cache of ours. */
function read(way, place, policy, range) {
  const script = new URL('programs/read-rows-once.mjs', import.meta.url).pathname
  const args = [script, way, place, FILE, policy, ...range.map(String)]
  const { stdout, stderr, status } = spawnSync(process.execPath, args, {
    env: { ...process.env, ...store.env },
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${way}: ${stderr}`)
  return JSON.parse(stdout)
}

/** Bytes of all shards that the ranges are in. */
function bytesOfShards(ranges, size) {
  const shards = ranges.flatMap(({ start, end }) => {
    const first = Math.floor(start / SHARD_BYTES)
    return Array.from({ length: Math.ceil(end / SHARD_BYTES) - first }, (_, index) => first + index)
  })
  const bytesOf = (shard) => Math.min(SHARD_BYTES, size - shard * SHARD_BYTES)
  return [...new Set(shards)].reduce((sum, shard) => sum + bytesOf(shard), 0)
}

function print(what, { plain, verified }) {
  const different = [...plain, ...verified].find(({ digest }) => digest !== plain[0].digest)
  if (different) throw new Error(`${what}: not the same rows`)
  const of = (measured, name) => median(measured.map((one) => one[name]))
  const shown = (measured) => `${mib(of(measured, 'bytes'))} in ${of(measured, 'seconds').toFixed(3)} s`
  const ratio = (name) => (of(verified, name) / of(plain, name)).toFixed(2)
  console.log(
    `  ${what}: hyparquet ${shown(plain)}; modelseal ${shown(verified)}, and ${of(verified, 'opening').toFixed(3)} s to open; ${ratio('bytes')} x the bytes, ${ratio('seconds')} x the time`,
  )
}

function mib(bytes) {
  return `${(bytes / MIB).toFixed(2)} MiB`
}

/** @returns a policy that trusts the signer, and what the Parquet file consists of */
async function signedDataset(directory) {
  await mkdir(directory, { recursive: true })
  const written = writeParquet(join(directory, FILE), Number(given.mib) * MIB)
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(join(root, 'data.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await writeFile(join(root, 'data.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  const rule = '{ name: bench, match: { format: dataset }, signers: [{ key: data }] }'
  const policy = join(root, 'policy.yaml')
  await writeFile(policy, `version: 1\ntrustRoots: { data: { publicKey: data.pub } }\nrules:\n  - ${rule}\n`)
  const signer = await keySigner({ privateKey: join(root, 'data.key') })
  await signModel(directory, { signer, signature: join(directory, 'model.sig'), shardSize: SHARD_BYTES })
  return { policy, ...written }
}
