// Pulls a model of four files from an object store on this machine (versitygw), beside a plain download with the same
// client, and beside the AWS SDK, with and without the hashing that it leaves out. Run after a build:
//   npm run bench:s3
//   npm run bench:s3 -- --mib 64 --rounds 1
import { spawnSync } from 'node:child_process'
import { createHash, generateKeyPairSync, randomFillSync } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { keySigner, signModel } from '@modelseal/core/signing'
import { startGateway } from '../s3/gateway.mjs'
import { setupS3 } from '../s3/setup.mjs'
import { median } from './measure.mjs'

const MIB = 1024 * 1024
const PREFIX = 'bench/1.0'
const WAYS = {
  plain: { program: 'plain' },
  modelseal: { program: 'modelseal' },
  'AWS SDK': { program: 'sdk' },
  'AWS SDK in parts': { program: 'sdk-in-parts' },
  'AWS SDK + hashing': { program: 'sdk', isHashed: true },
}
const { values: given } = parseArgs({
  options: {
    mib: { type: 'string', default: '2048' },
    rounds: { type: 'string', default: '3' },
    directory: { type: 'string', default: tmpdir() },
  },
})
const each = Math.ceil(Number(given.mib) / 4)
const rounds = Number(given.rounds)

if (process.env.S3_BINARIES === undefined) setupS3()
const root = await mkdtemp(join(given.directory, 'modelseal-bench-'))
let store
try {
  store = await startGateway(given.directory)
  const policy = await signedModel(join(store.bucket, PREFIX))
  const results = Object.fromEntries(Object.keys(WAYS).map((way) => [way, []]))
  for (let round = 0; round < rounds; round++)
    // In another order each time: what one way leaves in the memory of the machine can slow down the next.
    for (const [way, { program, isHashed }] of shuffled(Object.entries(WAYS))) {
      const directory = join(root, 'pulled')
      const before = await storeTime()
      const result = downloaded(program, directory, policy)
      const server = (await storeTime()) - before
      await checkSizes(directory)
      if (isHashed) result.seconds += await hashing(directory)
      results[way].push({ ...result, server })
      await rm(directory, { recursive: true })
    }
  print(results)
} finally {
  store?.stop()
  await rm(root, { recursive: true, force: true })
}

function downloaded(program, directory, policy) {
  const script = new URL('programs/pull-s3-once.mjs', import.meta.url).pathname
  const args = [script, program, 'models', PREFIX, directory, policy]
  const { stdout, stderr, status } = spawnSync(process.execPath, args, {
    env: { ...process.env, ...store.env },
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${program}: ${stderr}`)
  return JSON.parse(stdout)
}

function print(results) {
  const seconds = Object.fromEntries(
    Object.entries(results).map(([way, measured]) => [way, measured.map((one) => one.seconds)]),
  )
  const plainest = Math.min(...seconds.plain)
  console.log(`${4 * each} MiB in 4 files over loopback, median of ${rounds}:`)
  for (const [way, measured] of Object.entries(results)) {
    const of = (name) => median(measured.map((one) => one[name])).toFixed(2)
    const ratio = median(seconds[way].map((time, round) => time / seconds.plain[round]))
    const fastest = Math.min(...seconds[way])
    const memory = Math.round(Math.max(...measured.map(({ mib }) => mib)))
    const store = measured.every(({ server }) => Number.isFinite(server)) ? ` and ${of('server')} s in the store` : ''
    console.log(
      `  ${way}: ${of('seconds')} s, ${ratio.toFixed(2)} x plain; fastest ${fastest.toFixed(2)} s, ${(fastest / plainest).toFixed(2)} x; processor time ${of('busy')} s${store}; at most ${memory} MiB of memory`,
    )
  }
}

/** Processor time of the store so far, in seconds; NaN where the system does not tell. */
async function storeTime() {
  const text = await readFile(`/proc/${store.pid}/stat`, 'utf8').catch(() => '')
  const [user, system] = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
  return (Number(user) + Number(system)) / 100
}

/** A download that ended early would look fast. */
async function checkSizes(directory) {
  const names = await readdir(directory)
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(directory, name))).size))
  if (sizes.filter((size) => size === each * MIB).length !== 4) throw new Error(`not the model: ${names} ${sizes}`)
}

/** A pass over what was downloaded. */
async function hashing(directory) {
  const start = process.hrtime.bigint()
  for (const name of await readdir(directory))
    await pipeline(createReadStream(join(directory, name), { highWaterMark: MIB }), createHash('sha256'))
  return Number(process.hrtime.bigint() - start) / 1e9
}

/** @returns a policy that trusts the signer */
async function signedModel(directory) {
  await mkdir(directory, { recursive: true })
  const block = Buffer.alloc(MIB)
  for (const name of ['1', '2', '3', '4']) {
    const file = await open(join(directory, `weights-${name}.bin`), 'w')
    for (let index = 0; index < each; index++) await file.write(randomFillSync(block))
    await file.close()
  }
  await writeFile(join(directory, 'config.json'), '{}')
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(join(root, 'release.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await writeFile(join(root, 'release.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  const rule = `{ name: bench, match: { source: 's3://models/**' }, signers: [{ key: release }] }`
  const policy = join(root, 'policy.yaml')
  await writeFile(policy, `version: 1\ntrustRoots: { release: { publicKey: release.pub } }\nrules:\n  - ${rule}\n`)
  const signer = await keySigner({ privateKey: join(root, 'release.key') })
  await signModel(directory, { signer, signature: join(directory, 'model.sig') })
  return policy
}

function shuffled(values) {
  return values
    .map((value) => ({ value, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value)
}
