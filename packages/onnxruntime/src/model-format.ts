import { ModelSealError } from '@modelseal/core'
import { shown } from '@modelseal/core/adapter'
import type { ByteSource, Steps } from '@modelseal/core/formats'

/** The file formats of ONNX Runtime, as named in its option `session.load_model_format`. */
export type FileFormat = 'ONNX' | 'ORT'

/** FlatBuffers: the file identifier is at offset 4. */
const IDENTIFIER_OFFSET = 4
const ORT_IDENTIFIER = Buffer.from('ORTM')

/** Determines the format by content, not by name. The runtime is then told to read the file in this format. */
export function formatOf(model: ByteSource): FileFormat {
  const end = IDENTIFIER_OFFSET + ORT_IDENTIFIER.length
  const beginning = model.from(0, end).subarray(IDENTIFIER_OFFSET, end)
  return ORT_IDENTIFIER.equals(beginning) ? 'ORT' : 'ONNX'
}

/** The name of the operator in a FlatBuffer, in which strings are contiguous and end with a zero. */
const COMPILED_CONTEXT = Buffer.from('EPContext\0')
const SEARCHED_AT_ONCE = 1024 * 1024

/**
 * Checks a model in ORT format. Its schema (ort.fbs) has no field that names a file: it contains all tensors, and
 * the runtime refuses tensors with an `external_data_offset`. So only a compiled context could refer to other
 * files.
 *
 * @throws {@link ModelSealError} `MODEL_FORMAT`
 */
export function* checkOrtModel(model: ByteSource, file: string): Steps<void> {
  const overlap = COMPILED_CONTEXT.length - 1
  for (let offset = 0; ;) {
    // A source in memory may return all remaining bytes.
    const bytes = model.from(offset, SEARCHED_AT_ONCE).subarray(0, SEARCHED_AT_ONCE)
    yield
    if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(COMPILED_CONTEXT)) {
      throw compiledContext(file)
    }
    if (bytes.length <= overlap) return
    offset += bytes.length - overlap
  }
}

export function compiledContext(file: string): ModelSealError {
  return notLoadable(
    file,
    'it contains a context compiled for one execution provider, which may read other files',
    'Load the model that the context was compiled from.',
  )
}

export function notLoadable(file: string, what: string, hint?: string, cause?: unknown): ModelSealError {
  return new ModelSealError('MODEL_FORMAT', `Cannot load the ONNX model ${shown(file)}: ${what}.`, {
    file,
    hint,
    cause,
  })
}
