import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { ModelSealError, shown } from '../errors.ts'
import { abortedError, type SourceFile } from '../source/local-source.ts'
import { changed, checkUnchanged, openListed } from '../source/open-file.ts'
import { errno, unreadable } from '../source/read-small-file.ts'
import { ALGORITHMS, type HashType } from './algorithms.ts'

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
 * calling thread for tiny models.
 *
 * @throws {@link ModelSealError} `FILE_CHANGED` if it is not the file that was listed, or does not
 * stay so until the last byte was read; `FILE_UNREADABLE`, `FILE_TOO_LARGE`, `COPY_FAILED`, `ABORTED`
 */
export function hashFile(job: HashJob, hashType: HashType, control: HashControl): HashResult {
  const { file } = job
  const fd = file.fd ?? openListed(file)
  try {
    checkUnchanged(file, fd)
    const result = job.keep ? hashKept(job, fd, hashType, control) : hashThrough(job, fd, hashType, control)
    checkUnchanged(file, fd)
    return result
  } catch (error) {
    throw error instanceof ModelSealError ? error : unreadable(file.name, 'file', error)
  } finally {
    if (file.fd === undefined) closeSync(fd)
  }
}

function hashThrough(job: HashJob, fd: number, hashType: HashType, control: HashControl): HashResult {
  if (job.copyTo === undefined) return hashRanges(job, fd, hashType, control, () => {})
  const copy = copying(job.file, () => openSync(job.copyTo ?? '', 'wx', 0o600))
  try {
    return hashRanges(job, fd, hashType, control, (chunk) => {
      copying(job.file, () => {
        for (let done = 0; done < chunk.length;) done += writeSync(copy, chunk, done)
      })
    })
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

function hashRanges(
  job: HashJob,
  fd: number,
  hashType: HashType,
  control: HashControl,
  put: (chunk: Uint8Array) => void,
): HashResult {
  scratch ??= new Uint8Array(CHUNK_BYTES)
  const algorithm = ALGORITHMS[hashType]
  const digests: string[] = []
  for (const { start, end } of job.ranges) {
    if (end - start <= CHUNK_BYTES) {
      const bytes = scratch.subarray(0, end - start)
      readFully(job.file, fd, bytes, start, control)
      put(bytes)
      digests.push(algorithm.whole(bytes))
      continue
    }
    const hasher = algorithm.start()
    for (let offset = start; offset < end; offset += CHUNK_BYTES) {
      const chunk = scratch.subarray(0, Math.min(CHUNK_BYTES, end - offset))
      readFully(job.file, fd, chunk, offset, control)
      put(chunk)
      hasher.update(chunk)
    }
    digests.push(hasher.hex())
  }
  return { digests }
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
  let done = 0
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, position + done)
    if (count === 0) throw changed(file, 'it ended early')
    done += count
  }
  control.advance(into.length)
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
