import { lstatSync, readlinkSync } from 'node:fs'
import { rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { BlobStore, random, type CachedFile } from '../../cache/blob-store.ts'
import type { HubLocation } from '../hub-location.ts'
import { referenceAt } from './reference.ts'

/** Files looked at between two turns of the event loop. */
const FILES_PER_TURN = 500

/**
 * A repository in the cache of the hub's clients: `models--ORG--NAME/{blobs,refs,snapshots}`, where the files of a snapshot
 * are links to blobs.
 */
export class RepositoryCache extends BlobStore {
  readonly #directory: string
  readonly #commit: string
  readonly #revision: string

  /** @param cache directory of all repositories */
  constructor(cache: string, { kind, repository, revision }: HubLocation, commit: string) {
    const directory = join(cache, `${kind}--${repository.replace('/', '--')}`)
    super(cache, join(directory, 'blobs'))
    this.#directory = directory
    this.#commit = commit
    this.#revision = revision
  }

  /**
   * The directory of a snapshot with all these files; undefined if one is missing or has another size.
   *
   * @param folder relative to the repository
   */
  async snapshot(folder: string, files: readonly CachedFile[]): Promise<string | undefined> {
    for (const [index, file] of files.entries()) {
      if (index % FILES_PER_TURN === 0) await nextTurn()
      if (this.#isLinked(file)) continue
      // The content may be there from another commit.
      const there = await this.blob(file)
      await there?.close()
      if (there) await this.link(file)
      if (!this.#isLinked(file)) return undefined
    }
    return join(this.#snapshot, folder)
  }

  /** Adds a file to the snapshot, and lets the branch or tag point to the commit. */
  async link(file: CachedFile): Promise<void> {
    const { path, blob } = file
    if (this.#isLinked(file) || !isPlain(path)) return
    try {
      const place = join(this.#snapshot, path)
      if (!(await this.isReady(dirname(place)))) return
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
  #isLinked({ path, blob, size }: CachedFile): boolean {
    try {
      if (!isPlain(path)) return false
      const target = readlinkSync(join(this.#snapshot, path))
      if (target !== `${'../'.repeat(path.split('/').length + 1)}blobs/${blob}`) return false
      const found = lstatSync(join(this.#directory, 'blobs', blob))
      return found.isFile() && found.size === size
    } catch {
      return false
    }
  }

  /** Of this commit. */
  get #snapshot(): string {
    return join(this.#directory, 'snapshots', this.#commit)
  }

  async #point(): Promise<void> {
    if (this.#revision === this.#commit) return
    const place = join(this.#directory, 'refs', this.#revision)
    if (!(await this.isReady(dirname(place)))) return
    if ((await referenceAt(place)) === this.#commit) return
    const temporary = `${place}.${random()}.tmp`
    try {
      await writeFile(temporary, this.#commit, { flag: 'wx' })
      await rename(temporary, place)
    } finally {
      await rm(temporary, { force: true })
    }
  }
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
