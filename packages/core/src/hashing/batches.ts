import type { ByteRange, HashJob } from './hash-file.ts'

/** A message to a worker carries about this much work... */
const BATCH_BYTES = 4 * 1024 * 1024
/** ...and at the most this many files. */
const BATCH_FILES = 1_000

/** A file of several shards is spread over the threads; what is kept or copied is written in one go. */
export function piecesOf(job: HashJob): HashJob[] {
  if (job.keep || job.copyTo !== undefined || job.ranges.length <= 1) return [job]
  const pieces: HashJob[] = []
  let ranges: ByteRange[] = []
  let bytes = 0
  for (const range of job.ranges) {
    ranges.push(range)
    bytes += range.end - range.start
    if (bytes < BATCH_BYTES) continue
    pieces.push({ ...job, ranges })
    ranges = []
    bytes = 0
  }
  if (ranges.length > 0 || pieces.length === 0) pieces.push({ ...job, ranges })
  return pieces
}

/** Indexes of jobs, so grouped that each message carries much work and large files go alone; the largest first. */
export function batchesOf(jobs: readonly HashJob[]): number[][] {
  const batches: number[][] = []
  let batch: number[] = []
  let bytes = 0
  for (const [index, job] of jobs.entries()) {
    const size = jobBytes(job)
    if (size >= BATCH_BYTES) {
      batches.push([index])
      continue
    }
    if (bytes + size > BATCH_BYTES || batch.length === BATCH_FILES) {
      batches.push(batch)
      batch = []
      bytes = 0
    }
    batch.push(index)
    bytes += size
  }
  if (batch.length > 0) batches.push(batch)
  // The largest first, so that the last thread to finish is not the one with the largest file.
  const size = (indexes: number[]) => indexes.reduce((sum, index) => sum + jobBytes(at(jobs, index)), 0)
  return batches
    .map((indexes) => ({ indexes, size: size(indexes) }))
    .sort((a, b) => b.size - a.size)
    .map(({ indexes }) => indexes)
}

export function totalBytes(jobs: readonly HashJob[]): number {
  return jobs.reduce((sum, job) => sum + jobBytes(job), 0)
}

export function jobBytes({ ranges }: HashJob): number {
  return ranges.reduce((sum: number, { start, end }: ByteRange) => sum + end - start, 0)
}

export function at<T>(items: readonly T[], index: number): T {
  const item = items[index]
  if (item === undefined) throw new RangeError(`no item ${index} of ${items.length}`)
  return item
}
