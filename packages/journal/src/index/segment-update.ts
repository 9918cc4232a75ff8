import {
  Problems,
  readSegment,
  SegmentProgress,
  segmentPath,
  type JournalProblem,
  type SegmentReading,
  type SegmentState,
} from '@modelseal/core/journal'
import { Intake, type IntoIndex, type SegmentFacts } from './intake.ts'
import type { Statements } from './statements.ts'

/** The journal is not a continuation of what was read before. */
export class Contradiction extends Error {
  /** Undefined if the index only does not know enough. */
  readonly found: JournalProblem | undefined

  constructor(found?: JournalProblem) {
    super(found?.problem)
    this.found = found
  }
}

interface FileState {
  size: number
  modified: number
}

interface SegmentRow extends SegmentFacts, FileState {
  state: string
  torn: number
}

/** Reads what was appended to a segment. */
export class SegmentUpdate {
  readonly #row: SegmentRow
  readonly #statements: Statements
  readonly #intake: Intake

  static of(name: string, index: IntoIndex): SegmentUpdate {
    const known = index.statements.get<SegmentRow>('select * from segment where name = ?', name)
    return new SegmentUpdate(known ?? newRow(name, index.statements), index)
  }

  private constructor(row: SegmentRow, index: IntoIndex) {
    this.#row = { ...row }
    this.#statements = index.statements
    this.#intake = new Intake(this.#row, index)
  }

  async run(reading: SegmentReading, file: FileState): Promise<void> {
    const row = this.#row
    const state = row.state === '' ? undefined : (JSON.parse(row.state) as SegmentState)
    if (state && file.size < row.size)
      throw this.#contradiction('truncated', 'the segment is shorter than when it was read before')
    if (state && file.size === row.size && file.modified !== row.modified)
      await this.#checkAgain(reading.directory, state)
    if (state && file.size === row.size && !reading.heads) {
      this.#save(state, file)
      return
    }
    if (state && reading.heads && !state.tail) throw new Contradiction()
    const progress = new SegmentProgress(row.name, state)
    for await (const records of readSegment(progress, reading)) for (const record of records) this.#intake.add(record)
    this.#intake.flush()
    row.torn = progress.torn
    this.#save(progress.state(), file)
  }

  /** A file of the same size that was written again: its lines must lead to the same check. */
  async #checkAgain(directory: string, state: SegmentState): Promise<void> {
    const progress = new SegmentProgress(this.#row.name)
    const problems = new Problems()
    let read = 0
    for await (const records of readSegment(progress, { directory, heads: undefined, problems })) read += records.length
    const known = this.#statements.get('select 1 from problem where file = ?', segmentPath(this.#row.name))
    if (
      read > progress.records ||
      progress.records < state.records ||
      progress.check !== state.check ||
      (problems.count > 0 && !known)
    )
      throw this.#contradiction('line', 'the segment has other lines than when it was read before')
  }

  #contradiction(kind: JournalProblem['kind'], problem: string): Contradiction {
    return new Contradiction({ kind, file: segmentPath(this.#row.name), problem })
  }

  #save(state: SegmentState, { size, modified }: FileState): void {
    const { id, writer, place, newest, lost, torn, first_day, last_day } = this.#row
    this.#statements.run(
      SAVE,
      writer,
      place,
      JSON.stringify(state),
      size,
      modified,
      newest,
      lost,
      torn,
      first_day,
      last_day,
      id,
    )
  }
}

const SAVE = `update segment set writer = ?, place = ?, state = ?, size = ?, modified = ?, newest = ?, lost = ?, torn = ?,
  first_day = ?, last_day = ? where id = ?`

function newRow(name: string, statements: Statements): SegmentRow {
  const { id } = statements.run(
    "insert into segment (name, state, size, modified, newest, lost, torn) values (?, '', 0, 0, 0, 0, 0)",
    name,
  )
  const empty = { writer: null, identity: null, continues: null, place: null, first_day: null, last_day: null }
  return { id, name, state: '', size: 0, modified: 0, newest: 0, lost: 0, torn: 0, ...empty }
}
