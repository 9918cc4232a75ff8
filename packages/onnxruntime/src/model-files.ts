import { ModelSealError, type ModelReader, type PlacedFiles } from '@modelseal/core'
import { referencedName, shown, type FileRequest } from '@modelseal/core/adapter'
import { bytesInMemory, inTurns, withBytesOfFile, type ByteSource, type Steps } from '@modelseal/core/formats'
import { externalFiles } from './external-references.ts'
import { checkOrtModel, formatOf, type FileFormat } from './model-format.ts'

export { checkedSessionOptions, sessionOptionsFor, type CheckedSessionOptions } from './session-options.ts'

/** An ONNX model in a place that only this user can change, together with everything that it refers to. */
export interface PlacedOnnx {
  /** Absolute path of the model itself. */
  path: string
  format: FileFormat
  /** Signed names of all files that the model needs, beginning with its own. */
  names: readonly string[]
  /** All of these files, in one directory, as returned by {@link ModelReader.place}. */
  files: PlacedFiles
}

/** An ONNX model as the buffers that were hashed. */
export interface OnnxInMemory {
  bytes: Uint8Array<ArrayBuffer>
  format: FileFormat
  /** Under the names that the model uses for them. */
  externalData: { path: string; data: Uint8Array<ArrayBuffer> }[]
}

/**
 * Places an ONNX model and every file that it refers to, for a runtime that loads it by path.
 *
 * References must be plain relative paths to files that are covered by the signature. If a subgraph, function,
 * attribute or sparse tensor refers to a file, all files are copied, because ONNX Runtime refuses links there.
 *
 * @param reader passed to the callback of `openVerifiedModel`
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
 * Returns an ONNX model the way that its reader wants it loaded. As buffers, if the caller and the policy allow them, the
 * model is small together with everything that it refers to, and the runtime accepts them; otherwise by path. If no
 * place on this machine is suitable for paths, as buffers of any size that caller, policy and memory allow.
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
 * The runtime looks up bytes by the exact location in the model, but in some versions its JavaScript removes a leading
 * `./` from the path that they are passed under.
 */
export function externalDataAt(location: string, data: Uint8Array<ArrayBuffer>): OnnxInMemory['externalData'] {
  const paths = location.startsWith('./') ? [location, `./${location}`] : [location]
  return paths.map((path) => ({ path, data }))
}

/** The limit of both protobuf and FlatBuffers. */
const MAX_MODEL_BYTES = 2 ** 31 - 1

/** A file too large for a model must not be placed, which may copy it. */
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

/** How a model is stored and which files it needs. */
export interface References {
  format: FileFormat
  locations: string[]
  elsewhere: boolean
  /** Number of bytes that the model needs of each location. */
  needed: ReadonlyMap<string, number>
}

/** @throws {@link ModelSealError} `MODEL_FORMAT` */
export function* referencesOf(source: ByteSource, entry: string): Steps<References> {
  const format = formatOf(source)
  if (format === 'ONNX') return { format, ...(yield* externalFiles(source, entry)) }
  yield* checkOrtModel(source, entry)
  return { format, locations: [], elsewhere: false, needed: new Map() }
}

/** The signed names of the locations, in the same order. */
function namesOf({ locations }: References, entry: string): string[] {
  return locations.map((location) => referencedName(entry, location))
}

/**
 * External data is read only as far as the tensors of this model need, because other models may share the file, and its
 * length is not known before it is verified.
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
      `Cannot load the model ${shown(entry)}: it has external data outside its main graph's initializers, which ONNX Runtime loads only from copies.`,
      {
        file: entry,
        expected: 'the isolation "copy"',
        found: error.found,
        hint: 'Allow "copy", or save the model so that it contains these tensors.',
        cause: error,
      },
    )
  }
}
