// An adapter for safetensors: typed arrays of the tensors of a verified file. docs/how-to/adapters.md explains it.
import { ModelSealError, openVerifiedModel } from '@modelseal/core'
import { loadOptions, onlyModel, outcomeOf, parseJsonInTurns, shown } from '@modelseal/core/adapter'

/** The header is JSON; the library of the format accepts no larger one. */
const MAX_HEADER_BYTES = 100_000_000
const ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U8: Uint8Array,
}

/** Loads the tensors of a `.safetensors` file, or of a signed directory that holds one, if the trust policy accepts its signature. */
export async function loadVerifiedTensors(source, options) {
  const format = 'safetensors'
  const model = await openVerifiedModel(source, { ...loadOptions(options, []), format }, async (reader) => {
    const name = reader.entry ?? onlyModel(reader.files, ['.safetensors'])
    return tensorsIn(await reader.read(name), name)
  })
  try {
    return { tensors: model.gathered, ...outcomeOf(model) }
  } finally {
    await model.close()
  }
}

/** Eight bytes for the length of the header, the header, and the bytes of all tensors. */
async function tensorsIn(bytes, file) {
  const length =
    bytes.length < 8 ? Infinity : Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
  if (length > Math.min(MAX_HEADER_BYTES, bytes.length - 8)) throw notSafetensors(file, 'its header is too long')
  const bounds = { what: 'safetensors header', file, maxValues: 1_000_000, maxKeys: 100_000, maxNames: 100_000 }
  const header = await parseJsonInTurns(bytes.subarray(8, 8 + length), bounds)
  const data = bytes.subarray(8 + length)
  const tensors = Object.entries(header ?? {}).filter(([name]) => name !== '__metadata__')
  return new Map(tensors.map(([name, tensor]) => [name, tensorIn(data, tensor ?? {}, file)]))
}

function tensorIn(data, { dtype, shape, data_offsets }, file) {
  const Numbers = Object.hasOwn(ARRAYS, dtype) ? ARRAYS[dtype] : undefined
  if (!Numbers || !Array.isArray(shape) || !Array.isArray(data_offsets))
    throw notSafetensors(file, `a tensor of the type ${shown(String(dtype))} is malformed or not supported`)
  const [start, end] = data_offsets
  const length = shape.reduce((product, size) => product * size, 1)
  const isInside = Number.isSafeInteger(start) && start >= 0 && end <= data.length
  if (!isInside || end - start !== length * Numbers.BYTES_PER_ELEMENT)
    throw notSafetensors(file, 'the offsets of a tensor do not fit its shape or the file')
  // A copy, since typed arrays begin at multiples of their element's size.
  return { shape, data: new Numbers(data.slice(start, end).buffer) }
}

function notSafetensors(file, why) {
  return new ModelSealError('MODEL_FORMAT', `Cannot load ${shown(file)} as safetensors: ${why}.`, { file })
}
