import { ModelSealError, shown } from '../../errors.ts'
import { StreamHasher } from '../../hashing/stream-hasher.ts'
import type { FurtherDigests } from '../../manifest/contents.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { BodyBuffer } from '../../source/body-buffer.ts'
import { httpSource, isDirectory, parentUrl, urlOf } from '../../source/http/url.ts'
import { fileTooLarge, RequestLimits, type FileRequest } from '../../source/size-limit.ts'
import type { HttpModel } from './http-model.ts'
import type { PlacedFiles } from '../placing/placed-files.ts'
import type { ServedFiles } from './served-files.ts'
import { checkWithin } from './unverified-files.ts'

/** The files of a model behind HTTP as its server gives them, for rules that load without a valid signature. */
export class UnverifiedHttpFiles implements ServedFiles {
  /** The file that was asked for; undefined for a directory. */
  readonly entry: string | undefined
  readonly names: readonly string[]
  readonly used = []
  readonly notes = []
  readonly #model: HttpModel
  readonly #judge: FurtherDigests
  readonly #sizes = new Map<string, number>()
  /** Of all files that were read, and of what is arriving. */
  #bytes = 0

  /** @param judge looks at the digests of a file before it is handed out */
  constructor(model: HttpModel, judge: FurtherDigests) {
    const { source } = model
    this.entry = isDirectory(source) ? undefined : source.name
    // There is no listing: what a loader asks for by convention is all that can be told.
    this.names = [this.entry ?? 'model.json']
    this.#model =
      this.entry === undefined ? model : { ...model, source: httpSource(parentUrl(source.url) ?? source.url) }
    this.#judge = judge
  }

  read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    return this.#fetch({ name }, new RequestLimits())
  }

  readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]> {
    const limits = new RequestLimits()
    return Promise.all(requests.map((request) => this.#fetch(request, limits)))
  }

  size(name: string): number {
    return this.#sizes.get(name) ?? 0
  }

  inMemory(): boolean {
    return true
  }

  place(): Promise<PlacedFiles> {
    const hint = 'Fetch it first, and load it by its path.'
    const sentence = 'A model that is loaded unverified from a server has no path.'
    return Promise.reject(new ModelSealError('ISOLATION_REFUSED', sentence, { hint }))
  }

  confirm(): void {}

  dispose(): Promise<void> {
    return this.#model.client.stop()
  }

  /** @throws {@link ModelSealError} `PATH_ESCAPES`, `FILE_NOT_FOUND`, `FILE_TOO_LARGE`, `FILE_REVOKED`, and what fetching throws */
  async #fetch(asked: FileRequest, limits: RequestLimits): Promise<Uint8Array<ArrayBuffer>> {
    const { name } = asked
    checkWithin(name)
    const hashers = this.#judge.hashTypes.map((type) => ({ type, hasher: new StreamHasher(type, Infinity) }))
    const request = { url: urlOf(this.#model.source, name), what: 'file' }
    this.#count(name, 0)
    const bytes = await this.#model.client.get(request, async ({ length, chunks }) => {
      let received = 0
      const refuseBeyond = (bytes: number, more: number) => {
        limits.check(asked, bytes)
        const { maxBytes, what } = this.#model.limit
        if (this.#bytes + more > maxBytes) throw fileTooLarge(name, maxBytes, what)
      }
      refuseBeyond(length ?? 0, length ?? 0)
      const buffer = new BodyBuffer(name, length, withoutPrototype(asked).firstBytes)
      try {
        for await (const chunk of chunks) {
          received += chunk.length
          this.#bytes += chunk.length
          refuseBeyond(received, 0)
          for (const own of buffer.add(chunk)) for (const { hasher } of hashers) hasher.update(own)
        }
      } finally {
        this.#bytes -= received
      }
      this.#count(name, received)
      return buffer.finish()
    })
    if (!bytes) throw new ModelSealError('FILE_NOT_FOUND', `The model has no file ${shown(name)}.`, { file: name })
    for (const { type, hasher } of hashers) this.#judge.check(name, type, hasher.digests()[0] ?? '')
    return bytes
  }

  /** A file that is read again counts once. */
  #count(name: string, size: number): void {
    this.#bytes += size - (this.#sizes.get(name) ?? 0)
    this.#sizes.set(name, size)
  }
}
