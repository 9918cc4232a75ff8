import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { ModelSealError, shown } from '../errors.ts'
import { abortedError, identityOf, type FileIdentity, type SourceFile } from '../source/local-source.ts'
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
 * calling thread for tiny models. The file is opened without following a link at its last
 * component and without waiting on a FIFO.
 *
 * @throws {@link ModelSealError} `FILE_CHANGED` if it is not the file that was listed, or does not
 * stay so until the last byte was read; `FILE_UNREADABLE`, `FILE_TOO_LARGE`, `ABORTED`
 */
export function hashFile(job: HashJob, hashType: HashType, control: HashControl): HashResult {
  const { file } = job
  const fd = openRegular(file)
  try {
    checkUnchanged(file, fd)
    const result = job.keep ? hashKept(job, fd, hashType, control) : hashRanges(job, fd, hashType, control)
    checkUnchanged(file, fd)
    return result
  } catch (error) {
    throw error instanceof ModelSealError ? error : unreadable(file.name, 'file', error)
  } finally {
    closeSync(fd)
  }
}

function hashRanges(job: HashJob, fd: number, hashType: HashType, control: HashControl): HashResult {
  scratch ??= new Uint8Array(CHUNK_BYTES)
  const algorithm = ALGORITHMS[hashType]
  const digests: string[] = []
  for (const { start, end } of job.ranges) {
    if (end - start <= CHUNK_BYTES) {
      const bytes = scratch.subarray(0, end - start)
      readFully(job.file, fd, bytes, start, control)
      digests.push(algorithm.whole(bytes))
      continue
    }
    const hasher = algorithm.start()
    for (let offset = start; offset < end; offset += CHUNK_BYTES) {
      const chunk = scratch.subarray(0, Math.min(CHUNK_BYTES, end - offset))
      readFully(job.file, fd, chunk, offset, control)
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

function openRegular(file: SourceFile): number {
  try {
    return openSync(file.path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (errno(error) === 'ELOOP' || errno(error) === 'ENOENT') {
      throw changed(file, errno(error) === 'ELOOP' ? 'it became a symbolic link' : 'it disappeared')
    }
    throw unreadable(file.name, 'file', error)
  }
}

function checkUnchanged(file: SourceFile, fd: number): void {
  const stat = fstatSync(fd, { bigint: true })
  if (!stat.isFile()) throw changed(file, 'it is no longer a regular file')
  const now = identityOf(stat)
  for (const field of ['dev', 'ino', 'size', 'mtimeNs', 'ctimeNs'] as const satisfies (keyof FileIdentity)[]) {
    if (now[field] !== file.identity[field])
      throw changed(file, `its ${field} went from ${file.identity[field]} to ${now[field]}`)
  }
}

function changed(file: SourceFile, how: string): ModelSealError {
  return new ModelSealError('FILE_CHANGED', `The file ${shown(file.name)} changed while it was read: ${how}.`, {
    file: file.name,
    hint: 'Make sure that nothing writes to the model while it is signed or loaded.',
  })
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
