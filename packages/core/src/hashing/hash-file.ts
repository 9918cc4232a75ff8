import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { ModelSealError, shown } from '../errors.ts'
import { abortedError, type SourceFile } from '../source/local-source.ts'
import { changed, checkUnchanged, openListed } from '../source/open-file.ts'
import { errno, unreadable } from '../source/read-small-file.ts'
import { ALGORITHMS, type HashType } from './algorithms.ts'
import type { BytesAhead } from './read-ahead.ts'

/** A part of a file: from `start` (inclusive) to `end` (exclusive), in bytes. */
export interface ByteRange {
  start: number
  end: number
}

/** What is to be computed over one file. */
export interface HashJob {
  file: SourceFile
  /** The ranges, each with a digest of its own; none for a file without bytes to hash. */
  ranges: readonly ByteRange[]
  /** True where the caller wants the hashed bytes themselves, too. */
  keep: boolean
  /** Path of a new file that gets the hashed bytes as they are read. Not together with `keep`. */
  copyTo?: string
}

export interface HashResult {
  /** Lowercase hex, one for each range. */
  digests: string[]
  /** The very bytes that were hashed, where the job said `keep`: one buffer over the whole file. */
  bytes?: ArrayBuffer
}

/** What a running job tells and is told. */
export interface HashControl {
  aborted(): boolean
  advance(bytes: number): void
}

/**
 * Small enough to stay in the core's cache between read and hash: measured faster than any larger
 * buffer.
 */
const CHUNK_BYTES = 128 * 1024

let scratch: Uint8Array<ArrayBuffer> | undefined

/**
 * Reads and hashes one file, synchronously: this is the work of a pool's thread, and of the
 * calling thread for tiny models. Another thread may read `ahead`, for a job of one range whose
 * bytes are not kept.
 *
 * @throws {@link ModelSealError} `FILE_CHANGED` if it is not the file that was listed, or does not
 * stay so until the last byte was read; `FILE_UNREADABLE`, `FILE_TOO_LARGE`, `COPY_FAILED`, `ABORTED`
 */
export function hashFile(job: HashJob, hashType: HashType, control: HashControl, ahead?: BytesAhead): HashResult {
  const { file } = job
  const fd = file.fd ?? openListed(file)
  try {
    // Of a file that is read in one go, what it is afterwards tells what it was.
    if (file.identity.size > CHUNK_BYTES) checkUnchanged(file, fd)
    const result = job.keep ? hashKept(job, fd, hashType, control) : hashThrough(job, fd, hashType, control, ahead)
    checkUnchanged(file, fd)
    return result
  } catch (error) {
    if (error instanceof ModelSealError) throw error
    checkUnchanged(file, fd)
    throw unreadable(file.name, 'file', error)
  } finally {
    if (file.fd === undefined) closeSync(fd)
  }
}

function hashThrough(
  job: HashJob,
  fd: number,
  hashType: HashType,
  control: HashControl,
  ahead: BytesAhead | undefined,
): HashResult {
  const reading: Reading = { file: job.file, fd, hashType, control, ahead }
  if (job.copyTo === undefined) return hashRanges(job, reading)
  const copy = copying(job.file, () => openSync(job.copyTo ?? '', 'wx', 0o600))
  try {
    const put = (chunk: Uint8Array) =>
      copying(job.file, () => {
        for (let done = 0; done < chunk.length;) done += writeSync(copy, chunk, done)
      })
    return hashRanges(job, { ...reading, put })
  } finally {
    closeSync(copy)
  }
}

/** @throws {@link ModelSealError} `COPY_FAILED` */
function copying<T>(file: SourceFile, write: () => T): T {
  try {
    return write()
  } catch (cause) {
    throw new ModelSealError(
      'COPY_FAILED',
      `The private copy of ${shown(file.name)} could not be written (${errno(cause)}).`,
      {
        file: file.name,
        hint: 'Make room where temporary files go (TMPDIR), or load under the isolation "in-place".',
        cause,
      },
    )
  }
}

/** How a file is read and hashed, and where its bytes go besides. */
interface Reading {
  file: SourceFile
  fd: number
  hashType: HashType
  control: HashControl
  ahead: BytesAhead | undefined
  put?: (chunk: Uint8Array) => void
}

function hashRanges({ ranges }: HashJob, reading: Reading): HashResult {
  // Not pushed one by one: an array that grew keeps room for sixteen, and there are many arrays.
  return { digests: ranges.map((range) => hashRange(range, reading)) }
}

function hashRange({ start, end }: ByteRange, { file, fd, hashType, control, ahead, put }: Reading): string {
  scratch ??= new Uint8Array(CHUNK_BYTES)
  const algorithm = ALGORITHMS[hashType]
  if (end - start <= CHUNK_BYTES) {
    const bytes = scratch.subarray(0, end - start)
    readFully(file, fd, bytes, start, control)
    put?.(bytes)
    return algorithm.whole(bytes)
  }
  const hasher = algorithm.start()
  for (let offset = start; offset < end;) {
    const read = ahead?.next(offset, end)
    const chunk = read ?? scratch.subarray(0, Math.min(CHUNK_BYTES, end - offset))
    if (read) control.advance(read.length)
    else readFully(file, fd, chunk, offset, control)
    put?.(chunk)
    hasher.update(chunk)
    offset += chunk.length
  }
  return hasher.hex()
}

/** The buffer is filled piece by piece, and each piece hashed while it is still in the cache. */
function hashKept(job: HashJob, fd: number, hashType: HashType, control: HashControl): HashResult {
  const bytes = allocate(job.file)
  const digests: string[] = []
  for (const { start, end } of job.ranges) {
    const hasher = ALGORITHMS[hashType].start()
    for (let offset = start; offset < end; offset += CHUNK_BYTES) {
      const chunk = new Uint8Array(bytes, offset, Math.min(CHUNK_BYTES, end - offset))
      readFully(job.file, fd, chunk, offset, control)
      hasher.update(chunk)
    }
    digests.push(hasher.hex())
  }
  return { digests, bytes }
}

function readFully(file: SourceFile, fd: number, into: Uint8Array, position: number, control: HashControl): void {
  if (control.aborted()) throw abortedError()
  if (fillFrom(fd, into, position) < into.length) throw changed(file, 'it ended early')
  control.advance(into.length)
}

/** Reads as many bytes as `into` holds, or fewer where the file ends before; returns their number. */
export function fillFrom(fd: number, into: Uint8Array, position: number): number {
  let done = 0
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, position + done)
    if (count === 0) break
    done += count
  }
  return done
}

function allocate(file: SourceFile): ArrayBuffer {
  try {
    return new ArrayBuffer(file.identity.size)
  } catch (error) {
    throw new ModelSealError('FILE_TOO_LARGE', `The file ${shown(file.name)} does not fit into memory as one buffer.`, {
      file: file.name,
      found: `${file.identity.size} bytes`,
      cause: error,
    })
  }
}
