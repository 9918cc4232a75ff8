import { extrasOf, type ByteRange, type HashJob } from './hash-file.ts'

/** To find, open and close a file takes as long as to hash so many bytes. */
const FILE_WORK = 8 * 1024
/** Files of less than this on average are small: they cost system calls rather than hashing. */
export const SMALL_BYTES = 16 * 1024
/** A message to a worker carries about this much work. */
export const BATCH_WORK = 4 * 1024 * 1024

/** A file of several shards is spread over the threads; what is kept, copied or hashed as a whole is read in one go. */
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

/** Indexes of jobs, so grouped that each message carries much work and large files go alone; the largest first. */
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
  // The largest first, so that the last thread to finish is not the one with the largest file.
  return batches.sort((a, b) => b.work - a.work).map(({ indexes }) => indexes)
}

/** What it takes to hash files, as the number of bytes of one large file that take as long. */
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
