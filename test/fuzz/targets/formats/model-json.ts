import { parseModelJson } from '../../../../packages/tfjs/src/model-json.ts'
import { mustEqual, readOrRefusedLater, REFUSED, texts, type Target } from '../../target.ts'

const SPEC = { name: 'w', shape: [2, 3], dtype: 'float32' }

const target: Target = {
  dictionary: [
    '"__proto__":',
    '"weightsManifest":',
    '"paths":',
    '"quantization":{"dtype":"uint8"}',
    '"string"',
    '-1',
    '1.5',
  ],
  seeds: () =>
    texts(
      JSON.stringify({
        format: 'graph-model',
        modelTopology: { node: [] },
        weightsManifest: [{ paths: ['a.bin', 'b'], weights: [SPEC] }],
      }),
      JSON.stringify({
        modelTopology: { class_name: 'Sequential' },
        weightsManifest: [
          { paths: ['a'], weights: [{ ...SPEC, quantization: { dtype: 'uint8', scale: 1, min: 0 } }] },
          { paths: [], weights: [{ ...SPEC, dtype: 'string', shape: [] }] },
        ],
        userDefinedMetadata: { a: 1 },
      }),
      JSON.stringify({ modelTopology: { model_config: {} } }),
    ),
  async check(input) {
    const read = await readOrRefusedLater(() => parseModelJson(input, 'model.json'))
    if (read === REFUSED) return
    const json = JSON.parse(Buffer.from(input).toString()) as {
      modelTopology: unknown
      weightsManifest?: { paths: string[]; weights: { name: string; shape: number[] }[] }[]
    }
    // What io.getModelArtifactsForJSON() of TensorFlow.js takes from it.
    mustEqual(read.artifacts.modelTopology, json.modelTopology, 'The topology')
    mustEqual(
      read.weightFiles?.map(({ path }) => path),
      json.weightsManifest?.flatMap(({ paths }) => paths),
      'The files',
    )
    const named = (list: readonly { name: string; shape: number[] }[]) => list.map(({ name, shape }) => [name, shape])
    mustEqual(
      named(read.weightSpecs),
      named(json.weightsManifest?.flatMap(({ weights }) => weights) ?? []),
      'The weights',
    )
    for (const size of [read.weightBytes, ...(read.weightFiles?.map(({ group }) => group.maxBytes) ?? [])])
      if (!(size >= 0)) throw new Error(`A size is ${size}.`)
  },
}
export default target
