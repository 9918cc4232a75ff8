import { extrasOf, type ByteRange, type HashJob } from './hash-file.ts'

/** Finding, opening and closing a file takes as long as hashing this many bytes. */
const FILE_WORK = 8 * 1024
/** Below this average size, system calls cost more than hashing. */
export const SMALL_BYTES = 16 * 1024
/** Amount of work in one message to a worker, roughly. */
export const BATCH_WORK = 4 * 1024 * 1024

/** The shards of a file are spread over the threads, unless the file is kept, copied or also hashed as a whole. */
export function piecesOf(job: HashJob): HashJob[] {
  if (job.keep || job.ranges.length <= 1) return [job]
  const { copyTo, whole } = extrasOf(job)
  if (copyTo !== undefined || whole) return [job]
  const pieces: HashJob[] = []
  let ranges: ByteRange[] = []
  let bytes = 0
  for (const range of job.ranges) {
    ranges.push(range)
    bytes += range.end - range.start
    if (bytes < BATCH_WORK) continue
    pieces.push({ ...job, ranges })
    ranges = []
    bytes = 0
  }
  if (ranges.length > 0 || pieces.length === 0) pieces.push({ ...job, ranges })
  return pieces
}

/** Groups the indexes of jobs so that each message carries enough work and large files are alone. The largest batch comes first. */
export function batchesOf(jobs: readonly HashJob[]): number[][] {
  const batches: { indexes: number[]; work: number }[] = []
  let batch = { indexes: [] as number[], work: 0 }
  for (const [index, job] of jobs.entries()) {
    const work = workOf(1, jobBytes(job))
    if (work >= BATCH_WORK) {
      batches.push({ indexes: [index], work })
      continue
    }
    if (batch.work + work > BATCH_WORK) {
      batches.push(batch)
      batch = { indexes: [], work: 0 }
    }
    batch.indexes.push(index)
    batch.work += work
  }
  if (batch.indexes.length > 0) batches.push(batch)
  // Otherwise, one thread could start on the largest file when all others are done.
  return batches.sort((a, b) => b.work - a.work).map(({ indexes }) => indexes)
}

/** The cost of hashing files, expressed as the size of one large file that takes as long. */
export function workOf(files: number, bytes: number): number {
  return files * FILE_WORK + bytes
}

export function workOfAll(jobs: readonly HashJob[]): number {
  return workOf(jobs.length, totalBytes(jobs))
}

export function totalBytes(jobs: readonly HashJob[]): number {
  return jobs.reduce((sum, job) => sum + jobBytes(job), 0)
}

export function jobBytes({ ranges }: HashJob): number {
  return ranges.reduce((sum: number, { start, end }: ByteRange) => sum + end - start, 0)
}
