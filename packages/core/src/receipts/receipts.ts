import { realpath } from 'node:fs/promises'
import { absolutePath } from '../source/local-source.ts'
import { ReceiptStore } from './store.ts'

/** A model that this user need not hash again while nothing about it changes. */
export interface ReceiptInfo {
  /** Absolute path of the model, without links. */
  model: string
  /** SHA-256 in lowercase hex. */
  rootDigest: string
  /** SHA-256 of the bundle file, lowercase hex. */
  bundleDigest: string
  /** When the hashing began: ISO 8601. */
  hashedAt: string
  /** How many files there are. */
  files: number
}

/**
 * The receipts of this user, the youngest first.
 *
 * @throws {@link ModelSealError} `RECEIPTS_UNUSABLE`
 * @example
 * ```ts
 * for (const { model, hashedAt } of await listReceipts()) console.log(model, hashedAt)
 * ```
 */
export async function listReceipts(): Promise<ReceiptInfo[]> {
  const receipts = await ReceiptStore.open().list()
  return receipts.map(({ model, rootDigest, bundleDigest, hashedAt, files }) => ({
    model,
    rootDigest,
    bundleDigest,
    hashedAt: new Date(hashedAt).toISOString(),
    files: files.size,
  }))
}

/**
 * Forgets the receipts of a model, so that its next load hashes it; those of all models without a path.
 *
 * @param path of a model, which need not be there any more
 * @returns how many there were
 * @throws {@link ModelSealError} `RECEIPTS_UNUSABLE`, `INVALID_ARGUMENT`
 * @example
 * ```ts
 * await dropReceipts('models/vad')
 * ```
 */
export async function dropReceipts(path?: string): Promise<number> {
  if (path === undefined) return ReceiptStore.open().drop()
  const absolute = absolutePath(path)
  return ReceiptStore.open().drop(await realpath(absolute).catch(() => absolute))
}
