// One load, for load.mjs: prints its cost as JSON.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'

const [kind, way, path, policy] = process.argv.slice(2)
const HASHED = 'plain + hash pass'
const load = kind === 'tfjs' ? await tensorFlowLoad() : await onnxLoad()

const before = await memory()
const start = performance.now()
if (way === HASHED) await hashAll(dirname(path))
const model = await load()
const ms = performance.now() - start
console.log(JSON.stringify({ ms, before, after: await memory(), loaded: Object.keys(model).length > 0 }))
process.exit(0)

async function onnxLoad() {
  const { InferenceSession } = await import('onnxruntime-node')
  if (way === 'plain' || way === HASHED) return () => InferenceSession.create(path)
  const { loadVerifiedModel } = await import('@modelseal/onnxruntime')
  return () => loadVerifiedModel(path, { policy, isolation: way })
}

async function tensorFlowLoad() {
  const tf = await import('@tensorflow/tfjs')
  await tf.setBackend('cpu')
  if (way === 'plain' || way === HASHED) return () => tf.loadGraphModel({ load: readArtifacts })
  const { loadVerifiedModel } = await import('@modelseal/tfjs')
  return () => loadVerifiedModel(tf, path, { policy, isolation: way })
}

/** Like tfjs-node: reads the shards in turn, then joins them. */
async function readArtifacts() {
  const { weightsManifest, ...artifacts } = JSON.parse(await readFile(path, 'utf8'))
  const shards = []
  for (const name of weightsManifest.flatMap(({ paths }) => paths))
    shards.push(await readFile(join(dirname(path), name)))
  const { buffer, byteOffset, byteLength } = Buffer.concat(shards)
  return {
    ...artifacts,
    weightSpecs: weightsManifest.flatMap(({ weights }) => weights),
    weightData: buffer.slice(byteOffset, byteOffset + byteLength),
  }
}

/** What a careful program does today: it computes the digests, and then reads the files again. */
async function hashAll(directory) {
  for (const name of await readdir(directory)) {
    const hash = createHash('sha256')
    await pipeline(createReadStream(join(directory, name), { highWaterMark: 1024 * 1024 }), hash)
    hash.digest('hex')
  }
}

/** In bytes; 0 if the system does not report it. */
async function memory() {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '')
  const field = (name) => 1024 * Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
  const peak = field('VmHWM') || process.resourceUsage().maxRSS * 1024
  return { anonymous: field('RssAnon') + field('RssShmem'), peak }
}
