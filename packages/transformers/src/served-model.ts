import { randomUUID } from 'node:crypto'
import { ModelSealError, type ModelReader } from '@modelseal/core'
import { shown } from '@modelseal/core/adapter'
import { messageOf } from '@modelseal/core/any-realm'
import { sessionOptionsFor, type CheckedSessionOptions } from '@modelseal/onnxruntime/model-files'
import { ClosedLoad, withClosedEnv, type ClosedSettings } from './closed-env.ts'
import { Deliveries, isSessionFile, type Delivery } from './deliveries.ts'
import { verifiedResponse } from './verified-response.ts'

/** Reserved by RFC 2606: if a request ever left the process, nobody could answer it. */
const HOST = 'https://modelseal.invalid/'

type SessionOptions = ReturnType<typeof sessionOptionsFor>

/**
 * One verified model as Transformers.js sees it during one load: a repository with a unique identifier whose files come
 * from verified bytes. Transformers.js caches requests by identifier and file name, so no two loads share an identifier.
 * There is no other repository, no other host and no file system.
 */
export class ServedModel {
  readonly id = `modelseal/${randomUUID()}`
  readonly #deliveries: Deliveries
  readonly #missing = new Set<string>()
  readonly #refusal = Promise.withResolvers<never>()
  #refused: ModelSealError | undefined

  constructor(reader: ModelReader) {
    this.#deliveries = new Deliveries(reader)
    this.#refusal.promise.catch(() => {})
  }

  /**
   * Runs a load of Transformers.js with this model.
   *
   * @throws {@link ModelSealError} the first refusal of a file, or else what Transformers.js throws
   */
  async run<T>(env: object, load: () => Promise<T>): Promise<T> {
    // A refusal ends the load at once, whatever Transformers.js does with it.
    const loaded = await Promise.race([withClosedEnv(env, this.#load, load), this.#refusal.promise])
    this.#throwIfRefused()
    return loaded
  }

  /** Reads the files that Transformers.js will load. */
  prepare(wanted: readonly string[]): Promise<void> {
    return this.#deliveries.prepare(wanted)
  }

  sessionOptions(options: CheckedSessionOptions): SessionOptions {
    return sessionOptionsFor(this.#deliveries.models, options)
  }

  /** Files that were requested but are not in the model. */
  get missing(): readonly string[] {
    return [...this.#missing]
  }

  /** The name of a file in errors of Transformers.js. */
  urlOf(name: string): string {
    return `${HOST}${this.id}/${name}`
  }

  /** Stops handing out files, even if Transformers.js is still loading, and drops all references to the model. */
  close(): void {
    this.#refused ??= over()
    this.#deliveries.clear()
    this.#load.end(AFTERWARDS)
    // A promise that never settles would keep its waiters in memory, and with them the loaded model.
    this.#refusal.reject(this.#refused)
  }

  readonly #load = new ClosedLoad({
    ...CLOSED,
    customCache: { match: (key: string) => this.#match(key), put: () => Promise.resolve() },
    fetch: (url: unknown, request?: RequestInit) => this.#fetch(String(url), request),
  })

  /** The custom cache: returns a response with bytes, or the path of a file for ONNX Runtime. */
  async #match(key: string): Promise<Response | string | undefined> {
    // Transformers.js asks with a local path first, then with the URL.
    if (!key.startsWith(HOST)) return undefined
    const name = this.#nameOf(key)
    const delivery = name === undefined ? undefined : await this.#deliver(name)
    if (!delivery) return undefined
    return 'path' in delivery ? delivery.path : verifiedResponse(delivery.bytes)
  }

  /**
   * Called if the cache has nothing, or as a request for the first byte, by which Transformers.js learns the size of a
   * file that the cache returned as a path.
   */
  async #fetch(url: string, request: RequestInit | undefined): Promise<Response> {
    const name = this.#nameOf(url)
    if (name === undefined) return verifiedResponse(this.#refuse(foreign(url), url).bytes)
    const delivery = await this.#deliver(name)
    if (delivery && 'path' in delivery)
      return new Response(null, { status: 206, headers: { 'content-range': `bytes 0-0/${delivery.size}` } })
    if (delivery) return verifiedResponse(delivery.bytes)
    this.#missing.add(name)
    const onlySize = new Headers(request?.headers).has('range')
    if (isSessionFile(name) && !onlySize) return verifiedResponse(this.#refuse(notSigned(name), name).bytes)
    return new Response(null, { status: 404 })
  }

  /** The name of the requested file of this model; undefined for everything else. */
  #nameOf(url: string): string | undefined {
    const prefix = this.urlOf('')
    return url.startsWith(prefix) ? url.slice(prefix.length) : undefined
  }

  async #deliver(name: string): Promise<Delivery | undefined> {
    if (this.#refused) return this.#refuse(this.#refused, name)
    if (!this.#deliveries.has(name)) return undefined
    try {
      return await this.#deliveries.file(name)
    } catch (error) {
      return this.#refuse(error, name)
    }
  }

  #throwIfRefused(): void {
    if (this.#refused) throw this.#refused
  }

  /** Records the refusal, which is all that the caller will see, and returns what Transformers.js gets instead. */
  #refuse(error: unknown, file: string): { bytes: Uint8Array<ArrayBuffer> } {
    this.#refused ??=
      error instanceof ModelSealError ? error : new ModelSealError('INTERNAL', messageOf(error), { cause: error })
    this.#refusal.reject(this.#refused)
    return refusedFile(this.#refused, file)
  }
}

/** The settings that all loads share. */
const CLOSED = {
  useCustomCache: true,
  allowLocalModels: false,
  allowRemoteModels: true,
  localModelPath: '',
  remoteHost: HOST,
  remotePathTemplate: '{model}/',
  useFS: false,
} as const

/** The settings once a load is over: Transformers.js finds no files at all. */
const AFTERWARDS: ClosedSettings = {
  ...CLOSED,
  customCache: { match: () => Promise.resolve(), put: () => Promise.resolve() },
  fetch: (url: unknown) => new Promise((resolve) => resolve(verifiedResponse(refusedFile(over(), String(url)).bytes))),
}

function over(): ModelSealError {
  return new ModelSealError('ABORTED', 'Cannot read more files: the load has ended.')
}

/** The replacement for a refused file. Transformers.js does not handle rejected requests for ONNX files, which would end the process. */
function refusedFile(refusal: ModelSealError, file: string): { bytes: Uint8Array<ArrayBuffer> } {
  if (isSessionFile(file)) return { bytes: new Uint8Array() }
  throw refusal
}

export function notSigned(name: string): ModelSealError {
  return new ModelSealError(
    'FILE_NOT_SIGNED',
    `Cannot load the model: it needs the file ${shown(name)}, which is not signed.`,
    {
      file: name,
      hint: 'Sign the model with all files that Transformers.js loads, or choose another "dtype".',
    },
  )
}

function foreign(url: string): ModelSealError {
  return new ModelSealError(
    'FILE_NOT_SIGNED',
    `Cannot load the model: Transformers.js requests ${shown(url.replace(HOST, ''))}, which is not part of the model.`,
    { hint: 'Load that part as a separate verified model, and combine the two in your program.' },
  )
}
