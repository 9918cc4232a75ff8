import { lstatSync } from 'node:fs'
import { Fields } from '../bundle/fields.ts'
import { parseStrictJson } from '../bundle/json.ts'
import { ALGORITHMS, isHashType, type HashType } from '../hashing/algorithms.ts'
import { foreignFileSystem } from '../source/local/file-system.ts'
import type { FileIdentity, SourceFile } from '../source/local/source-file.ts'

/**
 * A record of a model that was hashed in place and matched its bundle: the state of every file. A file in the
 * same state still has the same bytes, provided that nobody else can write to it.
 */
export interface Receipt {
  /** Absolute path of the model, without links. */
  model: string
  /** SHA-256 in lowercase hex. */
  rootDigest: string
  /** SHA-256 of the bundle file, lowercase hex. */
  bundleDigest: string
  /** When hashing of the first file began, in milliseconds since 1970. */
  hashedAt: number
  /** The states of the signed files by name. */
  files: ReadonlyMap<string, FileIdentity>
  /** Additional digests of the files that the signature does not state; absent if none were computed. */
  further?: RememberedDigests | undefined
}

/** Digests of whole files. */
export interface RememberedDigests {
  hashTypes: readonly HashType[]
  /** Digests by file name in lowercase hex, one for each of `hashTypes`. */
  digests: ReadonlyMap<string, readonly string[]>
}

/** Coarser than the timestamps of any file system that receipts are used on, in milliseconds. */
export const GRANULARITY = 2_000

/** The data of a checked model that its receipt is made from. */
interface CheckedModel extends Omit<Receipt, 'files'> {
  files: readonly SourceFile[]
  /** When hashing of the last file began, if different from `hashedAt`. */
  lastHashedAt?: number
  /** Whether to omit files that cannot be remembered (default: false, which means that there is then no receipt). */
  partial?: boolean
}

/** A receipt, if there can be one, and why files are missing from it, as a phrase. */
export interface MadeReceipt {
  receipt?: Receipt
  leftOut?: string
}

/** Makes the receipt of a model that was just verified. */
export function makeReceipt(checked: CheckedModel): MadeReceipt {
  const { model, rootDigest, bundleDigest, hashedAt, lastHashedAt = hashedAt, partial = false } = checked
  const fault = placeFault(model)
  if (fault !== undefined) return { leftOut: fault }
  const { dev } = lstatSync(model, { bigint: true })
  const files = new Map<string, FileIdentity>()
  let leftOut: string | undefined
  for (const file of checked.files) {
    const unfit = unfitness(file, dev, lastHashedAt)
    if (unfit === undefined) files.set(file.name, file.identity)
    else leftOut ??= unfit
  }
  const { further } = checked
  const receipt = { model, rootDigest, bundleDigest, hashedAt, files, ...(further ? { further } : {}) }
  if (leftOut === undefined) return { receipt }
  // A receipt without files would be useless.
  if (!partial || files.size === 0) return { leftOut }
  return { receipt, leftOut }
}

/** Why a file cannot be remembered, as a phrase. */
function unfitness({ identity, exposed }: SourceFile, dev: bigint, hashedAt: number): string | undefined {
  if (exposed !== undefined) return `files that others could write to (${exposed})`
  if (identity.dev !== dev) return 'files that are not on the file system of the model'
  // Writes within one tick of a file system's clock leave the same timestamps.
  return lastChange(identity) > hashedAt - GRANULARITY
    ? `files that changed within ${GRANULARITY / 1_000} s before they were hashed`
    : undefined
}

/**
 * Whether a file is in the state that the receipt remembers, and nobody else can have written to it.
 */
export function isUnchanged({ files }: Receipt, { name, identity, exposed }: SourceFile): boolean {
  const remembered = files.get(name)
  if (!remembered || exposed !== undefined) return false
  return IDENTITY.every((field) => remembered[field] === identity[field])
}

/**
 * Why a receipt cannot be used for the model now, as a phrase.
 *
 * @param now milliseconds since 1970
 */
export function receiptFault({ model, hashedAt }: Receipt, now: number): string | undefined {
  if (now < hashedAt + GRANULARITY) return `a receipt that is too new to use (less than ${GRANULARITY / 1_000} s old)`
  return placeFault(model)
}

const IDENTITY = ['dev', 'ino', 'size', 'mtimeNs', 'ctimeNs'] satisfies (keyof FileIdentity)[]

function lastChange({ mtimeNs, ctimeNs }: FileIdentity): number {
  return Number((mtimeNs > ctimeNs ? mtimeNs : ctimeNs) / 1_000_000n)
}

/** Why receipts are not used at the location of the model, as a phrase. */
function placeFault(model: string): string | undefined {
  if (process.platform !== 'linux') return `an operating system (${process.platform}) on which receipts are not used`
  return foreignFileSystem(model)
}

/** Serializes the receipt. */
export function writeReceipt({ files, further, ...receipt }: Receipt): Buffer {
  const rows = [...files].map(([name, { dev, ino, size, mtimeNs, ctimeNs }]) => [
    name,
    String(dev),
    String(ino),
    size,
    String(mtimeNs),
    String(ctimeNs),
    ...(further?.digests.get(name) ?? []),
  ])
  return Buffer.from(JSON.stringify({ version: 1, ...receipt, ...hashTypesOf(further), files: rows }))
}

function hashTypesOf(further: RememberedDigests | undefined): Partial<RememberedDigests> {
  return further ? { hashTypes: further.hashTypes } : {}
}

/** Enough for a million files, each with six fields and a digest of each hash type. */
const MAX_VALUES = 10_100_000

/**
 * @returns undefined if it is not a receipt; the model is then hashed
 */
export function parseReceipt(bytes: Uint8Array): Receipt | undefined {
  try {
    const json = parseStrictJson(bytes, { what: 'receipt', maxValues: MAX_VALUES })
    const fields = new Fields(json, { code: 'JSON_INVALID' }).only(
      'version',
      'model',
      'rootDigest',
      'bundleDigest',
      'hashedAt',
      'hashTypes',
      'files',
    )
    if (fields.positiveInteger('version') !== 1) return undefined
    const hashTypes = fields.has('hashTypes') ? fields.array('hashTypes') : []
    if (!hashTypes.every(isHashType)) return undefined
    const rows = fields.array('files').map((row) => parseRow(row, hashTypes))
    return {
      model: fields.string('model'),
      rootDigest: fields.string('rootDigest'),
      bundleDigest: fields.string('bundleDigest'),
      hashedAt: fields.positiveInteger('hashedAt'),
      files: new Map(rows.map(({ name, identity }) => [name, identity])),
      ...(hashTypes.length === 0
        ? {}
        : { further: { hashTypes, digests: new Map(rows.map(({ name, digests }) => [name, digests])) } }),
    }
  } catch {
    return undefined
  }
}

interface Row {
  name: string
  identity: FileIdentity
  digests: string[]
}

function parseRow(row: unknown, hashTypes: readonly HashType[]): Row {
  const [name, dev, ino, size, mtimeNs, ctimeNs, ...digests] = row as [string, string, string, number, string, string]
  if (typeof name !== 'string' || !Number.isSafeInteger(size)) throw new TypeError('invalid row in a receipt')
  const isDigest = (type: HashType, digest: unknown) =>
    typeof digest === 'string' && digest.length === ALGORITHMS[type].hexLength && /^[0-9a-f]*$/.test(digest)
  if (digests.length !== hashTypes.length || !hashTypes.every((type, index) => isDigest(type, digests[index])))
    throw new TypeError('invalid digests in a receipt')
  const identity = {
    dev: BigInt(dev),
    ino: BigInt(ino),
    size,
    mtimeNs: BigInt(mtimeNs),
    ctimeNs: BigInt(ctimeNs),
  }
  return { name, identity, digests }
}
