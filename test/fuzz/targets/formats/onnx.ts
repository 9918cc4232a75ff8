import { normalize } from 'node:path'
import { bytesInMemory } from '../../../../packages/core/src/entries/formats.ts'
import { atOnce } from '../../../../packages/core/src/source/turns.ts'
import { externalFiles } from '../../../../packages/onnxruntime/src/external-references.ts'
import * as onnx from '../../../onnx-models.ts'
import { Runtime } from '../../onnx-runtime.ts'
import { readOrRefused, REFUSED, type Target } from '../../target.ts'

const runtime = new Runtime()

const target: Target = {
  longest: 1024,
  dictionary: ['location', 'w.bin', 'offset', 'length', 'Constant', 'Add', 'value'],
  seeds: () => [
    onnx.addingModel('w.bin'),
    onnx.addingModel('a/w.bin'),
    onnx.summingModel(['a', 'b'], (name) => `${name}.bin`),
    onnx.branchingModel('branch.bin'),
    onnx.model(onnx.graph({ initializers: [onnx.inlineTensor('w', 1, 2)] })),
    onnx.model(onnx.graph({}), [7, onnx.graph({ initializers: [onnx.externalTensor('w', 2, 'second.bin')] })]),
  ],
  async check(input) {
    const read = readOrRefused(() => atOnce(externalFiles(bytesInMemory(input), 'model.onnx')))
    if (read === REFUSED) return
    const refused = await runtime.refusalOf(input)
    if (refused === undefined || !/external|filesystem error|No such file/i.test(refused)) return
    // The runtime names the file that it looked for.
    const [, path] = /(?:does not exist: "|External data path: "|a directory \[)([^"\]]*)/.exec(refused) ?? []
    if (path === undefined) return
    const name = runtime.nameOf(path)
    if (!read.locations.some((location) => normalize(location) === normalize(name)))
      throw new Error(`The runtime looks for ${JSON.stringify(name)}, not for ${JSON.stringify(read.locations)}.`)
  },
}
export default target
