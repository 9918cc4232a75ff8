// Pulls the model of hub-server.mjs once, in one of several ways, and prints what it took.
import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const [way, origin, directory, policy] = process.argv.slice(2)
const WEIGHTS = [1, 2, 3, 4].map((number) => `weights-${number}.bin`)

const ways = {
  plain: async () => {
    const fetched = async (name) => {
      const { body } = await fetch(`${origin}/org/bench/resolve/main/${name}`)
      await pipeline(Readable.fromWeb(body), createWriteStream(join(directory, name)))
    }
    await Promise.all([...WEIGHTS, 'config.json', 'model.sig'].map(fetched))
  },
  modelseal: () => pulled('hf://org/bench'),
  'modelseal oci': () => pulled(`oci://${origin.replace('http://', '')}/models/bench:1`),
  // Only what a refusal needs to know.
  requests: async () => {
    for (const path of [
      'api/models/org/bench/revision/main',
      'api/models/org/bench/tree/main?recursive=true',
      'org/bench/resolve/main/model.sig',
    ])
      await (await fetch(`${origin}/${path}`)).arrayBuffer()
  },
  refused: async () => {
    const { openVerifiedModel } = await import('@modelseal/core')
    await import('@modelseal/hub')
    return async () => {
      const error = await openVerifiedModel('hf://org/bench', { policy }).catch((reason) => reason)
      if (error.code !== 'SIGNER_NOT_TRUSTED') throw error
    }
  },
  nothing: async () => {
    await import('@modelseal/core')
    await import('@modelseal/hub')
  },
}

async function pulled(source) {
  const { downloadModel } = await import('@modelseal/core')
  await import('@modelseal/hub')
  return () => downloadModel(source, directory, { policy, maxBytes: 64 * 1024 ** 3 })
}

await mkdir(directory, { recursive: true, mode: 0o700 })
const seconds = async (work) => {
  const start = process.hrtime.bigint()
  const more = await work()
  return { time: Number(process.hrtime.bigint() - start) / 1e9, more }
}
// Importing packages is not measured.
const first = await seconds(ways[way])
const last = typeof first.more === 'function' ? await seconds(first.more) : first
// Once more, when connections are open and code was loaded, for ways that take milliseconds.
const again =
  way === 'requests' || way === 'refused'
    ? await seconds(typeof first.more === 'function' ? first.more : ways[way])
    : last
const { user, system } = process.cpuUsage()
const busy = (user + system) / 1e6
console.log(JSON.stringify({ seconds: again.time, busy, mib: process.resourceUsage().maxRSS / 1024 }))
process.exit()
