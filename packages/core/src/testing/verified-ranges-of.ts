import { onTestFinished, vi } from 'vitest'
import { ShardCache } from '../loading/datasets/shard-cache.ts'
import { VerifiedRanges } from '../loading/datasets/verified-ranges.ts'
import type { FurtherDigests } from '../manifest/contents.ts'
import type { Manifest } from '../manifest/manifest.ts'
import type { ReadRequest, Receive } from '../source/model-source.ts'
import { OpenedSource } from '../source/opened-source.ts'
import type { SizeLimit } from '../source/size-limit.ts'
import { sha256 } from './bundles.ts'
import { memorySource } from './memory-source.ts'

/** What the file has, if nothing else is said. */
export const ROWS = Buffer.from('abcdefghij')

/** A signed file, and what its source says. */
interface Signed {
  content?: Buffer
  /** Undefined for a file that was signed whole. */
  shardSize?: number | undefined
  /** Size in the manifest. */
  size?: number | undefined
  served?: Buffer
  /** How the source answers, if not with what is served. */
  read?: (request: ReadRequest, receive: Receive) => Promise<void>
  further?: FurtherDigests
  limit?: SizeLimit
  cacheBytes?: number
}

/** No digests by which a file could be refused. */
export const NOTHING_FURTHER: FurtherDigests = { hashTypes: [], check: () => {} }

/** Ranges of the signed file `rows`. */
export async function rangesOf({
  content = ROWS,
  shardSize,
  size = shardSize === undefined ? undefined : content.length,
  served = content,
  further = NOTHING_FURTHER,
  limit,
  cacheBytes = 0,
  ...given
}: Signed) {
  const asked: { start: number; end: number | undefined; again: boolean | undefined }[] = []
  const read = vi.fn(
    given.read ??
      (async ({ range }: ReadRequest, receive: Receive) => {
        await receive({ size: served.length, chunks: [served.subarray(range?.start, range?.end)] })
      }),
  )
  const files = {
    read: (request: ReadRequest, receive: Receive) => {
      const { range, again } = request
      asked.push({ start: range?.start ?? 0, end: range?.end, again })
      return read(request, receive)
    },
  }
  const opened = await OpenedSource.open(memorySource('mem://d', new Map(), { files }))
  const reader = opened.newReader()
  onTestFinished(async () => {
    await reader.stop()
    await opened.close()
  })
  const digests: string[] = []
  for (let start = 0; start < content.length; start += shardSize ?? content.length)
    digests.push(sha256(content.subarray(start, start + (shardSize ?? content.length))))
  const manifest = {
    serialization: { hashType: 'sha256', ...(shardSize === undefined ? {} : { shardSize }) },
    files: new Map([['rows', { name: 'rows', digests, size }]]),
  } as unknown as Manifest
  const parts = { files: await opened.model(), reader, manifest, further, limit }
  const cache = new ShardCache(cacheBytes)
  return { ranges: new VerifiedRanges(parts, cache), asked, digests, cache, read }
}
