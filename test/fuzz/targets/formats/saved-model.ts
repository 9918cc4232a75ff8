import { bytesInMemory } from '../../../../packages/core/src/entries/formats.ts'
import { atOnce } from '../../../../packages/core/src/source/turns.ts'
import { savedModelAssets } from '../../../../packages/tfjs/src/saved-model-assets.ts'
import { message } from '../../../onnx-models.ts'
import { mustEqual, readOrRefused, REFUSED, type Target } from '../../target.ts'

const ASSET = message([1, message([1, 'x'])], [2, 'vocab.txt'])
const ANY = message([1, 'type.googleapis.com/tensorflow.AssetFileDef'], [2, ASSET])

const target: Target = {
  dictionary: ['type.googleapis.com/tensorflow.AssetFileDef', 'vocab.txt'],
  seeds: () => [
    message([1, 1], [2, message([6, ASSET], [6, ASSET])]),
    message([2, message([4, message([1, 'saved_model_assets'], [2, message([5, message([1, ANY])])])])]),
    message([2, message([2, message([1, message([1, 'node'])])])]),
  ],
  check(input) {
    const names = readOrRefused(() => atOnce(savedModelAssets(bytesInMemory(input), 'saved_model.pb')))
    if (names === REFUSED) return
    const text = Buffer.from(input)
    for (const name of names)
      if (!text.includes(name)) throw new Error(`It lists ${JSON.stringify(name)}, which it does not contain.`)
    const narrow = {
      length: input.length,
      from: (offset: number, least: number) => input.subarray(offset, offset + least),
    }
    mustEqual(
      readOrRefused(() => atOnce(savedModelAssets(narrow, 'saved_model.pb'))),
      names,
      'What is read piece by piece',
    )
  },
}
export default target
