// Pulls a model of four files from a hub on this machine, beside a plain download with fetch() and, where they are
// installed, beside `hf download` and `oras pull`, each followed by the hashing that they leave out. Then loads a model
// that the policy refuses. Run after a build:
//   npm run bench:hubs
//   npm run bench:hubs -- --mib 64 --rounds 1
import { spawn, spawnSync } from 'node:child_process'
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile, open } from 'node:fs/promises'
import { createReadStream } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { keySigner, signModel } from '@modelseal/core/signing'

const MIB = 1024 * 1024
const { values: given } = parseArgs({
  options: {
    mib: { type: 'string', default: '2048' },
    rounds: { type: 'string', default: '3' },
    hf: { type: 'string', default: 'hf' },
    oras: { type: 'string', default: 'oras' },
    directory: { type: 'string', default: tmpdir() },
  },
})
const each = Math.ceil(Number(given.mib) / 4)
const rounds = Number(given.rounds)
const root = await mkdtemp(join(given.directory, 'modelseal-bench-'))
const program = (name) => new URL(`programs/${name}.mjs`, import.meta.url).pathname

let server
try {
  const { trusted, stranger } = await signedModel()
  server = await started()
  const { hub } = server
  const environment = {
    ...process.env,
    HF_ENDPOINT: hub,
    HF_TOKEN: '',
    HF_HUB_DISABLE_XET: '1',
    HF_HUB_DISABLE_TELEMETRY: '1',
  }
  const ways = waysOf(hub, environment, trusted)
  const times = Object.fromEntries(Object.keys(ways).map((way) => [way, []]))
  const memory = {}
  const busy = Object.fromEntries(Object.keys(ways).map((way) => [way, []]))
  for (let round = 0; round < rounds; round++)
    // In another order each time: what one way leaves in the memory of the machine can slow down the next.
    for (const [way, pull] of shuffled(Object.entries(ways))) {
      const directory = join(root, 'pulled')
      const before = await server.sent()
      const { seconds, mib, busy: own } = await pull(directory, join(root, 'cache'))
      times[way].push(seconds)
      busy[way].push({ own, server: (await server.sent()).busy - before.busy })
      if (mib !== undefined) memory[way] = Math.max(memory[way] ?? 0, mib)
      for (const name of ['pulled', 'cache']) await rm(join(root, name), { recursive: true, force: true })
    }
  const base = own('nothing', [hub, join(root, 'none')], environment).mib
  console.log(`${4 * each} MiB in 4 files over loopback, median of ${rounds}:`)
  for (const way of Object.keys(ways)) {
    const ratio = median(times[way].map((time, round) => time / times.plain[round]))
    const above =
      memory[way] === undefined
        ? ''
        : `, ${Math.round(memory[way] - base)} MiB above the ${Math.round(base)} MiB of the packages`
    const processor = (of) => median(busy[way].map((each) => each[of])).toFixed(2)
    const spent = `processor time ${busy[way][0].own === undefined ? '' : `${processor('own')} s and `}${processor('server')} s in the server`
    const fastest = Math.min(...times[way])
    console.log(
      `  ${way}: ${median(times[way]).toFixed(2)} s, ${ratio.toFixed(2)} x plain; fastest ${fastest.toFixed(2)} s, ${(fastest / Math.min(...times.plain)).toFixed(2)} x; ${spent}${above}`,
    )
  }
  await refusals(environment, stranger)
} finally {
  server?.process.kill()
  await rm(root, { recursive: true, force: true })
}

function waysOf(hub, environment, policy) {
  const ways = {}
  for (const way of ['plain', 'modelseal', 'modelseal oci'])
    ways[way] = (directory, cache) => own(way, [hub, directory, policy], { ...environment, HF_HUB_CACHE: cache })
  if (has(given.hf, 'version'))
    ways['hf download + hashing'] = (directory, cache) =>
      other(
        [given.hf, 'download', 'org/bench', '--local-dir', directory],
        { ...environment, HF_HOME: cache },
        directory,
      )
  if (has(given.oras, 'version'))
    ways['oras pull + hashing'] = (directory) =>
      other(
        [given.oras, 'pull', '--plain-http', `${hub.replace('http://', '')}/models/bench:1`, '-o', directory],
        environment,
        directory,
      )
  return ways
}

/** A model that the policy refuses: bytes of the server, and the time beside that of the requests that it takes. */
async function refusals(environment, policy) {
  const before = await server.sent()
  own('refused', [environment.HF_ENDPOINT, join(root, 'none'), policy], environment)
  // It is loaded twice.
  const bytes = ((await server.sent()).bytes - before.bytes) / 2
  const ratios = []
  for (let round = 0; round < Math.max(rounds, 3); round++) {
    const [refused, requests] = ['refused', 'requests'].map(
      (way) => own(way, [environment.HF_ENDPOINT, join(root, 'none'), policy], environment).seconds,
    )
    ratios.push({ refused, requests, ratio: refused / requests })
  }
  const of = (name) => median(ratios.map((each) => each[name]))
  console.log(
    `a refused model: ${(bytes / 1000).toFixed(1)} kB sent, ${(of('refused') * 1000).toFixed(1)} ms, ${of('ratio').toFixed(2)} x its three requests (${(of('requests') * 1000).toFixed(1)} ms)`,
  )
}

function own(way, args, env) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [program('pull-once'), way, ...args], {
    env,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${way}: ${stderr}`)
  return JSON.parse(stdout)
}

/** Another program, and then a pass over what it downloaded. */
async function other([command, ...args], env, directory) {
  const start = process.hrtime.bigint()
  const { status, stderr } = spawnSync(command, args, { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command}: ${stderr}`)
  for (const name of await readdir(directory))
    if (name.endsWith('.bin'))
      await pipeline(createReadStream(join(directory, name), { highWaterMark: MIB }), createHash('sha256'))
  return { seconds: Number(process.hrtime.bigint() - start) / 1e9 }
}

function has(command, argument) {
  return spawnSync(command, [argument]).status === 0
}

async function started() {
  const child = spawn(process.execPath, [program('hub-server'), join(root, 'served'), `${each}`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  const next = async () => (await once(lines, 'line'))[0]
  const { hub } = JSON.parse(await next())
  const sent = async () => {
    const answer = next()
    child.stdin.write('?\n')
    return JSON.parse(await answer)
  }
  return { process: child, hub, sent }
}

/** @returns a policy that trusts the signer, and one that does not */
async function signedModel() {
  const { mkdir, rename } = await import('node:fs/promises')
  const served = join(root, 'served')
  await mkdir(served)
  const block = randomBytes(MIB)
  for (const name of ['1', '2', '3', '4']) {
    const file = await open(join(served, `weights-${name}.bin`), 'w')
    for (let index = 0; index < each; index++) await file.write(block)
    await file.close()
  }
  await writeFile(join(served, 'config.json'), '{}')
  for (const name of ['release', 'stranger']) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await writeFile(join(root, `${name}.key`), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    await writeFile(join(root, `${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }))
    const rule = `{ name: bench, match: { url: '*://**' }, signers: [{ key: k }] }`
    await writeFile(
      join(root, `${name}.yaml`),
      `version: 1\ntrustRoots: { k: { publicKey: ${name}.pub } }\nrules:\n  - ${rule}\n`,
    )
  }
  const signer = await keySigner({ privateKey: join(root, 'release.key') })
  await signModel(served, { signer, signature: join(root, 'model.sig') })
  await rename(join(root, 'model.sig'), join(served, 'model.sig'))
  const hash = createHash('sha256')
  await pipeline(createReadStream(join(served, 'weights-1.bin'), { highWaterMark: MIB }), hash)
  for (const name of ['1', '2', '3', '4']) await rm(join(served, `weights-${name}.bin`))
  await writeFile(join(served, 'weights.sha256'), hash.digest('hex'))
  await writeFile(join(served, 'block'), block)
  return { trusted: join(root, 'release.yaml'), stranger: join(root, 'stranger.yaml') }
}

function shuffled(values) {
  return values
    .map((value) => ({ value, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value)
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)]
}
