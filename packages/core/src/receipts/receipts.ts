import { absolutePath } from '../absolute-path.ts'
import { localPlace } from '../source/local/local-source.ts'
import { realPathIfAny } from '../source/local/real-path.ts'
import type { Receipt } from './receipt.ts'
import { ReceiptStore } from './store.ts'

/** A model that this user need not hash again while it does not change. */
export interface ReceiptInfo {
  /** Absolute path of the model, without links. */
  model: string
  /** SHA-256 in lowercase hex. */
  rootDigest: string
  /** SHA-256 of the bundle file, lowercase hex. */
  bundleDigest: string
  /** When hashing began, in ISO 8601. */
  hashedAt: string
  /** Number of files. */
  files: number
}

/**
 * The receipts of this user, newest first.
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
 * Deletes the receipts of a model, so that its next load hashes it. Without a path, deletes all receipts.
 *
 * @param path of a model, which need not exist any more, or of a file in a model
 * @returns the number of deleted receipts
 * @throws {@link ModelSealError} `RECEIPTS_UNUSABLE`, `INVALID_ARGUMENT`
 * @example
 * ```ts
 * await dropReceipts('models/vad')
 * ```
 */
export async function dropReceipts(path?: string): Promise<number> {
  if (path === undefined) return ReceiptStore.open().drop()
  const absolute = absolutePath(path)
  // Receipts name directories by their path without links, but files by their own name, because files in a Hugging Face cache are links.
  const places = new Set([absolute, localPlace(absolute), realPathIfAny(absolute)])
  return ReceiptStore.open().drop((receipt) => [...places].some((place) => isAbout(receipt, place)))
}

/** Whether the place is the model or a file in its receipt, because a loader may be given either. */
function isAbout({ model, files }: Receipt, place: string): boolean {
  return place === model || (place.startsWith(`${model}/`) && files.has(place.slice(model.length + 1)))
}
