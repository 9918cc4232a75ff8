import type { RecordOf, SegmentRecord } from '@modelseal/core/journal'
import type { Interned } from './intern.ts'
import { DAY } from './schema.ts'
import type { Statements } from './statements.ts'

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
  place: number | null
  newest: number
  lost: number
  first_day: number | null
  last_day: number | null
}

/** Writes the records of one segment into the index. */
export class Intake {
  readonly facts: SegmentFacts
  readonly #statements: Statements
  readonly #interned: Interned
  readonly #buckets = new Map<string, Bucket>()
  readonly #live = new Map<number, Live>()
  readonly #loads: number[][] = []
  /** Loads of this segment whose end was read before, in another segment. */
  readonly #early: Set<number>

  constructor(facts: SegmentFacts, statements: Statements, interned: Interned) {
    this.facts = facts
    this.#statements = statements
    this.#interned = interned
    const early = statements.all<{ record: number }>('select record from early_end where segment = ?', facts.name)
    this.#early = new Set(early.map(({ record }) => record))
  }

  add({ index, record }: SegmentRecord): void {
    const time = Date.parse(record.time)
    this.facts.newest = Math.max(this.facts.newest, time)
    if (record.type === 'segment') this.#begin(record)
    else if (record.type === 'load') this.#load(index, time, record)
    else if (record.type === 'model') this.#interned.files(record)
    else if (record.type === 'end') this.#end(record)
    else if (record.type === 'revoked') this.#revoked(record, time)
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

  #begin({ service, host, continues }: RecordOf<'segment'>): void {
    const { facts } = this
    facts.place = this.#interned.place(service, host)
    const before = this.#statements.get<{ writer: number | null }>(
      'select writer from segment where name = ?',
      continues ?? '',
    )
    facts.writer = before?.writer ?? this.#statements.run('insert into writer (closed, newest) values (0, 0)').id
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
    if (load.decision === 'refused' || this.#early.has(record)) return
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

  #end({ load, segment }: RecordOf<'end'>): void {
    const name = segment ?? this.facts.name
    if (name === this.facts.name && this.#live.delete(load)) return
    const { changes } = this.#statements.run(
      'delete from live where segment = (select id from segment where name = ?) and record = ?',
      name,
      load,
    )
    // The clock was set back, so that the segment of the load comes later.
    if (changes === 0) this.#statements.run('insert or ignore into early_end values (?, ?)', name, load)
  }

  #revoked({ load, segment, code }: RecordOf<'revoked'>, time: number): void {
    const name = segment ?? this.facts.name
    const pending = name === this.facts.name ? this.#live.get(load) : undefined
    const of =
      pending ??
      this.#statements.get<Live>(
        'select situation, place from live where segment = (select id from segment where name = ?) and record = ?',
        name,
        load,
      )
    if (of)
      this.#statements.run(
        'insert into revocation values (?, ?, ?, ?)',
        of.situation,
        of.place,
        code ?? 'MODEL_REVOKED',
        time,
      )
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

const ADD_TO_BUCKET = `insert into bucket values (?, ?, ?, ?, ?, ?) on conflict do update set
  loads = loads + excluded.loads, first = min(first, excluded.first), last = max(last, excluded.last)`

/** Removes what was read from a segment, when its file was deleted as the settings say. */
export function removeSegment(statements: Statements, { id, first_day: from, last_day: to, name }: SegmentFacts): void {
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
  statements.run('delete from early_end where segment = ?', name)
  statements.run('delete from segment where id = ?', id)
}

const COUNT_AGAIN = `insert into bucket select situation, place, day, count(*), min(time), max(time) from load
  where day = ? and situation = ? and place = ? group by 1, 2, 3`
