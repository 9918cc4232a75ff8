import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  Problems,
  readCommits,
  segmentIdsIn,
  segmentPath,
  type JournalProblem,
  type OpenedJournal,
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
  #rounds = 0

  constructor(journal: OpenedJournal) {
    this.#journal = journal
  }

  /** Finds out what is there, so that only what is appended later is new. */
  async begin(since: number): Promise<void> {
    const { directory } = this.#journal
    for (const id of await segmentIdsIn(this.#journal)) {
      const found = await stat(join(directory, segmentPath(id))).catch(() => undefined)
      if (found) this.#segments.set(id, new FollowedSegment(directory, id, found.mtimeMs < since ? found : undefined))
    }
  }

  async *news(): AsyncGenerator<Followed> {
    const { directory, file } = this.#journal
    const here = await segmentIdsIn(this.#journal)
    yield* this.#missing(new Set(here))
    const isThorough = this.#rounds++ % SELDOM === 0
    for (const id of here) {
      const segment = this.#segments.get(id) ?? new FollowedSegment(directory, id)
      this.#segments.set(id, segment)
      if (!isThorough && Date.now() - segment.changed > MAX_AGE) continue
      for await (const news of segment.news()) {
        if ('problem' in news) yield { directory, problem: news.problem }
        else
          for (const { record, index } of news.records)
            yield {
              directory,
              record: exportedRecord(record, { journal: file.id, segment: id, index, writer: news.writer }),
            }
      }
    }
  }

  async *#missing(here: ReadonlySet<string>): AsyncGenerator<Followed> {
    const gone = [...this.#segments.keys()].filter((id) => !here.has(id))
    if (gone.length === 0) return
    const retired = await this.#retired()
    for (const id of gone) {
      this.#segments.delete(id)
      if (retired.has(id)) continue
      const problem = 'the segment is missing, and no commit says that it was retired'
      yield { directory: this.#journal.directory, problem: { kind: 'missing', file: segmentPath(id), problem } }
    }
  }

  async #retired(): Promise<Set<string>> {
    const retired = new Set<string>()
    const problems = new Problems()
    for await (const { leaf } of readCommits(this.#journal, { each: false, problems }))
      if (leaf.retired) retired.add(leaf.segment)
    // The last signature is verified, which covers all.
    return problems.count === 0 ? retired : new Set()
  }
}
