import type { JournalRecord } from '../../format/record.ts'
import { newWriterKey, type WriterKey } from '../../format/writer-key.ts'
import type { WriterSettings } from '../settings/merged-settings.ts'
import type { Segment } from '../segments/segment.ts'
import { segmentRecord } from '../segments/segment-record.ts'
import type { ToRecord } from './waiting-records.ts'

/** More models are described again. */
const MAX_DESCRIBED = 10_000

/** Records that are ready to be written, and what else they say. */
export interface MadeRecords {
  records: JournalRecord[]
  /** Models that they describe. */
  describes: readonly string[]
  /** Records that could not be written before, which they count. */
  lost: number
}

interface Making {
  /** ID of the journal. */
  journal: string
  segment: Segment
  settings: WriterSettings
  lost: number
}

/** Makes the records of a writer, and knows what its segment says already. */
export class RecordMaker {
  readonly #described = new Set<string>()
  /** ID of the segment that the same writer filled before. */
  #before: string | undefined
  /** By which its segments are known. */
  #key: WriterKey | undefined
  /** Why records were lost. */
  lostCode = 'QUEUE_FULL'

  /** The entries learn their places. */
  make(entries: readonly ToRecord[], { journal, segment, settings, lost }: Making): MadeRecords {
    const records: JournalRecord[] = []
    const describes: string[] = []
    if (segment.size === 0) records.push(this.#begun(journal, segment.id, settings))
    if (lost > 0) records.push({ type: 'lost', time: new Date().toISOString(), count: lost, code: this.lostCode })
    if (this.#described.size > MAX_DESCRIBED) this.#described.clear()
    const isDescribed = (rootDigest: string) => this.#described.has(rootDigest) || describes.includes(rootDigest)
    for (const entry of entries) {
      const made = entry.make({ id: segment.id, isDescribed })
      records.push(...made)
      if (entry.describes !== undefined) describes.push(entry.describes)
      entry.at.place = made.length === 0 ? undefined : { segment: segment.id, index: segment.size + records.length - 1 }
    }
    return { records, describes, lost }
  }

  wrote({ describes }: MadeRecords): void {
    for (const rootDigest of describes) this.#described.add(rootDigest)
  }

  /** Another segment is begun, in which no model is described. */
  beginAnew(before: Segment | undefined): void {
    this.#described.clear()
    // Nothing says who wrote a segment without a record.
    if (before && before.size > 0) this.#before = before.id
  }

  #begun(journal: string, segment: string, settings: WriterSettings): JournalRecord {
    this.#key ??= newWriterKey()
    return segmentRecord({ journal, segment, continues: this.#before }, this.#key, settings)
  }
}
