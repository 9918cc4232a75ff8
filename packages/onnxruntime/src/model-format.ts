import { ModelSealError, shown } from '@modelseal/core'
import type { ByteSource, Steps } from '@modelseal/core/formats'

/** The file formats of ONNX Runtime, as its option `session.load_model_format` calls them. */
export type FileFormat = 'ONNX' | 'ORT'

/** FlatBuffers: the file identifier stands at offset 4. */
const IDENTIFIER_OFFSET = 4
const ORT_IDENTIFIER = Buffer.from('ORTM')

/** By the content, whatever the file is called: the runtime is then told to take it as that. */
export function formatOf(model: ByteSource): FileFormat {
  const end = IDENTIFIER_OFFSET + ORT_IDENTIFIER.length
  const beginning = model.from(0, end).subarray(IDENTIFIER_OFFSET, end)
  return ORT_IDENTIFIER.equals(beginning) ? 'ORT' : 'ONNX'
}

/** What the name of the operator looks like in any FlatBuffer: strings lie in one piece, ended by a zero. */
const COMPILED_CONTEXT = Buffer.from('EPContext\0')
const SEARCHED_AT_ONCE = 1024 * 1024

/**
 * Checks a model in ORT format. Its schema (ort.fbs) has no field that names a file: tensors are
 * held inside, and what has an `external_data_offset` instead is refused by the runtime. So all that
 * could lead elsewhere is a compiled context.
 *
 * @throws {@link ModelSealError} `MODEL_FORMAT`
 */
export function* checkOrtModel(model: ByteSource, file: string): Steps<void> {
  const overlap = COMPILED_CONTEXT.length - 1
  for (let offset = 0; offset < model.length;) {
    // One in memory gives all that is left.
    const bytes = model.from(offset, SEARCHED_AT_ONCE).subarray(0, SEARCHED_AT_ONCE)
    yield
    if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(COMPILED_CONTEXT)) {
      throw compiledContext(file)
    }
    if (bytes.length <= overlap) break
    offset += bytes.length - overlap
  }
}

export function compiledContext(file: string): ModelSealError {
  return notLoadable(
    file,
    'it holds a context compiled for one execution provider, which may read further files',
    'Load the model that the context was compiled from.',
  )
}

export function notLoadable(file: string, what: string, hint?: string, cause?: unknown): ModelSealError {
  return new ModelSealError(
    'MODEL_FORMAT',
    `The file ${shown(file)} is not an ONNX model that can be loaded: ${what}.`,
    { file, hint, cause },
  )
}
