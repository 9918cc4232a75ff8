import type { WritableJournal } from '../files/directory.ts'
import type { JournalAccess } from '../journal-access.ts'
import { RecordMaker, type MadeRecords } from '../records/record-maker.ts'
import type { ToRecord, WaitingRecords } from '../records/waiting-records.ts'
import { Segment } from './segment.ts'

/** The segment that a writer appends to, what it says already, and what of it was lost. */
export class OwnSegment {
  readonly #access: JournalAccess
  readonly #waiting: WaitingRecords
  readonly #maker = new RecordMaker()
  #now: Segment | undefined
  /** True if the segment states something else than the settings. */
  #isOutdated = false
  /** ID of the journal that it is in. */
  #journal = ''

  constructor(access: JournalAccess, waiting: WaitingRecords) {
    this.#access = access
    this.#waiting = waiting
  }

  /** Undefined until something is written. */
  get now(): Segment | undefined {
    return this.#now
  }

  /** Whether somebody deleted, moved or cut it. */
  get isGone(): boolean {
    return this.#now !== undefined && this.#access.isGone(this.#now)
  }

  /** Why records were lost. */
  set lostCode(code: string) {
    this.#maker.lostCode = code
  }

  /** The settings have changed. The next record begins another segment. */
  restate(): void {
    this.#isOutdated = true
  }

  /** @param filled is called with the segment before, if another one is begun */
  current(journal: WritableJournal, filled: (before: Segment) => void): Segment {
    const before = this.#now
    if (before && !before.isFull && !before.isBroken && !this.#isOutdated) return before
    const next = new Segment(journal.path)
    this.#now = next
    this.#isOutdated = false
    this.#journal = journal.file.id
    this.#maker.beginAnew(before)
    if (before) filled(before)
    return next
  }

  make(entries: readonly ToRecord[], segment: Segment): MadeRecords {
    const [{ settings }, { lost }] = [this.#access, this.#waiting]
    return this.#maker.make(entries, { journal: this.#journal, segment, settings, lost })
  }

  wrote(made: MadeRecords): void {
    this.#waiting.lost -= made.lost
    this.#maker.wrote(made)
  }

  /**
   * Begins the journal anew: somebody deleted it, or what was written to it.
   *
   * @param failed records that were written last, and are refused or tried again
   */
  beginAnew(failed?: MadeRecords): void {
    if (failed) this.#waiting.lost += failed.lost - failed.records.length
    const segment = this.#now
    if (!segment) return
    this.#waiting.lost += segment.size
    this.lostCode = 'ENOENT'
    this.#access.forget()
    this.#now = undefined
    this.#maker.beginAnew(undefined)
    segment.close()
  }
}
