import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers'
import { ModelSealError } from '@modelseal/core/errors'
import {
  checkLine,
  misplaced,
  readLine,
  readLines,
  SEGMENTS,
  SegmentProgress,
  segmentPath,
  type Commit,
} from '@modelseal/core/journal'
import { syncDirectory } from '../durable.ts'
import { Refused } from './refused.ts'

/** A writer begins another segment after 64 MiB. */
const MAX_SEGMENT_BYTES = 256 * 1024 * 1024
/** Lines that are verified before others have their turn. */
const AT_ONCE = 256
const LINE_FEED = 10

/** A segment that a collector stores. After an error, read it anew: what is in memory may differ from the disk. */
export class StoredSegment {
  readonly id: string
  readonly #directory: string
  /** Complete lines on the disk: number, bytes, and the check of the last. */
  #lines: { records: number; bytes: number; check: string }
  /** The lines whose tree was compared with a commit since the segment was opened. */
  #compared: SegmentProgress

  private constructor(directory: string, id: string) {
    this.id = id
    this.#directory = directory
    this.#lines = { records: 0, bytes: 0, check: id }
    this.#compared = new SegmentProgress(id)
  }

  /**
   * Reads the segment, if it exists, and cuts off what a write that did not end left behind.
   *
   * @param covered bytes that a stored commit covers
   * @param onCut called with the number of bytes
   * @throws {@link ModelSealError} `JOURNAL_INVALID` if one of the covered lines was changed; errors of the operating system
   */
  static async open(
    directory: string,
    id: string,
    covered: number,
    onCut: (bytes: number) => void,
  ): Promise<StoredSegment> {
    const segment = new StoredSegment(directory, id)
    const handle = await open(segment.#path, constants.O_RDWR).catch(absent)
    if (!handle) return segment
    try {
      const { size } = await handle.stat()
      await segment.#readAll(handle, size)
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
      onCut(size - bytes)
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
   * Stores lines durably. Those that are stored already must be the same.
   *
   * @param offset where they begin in the segment
   * @param isEnded true if a commit says that no lines follow
   * @throws {@link Refused}; errors of the operating system
   */
  async append(offset: number, sent: Buffer, isEnded: boolean): Promise<void> {
    // The host goes on at the end of what is stored.
    if (offset > this.bytes) return
    const known = Math.min(this.bytes - offset, sent.length)
    if (known > 0) await this.#compare(offset, sent.subarray(0, known))
    const added = sent.subarray(known)
    if (added.length === 0) return
    if (isEnded) throw new Refused('JOURNAL_INCONSISTENT', `the segment ${this.id} goes on after its end`)
    if (this.bytes + added.length > MAX_SEGMENT_BYTES)
      throw new Refused('JOURNAL_INVALID', `the segment ${this.id} has more than ${MAX_SEGMENT_BYTES} bytes`)
    const lines = await this.#verified(added)
    await this.#write(added)
    this.#lines = lines
  }

  /**
   * Compares the tree of the lines with the head that a signed commit states.
   *
   * @returns false if it covers lines that are not stored
   * @throws {@link Refused} if they differ
   */
  async compareHead(commit: Commit): Promise<boolean> {
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
    if (root === head.root) return true
    throw new Refused('JOURNAL_INCONSISTENT', `the records of the segment ${this.id} are not those of a commit`, {
      evidence: { kind: 'other', stored: { records, bytes, root }, sent: commit },
    })
  }

  get #path(): string {
    return join(this.#directory, segmentPath(this.id))
  }

  async #readAll(handle: FileHandle, size: number): Promise<void> {
    for await (const { lines } of readLines(handle, 0, size)) {
      for (const line of lines) {
        const checked = checkLine(line, this.#lines.check)
        if (!('text' in checked)) return
        const { records, bytes } = this.#lines
        this.#lines = { records: records + 1, bytes: bytes + line.length + 1, check: checked.check }
      }
      await turn()
    }
  }

  async #compare(offset: number, sent: Buffer): Promise<void> {
    const handle = await open(this.#path, 'r')
    const stored = Buffer.alloc(sent.length)
    try {
      const { bytesRead } = await handle.read(stored, 0, stored.length, offset)
      if (bytesRead === sent.length && stored.equals(sent)) return
    } finally {
      await handle.close()
    }
    throw new Refused('JOURNAL_INCONSISTENT', `the segment ${this.id} had other records before`)
  }

  async #verified(added: Buffer): Promise<{ records: number; bytes: number; check: string }> {
    let { records, bytes, check } = this.#lines
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

function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}

/** Lets other requests have their turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
