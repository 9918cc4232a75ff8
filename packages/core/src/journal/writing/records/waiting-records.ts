import type { ModelSealError } from '../../../errors.ts'
import type { JournalRecord } from '../../format/record.ts'

/** Where a record is. */
interface Place {
  segment: string
  index: number
}

/** Something to be recorded. */
export interface ToRecord {
  /**
   * Its records, made when they are written, because they may depend on the segment. The last one is the one whose place counts.
   *
   * @returns none if there is nothing to be recorded any more
   */
  make: (segment: { id: string; isDescribed: (rootDigest: string) => boolean }) => readonly JournalRecord[]
  /** The model that its records describe. */
  describes?: string | undefined
  /** Waits for the disk. */
  isSynced: boolean
  /** Is given up instead of being tried again. */
  isRequired: boolean
  /** Is called once. */
  ended: (failure: ModelSealError | undefined) => void
  /** Says where its last record is. Kept by those who refer to it. */
  at: { place?: Place | undefined }
}

/** More entries are not kept while the disk fails: memory is bounded, and the number of lost ones is recorded. */
const MAX_WAITING = 1_000
/** While it does not, a service may begin or end that many loads at once. */
const MAX_AT_ONCE = 50_000
/** How many are written together. */
const BATCH = 64

/** What waits to be written, and the number of what was lost. */
export class WaitingRecords {
  #waiting: ToRecord[] = []
  lost = 0

  get length(): number {
    return this.#waiting.length
  }

  get isUrgent(): boolean {
    return this.#waiting.some(({ isRequired }) => isRequired)
  }

  /** @returns false if there is no room */
  add(entry: ToRecord, isFailing: boolean): boolean {
    if (this.#waiting.length < (isFailing ? MAX_WAITING : MAX_AT_ONCE) || entry.isRequired) {
      this.#waiting.push(entry)
      return true
    }
    this.lost++
    return false
  }

  take(count = BATCH): ToRecord[] {
    return this.#waiting.splice(0, count)
  }

  putBack(entries: readonly ToRecord[]): void {
    this.#waiting = [...entries, ...this.#waiting]
  }
}
