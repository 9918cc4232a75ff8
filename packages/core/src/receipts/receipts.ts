import { absolutePath } from '../absolute-path.ts'
import { placeOf } from '../source/local/local-source.ts'
import { realPathIfAny } from '../source/local/real-path.ts'
import type { Receipt } from './receipt.ts'
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
 * @param path of a model, which need not be there any more; or of a file in one
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
  // A directory goes by its path without links; a file of a Hugging Face cache is a link and goes by its own name.
  const places = new Set([absolute, placeOf(absolute), realPathIfAny(absolute)])
  return ReceiptStore.open().drop((receipt) => [...places].some((place) => isAbout(receipt, place)))
}

/** True for a model, and for a file that its receipt remembers: it may be what a loader is given. */
function isAbout({ model, files }: Receipt, place: string): boolean {
  return place === model || (place.startsWith(`${model}/`) && files.has(place.slice(model.length + 1)))
}
