import { createHash, randomBytes } from 'node:crypto'
import { constants, lstatSync } from 'node:fs'
import { lstat, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelSealError, shown } from '../errors.ts'
import { denialHint } from '../source/private/access-denied.ts'
import { cacheFolder, makeDirectories } from '../source/private/cache-directory.ts'
import { checkPrivate, isOwn } from '../source/private/ownership.ts'
import { READ_ONLY } from '../source/read-small-file.ts'
import { errno } from '../source/file-errors.ts'
import { realPlace } from '../source/local/real-path.ts'
import { parseReceipt, writeReceipt, type Receipt } from './receipt.ts'

/** Enough for a model of a million files. */
const MAX_RECEIPT_BYTES = 256 * 1024 * 1024
/** Older receipts are deleted when a new one is written: 30 days, in milliseconds. */
const KEPT = 30 * 24 * 3_600_000
/** An hour, in milliseconds. Writing a receipt takes far less. */
const HALF_WRITTEN_KEPT = 3_600_000
/** More models than one user loads. */
const MAX_RECEIPTS = 1_000

/**
 * The receipts of this user, one file each, in a directory of the cache (`MODELSEAL_CACHE`) that nobody else can enter.
 */
export class ReceiptStore {
  readonly directory: string

  /**
   * Opens the store and creates it if it does not exist. Checks it every time.
   *
   * @throws {@link ModelSealError} `RECEIPTS_UNUSABLE` if it is not private to this user
   */
  static open(): ReceiptStore {
    const directory = cacheFolder('receipts')
    if (directory === undefined) throw unusable('~/.cache/modelseal/receipts', 'a user without a home directory')
    try {
      makeDirectories(directory)
      if (!process.geteuid) throw unusable(directory, 'an operating system without file owners and modes')
      if (!lstatSync(directory).isDirectory()) throw unusable(directory, 'something that is not a directory')
      // Follows links in the path once, so that the checked directory is the one that will be opened.
      const path = realPlace(directory).path
      checkPrivate(path)
      return new ReceiptStore(path)
    } catch (error) {
      if (error instanceof ModelSealError && error.code === 'RECEIPTS_UNUSABLE') throw error
      throw unusable(directory, error instanceof ModelSealError ? (error.found ?? error.message) : errno(error), error)
    }
  }

  private constructor(directory: string) {
    this.directory = directory
  }

  /** @returns undefined if there is none or it cannot be read */
  async find(model: string, bundleDigest: string): Promise<Receipt | undefined> {
    const receipt = await read(this.#path(model, bundleDigest))
    return receipt?.model === model && receipt.bundleDigest === bundleDigest ? receipt : undefined
  }

  /**
   * Stores a receipt atomically. Replaces an older one of the same model and bundle.
   *
   * @throws {@link ModelSealError} `RECEIPTS_UNUSABLE`
   */
  async keep(receipt: Receipt): Promise<void> {
    const path = this.#path(receipt.model, receipt.bundleDigest)
    const temporary = join(this.directory, `.${randomBytes(8).toString('hex')}.tmp`)
    try {
      const handle = await open(temporary, 'wx', 0o600)
      try {
        await handle.writeFile(writeReceipt(receipt))
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(temporary, path)
      await this.#prune()
    } catch (cause) {
      await rm(temporary).catch(() => {})
      throw unusable(this.directory, `a write error (${errno(cause)})`, cause)
    }
  }

  /**
   * All receipts, newest first.
   *
   * @throws {@link ModelSealError} `RECEIPTS_UNUSABLE`
   */
  async list(): Promise<Receipt[]> {
    const receipts: Receipt[] = []
    for (const name of await this.#names()) {
      const receipt = await read(join(this.directory, name))
      if (receipt) receipts.push(receipt)
    }
    return receipts.sort((a, b) => b.hashedAt - a.hashedAt)
  }

  /**
   * Deletes receipts. If all are meant, also deletes those that cannot be read.
   *
   * @param isMeant selects the receipts to delete (default: all)
   * @returns the number of deleted receipts
   * @throws {@link ModelSealError} `RECEIPTS_UNUSABLE`
   */
  async drop(isMeant?: (receipt: Receipt) => boolean): Promise<number> {
    let dropped = 0
    try {
      for (const name of await this.#names()) {
        const path = join(this.directory, name)
        if (isMeant) {
          const receipt = await read(path)
          if (!receipt || !isMeant(receipt)) continue
        }
        await rm(path, { force: true })
        dropped++
      }
    } catch (cause) {
      if (cause instanceof ModelSealError) throw cause
      throw unusable(this.directory, `a deletion error (${errno(cause)})`, cause)
    }
    return dropped
  }

  /** Deletes old receipts and those that a killed process left half-written. */
  async #prune(): Promise<void> {
    const states: { path: string; age: number }[] = []
    for (const name of await readdir(this.directory)) {
      // The user may have other files in the directory.
      const isReceipt = RECEIPT_NAME.test(name)
      if (!isReceipt && !TEMPORARY_NAME.test(name)) continue
      const path = join(this.directory, name)
      const stat = await lstat(path).catch(() => undefined)
      if (!stat?.isFile()) continue
      const age = Date.now() - stat.mtimeMs
      if (age > (isReceipt ? KEPT : HALF_WRITTEN_KEPT)) await rm(path, { force: true })
      else if (isReceipt) states.push({ path, age })
    }
    states.sort((a, b) => a.age - b.age)
    for (const { path } of states.slice(MAX_RECEIPTS)) await rm(path, { force: true })
  }

  async #names(): Promise<string[]> {
    try {
      return (await readdir(this.directory)).filter((name) => RECEIPT_NAME.test(name))
    } catch (cause) {
      throw unusable(this.directory, `a read error (${errno(cause)})`, cause)
    }
  }

  #path(model: string, bundleDigest: string): string {
    return join(this.directory, `${createHash('sha256').update(`${model}\0${bundleDigest}`).digest('hex')}.json`)
  }
}

const RECEIPT_NAME = /^[0-9a-f]{64}\.json$/
const TEMPORARY_NAME = /^\.[0-9a-f]{16}\.tmp$/

async function read(path: string): Promise<Receipt | undefined> {
  try {
    const handle = await open(path, READ_ONLY | constants.O_NOFOLLOW)
    try {
      const stat = await handle.stat({ bigint: true })
      if (!stat.isFile() || !isOwn(stat) || stat.size > MAX_RECEIPT_BYTES) return undefined
      return parseReceipt(await handle.readFile())
    } finally {
      await handle.close()
    }
  } catch {
    return undefined
  }
}

function unusable(directory: string, found: string, cause?: unknown): ModelSealError {
  return new ModelSealError('RECEIPTS_UNUSABLE', `Cannot use the receipts in ${shown(directory)}.`, {
    file: directory,
    expected: 'a directory that belongs to this user, has mode 0700, and cannot be replaced by anybody else',
    found,
    hint:
      denialHint(cause, directory) ??
      'Change its owner or mode, or set MODELSEAL_CACHE to another directory. Without receipts, every load hashes the model.',
    cause,
  })
}
