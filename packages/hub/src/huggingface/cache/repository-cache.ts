import { randomBytes } from 'node:crypto'
import { constants, lstatSync, readlinkSync } from 'node:fs'
import { mkdir, open, readdir, rename, rm, symlink, writeFile, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isOwnDirectory, PartialFile } from '@modelseal/core/http'
import type { HubLocation } from '../hub-location.ts'
import { referenceAt } from './reference.ts'

/** A file of the repository at a commit. */
export interface CachedFile {
  /** Relative to the repository, with `/` between components. */
  readonly path: string
  /** Name of its content: SHA-256, or Git's SHA-1. */
  readonly blob: string
  /** In bytes. */
  readonly size: number
}

/** Neither follows a link nor waits for the writer of a FIFO. Windows has neither, nor the flags. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
/** More partial files than processes download the same file. */
const MAX_PARTIAL = 64

/**
 * A repository in the cache of the hub's clients: `models--ORG--NAME/{blobs,refs,snapshots}`, where the files of a snapshot
 * are links to blobs. It is never believed: whatever is read from it is hashed by the load. It is written only if its
 * directories belong to this user, and nobody else can put links into them that lead elsewhere. All failures to write are
 * ignored, because a load works without a cache.
 */
export class RepositoryCache {
  readonly #cache: string
  readonly #directory: string
  readonly #commit: string
  readonly #revision: string
  readonly #checked = new Map<string, Promise<boolean>>()

  /** @param cache directory of all repositories */
  constructor(cache: string, { kind, repository, revision }: HubLocation, commit: string) {
    this.#cache = cache
    this.#directory = join(cache, `${kind}--${repository.replace('/', '--')}`)
    this.#commit = commit
    this.#revision = revision
  }

  /** The snapshot of this commit. */
  get snapshot(): string {
    return join(this.#directory, 'snapshots', this.#commit)
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
      if (!(await this.#isReady(this.#blobs))) return undefined
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

  /** Adds a file to the snapshot, and lets the branch or tag point to the commit. */
  async link(file: CachedFile): Promise<void> {
    const { path, blob } = file
    if (this.isLinked(file) || !isPlain(path)) return
    try {
      const place = join(this.snapshot, path)
      if (!(await this.#isReady(dirname(place)))) return
      const target = `${'../'.repeat(path.split('/').length + 1)}blobs/${blob}`
      const temporary = `${place}.${random()}.tmp`
      await symlink(target, temporary)
      try {
        if (isReplaceable(place)) await rename(temporary, place)
      } finally {
        await rm(temporary, { force: true })
      }
      await this.#point()
    } catch {
      // No links on this file system, or no space.
    }
  }

  /** True if the snapshot has the file, with this content. */
  isLinked({ path, blob, size }: CachedFile): boolean {
    try {
      if (!isPlain(path)) return false
      const target = readlinkSync(join(this.snapshot, path))
      if (target !== `${'../'.repeat(path.split('/').length + 1)}blobs/${blob}`) return false
      const found = lstatSync(join(this.#blobs, blob))
      return found.isFile() && found.size === size
    } catch {
      return false
    }
  }

  get #blobs(): string {
    return join(this.#directory, 'blobs')
  }

  async #point(): Promise<void> {
    if (this.#revision === this.#commit) return
    const place = join(this.#directory, 'refs', this.#revision)
    if (!(await this.#isReady(dirname(place)))) return
    if ((await referenceAt(place)) === this.#commit) return
    const temporary = `${place}.${random()}.tmp`
    try {
      await writeFile(temporary, this.#commit, { flag: 'wx' })
      await rename(temporary, place)
    } finally {
      await rm(temporary, { force: true })
    }
  }

  async #partials(blob: string): Promise<string[]> {
    const names = await readdir(this.#blobs).catch(() => [])
    const own = names.filter((name) => name.startsWith(`${blob}${PARTIAL}`) && name.endsWith('.incomplete'))
    return own.slice(0, MAX_PARTIAL).map((name) => join(this.#blobs, name))
  }

  /** Creates a directory of the cache, and checks it and those above it up to the cache. */
  #isReady(directory: string): Promise<boolean> {
    let ready = this.#checked.get(directory)
    if (!ready) {
      ready = this.#prepared(directory)
      this.#checked.set(directory, ready)
    }
    return ready
  }

  async #prepared(directory: string): Promise<boolean> {
    if (directory === this.#cache) {
      await mkdir(directory, { recursive: true, mode: 0o755 })
      return isOwnDirectory(directory)
    }
    if (!(await this.#isReady(dirname(directory)))) return false
    await mkdir(directory, { mode: 0o755 }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    })
    return isOwnDirectory(directory)
  }
}

/** In the names of partial files. Those of other programs may have holes. */
const PARTIAL = '.modelseal-'

function random(): string {
  return randomBytes(6).toString('hex')
}

/** A path below the snapshot, whatever the hub lists. */
function isPlain(path: string): boolean {
  return path.split('/').every((component) => !/^\.{0,2}$|[\\\x00]/.test(component))
}

/** Only a link to a blob, or nothing, is replaced. */
function isReplaceable(place: string): boolean {
  try {
    return /^(?:\.\.\/){2,}blobs\/[0-9a-f]+$/.test(readlinkSync(place))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

async function opened(path: string, isWanted: (size: number) => boolean): Promise<FileHandle | undefined> {
  const handle = await open(path, READ).catch(() => undefined)
  const stat = await handle?.stat().catch(() => undefined)
  if (handle && stat?.isFile() && isWanted(stat.size)) return handle
  await handle?.close().catch(() => {})
  return undefined
}
