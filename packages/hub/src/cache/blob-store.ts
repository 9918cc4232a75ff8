import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, readdir, rm, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isOwnDirectory, PartialFile } from '@modelseal/core/http'

/** A file whose content is in a cache, or may be. */
export interface CachedFile {
  /** Relative to the model or repository, with `/` between components. */
  readonly path: string
  /** Name of its content: SHA-256, or Git's SHA-1. */
  readonly blob: string
  /** In bytes. */
  readonly size: number
}

/** Follows no link, and does not wait for the writer of a FIFO. Windows has neither FIFOs nor these flags. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
/** More than the processes that download the same file at a time. */
const MAX_PARTIAL = 64

/**
 * Content by its digest, in a directory that other programs use as well. It is never trusted: the load hashes whatever is read
 * from it. It is written only if its directories belong to this user, and nobody else can put links into them
 * that lead elsewhere. All failures to write are ignored, because a load works without a cache.
 */
export class BlobStore {
  readonly #root: string
  readonly #blobs: string
  readonly #checked = new Map<string, Promise<boolean>>()

  /**
   * @param root of the cache: the highest directory that is checked
   * @param blobs the directory below it that has the content
   */
  constructor(root: string, blobs: string) {
    this.#root = root
    this.#blobs = blobs
  }

  /** Opens the content of a file; undefined if it is not there, or has another size. */
  async blob({ blob, size }: CachedFile): Promise<FileHandle | undefined> {
    return opened(join(this.#blobs, blob), (found) => found === size)
  }

  /** Opens what an interrupted download left of the content, the longest first; undefined if there is nothing. */
  async begun({ blob, size }: CachedFile): Promise<{ handle: FileHandle; bytes: number } | undefined> {
    let best: { handle: FileHandle; bytes: number } | undefined
    for (const path of await this.#partials(blob)) {
      const handle = await opened(path, (found) => found > (best?.bytes ?? 0) && found <= size)
      if (!handle) continue
      await best?.handle.close()
      best = { handle, bytes: (await handle.stat()).size }
    }
    return best
  }

  /** A new file for content that arrives; undefined if the cache cannot be written. No other process writes to it. */
  async newBlob({ path, blob }: CachedFile): Promise<PartialFile | undefined> {
    try {
      if (!(await this.isReady(this.#blobs))) return undefined
      return await PartialFile.open(join(this.#blobs, `${blob}${PARTIAL}${random()}.incomplete`), path)
    } catch {
      return undefined
    }
  }

  /** Gives content that was accepted its name. */
  async placeBlob(partial: PartialFile, { blob }: CachedFile): Promise<void> {
    try {
      await partial.place(join(this.#blobs, blob))
    } catch {
      await partial.discard()
      return
    }
    // Of earlier downloads. Another process that is still writing one of them keeps it open, and finds its name gone.
    for (const path of await this.#partials(blob)) await rm(path, { force: true }).catch(() => {})
  }

  async #partials(blob: string): Promise<string[]> {
    const names = await readdir(this.#blobs).catch(() => [])
    const own = names.filter((name) => name.startsWith(`${blob}${PARTIAL}`) && name.endsWith('.incomplete'))
    return own.slice(0, MAX_PARTIAL).map((name) => join(this.#blobs, name))
  }

  /** Creates a directory of the cache, and checks it and those above it up to the cache. */
  protected isReady(directory: string): Promise<boolean> {
    let ready = this.#checked.get(directory)
    if (!ready) {
      ready = this.#prepared(directory)
      this.#checked.set(directory, ready)
    }
    return ready
  }

  async #prepared(directory: string): Promise<boolean> {
    if (directory === this.#root) {
      await mkdir(directory, { recursive: true, mode: 0o755 })
      return isOwnDirectory(directory)
    }
    if (!(await this.isReady(dirname(directory)))) return false
    await mkdir(directory, { mode: 0o755 }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    })
    return isOwnDirectory(directory)
  }
}

/** In the names of partial files. Those of other programs may have holes. */
const PARTIAL = '.modelseal-'

/** Of a temporary name. */
export function random(): string {
  return randomBytes(6).toString('hex')
}

async function opened(path: string, isWanted: (size: number) => boolean): Promise<FileHandle | undefined> {
  const handle = await open(path, READ).catch(() => undefined)
  const stat = await handle?.stat().catch(() => undefined)
  if (handle && stat?.isFile() && isWanted(stat.size)) return handle
  await handle?.close().catch(() => {})
  return undefined
}
