import { clearTimeout, setTimeout } from 'node:timers'
import { ModelSealError } from '@modelseal/core/errors'
import type { ReadRequest, Receive, SourceBody } from '@modelseal/core/source'
import { entriesOf, type ArchiveEntry } from './archive-entries.ts'
import type { ArchiveLimit } from './archive-limit.ts'
import type { Archive } from '../artifact.ts'
import type { Repository } from '../repository.ts'

/** A file that is wanted from the archive. */
interface Wanted {
  readonly request: ReadRequest
  readonly receive: Receive
  /** True once a pass has started that will see the whole archive. */
  isCovered: boolean
  /** @param isFound whether the archive has the file */
  readonly settle: (isFound: boolean) => void
  readonly fail: (error: unknown) => void
}

/** How long a pass waits for the next request before it gives up its connection. A load asks again within milliseconds. */
const PATIENCE_MS = 1_000

/**
 * Reads files from a layer that is an archive, without unpacking it. Archives have no index, so a file is found by
 * reading up to it. Requests share a pass: files that are asked for in the order of the archive, or a few at a time in
 * about that order, as a load does for an archive that was packed in sorted order, cost one download of the layer. Any
 * file that has gone by costs another.
 */
export class ArchiveReader {
  readonly #repository: Repository
  readonly #archive: Archive
  readonly #limit: ArchiveLimit
  #wanted: Wanted[] = []
  #isRunning = false
  #isStopped = false
  /** All names, after a pass has seen the whole archive. */
  #names: ReadonlySet<string> | undefined
  /** Tells a waiting pass that there is a request. */
  #arrived = () => {}

  /** @param limit shared by all archives of a load */
  constructor(repository: Repository, archive: Archive, limit: ArchiveLimit) {
    this.#repository = repository
    this.#archive = archive
    this.#limit = limit
  }

  /** The file or directory in it, if the layer says so. */
  get path(): string | undefined {
    return this.#archive.path
  }

  /**
   * @returns false if the archive has no such file
   * @throws {@link ModelSealError} `SOURCE_FAILED`, `SOURCE_LISTING`, `SYMLINK_REFUSED`, `FILE_SPECIAL`,
   * `FILE_TOO_LARGE`, and what the registry and `receive` throw
   */
  async read(request: ReadRequest, receive: Receive): Promise<boolean> {
    if (await this.#find(request, receive)) return true
    const { root } = this.#archive
    const { name } = request
    // Whoever signed the directory that contains this one signed such names.
    if (root === undefined || !name.startsWith(`${root}/`)) return false
    return this.#find({ ...request, name: name.slice(root.length + 1) }, receive)
  }

  /** Ends a pass that waits for requests. */
  stop(): void {
    this.#isStopped = true
    this.#arrived()
  }

  async #find(request: ReadRequest, receive: Receive): Promise<boolean> {
    if (this.#names?.has(request.name) === false) return false
    const { promise, resolve, reject } = Promise.withResolvers<boolean>()
    const wanted: Wanted = { request, receive, isCovered: false, settle: resolve, fail: reject }
    const abort = () => {
      this.#forget(wanted)
      reject(new ModelSealError('ABORTED', 'The file is no longer needed.'))
    }
    if (request.signal.aborted) abort()
    else {
      request.signal.addEventListener('abort', abort, { once: true })
      this.#wanted.push(wanted)
      this.#arrived()
      void this.#run()
    }
    try {
      return await promise
    } finally {
      request.signal.removeEventListener('abort', abort)
    }
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return
    this.#isRunning = true
    try {
      while (this.#wanted.length > 0) await this.#pass()
    } catch (error) {
      for (const { fail } of this.#wanted.splice(0)) fail(error)
    } finally {
      this.#isRunning = false
    }
  }

  /** Ends early if nothing more is wanted, or if what was wanted was not received well. */
  async #pass(): Promise<void> {
    for (const wanted of this.#wanted) wanted.isCovered = true
    const { digest } = this.#archive
    const what = `layer ${digest}`
    // Its files are compared with signed digests. A layer of an unverified load is not, like any other download.
    const isThere = await this.#repository.blob(this.#archive, { what, isChecked: true }, async ({ chunks }) => {
      const names = new Set<string>()
      for await (const entry of entriesOf(this.#archive, chunks, this.#limit)) {
        names.add(entry.name)
        if (!(await this.#serve(entry))) return
        // ModelPack tools pack each file alone and name it.
        if (entry.name === this.#archive.path && this.#wanted.length === 0) return
        if (!(await this.#isMoreWanted())) return
      }
      this.#names = names
      const absent = this.#wanted.filter(({ isCovered, request }) => isCovered || !names.has(request.name))
      for (const wanted of absent) this.#forget(wanted).settle(false)
    })
    if (!isThere) throw new ModelSealError('SOURCE_FAILED', `Cannot read the ${what}: the registry does not have it.`)
  }

  /** @returns false if the rest of the entry was not read, so that this pass is over */
  async #serve(entry: ArchiveEntry): Promise<boolean> {
    const wanted = this.#wanted.find(({ request }) => request.name === entry.name)
    if (!wanted) return true
    const { request, receive, settle, fail } = this.#forget(wanted)
    const { range } = request
    try {
      const size = range ? range.end - range.start : entry.size
      await receive({ size, chunks: range ? part(entry.chunks, range) : entry.chunks })
      settle(true)
      return entry.isRead
    } catch (error) {
      fail(error)
      return false
    }
  }

  async #isMoreWanted(): Promise<boolean> {
    if (this.#wanted.length > 0 || this.#isStopped) return !this.#isStopped
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS)
      this.#arrived = resolve
    })
    clearTimeout(timer)
    this.#arrived = () => {}
    return this.#wanted.length > 0
  }

  #forget(wanted: Wanted): Wanted {
    this.#wanted = this.#wanted.filter((each) => each !== wanted)
    return wanted
  }
}

/** The bytes of a range. Reads on to the end, because the archive goes on behind it. */
async function* part(
  chunks: SourceBody['chunks'],
  { start, end }: { readonly start: number; readonly end: number },
): AsyncGenerator<Uint8Array> {
  let at = 0
  for await (const chunk of chunks) {
    const piece = chunk.subarray(Math.max(start - at, 0), Math.max(end - at, 0))
    at += chunk.length
    if (piece.length > 0) yield piece
  }
}
