import { ModelSealError, shown, type FileProblem } from '../../errors.ts'
import type { ProgressCallback } from '../../hashing/hash-files.ts'
import { StreamHasher } from '../../hashing/stream-hasher.ts'
import type { FurtherDigests, HashedAmount } from '../../manifest/contents.ts'
import { digestProblem, notSigned } from '../../manifest/mismatch.ts'
import type { ListedFile } from '../../manifest/listed-files.ts'
import { UNNAMED_FILE, type Manifest } from '../../manifest/manifest.ts'
import { HEAD_BYTES } from '../../manifest/plain-content.ts'
import { contentCause } from '../../manifest/plainer-cause.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { BodyBuffer } from '../../source/body-buffer.ts'
import { plainUrl, type HttpBody } from '../../source/http/client.ts'
import { isDirectory } from '../../source/http/url.ts'
import { urlOfFile, type HttpModel } from './http-model.ts'
import { HttpProgress } from './http-progress.ts'
import { HttpPlacing } from '../placing/http-placing.ts'
import type { AllowedIsolation, IsolationLevel } from '../placing/isolation.ts'
import type { PlacedFiles } from '../placing/placed-files.ts'
import { fileTooLarge, RequestLimits, type FileRequest } from '../../source/size-limit.ts'
import type { CheckedFiles } from './served-files.ts'

export interface HttpContentsOptions {
  allowed: AllowedIsolation
  /** What else each file is judged by. */
  further: FurtherDigests
  onProgress?: ProgressCallback | undefined
}

interface LimitedRequest extends FileRequest {
  /** Of all that is asked for in one call. */
  limits?: RequestLimits
}

/** Where the bytes of a file go, before they are hashed. */
interface Sink {
  /** @returns the bytes where they went, in order */
  add(chunk: Uint8Array): readonly Uint8Array[] | Promise<readonly Uint8Array[]>
}

const NOWHERE: Sink = { add: (chunk) => [chunk] }

/**
 * The files of a manifest, behind HTTP. Only names of the manifest are ever asked for, so that
 * other files of the server do not matter; each file is hashed as it arrives.
 */
export class HttpContents implements CheckedFiles {
  readonly #model: HttpModel
  readonly #manifest: Manifest
  readonly #files: ReadonlyMap<string, ListedFile>
  readonly #allowed: AllowedIsolation
  readonly #placing: HttpPlacing
  readonly #further: FurtherDigests
  readonly #progress: HttpProgress
  /** Sizes of the files that were found as signed. */
  readonly #sizes = new Map<string, number>()
  #checkedBytes = 0
  #arriving = 0
  #read = false

  /** @throws {@link ModelSealError} `FILE_UNSIGNED`, `FILE_MISSING` for a single file that is not what the manifest names */
  constructor(model: HttpModel, manifest: Manifest, options: HttpContentsOptions) {
    this.#model = model
    this.#manifest = manifest
    this.#files = filesOf(model, manifest)
    const { allowed, further, onProgress } = options
    this.#allowed = allowed
    this.#placing = new HttpPlacing(allowed, (name, copy) => this.#fetch({ name }, () => copy).then(() => undefined))
    this.#further = further
    this.#progress = new HttpProgress(onProgress)
  }

  get names(): string[] {
    return [...this.#files.keys()]
  }

  get checked(): HashedAmount {
    return { files: this.#sizes.size, bytes: this.#checkedBytes }
  }

  get used(): IsolationLevel[] {
    return [...(this.#read ? (['memory'] as const) : []), ...this.#placing.used]
  }

  get notes(): string[] {
    return this.#placing.notes
  }

  /** 0 until it is known. */
  size(name: string): number {
    return this.#listed(name).size ?? this.#sizes.get(name) ?? 0
  }

  /** What comes by the network is read once where it may be: there is nothing to map into memory. */
  inMemory(): boolean {
    return this.#allowed.inMemory(0)
  }

  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const [bytes] = await this.readAll([{ name }])
    return bytes ?? new Uint8Array()
  }

  /**
   * Fetches files, several at a time; each buffer is the very one that was hashed.
   *
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `FILE_MISSING`, `FILE_MISMATCH`, `FILE_TOO_LARGE`,
   * `FILE_REVOKED`, `ISOLATION_REFUSED`, and what {@link HttpClient} throws
   */
  async readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]> {
    this.#allowed.checkReading()
    this.#read = true
    const limits = new RequestLimits()
    return Promise.all(
      requests.map(async (request) => {
        const buffer = await this.#fetch(
          { ...request, limits },
          (length) => new BodyBuffer(request.name, length, withoutPrototype(request).firstBytes),
        )
        return buffer.finish()
      }),
    )
  }

  async place(names: readonly string[]): Promise<PlacedFiles> {
    // A name becomes a path before anything is fetched by it.
    for (const name of names) this.#listed(name)
    return this.#placing.place(names)
  }

  /** Copies are nobody else's to change. */
  confirm(): void {}

  async checkRest(): Promise<void> {
    const rest = this.names.filter((name) => !this.#sizes.has(name))
    await Promise.all(rest.map((name) => this.#fetch({ name }, () => NOWHERE)))
    this.#progress.end()
  }

  /** Ends every request, so that nothing arrives any more for a model that was refused. */
  async dispose(): Promise<void> {
    await this.#model.client.stop()
    await this.#placing.dispose()
  }

  async #fetch<T extends Sink>(request: LimitedRequest, sinkFor: (length: number | undefined) => T): Promise<T> {
    const listed = this.#listed(request.name)
    const { client } = this.#model
    const url = await urlOfFile(this.#model, request.name)
    const sink = await client.get({ url, what: 'signed file' }, (body) => this.#receive(request, listed, body, sinkFor))
    if (sink) return sink
    throw this.#problem(`The signed file ${shown(request.name)} is missing`, {
      code: 'FILE_MISSING',
      file: request.name,
    })
  }

  async #receive<T extends Sink>(
    request: LimitedRequest,
    listed: ListedFile,
    body: HttpBody,
    sinkFor: (length: number | undefined) => T,
  ): Promise<T> {
    const { name, maxBytes, limits } = withoutPrototype(request)
    const { hashType, shardSize } = this.#manifest.serialization
    const first = !this.#sizes.has(name)
    const size = listed.size ?? this.#sizes.get(name)
    const limit = Math.min(size ?? maxBytes ?? Infinity, maxBytes ?? Infinity)
    const refuseBeyond = (bytes: number) => {
      if (bytes <= limit) return limits?.check(request, bytes)
      if (bytes > (size ?? Infinity)) throw this.#wrongSize(name, size, `${bytes} bytes or more`)
      throw fileTooLarge(name, limit)
    }
    refuseBeyond(body.length ?? 0)
    const announced = body.length ?? size
    if (first) this.#reserve(name, announced ?? 0)
    const sink = sinkFor(announced)
    const hasher = new StreamHasher(hashType, shardSize ?? Infinity)
    const others = this.#further.hashTypes.map((type) => ({ type, hasher: new StreamHasher(type, Infinity) }))
    let received = 0
    let head = Buffer.alloc(0)
    const count = this.#progress.start(first ? announced : 0)
    try {
      for await (const chunk of body.chunks) {
        received += chunk.length
        refuseBeyond(received)
        if (first) {
          this.#arriving += chunk.length
          this.#reserve(name, 0)
          count(chunk.length)
        }
        if (head.length < HEAD_BYTES) head = Buffer.concat([head, chunk.subarray(0, HEAD_BYTES - head.length)])
        for (const bytes of await sink.add(chunk)) {
          hasher.update(bytes)
          for (const other of others) other.hasher.update(bytes)
        }
      }
    } finally {
      if (first) this.#arriving -= received
    }
    if (size !== undefined && received !== size) throw this.#wrongSize(name, size, `${received} bytes`, head)
    this.#compare(name, listed, hasher.digests(), head)
    for (const { type, hasher } of others) this.#further.check(name, type, hasher.digests()[0] ?? '')
    if (!this.#sizes.has(name)) this.#checkedBytes += received
    this.#sizes.set(name, received)
    return sink
  }

  /** All files together may not be more than the caller has room for. */
  #reserve(name: string, announced: number): void {
    const { maxBytes, what } = this.#model.limit
    if (this.#checkedBytes + this.#arriving + announced > maxBytes) throw fileTooLarge(name, maxBytes, what)
  }

  #compare(name: string, { digests: expected }: ListedFile, found: readonly string[], head: Buffer): void {
    const problem = digestProblem(name, this.#manifest.serialization.hashType, expected, found)
    if (problem) throw this.#problem(`The content of ${shown(name)} is not what was signed`, problem, head)
  }

  #wrongSize(name: string, size: number | undefined, found: string, head?: Buffer): ModelSealError {
    const problem: FileProblem = { code: 'FILE_MISMATCH', file: name, expected: `${size} bytes`, found }
    return this.#problem(`The content of ${shown(name)} is not what was signed`, problem, head)
  }

  #listed(name: string): ListedFile {
    const listed = this.#files.get(name)
    if (listed) return listed
    throw notSigned(name)
  }

  #problem(sentence: string, problem: FileProblem, head?: Buffer): ModelSealError {
    return problemAt(this.#model, sentence, problem, head)
  }
}

/** A file of its own is all that its manifest may name. */
function filesOf(model: HttpModel, { files }: Manifest): ReadonlyMap<string, ListedFile> {
  const { source } = model
  if (isDirectory(source)) return files
  const listed = files.get(UNNAMED_FILE) ?? files.get(source.name)
  if (!listed) {
    const problem: FileProblem = { code: 'FILE_UNSIGNED', file: source.name }
    throw problemAt(model, `The file ${shown(source.name)} is not covered by the signature`, problem)
  }
  const other = [...files.keys()].find((name) => name !== listed.name)
  if (other === undefined) return new Map([[source.name, listed]])
  throw problemAt(model, `The signed file ${shown(other)} is missing`, { code: 'FILE_MISSING', file: other })
}

/** @param head of the file as it came, which may tell what came in its place */
function problemAt({ source }: HttpModel, sentence: string, problem: FileProblem, head?: Buffer): ModelSealError {
  const cause = head && contentCause(problem, head)
  return new ModelSealError(problem.code, `${sentence} (model ${shown(plainUrl(source.url))}).`, {
    file: problem.file,
    expected: problem.expected,
    found: problem.found,
    hint: cause ?? 'Do not load this copy; ask its publisher, and find out who changed it.',
    problems: [problem],
  })
}
