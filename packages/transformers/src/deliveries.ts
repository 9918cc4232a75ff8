import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ModelSealError, referencedName, shown, type ModelReader, type PlacedFiles } from '@modelseal/core'
import {
  gatherOnnx,
  placeOnnx,
  type OnnxInMemory,
  type PlacedOnnx,
  type sessionOptionsFor,
} from '@modelseal/onnxruntime/model-files'

/** A verified file, as Transformers.js gets it. */
export type Delivery = { bytes: Uint8Array<ArrayBuffer> } | { path: string; size: number }

/** Larger than any configuration or vocabulary: those of the largest models have some 30 MB. */
const MAX_CONFIGURATION_BYTES = 256 * 1024 * 1024

/** What Transformers.js calls the external data of `model.onnx`: `model.onnx_data`, `model.onnx_data_1` … */
const SESSION_FILE = /^(.*\.onnx)(?:_data(?:_\d+)?)?$/s

/** Whether a file is for ONNX Runtime, which then loads it by its path or from memory. */
export function isSessionFile(name: string): boolean {
  return SESSION_FILE.test(name)
}

/**
 * The verified files of one load, each read or placed once. All ONNX files of a load come with
 * everything that they refer to, and either all as bytes or all by their paths: the options of
 * ONNX Runtime, of which there is one set for all of them, say where weights are looked for.
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

  /** What ONNX Runtime is told about all models of the load; without `externalData`, it gets paths. */
  get models(): Parameters<typeof sessionOptionsFor>[0] {
    if (this.#byPath) return { format: 'ONNX' }
    return { format: 'ONNX', externalData: [...this.#externalData.values()] }
  }

  has(name: string): boolean {
    return this.#known.has(name)
  }

  /**
   * Reads the files that will be wanted, as far as there are such, and decides how ONNX Runtime
   * gets its own.
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
    // By the configuration, also external data that the model does not refer to.
    if (model !== undefined && this.#byPath) await this.#place([name])
    return this.#files.get(name) ?? this.#read(name)
  }

  clear(): void {
    this.#files.clear()
    this.#externalData.clear()
  }

  /** Where one of them has no place, all go into memory, where they may. */
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
    // Transformers.js calls a file of either format ".onnx", and ONNX Runtime would go by that.
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
   * Transformers.js replaces the external data of the session options by the chunks that it has got as bytes, as many as the
   * configuration counts: one for `true`, however many there are. What it gets as paths it leaves to ONNX Runtime. So
   * chunks come by paths that lead nowhere, and ONNX Runtime takes the verified bytes from the session options.
   */
  #leaveToSessionOptions(models: readonly string[]): void {
    for (const name of this.#known) {
      const [, model = ''] = SESSION_FILE.exec(name) ?? []
      if (name === model || !models.includes(model)) continue
      // Nobody can guess the name to make such a file.
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
    // ONNX Runtime's own files are as large as they are.
    const request = isSessionFile(name) ? { name } : { name, maxBytes: MAX_CONFIGURATION_BYTES }
    const [bytes = new Uint8Array()] = await this.#reader.readAll([request])
    return { bytes }
  }
}

function notOnnx(file: string): ModelSealError {
  return new ModelSealError('MODEL_FORMAT', `The file ${shown(file)} is in ORT format, which its name does not say.`, {
    file,
    hint: 'Use the ".onnx" file that it was made from, or load it with @modelseal/onnxruntime.',
  })
}
