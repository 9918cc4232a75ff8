import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ModelSealError, type ModelReader, type PlacedFiles } from '@modelseal/core'
import { referencedName, shown } from '@modelseal/core/adapter'
import {
  gatherOnnx,
  placeOnnx,
  type OnnxInMemory,
  type PlacedOnnx,
  type sessionOptionsFor,
} from '@modelseal/onnxruntime/model-files'

/** A verified file in the form that Transformers.js gets. */
export type Delivery = { bytes: Uint8Array<ArrayBuffer> } | { path: string; size: number }

/** Larger than any configuration or vocabulary. Those of the largest models have some 30 MB. */
const MAX_CONFIGURATION_BYTES = 256 * 1024 * 1024

/** ONNX files and the names that Transformers.js uses for their external data: `model.onnx_data`, `model.onnx_data_1` … */
const SESSION_FILE = /^(.*\.onnx)(?:_data(?:_\d+)?)?$/s

/** Whether a file is for ONNX Runtime, which loads it by path or from memory. */
export function isSessionFile(name: string): boolean {
  return SESSION_FILE.test(name)
}

/**
 * The verified files of one load, each read or placed once. All ONNX files of a load are delivered together with
 * everything that they refer to, and either all as bytes or all by path, because all share one set of ONNX Runtime
 * options, which determine where weights are looked for.
 */
export class Deliveries {
  readonly #reader: ModelReader
  readonly #known: ReadonlySet<string>
  readonly #files = new Map<string, Promise<Delivery>>()
  readonly #externalData = new Map<string, OnnxInMemory['externalData'][number]>()
  #byPath = false

  constructor(reader: ModelReader) {
    this.#reader = reader
    this.#known = new Set(reader.files)
  }

  /** The settings of ONNX Runtime for all models of the load. Without `externalData`, it gets paths. */
  get models(): Parameters<typeof sessionOptionsFor>[0] {
    if (this.#byPath) return { format: 'ONNX' }
    return { format: 'ONNX', externalData: [...this.#externalData.values()] }
  }

  has(name: string): boolean {
    return this.#known.has(name)
  }

  /**
   * Reads the files that Transformers.js will want, if they exist, and decides how ONNX Runtime gets its files.
   *
   * @throws {@link ModelSealError} as {@link file}
   */
  async prepare(wanted: readonly string[]): Promise<void> {
    const known = wanted.filter((name) => this.has(name))
    for (const name of known) {
      if (!isSessionFile(name)) await this.#read(name)
    }
    const models = await this.#gather(known.filter((name) => name.endsWith('.onnx')))
    this.#byPath =
      models.size === 0
        ? !this.#reader.inMemory(this.#reader.files.filter(isSessionFile))
        : [...models.values()].some((model) => 'path' in model)
    for (const [name, model] of models) await this.#add(name, model)
    if (!this.#byPath) this.#leaveToSessionOptions([...models.keys()])
  }

  /**
   * @throws {@link ModelSealError} what `read` and `place` of a model throw, and for ONNX files
   * `MODEL_FORMAT`, `PATH_ESCAPES`, `FILE_NOT_SIGNED` (external data)
   */
  async file(name: string): Promise<Delivery> {
    const delivered = this.#files.get(name)
    if (delivered) return delivered
    const [, model] = SESSION_FILE.exec(name) ?? []
    if (model !== undefined && this.has(model) && !this.#files.has(model)) {
      await this.#add(model, await gatherOnnx(this.#reader, model))
    }
    // The configuration may count external data that the model does not refer to.
    if (model !== undefined && this.#byPath) await this.#place([name])
    return this.#files.get(name) ?? this.#read(name)
  }

  clear(): void {
    this.#files.clear()
    this.#externalData.clear()
  }

  /** If one of them cannot be placed, all are read into memory, if permitted. */
  async #gather(names: readonly string[]): Promise<Map<string, OnnxInMemory | PlacedOnnx>> {
    const gather = async () => {
      const models = new Map<string, OnnxInMemory | PlacedOnnx>()
      for (const name of names) models.set(name, await gatherOnnx(this.#reader, name))
      return models
    }
    const models = await gather()
    const placed = [...models.values()].filter((model) => 'path' in model)
    const some = placed.length > 0 && placed.length < models.size
    return some && this.#reader.inMemory(this.#reader.files.filter(isSessionFile)) ? await gather() : models
  }

  async #add(name: string, model: OnnxInMemory | PlacedOnnx): Promise<void> {
    // Transformers.js names files of both formats ".onnx", and ONNX Runtime would go by the name.
    if (model.format !== 'ONNX') throw notOnnx(name)
    if ('path' in model) this.#placed(model.names, model.files)
    else if (this.#byPath) await this.#add(name, await placeOnnx(this.#reader, name))
    else this.#keep(name, model)
  }

  #keep(name: string, { bytes, externalData }: OnnxInMemory): void {
    this.#files.set(name, Promise.resolve({ bytes }))
    for (const external of externalData) {
      this.#externalData.set(external.path, external)
      this.#files.set(referencedName(name, external.path), Promise.resolve({ bytes: external.data }))
    }
  }

  /**
   * Transformers.js replaces the external data in the session options by the chunks that it got as bytes. Their number comes
   * from the configuration, where `true` counts as one, however many there are. Chunks that it gets as paths it leaves to ONNX
   * Runtime. So chunks are delivered as nonexistent paths, and ONNX Runtime takes the verified bytes from the session options.
   */
  #leaveToSessionOptions(models: readonly string[]): void {
    for (const name of this.#known) {
      const [, model = ''] = SESSION_FILE.exec(name) ?? []
      if (name === model || !models.includes(model)) continue
      // Nobody can guess the name and create the file.
      const path = join(tmpdir(), `modelseal-none-${randomUUID()}`)
      this.#files.set(name, Promise.resolve({ path, size: this.#reader.size(name) }))
    }
  }

  async #place(names: readonly string[]): Promise<void> {
    const missing = names.filter((name) => !this.#files.has(name))
    this.#placed(missing, await this.#reader.place(missing))
  }

  #placed(names: readonly string[], files: PlacedFiles): void {
    for (const name of names) {
      this.#files.set(name, Promise.resolve({ path: files.path(name), size: this.#reader.size(name) }))
    }
  }

  #read(name: string): Promise<Delivery> {
    const delivery = this.#files.get(name) ?? this.#readNow(name)
    this.#files.set(name, delivery)
    return delivery
  }

  async #readNow(name: string): Promise<Delivery> {
    // Files for ONNX Runtime have no limit of their own.
    const request = isSessionFile(name) ? { name } : { name, maxBytes: MAX_CONFIGURATION_BYTES }
    const [bytes = new Uint8Array()] = await this.#reader.readAll([request])
    return { bytes }
  }
}

function notOnnx(file: string): ModelSealError {
  return new ModelSealError(
    'MODEL_FORMAT',
    `Cannot load the file ${shown(file)}: it is in ORT format, not in ONNX format.`,
    {
      file,
      hint: 'Use the ".onnx" file that it was made from, or load it with @modelseal/onnxruntime.',
    },
  )
}
