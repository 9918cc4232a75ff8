import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  write,
  writeSync,
  type BigIntStats,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { GrowingTree, hashLeaf } from '../../../merkle/tree.ts'
import { monotonic } from '../../../real-time.ts'
import { systemError } from '../../../source/file-errors.ts'
import type { SegmentHead } from '../../format/commit.ts'
import { writeLine } from '../../format/line.ts'
import { newSegmentId, segmentFile, SEGMENTS } from '../../format/names.ts'
import type { JournalRecord } from '../../format/record.ts'
import { syncDirectory } from '../files/files.ts'
import { runNow, runSoon } from '../files/file-work.ts'

const writeSoon = promisify(write)
const syncSoon = promisify(fdatasync)

/** Lines that were made, but not written yet. */
export interface Prepared {
  bytes: Buffer
  leaves: Buffer[]
  check: string
}

const LINE_FEED = 10
const MAX_BYTES = 64 * 1024 * 1024
/** 24 hours, in milliseconds. */
const MAX_AGE = 24 * 3_600_000

/** The file of one writer. Records count only once their lines are written; whatever fails leaves the segment as it was. */
export class Segment {
  readonly id: string
  /** By a clock that nobody sets. */
  readonly #created = monotonic()
  /** Number of records. */
  size = 0
  /** Number of bytes. */
  bytes = 0
  /** What was last synced. */
  synced: SegmentHead | undefined
  readonly #fd: number
  readonly #path: string
  readonly #file: BigIntStats
  readonly #tree = new GrowingTree()
  #check: string
  #isBroken = false
  /** True if somebody cut its file before something was written to it. What follows the hole cannot be read. */
  #isCut = false
  /** Bytes that are being written. */
  #inProgress = 0
  /** Writes and syncs that have not ended. */
  #uses = 0
  #isClosing = false

  /** Creates its file. */
  constructor(journal: string, id = newSegmentId()) {
    this.id = id
    this.#check = id
    const { O_CREAT, O_EXCL, O_RDWR } = constants
    this.#path = join(journal, SEGMENTS, segmentFile(id))
    this.#fd = openSync(this.#path, O_CREAT | O_EXCL | O_RDWR, 0o600)
    this.#file = fstatSync(this.#fd, { bigint: true })
  }

  /** True if it is large or old enough. */
  get isFull(): boolean {
    return this.bytes >= MAX_BYTES || monotonic() - this.#created >= MAX_AGE
  }

  /** True if it is unknown what is on the disk. Nothing more may be written then. */
  get isBroken(): boolean {
    return this.#isBroken
  }

  /** False if somebody deleted, moved or cut its file, or appended to it: nobody would find what is written to it, or could read it. */
  get isThere(): boolean {
    if (this.#isCut) return false
    try {
      const found = statSync(this.#path, { bigint: true, throwIfNoEntry: false })
      if (found?.ino !== this.#file.ino || found.dev !== this.#file.dev) return false
      return this.#isBroken || (found.size >= this.bytes && found.size <= this.bytes + this.#inProgress)
    } catch {
      // Nobody knows.
      return true
    }
  }

  /** True if there are records that no sync covers. */
  get isDirty(): boolean {
    return this.size > (this.synced?.size ?? 0)
  }

  /** What is to be committed once nothing more is written; undefined if retention has deleted the file of a writer that was idle for days. */
  get lastHead(): SegmentHead | undefined {
    if (!this.synced || fstatSync(this.#fd).nlink === 0) return undefined
    // Nobody knows whether more of a broken one reached the disk.
    return this.#isBroken ? this.synced : { ...this.synced, end: true }
  }

  prepare(records: readonly JournalRecord[]): Prepared {
    let check = this.#check
    const leaves: Buffer[] = []
    const lines = records.map((record) => {
      const line = writeLine(record, check)
      check = line.check
      leaves.push(hashLeaf(line.bytes.subarray(0, -1)))
      return line.bytes
    })
    return { bytes: Buffer.concat(lines), leaves, check }
  }

  /** @throws `ENOENT` if the file was cut before; what the operating system reports */
  async write(prepared: Prepared): Promise<void> {
    const { bytes } = prepared
    this.#inProgress = bytes.length
    this.#uses++
    try {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await writeSoon(this.#fd, bytes, done, bytes.length - done, this.bytes + done)
        done += bytesWritten
      }
      this.#checkHole()
    } catch (error) {
      if (!this.#isCut) this.#takeBack()
      throw error
    } finally {
      this.#inProgress = 0
      this.#used()
    }
    this.#count(prepared)
  }

  /** Also for lines whose {@link write} is in progress: they are written again at the same place. */
  writeNow(prepared: Prepared): void {
    const { bytes } = prepared
    try {
      for (let done = 0; done < bytes.length;)
        done += writeSync(this.#fd, bytes, done, bytes.length - done, this.bytes + done)
      this.#checkHole()
    } catch (error) {
      if (!this.#isCut) this.#takeBack()
      throw error
    }
    this.#count(prepared)
  }

  async sync(): Promise<void> {
    const head = this.#head()
    this.#uses++
    try {
      await syncSoon(this.#fd)
      if (!this.synced) await runSoon(syncDirectory(dirname(this.#path)))
    } catch (error) {
      // The kernel may have dropped what it could not write.
      this.#isBroken = true
      throw error
    } finally {
      this.#used()
    }
    this.synced = head
  }

  syncNow(): void {
    const head = this.#head()
    fdatasyncSync(this.#fd)
    if (!this.synced) runNow(syncDirectory(dirname(this.#path)))
    this.synced = head
  }

  /** Once nothing is in progress, which would otherwise go to whatever file gets its number next. */
  close(): void {
    this.#isClosing = true
    if (this.#uses > 0) return
    try {
      closeSync(this.#fd)
    } catch {
      // What was not synced was reported.
    }
  }

  #used(): void {
    this.#uses--
    if (this.#isClosing) this.close()
  }

  /** Where a file was cut, what is written after its end leaves a hole before it. */
  #checkHole(): void {
    if (this.bytes === 0) return
    const last = Buffer.alloc(1)
    readSync(this.#fd, last, 0, 1, this.bytes - 1)
    if (last[0] === LINE_FEED) return
    this.#isCut = true
    throw systemError('ENOENT')
  }

  #count({ bytes, leaves, check }: Prepared): void {
    for (const leaf of leaves) this.#tree.add(leaf)
    this.size += leaves.length
    this.bytes += bytes.length
    this.#check = check
  }

  #takeBack(): void {
    try {
      ftruncateSync(this.#fd, this.bytes)
    } catch {
      this.#isBroken = true
    }
  }

  #head(): SegmentHead {
    return {
      segment: this.id,
      size: this.size,
      root: this.#tree.root().toString('hex'),
      bytes: this.bytes,
      time: new Date().toISOString(),
    }
  }
}

/** Whether a head of a segment is to be committed. */
export function isNew(head: SegmentHead | undefined, committed: SegmentHead | undefined): boolean {
  return head !== undefined && (head.segment !== committed?.segment || head.size > committed.size)
}
