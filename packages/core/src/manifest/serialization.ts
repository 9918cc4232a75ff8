import type { ByteRange } from '../hashing/hash-file.ts'
import type { HashType } from '../hashing/algorithms.ts'

/** How a model's files were enumerated and hashed (OMS 5.2.2). */
export interface Serialization {
  method: 'files' | 'shards'
  hashType: HashType
  /** Size in bytes; present if and only if the method is `shards`. */
  shardSize?: number
  allowSymlinks: boolean
  /** Exact names relative to the model root; absent from bundles made before v1.1.0. */
  ignorePaths?: readonly string[]
}

/** The ranges of a file that are hashed separately (OMS 6.3). */
export function rangesOf(fileSize: number, { method, shardSize }: Serialization): ByteRange[] {
  return partsOf(fileSize, method === 'files' ? Infinity : (shardSize ?? Infinity))
}

/** The parts of a file, each of this many bytes except for the last one; or the whole file, also an empty one. */
export function partsOf(fileSize: number, partBytes: number): ByteRange[] {
  if (partBytes === Infinity) return [{ start: 0, end: fileSize }]
  const parts: ByteRange[] = []
  for (let start = 0; start < fileSize; start += partBytes)
    parts.push({ start, end: Math.min(start + partBytes, fileSize) })
  return parts
}

/** The name of a resource: the file's own, or `path:start:end` for a shard (OMS 6.3.2). */
export function resourceName(file: string, range: ByteRange, { method }: Serialization): string {
  return method === 'files' ? file : `${file}:${range.start}:${range.end}`
}

/** Parses `path:start:end`, where the path may contain colons. Returns undefined for anything else. */
export function parseShardName(name: string): { file: string; range: ByteRange } | undefined {
  const match = /^(.+):(0|[1-9]\d{0,15}):([1-9]\d{0,15})$/su.exec(name)
  if (!match) return undefined
  const [, file = '', start, end] = match
  const range = { start: Number(start), end: Number(end) }
  return Number.isSafeInteger(range.start) && Number.isSafeInteger(range.end) ? { file, range } : undefined
}
