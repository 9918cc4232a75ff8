import type { FileHandle } from 'node:fs/promises'
import { ModelSealError } from '@modelseal/core/errors'
import { filePieces, heldOpen, type PartialFile, type Range } from '@modelseal/core/http'
import type { ReadRequest, Receive, SourceBody } from '@modelseal/core/source'
import { BlobDigest } from './blob-digest.ts'
import type { BlobStore, CachedFile } from './blob-store.ts'

/** How the load reads a file. */
export type CacheRequest = Pick<ReadRequest, 'range' | 'signed' | 'kept' | 'again'>

/** Where content is, and the names of files if the cache has them. */
type FileStore = BlobStore & { link?(file: CachedFile): Promise<void> }

/** Reads from the hub or registry. */
type Fetch = (range: Range | undefined, receive: Receive) => Promise<void>

const PIECE_BYTES = 512 * 1024
/** Larger bundles are not added to the cache. */
const MAX_PENDING_BYTES = 8 * 1024 * 1024
/** The connection failed, so the rest may be fetched later. */
const BROKEN: ReadonlySet<string> = new Set(['HTTP_UNREACHABLE', 'HTTP_TIMEOUT'])

/**
 * Reads files through a cache: what is there is passed on, the rest is fetched, and what arrives is added
 * once the load has accepted it. A file that it refuses leaves nothing behind.
 */
export class CachedFiles {
  readonly #cache: FileStore
  readonly #signal: AbortSignal | undefined
  /** Bundles, which are read before anything is accepted. */
  readonly #pending: { file: CachedFile; chunks: readonly Uint8Array[] }[] = []
  readonly #running = new Set<Promise<void>>()

  /** @param signal of the load: what has arrived when it is aborted is kept */
  constructor(cache: FileStore, signal: AbortSignal | undefined) {
    this.#cache = cache
    this.#signal = signal
  }

  async read(file: CachedFile, request: CacheRequest, fetch: Fetch, receive: Receive): Promise<void> {
    const read = this.#read(file, request, fetch, receive)
    this.#running.add(read)
    try {
      await read
    } finally {
      this.#running.delete(read)
    }
  }

  /** Reads a bundle, which is kept in memory until a file of the model has been accepted. */
  async readBundle(file: CachedFile, fetch: Fetch, receive: Receive): Promise<void> {
    if (file.size > MAX_PENDING_BYTES) return fetch(undefined, receive)
    const chunks: Uint8Array[] = []
    await fetch(undefined, ({ size, chunks: given }) => receive({ size, chunks: noted(given, chunks) }))
    this.#pending.push({ file, chunks })
  }

  /** Waits for running reads to end. Once aborted, they soon finish with the cache. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  async #read(file: CachedFile, request: CacheRequest, fetch: Fetch, receive: Receive): Promise<void> {
    const { range, signed, kept = false, again = false } = request
    // Without signed digests, nothing would tell that the cache has something else.
    const there = again || !signed ? undefined : await this.#cache.blob(file)
    if (there) {
      await passedOn(there, range ?? { start: 0, end: file.size }, receive)
      if (!range && !kept) await this.#accepted(file)
    } else if (range || kept) await fetch(range, receive)
    else await this.#fetched(file, request, fetch, receive)
  }

  async #fetched(file: CachedFile, { signed, again }: CacheRequest, fetch: Fetch, receive: Receive): Promise<void> {
    const copy = await this.#cache.newBlob(file)
    if (!copy) {
      await fetch(undefined, receive)
      return
    }
    const begun = again || !signed ? undefined : await this.#cache.begun(file)
    const arrival = new Arrival(copy, new BlobDigest(file, signed))
    try {
      if (begun) {
        const all = arrival.of(joined(begun, file, fetch))
        await receive({ size: file.size, cached: true, chunks: all })
      } else await fetch(undefined, ({ size, chunks }) => receive({ size, chunks: arrival.of(chunks) }))
    } catch (error) {
      const isInterrupted = arrival.isBroken || this.#signal?.aborted === true
      await arrival.end(isInterrupted)
      throw error
    } finally {
      await begun?.handle.close()
    }
    if (arrival.isComplete()) {
      await this.#cache.placeBlob(copy, file)
      await this.#accepted(file)
    } else await copy.discard()
  }

  async #accepted(file: CachedFile): Promise<void> {
    await this.#cache.link?.(file)
    for (const { file: bundle, chunks } of this.#pending.splice(0)) await this.#keep(bundle, chunks)
  }

  async #keep(file: CachedFile, chunks: readonly Uint8Array[]): Promise<void> {
    const there = await this.#cache.blob(file)
    await there?.close()
    const copy = there ? undefined : await this.#cache.newBlob(file)
    if (copy) {
      const arrival = new Arrival(copy, new BlobDigest(file, undefined))
      await arrival.all(chunks)
      if (!arrival.isComplete()) return copy.discard()
      await this.#cache.placeBlob(copy, file)
    }
    await this.#cache.link?.(file)
  }
}

/** Content that is passed on and written to the cache. */
class Arrival {
  readonly #copy: PartialFile
  readonly #digest: BlobDigest
  #isWritten = true
  #state: 'running' | 'broken' | 'complete' = 'running'

  constructor(copy: PartialFile, digest: BlobDigest) {
    this.#copy = copy
    this.#digest = digest
  }

  async *of(chunks: SourceBody['chunks']): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of chunks) {
        if (this.#isWritten) await this.#add(chunk)
        yield chunk
      }
    } catch (error) {
      if (error instanceof ModelSealError && BROKEN.has(error.code)) this.#state = 'broken'
      throw error
    }
    this.#state = 'complete'
  }

  /** Writes content that is here. */
  async all(chunks: readonly Uint8Array[]): Promise<void> {
    const writing = this.of(chunks)
    while ((await writing.next()).done !== true);
  }

  get isBroken(): boolean {
    return this.#state === 'broken'
  }

  /** True if all of it was written, and has the digest that is its name. */
  isComplete(): boolean {
    return this.#state === 'complete' && this.#isWritten && this.#digest.isRight()
  }

  /** Keeps what an interrupted download has written, and nothing that was refused. */
  async end(isInterrupted: boolean): Promise<void> {
    const isPart = isInterrupted && this.#state !== 'complete'
    await (isPart && this.#isWritten ? this.#copy.leave() : this.#copy.discard())
  }

  async #add(chunk: Uint8Array): Promise<void> {
    this.#digest.update(chunk)
    try {
      await this.#copy.add(chunk)
    } catch {
      // The disk is full, for example. The load goes on without the cache.
      this.#isWritten = false
      await this.#copy.discard()
    }
  }
}

async function passedOn(handle: FileHandle, range: Range, receive: Receive): Promise<void> {
  try {
    await receive({ size: range.end - range.start, cached: true, chunks: filePieces(handle, range, PIECE_BYTES) })
  } finally {
    await handle.close()
  }
}

/** What an earlier download left, and then the rest. */
async function* joined(
  { handle, bytes }: { handle: FileHandle; bytes: number },
  { size }: CachedFile,
  fetch: Fetch,
): AsyncGenerator<Uint8Array> {
  yield* filePieces(handle, { start: 0, end: bytes }, PIECE_BYTES)
  if (bytes === size) return
  const rest = heldOpen<SourceBody>((take) =>
    fetch({ start: bytes, end: size }, async (body) => {
      await take(body)
    }),
  )
  try {
    yield* (await rest.body)?.chunks ?? []
  } finally {
    await rest.close()
  }
}

async function* noted(chunks: SourceBody['chunks'], into: Uint8Array[]): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    // The memory of a chunk may be used again.
    into.push(Uint8Array.from(chunk))
    yield chunk
  }
}
