import {
  ModelSealError,
  referencedName,
  shown,
  type FileRequest,
  type ModelReader,
  type PlacedFiles,
} from '@modelseal/core'
import { bytesInMemory, inTurns, withBytesOfFile, type ByteSource, type Steps } from '@modelseal/core/formats'
import { externalFiles } from './external-references.ts'
import { checkOrtModel, formatOf, type FileFormat } from './model-format.ts'

export { checkedSessionOptions, sessionOptionsFor, type CheckedSessionOptions } from './session-options.ts'

/** An ONNX model that lies with all that it refers to where only this user can change it. */
export interface PlacedOnnx {
  /** Absolute path of the model itself. */
  path: string
  format: FileFormat
  /** Signed names of all files that it needs, its own first. */
  names: readonly string[]
  /** All of them, in one directory, as {@link ModelReader.place} gives them. */
  files: PlacedFiles
}

/** An ONNX model as the buffers that were hashed. */
export interface OnnxInMemory {
  bytes: Uint8Array<ArrayBuffer>
  format: FileFormat
  /** Under the names by which the model refers to them. */
  externalData: { path: string; data: Uint8Array<ArrayBuffer> }[]
}

/**
 * Places an ONNX model and every file that it refers to, for a runtime that loads it by path.
 *
 * What the model refers to must be named by plain relative paths and be covered by the signature.
 * Where a subgraph, function, attribute or sparse tensor refers to one, all are copied: ONNX Runtime
 * refuses links there.
 *
 * @param reader of the model, in the callback of `openVerifiedModel`
 * @param entry name of the `.onnx` or `.ort` file
 * @throws {@link ModelSealError} `MODEL_FORMAT`, `PATH_ESCAPES`, `FILE_NOT_SIGNED`, `ISOLATION_REFUSED`, `ABORTED`, and
 * what {@link ModelReader.place} throws
 * @example
 * ```ts
 * const model = await openVerifiedModel('models/bert', { policy }, (reader) => placeOnnx(reader, 'onnx/model.onnx'))
 * const session = await InferenceSession.create(model.gathered.path)
 * model.confirm()
 * ```
 */
export async function placeOnnx(reader: ModelReader, entry: string): Promise<PlacedOnnx> {
  checkModelSize(reader, entry)
  const model = await reader.place([entry])
  const scan = withBytesOfFile(model.path(entry), entry, (source) => referencesOf(source, entry))
  return placeAll(reader, entry, await inTurns(scan, reader.signal))
}

/**
 * Gives an ONNX model as its reader wants it loaded: as buffers where caller and policy let them,
 * it is small with all that it refers to, and the runtime can be given them; else by path. Where there is no
 * place for paths on this machine, as buffers of any size that caller, policy and memory allow.
 *
 * @throws {@link ModelSealError} what {@link placeOnnx} and {@link ModelReader.read} throw
 */
export async function gatherOnnx(reader: ModelReader, entry: string): Promise<OnnxInMemory | PlacedOnnx> {
  if (!reader.inMemory([entry])) {
    try {
      return await placeOnnx(reader, entry)
    } catch (error) {
      if (!reader.inMemory([entry])) throw error
    }
  }
  const [bytes = new Uint8Array()] = await reader.readAll([{ name: entry, maxBytes: MAX_MODEL_BYTES }])
  const references = await inTurns(referencesOf(bytesInMemory(bytes), entry), reader.signal)
  if (references.elsewhere) return placeAll(reader, entry, references)
  const names = namesOf(references, entry)
  if (!reader.inMemory([entry, ...names])) {
    try {
      return await placeAll(reader, entry, references)
    } catch (error) {
      if (!reader.inMemory([entry, ...names])) throw error
    }
  }
  const buffers = await reader.readAll(requestsOf(references, names))
  const externalData = buffers.flatMap((data, index) => externalDataAt(references.locations[index] ?? '', data))
  return { bytes, format: references.format, externalData }
}

/**
 * The runtime finds bytes by the location exactly as the model has it; but of the path that it is told them by, its
 * JavaScript leaves out a `./` in front, in some versions.
 */
export function externalDataAt(location: string, data: Uint8Array<ArrayBuffer>): OnnxInMemory['externalData'] {
  const paths = location.startsWith('./') ? [location, `./${location}`] : [location]
  return paths.map((path) => ({ path, data }))
}

/** Neither protobuf nor FlatBuffers can be longer. */
const MAX_MODEL_BYTES = 2 ** 31 - 1

/** A file that cannot be a model is not placed, which may mean to copy it. */
function checkModelSize(reader: ModelReader, entry: string): void {
  const size = reader.size(entry)
  if (size <= MAX_MODEL_BYTES) return
  throw new ModelSealError(
    'FILE_TOO_LARGE',
    `Cannot load the model ${shown(entry)}: it is too large for an ONNX or ORT file.`,
    {
      file: entry,
      expected: `at most ${MAX_MODEL_BYTES} bytes`,
      found: `${size} bytes`,
      hint: 'Save the model with external data.',
    },
  )
}

/** How a model is stored, and which files it needs. */
export interface References {
  format: FileFormat
  locations: string[]
  elsewhere: boolean
  /** Bytes that the model needs of each location. */
  needed: ReadonlyMap<string, number>
}

/** @throws {@link ModelSealError} `MODEL_FORMAT` */
export function* referencesOf(source: ByteSource, entry: string): Steps<References> {
  const format = formatOf(source)
  if (format === 'ONNX') return { format, ...(yield* externalFiles(source, entry)) }
  yield* checkOrtModel(source, entry)
  return { format, locations: [], elsewhere: false, needed: new Map() }
}

/** One for each location, in the same order. */
function namesOf({ locations }: References, entry: string): string[] {
  return locations.map((location) => referencedName(entry, location))
}

/**
 * A file of external data is read no further than the tensors of this model need: other models may share it, and nobody but its
 * signer knows its length.
 */
function requestsOf({ locations, needed }: References, names: readonly string[]): FileRequest[] {
  const most = new Map<string, number>()
  locations.forEach((location, index) => {
    const name = names[index] ?? ''
    most.set(name, Math.max(most.get(name) ?? 0, needed.get(location) ?? Infinity))
  })
  return names.map((name) => {
    const firstBytes = most.get(name) ?? Infinity
    return Number.isFinite(firstBytes) ? { name, firstBytes } : { name }
  })
}

async function placeAll(reader: ModelReader, entry: string, references: References): Promise<PlacedOnnx> {
  const names = [entry, ...namesOf(references, entry)]
  const files = references.elsewhere ? await placeCopies(reader, names, entry) : await reader.place(names)
  return { path: files.path(entry), format: references.format, names, files }
}

async function placeCopies(reader: ModelReader, names: readonly string[], entry: string): Promise<PlacedFiles> {
  try {
    return await reader.place(names, { isolation: 'copy' })
  } catch (error) {
    if (!(error instanceof ModelSealError) || error.code !== 'ISOLATION_REFUSED') throw error
    throw new ModelSealError(
      'ISOLATION_REFUSED',
      `The model ${shown(entry)} has external data outside its main graph's initializers, which ONNX Runtime loads from copies only.`,
      {
        file: entry,
        expected: 'the isolation "copy"',
        found: error.found,
        hint: 'Allow "copy", or save the model with such tensors inside it.',
        cause: error,
      },
    )
  }
}
