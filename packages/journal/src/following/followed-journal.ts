import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  foreignReference,
  isAboutLoad,
  Problems,
  readCommits,
  segmentIdsIn,
  segmentPath,
  type CommitsRead,
  type JournalProblem,
  type OpenedJournal,
  type SegmentRecord,
} from '@modelseal/core/journal'
import { exportedRecord, type ExportedRecord } from '../export/exported-record.ts'
import { FollowedSegment } from './followed-segment.ts'

/** A new record, or what is wrong with a journal. */
export type Followed =
  | { directory: string; record: ExportedRecord; problem?: never }
  | { directory: string; problem: JournalProblem; record?: never }

/** A writer goes on in another segment after 24 hours. Older ones are looked at less often. */
const MAX_AGE = 25 * 3_600_000
/** Every this many rounds. */
const SELDOM = 120

/** A journal that is looked at again and again. */
export class FollowedJournal {
  readonly #journal: OpenedJournal
  readonly #segments = new Map<string, FollowedSegment>()
  /** Commits that were verified, and what they say was retired. */
  #commits: CommitsRead | undefined
  readonly #retired = new Set<string>()
  #rounds = 0

  constructor(journal: OpenedJournal) {
    this.#journal = journal
  }

  /** Finds out what is there, so that only what is appended later is new. */
  async begin(since: number): Promise<void> {
    const { directory } = this.#journal
    for (const id of await segmentIdsIn(this.#journal)) {
      const found = await stat(join(directory, segmentPath(id))).catch(() => undefined)
      if (found)
        this.#segments.set(id, new FollowedSegment(this.#journal, id, found.mtimeMs < since ? found : undefined))
    }
  }

  async *news(): AsyncGenerator<Followed> {
    const { directory, file } = this.#journal
    const here = await segmentIdsIn(this.#journal)
    yield* this.#missing(new Set(here))
    const isThorough = this.#rounds++ % SELDOM === 0
    for (const id of here) {
      const segment = this.#segments.get(id) ?? new FollowedSegment(this.#journal, id)
      this.#segments.set(id, segment)
      if (!isThorough && Date.now() - segment.changed > MAX_AGE) continue
      for await (const news of segment.news()) {
        if ('problem' in news) yield { directory, problem: news.problem }
        else
          for (const found of news.records) {
            const { record, index } = found
            const problem = await this.#foreign(id, segment, found)
            if (problem) yield { directory, problem }
            else
              yield {
                directory,
                record: exportedRecord(record, { journal: file.id, segment: id, index, writer: news.writer }),
              }
          }
      }
    }
  }

  async *#missing(here: ReadonlySet<string>): AsyncGenerator<Followed> {
    const gone = [...this.#segments.keys()].filter((id) => !here.has(id))
    if (gone.length === 0) return
    await this.#readCommits()
    for (const id of gone) {
      this.#segments.delete(id)
      if (this.#retired.has(id)) continue
      const problem = 'the segment is missing, and no commit says that it was retired'
      yield { directory: this.#journal.directory, problem: { kind: 'missing', file: segmentPath(id), problem } }
    }
  }

  /** Each signature is verified, so that nobody without the key says what was retired. */
  async #readCommits(): Promise<void> {
    const reading = { each: true, problems: new Problems(), ...(this.#commits && { from: this.#commits }) }
    for await (const { leaf, index, frontier } of readCommits(this.#journal, reading)) {
      if (leaf.retired) this.#retired.add(leaf.segment)
      this.#commits = { size: index + 1, frontier }
    }
  }

  /** What is wrong with a record that refers to a segment of another writer: nobody else can say that a load has ended. */
  async #foreign(
    id: string,
    segment: FollowedSegment,
    { record, index }: SegmentRecord,
  ): Promise<JournalProblem | undefined> {
    const to = record.type === 'segment' ? record.continues : isAboutLoad(record) ? record.segment : undefined
    if (to === undefined || (to === id && record.type !== 'segment')) return undefined
    const other = to === id ? undefined : this.#segments.get(to)
    // What refers to a segment that is not there, such as a retired one, changes nothing.
    if (to !== id && !other) return undefined
    const key = await segment.key()
    if (key !== undefined && key === (await other?.key())) return undefined
    return { kind: 'reference', file: segmentPath(id), index, problem: foreignReference(to) }
  }
}
