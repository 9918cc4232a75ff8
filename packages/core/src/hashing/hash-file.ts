import { closeSync } from 'node:fs'
import { ModelSealError, shown } from '../errors.ts'
import { abortedError } from '../source/aborted.ts'
import { fillFrom } from '../source/local/fill-from.ts'
import { checkUnchanged, openListed } from '../source/local/open-file.ts'
import { changed, type SourceFile } from '../source/local/source-file.ts'
import { unreadable } from '../source/file-errors.ts'
import { ALGORITHMS, type Hasher, type HashType } from './algorithms.ts'
import type { BytesAhead } from './ahead/read-ahead.ts'
import type { HashControl } from './shared-control.ts'
import { SparseCopy } from './sparse-copy.ts'

/** A part of a file: from `start` (inclusive) to `end` (exclusive), in bytes. */
export interface ByteRange {
  start: number
  end: number
}

/** What to compute over one file. */
export interface HashJob {
  file: SourceFile
  /** Each range gets its own digest. Empty for a file without bytes to hash. */
  ranges: readonly ByteRange[]
  /** Whether the caller also wants the hashed bytes. */
  keep: boolean
  /** With `keep`: number of bytes to keep from the beginning of the file (default: all). */
  keepOnly?: number | undefined
  /** Path of a new file to which the hashed bytes are written as they are read. Excludes `keep`. */
  copyTo?: string | undefined
  /** Additional digests of the whole file, from the same pass. The ranges must then cover the file in order. */
  whole?: readonly HashType[] | undefined
}

/** A job with one range, the whole file. */
export function wholeFile(file: SourceFile, keep = false): HashJob {
  return { file, ranges: [{ start: 0, end: file.identity.size }], keep }
}

/** Fields that few jobs have. Own fields only: a `copyTo` on `Object.prototype` must not make every file be copied there. */
export function extrasOf(job: HashJob): Pick<HashJob, 'keepOnly' | 'copyTo' | 'whole'> {
  const extras: Pick<HashJob, 'keepOnly' | 'copyTo' | 'whole'> = Object.create(null) as object
  if (Object.hasOwn(job, 'keepOnly')) extras.keepOnly = job.keepOnly
  if (Object.hasOwn(job, 'copyTo')) extras.copyTo = job.copyTo
  if (Object.hasOwn(job, 'whole')) extras.whole = job.whole
  return extras
}

export function isCopied(job: HashJob): boolean {
  return Object.hasOwn(job, 'copyTo') && job.copyTo !== undefined
}

/** The descriptor of a file that the caller has already opened. */
export function descriptorOf(file: SourceFile): number | undefined {
  return Object.hasOwn(file, 'fd') ? file.fd : undefined
}

export interface HashResult {
  /** Lowercase hex, one for each range. */
  digests: string[]
  /** Digests of the whole file in lowercase hex, in the order of `HashJob.whole`. */
  whole?: string[]
  /** With `keep`: the very bytes that were hashed, in one buffer. */
  bytes?: ArrayBuffer
}

/** The digests of the whole file, in the order of `HashJob.whole`. */
export function furtherOf(result: HashResult): readonly string[] {
  return (Object.hasOwn(result, 'whole') && result.whole) || []
}

/**
 * Small enough to stay in the CPU core's cache between reading and hashing; measured to be faster than
 * any larger buffer.
 */
export const CHUNK_BYTES = 128 * 1024

let scratch: Uint8Array<ArrayBuffer> | undefined

/** This thread's buffer for one chunk. */
export function chunkBuffer(): Uint8Array<ArrayBuffer> {
  return (scratch ??= new Uint8Array(CHUNK_BYTES))
}

/**
 * Reads and hashes one file synchronously, in a pool's thread or for small files. If the job has one range
 * and keeps no bytes, another thread may read `ahead`.
 *
 * @throws {@link ModelSealError} `FILE_CHANGED` if it is not the file that was listed, or changes
 * before its last byte is read; `FILE_UNREADABLE`, `FILE_TOO_LARGE`, `COPY_FAILED`, `ABORTED`
 */
export function hashFile(job: HashJob, hashType: HashType, control: HashControl, ahead?: BytesAhead): HashResult {
  if (isSmall(job)) return hashSmallFile(job, hashType, control)
  const steps = hashingSteps(job, hashType, control, ahead)
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

/** Whether the file is read in a single call. */
export function isSmall({ file, ranges }: HashJob): boolean {
  return file.identity.size <= CHUNK_BYTES && ranges.length <= 1 && ranges.every(isOneChunk)
}

function isOneChunk({ start, end }: ByteRange): boolean {
  return end - start <= CHUNK_BYTES
}

/** Like {@link hashFile}, for a job that {@link isSmall}. Not a generator: there are many small files, and each generator leaves half a kilobyte of garbage. */
export function hashSmallFile(job: HashJob, hashType: HashType, control: HashControl): HashResult {
  const reading = begin(job, hashType, control)
  try {
    const digests = job.ranges.map((range) => hashInOneGo(range, reading))
    return finished(reading, digests)
  } catch (error) {
    throw failure(reading, error)
  } finally {
    end(reading)
  }
}

/** Like {@link hashFile}, in steps that take a fraction of a millisecond each, unless the disk is slow. */
export function* hashingSteps(
  job: HashJob,
  hashType: HashType,
  control: HashControl,
  ahead?: BytesAhead,
): Generator<void, HashResult, void> {
  const reading = begin(job, hashType, control, ahead)
  try {
    const digests: string[] = []
    for (const range of job.ranges) {
      if (isOneChunk(range)) {
        digests.push(hashInOneGo(range, reading))
        yield
      } else digests.push(yield* hashInChunks(range, reading))
    }
    return finished(reading, digests, yield* closingAhead(reading))
  } catch (error) {
    throw failure(reading, error)
  } finally {
    end(reading)
  }
}

/** A file being read and hashed, and where else its bytes go. */
interface HashedFile {
  file: SourceFile
  fd: number
  hashType: HashType
  control: HashControl
  ahead: BytesAhead | undefined
  /** Hashers of the whole file. */
  whole: Hasher[] | undefined
  /** Number of bytes hashed so far. */
  hashed: number
  /** Receives the kept bytes. */
  bytes: ArrayBuffer | undefined
  copy: SparseCopy | undefined
}

function begin(job: HashJob, hashType: HashType, control: HashControl, ahead?: BytesAhead): HashedFile {
  const { file, keep } = job
  const { keepOnly, copyTo, whole } = extrasOf(job)
  const fd = descriptorOf(file) ?? openListed(file)
  const into = { whole: undefined, hashed: 0, bytes: undefined, copy: undefined }
  const reading: HashedFile = { file, fd, hashType, control, ahead, ...into }
  try {
    // For a file that is read in a single call, the check after reading is enough.
    if (file.identity.size > CHUNK_BYTES) checkUnchanged(file, fd)
    if (whole) reading.whole = whole.map((type) => ALGORITHMS[type].start())
    if (keep) reading.bytes = allocate(file, keepOnly)
    if (copyTo !== undefined) reading.copy = new SparseCopy(copyTo, file)
    return reading
  } catch (error) {
    const refusal = failure(reading, error)
    end({ ...reading, copy: undefined }) // the copy is opened last
    throw refusal
  }
}

/** Waits until no other thread has the copy open. @returns the negative number of the error with which one closed it, or 0 */
function* closingAhead({ ahead, copy }: HashedFile): Generator<void, number, void> {
  if (!ahead || !copy) return 0
  for (;;) {
    const closed = ahead.closeCopy()
    if (closed !== 'later') return closed
    yield
  }
}

function finished(
  { file, fd, whole, hashed, bytes, copy }: HashedFile,
  digests: string[],
  copyError?: number,
): HashResult {
  checkUnchanged(file, fd)
  copy?.finish(hashed, copyError)
  if (!whole) return bytes ? { digests, bytes } : { digests }
  if (hashed !== file.identity.size) throw new RangeError(`${hashed} of ${file.identity.size} bytes in ranges`)
  const result = { digests, whole: whole.map((hasher) => hasher.hex()) }
  return bytes ? { ...result, bytes } : result
}

/** If the file changed in the meantime, reports this rather than its consequence. */
function failure({ file, fd }: HashedFile, error: unknown): ModelSealError {
  if (error instanceof ModelSealError) return error
  try {
    checkUnchanged(file, fd)
  } catch (change) {
    if (change instanceof ModelSealError) return change
  }
  return unreadable(file.name, 'file', error)
}

/** @throws {@link ModelSealError} `COPY_FAILED` if there was no space for the last bytes of the copy */
function end({ file, fd, copy }: HashedFile): void {
  try {
    copy?.close()
  } finally {
    if (descriptorOf(file) === undefined) closeSync(fd)
  }
}

function hashInOneGo({ start, end }: ByteRange, reading: HashedFile): string {
  const chunk = roomFor(start, end, reading)
  readAndCopy(chunk, start, reading)
  passOn(chunk, start, reading)
  return ALGORITHMS[reading.hashType].whole(chunk)
}

/** Hashes each chunk while it is still in the cache. */
function* hashInChunks({ start, end }: ByteRange, reading: HashedFile): Generator<void, string, void> {
  const { ahead, control, copy } = reading
  const hasher = ALGORITHMS[reading.hashType].start()
  for (let offset = start; offset < end;) {
    const read = ahead?.next(offset, end)
    if (read === 'later') {
      yield
      continue
    }
    if (read === 'left') {
      copy?.takeOver(offset)
      continue
    }
    const chunk = read ?? roomFor(offset, end, reading)
    if (read) control.advance(read.length)
    else readAndCopy(chunk, offset, reading)
    passOn(chunk, offset, reading)
    hasher.update(chunk)
    offset += chunk.length
    yield
  }
  return hasher.hex()
}

/** The buffer for the next chunk of the file. */
function roomFor(start: number, end: number, { bytes }: HashedFile): Uint8Array {
  const length = Math.min(CHUNK_BYTES, end - start)
  if (bytes && start + length <= bytes.byteLength) return new Uint8Array(bytes, start, length)
  return chunkBuffer().subarray(0, length)
}

/** Passes the bytes to everything that needs them, so that no byte is read twice. */
function passOn(chunk: Uint8Array, position: number, reading: HashedFile): void {
  const { whole, bytes } = reading
  // The kept part ends within this chunk.
  if (bytes && position < bytes.byteLength && position + chunk.length > bytes.byteLength)
    new Uint8Array(bytes, position).set(chunk.subarray(0, bytes.byteLength - position))
  if (whole) for (const hasher of whole) hasher.update(chunk)
  reading.hashed += chunk.length
}

/** What another thread reads ahead, it also copies. */
function readAndCopy(into: Uint8Array, position: number, { file, fd, control, copy }: HashedFile): void {
  if (control.aborted()) throw abortedError()
  if (fillFrom(fd, into, position) < into.length) throw changed(file, 'it ended early')
  copy?.write(into, position)
  control.advance(into.length)
}

function allocate(file: SourceFile, wanted = Infinity): ArrayBuffer {
  try {
    return new ArrayBuffer(Math.min(file.identity.size, wanted))
  } catch (error) {
    throw new ModelSealError(
      'FILE_TOO_LARGE',
      `Cannot read the file ${shown(file.name)}: it does not fit into one buffer in memory.`,
      {
        file: file.name,
        found: `${file.identity.size} bytes`,
        cause: error,
      },
    )
  }
}
