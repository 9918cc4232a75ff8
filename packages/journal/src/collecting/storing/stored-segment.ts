import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelSealError } from '@modelseal/core/errors'
import {
  misplaced,
  readLine,
  readLines,
  SEGMENTS,
  SegmentProgress,
  segmentPath,
  type Commit,
} from '@modelseal/core/journal'
import { syncDirectory } from '../durable.ts'
import { keepTail, MOST_OF_TAIL } from './evidence.ts'
import { Refused } from './refused.ts'
import { linesUpTo, turn, type Lines } from './segment-lines.ts'

/** A writer begins another segment after 64 MiB. */
const MAX_SEGMENT_BYTES = 256 * 1024 * 1024
/** Lines that are verified before others have their turn. */
const AT_ONCE = 256
const LINE_FEED = 10

/** What a segment reports: bytes that were cut off after a crash, or set aside, and the file that they are kept in. */
export interface SegmentNotices {
  cut: (bytes: number) => void
  setAside: (bytes: number, file: string | undefined) => void
}

/** A segment that a collector stores. After an error, read it anew: what is in memory may differ from the disk. */
export class StoredSegment {
  readonly id: string
  readonly #directory: string
  readonly #onSetAside: SegmentNotices['setAside']
  /** On the disk. */
  #lines: Lines
  /** The lines whose tree was compared with a commit since the segment was opened. */
  #compared: SegmentProgress

  private constructor(directory: string, id: string, { setAside }: SegmentNotices) {
    this.id = id
    this.#directory = directory
    this.#onSetAside = setAside
    this.#lines = { records: 0, bytes: 0, check: id }
    this.#compared = new SegmentProgress(id)
  }

  /**
   * Reads the segment, if it exists, and cuts off what a write that did not end left behind.
   *
   * @param covered bytes that a stored commit covers
   * @throws {@link ModelSealError} `JOURNAL_INVALID` if one of the covered lines was changed; errors of the operating system
   */
  static async open(directory: string, id: string, covered: number, notices: SegmentNotices): Promise<StoredSegment> {
    const segment = new StoredSegment(directory, id, notices)
    const handle = await open(segment.#path, constants.O_RDWR).catch(absent)
    if (!handle) return segment
    try {
      const { size } = await handle.stat()
      segment.#lines = await linesUpTo(handle, size, id)
      const { bytes } = segment.#lines
      if (bytes < Math.min(covered, size))
        throw new ModelSealError(
          'JOURNAL_INVALID',
          `Cannot go on with the segment ${id}: it was changed on the disk of the collector.`,
          {
            hint: 'Run "modelseal journal verify" on the directory of the journal.',
          },
        )
      if (bytes === size) return segment
      await handle.truncate(bytes)
      await handle.datasync()
      notices.cut(size - bytes)
      return segment
    } finally {
      await handle.close()
    }
  }

  /** Bytes that are stored. */
  get bytes(): number {
    return this.#lines.bytes
  }

  /**
   * Stores lines durably. Those that a commit covers must be the same. Others that no commit covers take the place of those that are stored:
   * whoever sent either of them, the next commit decides.
   *
   * @param offset where they begin in the segment
   * @param covered bytes that a stored commit covers
   * @param isEnded true if a commit says that no lines follow
   * @returns where the host goes on
   * @throws {@link Refused}; errors of the operating system
   */
  async append(
    offset: number,
    sent: Buffer,
    { covered, isEnded }: { covered: number; isEnded: boolean },
  ): Promise<number> {
    // The host goes on at the end of what is stored.
    if (offset > this.bytes) return this.bytes
    const same = await this.#sameBytes(offset, sent.subarray(0, this.bytes - offset))
    const other = offset + same
    const isOther = same < Math.min(this.bytes - offset, sent.length)
    if (isOther && other < covered)
      throw new Refused('JOURNAL_INCONSISTENT', `the segment ${this.id} had other records before`)
    const added = sent.subarray(same)
    if (added.length === 0) return this.bytes
    if (isEnded) throw new Refused('JOURNAL_INCONSISTENT', `the segment ${this.id} goes on after its end`)
    if (other + added.length > MAX_SEGMENT_BYTES)
      throw new Refused('JOURNAL_INVALID', `the segment ${this.id} has more than ${MAX_SEGMENT_BYTES} bytes`)
    if (isOther) {
      const lines = await this.#linesUpTo(other)
      const follows = lines.bytes === other && (await this.#verified(added, lines).catch(refusedOnly))
      // The stored lines before these are not those of the sender either.
      if (!follows && offset > covered) return covered
      if (!follows)
        throw new Refused('JOURNAL_INVALID', `the records for the segment ${this.id} do not follow each other`)
      await this.setAside(other)
    }
    const lines = await this.#verified(added, this.#lines)
    await this.#write(added)
    this.#lines = lines
    return this.bytes
  }

  /** Removes the lines from an offset on, and keeps them as evidence. They are covered by no commit. */
  async setAside(offset: number): Promise<void> {
    const lines = await this.#linesUpTo(offset)
    const handle = await open(this.#path, 'r+')
    try {
      const removed = Buffer.alloc(Math.min(this.bytes - offset, MOST_OF_TAIL))
      await handle.read(removed, 0, removed.length, offset)
      const kept = await keepTail(this.#directory, this.id, removed)
      await handle.truncate(lines.bytes)
      await handle.datasync()
      this.#onSetAside(this.bytes - lines.bytes, kept?.file)
    } finally {
      await handle.close()
    }
    this.#lines = lines
    if (this.#compared.bytes > lines.bytes) this.#compared = new SegmentProgress(this.id)
  }

  /**
   * Compares the tree of the lines with the head that a signed commit states.
   *
   * @param covered bytes that a stored commit covers: lines after them that contradict this commit are set aside
   * @returns false if it covers lines that are not stored
   * @throws {@link Refused} if they differ
   */
  async compareHead(commit: Commit, covered: number): Promise<boolean> {
    const { leaf: head } = commit
    if (head.bytes > this.bytes) return false
    const compared = this.#compared
    if (head.bytes > compared.bytes) {
      const handle = await open(this.#path, 'r')
      try {
        for await (const { lines } of readLines(handle, compared.bytes, head.bytes)) {
          for (const line of lines) compared.add(line, '', true)
          await turn()
        }
      } finally {
        await handle.close()
      }
    }
    const { records, bytes } = compared
    const root = records === head.size && bytes === head.bytes ? compared.cover(head.size)?.toString('hex') : undefined
    const isLast = head.end === true || head.retired === true
    if (root === head.root) {
      if (isLast && this.bytes > head.bytes) await this.setAside(head.bytes)
      return true
    }
    if (head.bytes > covered) {
      await this.setAside(covered)
      return false
    }
    throw new Refused('JOURNAL_INCONSISTENT', `the records of the segment ${this.id} are not those of a commit`, {
      evidence: { kind: 'other', stored: { records, bytes, root }, sent: commit },
    })
  }

  get #path(): string {
    return join(this.#directory, segmentPath(this.id))
  }

  /** How many bytes are those that are stored: all, or complete lines. */
  async #sameBytes(offset: number, sent: Buffer): Promise<number> {
    if (sent.length === 0) return 0
    const handle = await open(this.#path, 'r')
    const stored = Buffer.alloc(sent.length)
    try {
      await handle.read(stored, 0, stored.length, offset)
    } finally {
      await handle.close()
    }
    if (stored.equals(sent)) return sent.length
    const first = stored.findIndex((byte, at) => byte !== sent[at])
    return first === 0 ? 0 : sent.lastIndexOf(LINE_FEED, first - 1) + 1
  }

  async #linesUpTo(offset: number): Promise<Lines> {
    const handle = await open(this.#path, 'r')
    try {
      return await linesUpTo(handle, offset, this.id)
    } finally {
      await handle.close()
    }
  }

  async #verified(added: Buffer, before: Lines): Promise<Lines> {
    let { records, bytes, check } = before
    for (let start = 0; start < added.length;) {
      const end = added.indexOf(LINE_FEED, start)
      const invalid = (fault: string) =>
        new Refused('JOURNAL_INVALID', `the record ${records} of the segment ${this.id} is invalid: ${fault}`)
      if (end < 0) throw invalid('its line is not complete')
      const read = readLine(added.subarray(start, end), check)
      const fault = 'record' in read ? misplaced(read.record, { records, id: this.id }) : read.fault
      if (fault !== undefined || !('record' in read)) throw invalid(fault ?? '')
      check = read.check
      bytes += end + 1 - start
      start = end + 1
      records += 1
      if (records % AT_ONCE === 0) await turn()
    }
    return { records, bytes, check }
  }

  async #write(added: Buffer): Promise<void> {
    const isNew = this.bytes === 0
    const { O_CREAT, O_WRONLY } = constants
    const handle = await open(this.#path, O_CREAT | O_WRONLY, 0o600)
    try {
      for (let done = 0; done < added.length;)
        done += (await handle.write(added, done, added.length - done, this.bytes + done)).bytesWritten
      await handle.datasync()
    } catch (error) {
      await handle.truncate(this.bytes).catch(() => undefined)
      throw error
    } finally {
      await handle.close()
    }
    if (isNew) await syncDirectory(join(this.#directory, SEGMENTS))
  }
}

function refusedOnly(error: unknown): undefined {
  if (!(error instanceof Refused)) throw error
}

function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}
