import { writerOf, type RecordOf, type SegmentRecord } from '@modelseal/core/journal'
import type { Interned } from './intern.ts'
import { DAY } from './schema.ts'
import type { Statements } from './statements.ts'
import { writerOfSegment } from './same-writer.ts'

/** Loads and counts in memory, before they are written. */
const MOST_PENDING = 10_000
/** Loads in one statement, which takes less time than as many statements. */
const LOADS_AT_ONCE = 50
const ROWS = Array.from({ length: LOADS_AT_ONCE }, () => '(?, ?, ?, ?, ?, ?)')

interface Bucket {
  situation: number
  place: number
  day: number
  loads: number
  first: number
  last: number
}

interface Live {
  record: number
  situation: number
  place: number
  time: number
}

/** What is known of a segment besides how far it was read. */
export interface SegmentFacts {
  id: number
  name: string
  writer: number | null
  /** The key of its writer, if that signed it, and which segment it continues. */
  identity: string | null
  continues: string | null
  place: number | null
  newest: number
  lost: number
  first_day: number | null
  last_day: number | null
}

/** Where records are written. */
export interface IntoIndex {
  /** ID of the journal. */
  journal: string
  statements: Statements
  interned: Interned
}

/** Writes the records of one segment into the index. */
export class Intake {
  readonly facts: SegmentFacts
  readonly #journal: string
  readonly #statements: Statements
  readonly #interned: Interned
  readonly #buckets = new Map<string, Bucket>()
  readonly #live = new Map<number, Live>()
  readonly #loads: number[][] = []

  constructor(facts: SegmentFacts, { journal, statements, interned }: IntoIndex) {
    this.facts = facts
    this.#journal = journal
    this.#statements = statements
    this.#interned = interned
  }

  add({ index, record }: SegmentRecord): void {
    const time = Date.parse(record.time)
    this.facts.newest = Math.max(this.facts.newest, time)
    if (record.type === 'segment') this.#begin(record)
    else if (record.type === 'load') this.#load(index, time, record)
    else if (record.type === 'model') this.#interned.files(record)
    else if (record.type === 'end') this.#end(index, record)
    else if (record.type === 'revoked') this.#revoked(index, record, time)
    else if (record.type === 'lost') this.facts.lost = Math.min(this.facts.lost + record.count, Number.MAX_SAFE_INTEGER)
    else if (record.type === 'close')
      this.#statements.run('update writer set closed = 1 where id = ?', this.facts.writer)
  }

  /** Writes what is pending. */
  flush(): void {
    for (const { situation, place, day, loads, first, last } of this.#buckets.values())
      this.#statements.run(ADD_TO_BUCKET, situation, place, day, loads, first, last)
    this.#buckets.clear()
    this.#flushLoads()
    this.#flushLive()
    const { writer, newest } = this.facts
    if (writer !== null) this.#statements.run('update writer set newest = max(newest, ?) where id = ?', newest, writer)
  }

  #begin(record: RecordOf<'segment'>): void {
    const { facts } = this
    facts.place = this.#interned.place(record.service, record.host)
    facts.identity = writerOf(record, this.#journal) ?? null
    facts.continues = record.continues ?? null
    facts.writer = writerOfSegment(this.#statements, facts)
  }

  #load(record: number, time: number, load: RecordOf<'load'>): void {
    const { facts } = this
    const place = facts.place ?? 0
    const day = Math.floor(time / DAY)
    const situation = this.#interned.situation(load)
    this.#loads.push([day, facts.id, record, time, situation, place])
    if (this.#loads.length >= LOADS_AT_ONCE) this.#flushLoads()
    facts.first_day = Math.min(facts.first_day ?? day, day)
    facts.last_day = Math.max(facts.last_day ?? day, day)
    this.#count({ situation, place, day, loads: 1, first: time, last: time })
    if (load.decision === 'refused') return
    this.#live.set(record, { record, situation, place, time })
    if (this.#live.size >= MOST_PENDING) this.#flushLive()
  }

  #count(one: Bucket): void {
    const key = `${one.situation} ${one.place} ${one.day}`
    const known = this.#buckets.get(key)
    if (known) {
      known.loads += 1
      known.first = Math.min(known.first, one.first)
      known.last = Math.max(known.last, one.last)
      return
    }
    this.#buckets.set(key, one)
    if (this.#buckets.size >= MOST_PENDING) this.flush()
  }

  #end(number: number, { load, segment }: RecordOf<'end'>): void {
    const { id, name } = this.facts
    if (segment === undefined || segment === name) {
      if (!this.#live.delete(load)) this.#statements.run('delete from live where segment = ? and record = ?', id, load)
      return
    }
    const sql = `delete from live where segment = (${OF_SAME_WRITER}) and record = ?`
    const { changes } = this.#statements.run(sql, segment, this.facts.writer, load)
    if (changes === 0) this.#refers(number, { load, segment, ends: 1 })
  }

  #revoked(number: number, { load, segment, code = 'MODEL_REVOKED' }: RecordOf<'revoked'>, time: number): void {
    const { id, name, writer } = this.facts
    const isOwn = segment === undefined || segment === name
    const of = isOwn
      ? (this.#live.get(load) ??
        this.#statements.get<Live>('select situation, place from live where segment = ? and record = ?', id, load))
      : this.#statements.get<Live>(
          `select situation, place from live where segment = (${OF_SAME_WRITER}) and record = ?`,
          segment,
          writer,
          load,
        )
    if (of) this.#statements.run('insert into revocation values (?, ?, ?, ?)', of.situation, of.place, code, time)
    else if (!isOwn) this.#refers(number, { load, segment, ends: 0 })
  }

  /** The segment may come later, because the clock was set back, or be that of another writer. */
  #refers(number: number, { load, segment, ends }: { load: number; segment: string; ends: number }): void {
    const { id, writer } = this.facts
    const sql = 'insert or ignore into reference values (?, ?, ?, ?, ?, ?)'
    this.#statements.run(sql, segment, load, writer, id, number, ends)
  }

  #flushLoads(): void {
    const { length } = this.#loads
    if (length > 0)
      this.#statements.run(`insert into load values ${ROWS.slice(0, length).join()}`, ...this.#loads.flat())
    this.#loads.length = 0
  }

  #flushLive(): void {
    for (const { record, situation, place, time } of this.#live.values())
      this.#statements.run('insert into live values (?, ?, ?, ?, ?)', this.facts.id, record, situation, place, time)
    this.#live.clear()
  }
}

const OF_SAME_WRITER = 'select id from segment where name = ? and writer = ?'

const ADD_TO_BUCKET = `insert into bucket values (?, ?, ?, ?, ?, ?) on conflict do update set
  loads = loads + excluded.loads, first = min(first, excluded.first), last = max(last, excluded.last)`

/** Removes what was read from a segment, when its file was deleted as the settings say. */
export function removeSegment(statements: Statements, { id, first_day: from, last_day: to }: SegmentFacts): void {
  if (from !== null && to !== null) {
    const touched = statements.all<Bucket>(
      'select distinct situation, place, day from load where day between ? and ? and segment = ?',
      from,
      to,
      id,
    )
    statements.run('delete from load where day between ? and ? and segment = ?', from, to, id)
    for (const { situation, place, day } of touched) {
      statements.run('delete from bucket where situation = ? and place = ? and day = ?', situation, place, day)
      statements.run(COUNT_AGAIN, day, situation, place)
    }
  }
  statements.run('delete from live where segment = ?', id)
  statements.run('delete from reference where segment = ?', id)
  statements.run('delete from segment where id = ?', id)
}

const COUNT_AGAIN = `insert into bucket select situation, place, day, count(*), min(time), max(time) from load
  where day = ? and situation = ? and place = ? group by 1, 2, 3`
