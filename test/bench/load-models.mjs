import { generateKeyPairSync, randomFillSync } from 'node:crypto'
import { appendFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { keySigner, signModel } from '@modelseal/core/signing'
import { entry, graph, message, model, node, value } from '../onnx-models.ts'

const MIB = 1024 * 1024
/** Size of one tensor. */
const TENSOR_BYTES = 16 * MIB
const SHARDS = 50
const UINT8 = 2
const INT64 = 7

/**
 * Writes and signs the models to measure.
 *
 * @returns the models in the requested order, and the path of a policy that trusts their signer
 */
export async function makeModels(directory, kinds, { mib, tfjsMib }) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(join(directory, 'release.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await writeFile(join(directory, 'release.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  const policy = join(directory, 'policy.yaml')
  await writeFile(
    policy,
    `version: 1
trustRoots: { release: { publicKey: release.pub } }
rules: [{ name: all, match: { path: '**' }, signers: [{ key: release }] }]
`,
  )
  const signer = await keySigner({ privateKey: join(directory, 'release.key') })
  const makers = {
    external: (path) => externalModel(path, mib),
    embedded: (path) => embeddedModel(path, mib),
    tfjs: (path) => shardedModel(path, tfjsMib),
  }
  const models = []
  for (const kind of kinds) {
    if (!(kind in makers)) throw new Error(`There is no model "${kind}": ${Object.keys(makers).join(', ')}.`)
    const path = join(directory, kind)
    await mkdir(path)
    const made = await makers[kind](path)
    await signModel(path, { signer })
    models.push({ kind, ...made })
  }
  return Object.assign(models, { policy })
}

async function externalModel(directory, mib) {
  const tensors = tensorsOf(mib)
  const path = join(directory, 'model.onnx')
  const initializers = tensors.map((name, i) =>
    message(
      [1, TENSOR_BYTES],
      [2, UINT8],
      [8, name],
      [13, entry('location', 'weights.bin')],
      [13, entry('offset', String(i * TENSOR_BYTES))],
      [13, entry('length', String(TENSOR_BYTES))],
      [14, 1],
    ),
  )
  await writeFile(path, model(lookingUp(tensors, initializers)))
  for (const _ of tensors) await appendFile(join(directory, 'weights.bin'), randomBlock())
  return { path, title: `ONNX, ${mib} MiB in external data` }
}

async function embeddedModel(directory, mib) {
  const tensors = tensorsOf(mib)
  const path = join(directory, 'model.onnx')
  await writeFile(path, model(lookingUp(tensors, [])))
  // Protobuf merges a message that is split into parts, so the file is written in parts.
  for (const name of tensors) {
    const tensor = message([1, TENSOR_BYTES], [2, UINT8], [8, name], [9, randomBlock()])
    await appendFile(path, message([7, message([5, tensor])]))
  }
  return { path, title: `ONNX, ${mib} MiB within the model` }
}

/** y = w0[i] … wn[i], which needs all tensors but almost no computation. */
function lookingUp(tensors, initializers) {
  return graph({
    nodes: [
      ...tensors.map((name) => node('Gather', [name, 'i'], [`${name}_i`])),
      node(
        'Concat',
        tensors.map((name) => `${name}_i`),
        ['y'],
        [message([1, 'axis'], [3, 0], [20, 2])],
      ),
    ],
    initializers,
    inputs: [value('i', 1, INT64)],
    outputs: [value('y', tensors.length, UINT8)],
  })
}

function tensorsOf(mib) {
  return Array.from({ length: Math.max(1, Math.round((mib * MIB) / TENSOR_BYTES)) }, (_, i) => `w${i}`)
}

async function shardedModel(directory, mib) {
  const values = Math.floor((mib * MIB) / SHARDS / 4)
  const names = Array.from({ length: SHARDS }, (_, i) => `w${i}`)
  const paths = names.map((_, i) => `group1-shard${i + 1}of${SHARDS}.bin`)
  const dtype = { type: 'DT_FLOAT' }
  const constants = names.map((name) => ({ name, op: 'Const', attr: { dtype } }))
  const sums = names.map((name, i) => ({
    name: `y${i}`,
    op: 'AddV2',
    input: [i === 0 ? 'x' : `y${i - 1}`, name],
    attr: { T: dtype },
  }))
  const shape = { shape: { dim: [{ size: String(values) }] } }
  await writeFile(
    join(directory, 'model.json'),
    JSON.stringify({
      format: 'graph-model',
      modelTopology: {
        node: [{ name: 'x', op: 'Placeholder', attr: { dtype, shape } }, ...constants, ...sums],
        versions: { producer: 1, minConsumer: 1 },
      },
      weightsManifest: [{ paths, weights: names.map((name) => ({ name, shape: [values], dtype: 'float32' })) }],
    }),
  )
  const shard = Buffer.alloc(values * 4)
  for (const path of paths) await writeFile(join(directory, path), randomFillSync(shard))
  return { path: join(directory, 'model.json'), title: `TensorFlow.js, ${mib} MiB in ${SHARDS} shards` }
}

const block = Buffer.alloc(TENSOR_BYTES)

function randomBlock() {
  return randomFillSync(block)
}
