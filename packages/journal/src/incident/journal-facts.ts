import type { Cell } from '../index/sqlite.ts'
import type { Statements } from '../index/statements.ts'
import type { Period } from './counting.ts'

/** Rows of each kind that are read from one journal: those with the most loads. */
export const MOST_ROWS = 1_000

/** Pairs of a model and a place that are read from one journal. */
export const MOST_PAIRS = 20 * MOST_ROWS

/** How many loads and refusals, and when, in milliseconds since 1970. */
export interface Counts {
  loads: number
  refusals: number
  first: number
  last: number
}

/** Loads without a recorded end: of writers that wrote lately, and of others. */
export interface Living {
  running: number
  silent: number
}

const COUNTS = `sum(case when c.decision = 'refused' then 0 else c.loads end) loads,
  sum(case when c.decision = 'refused' then c.loads else 0 end) refusals, min(c.first) first, max(c.last) last`

/** Facts about the loads in the temporary table `counted` of one journal. */
export class JournalFacts {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  total(): Counts & { models: number } {
    const sql = `select coalesce(sum(case when decision = 'refused' then 0 else loads end), 0) loads,
      coalesce(sum(case when decision = 'refused' then loads else 0 end), 0) refusals,
      coalesce(min(first), 0) first, coalesce(max(last), 0) last, count(distinct model) models from counted`
    return (
      this.#statements.get<Counts & { models: number }>(sql) ?? { loads: 0, refusals: 0, first: 0, last: 0, models: 0 }
    )
  }

  services(): (Counts & { place: number; service: string; host: string })[] {
    return this.#rows(
      `select c.place, p.service, p.host, ${COUNTS} from counted c join place p on p.id = c.place group by c.place`,
    )
  }

  models(): (Counts & { model: number; root: string; label: string; cut: number })[] {
    return this.#rows(
      `select c.model, m.root, m.label, m.cut, ${COUNTS} from counted c join model m on m.id = c.model group by c.model`,
    )
  }

  /** By model and place, each pair once. */
  spread(): { root: string; label: string; service: string; host: string }[] {
    const sql = `select distinct m.root, m.label, p.service, p.host from counted c join model m on m.id = c.model
      join place p on p.id = c.place limit ${MOST_PAIRS}`
    return this.#statements.all(sql)
  }

  names(model: number): string[] {
    return this.#statements
      .all<{ name: string }>('select name from model_name where model = ?', model)
      .map(({ name }) => name)
  }

  namesOf(root: string): string[] {
    const sql = 'select distinct name from model_name where model in (select id from model where root = ?) limit 20'
    return this.#statements.all<{ name: string }>(sql, root).map(({ name }) => name)
  }

  signers(): (Counts & { facts: string; counted: number })[] {
    return this.#rows(`select g.facts, max(t.counted) counted, ${COUNTS} from counted c
      join situation_signer t on t.situation = c.situation join signer g on g.id = t.signer group by g.id`)
  }

  /** What was refused, or would have been. */
  refusals(): { decision: string; code: string; count: number; first: number; last: number }[] {
    return this.#statements
      .all(`select decision, coalesce(code, '') code, sum(loads) count, min(first) first, max(last) last from counted
      where decision <> 'accepted' group by 1, 2 order by 3 desc limit ${MOST_ROWS}`)
  }

  revocations({ from, to }: Period): { code: string; count: number; first: number; last: number }[] {
    const sql = `select r.code, count(*) count, min(r.time) first, max(r.time) last from hit join revocation r on r.situation = hit.situation
      where r.time >= ? and r.time < ? group by 1`
    return this.#statements.all(sql, from, to)
  }

  /**
   * @param recent a writer whose last record is of this period is taken to be running. A later one, by a clock that was wrong, does not say
   * when it was written.
   */
  living({ from, to }: Period, recent: Period): (Living & { place: number; model: number })[] {
    const sql = `select l.place, s.model, sum(w.closed = 0 and w.newest between ? and ?) running,
        sum(w.closed = 0 and w.newest not between ? and ?) silent
      from hit join live l on l.situation = hit.situation join situation s on s.id = l.situation join segment g on g.id = l.segment
      join writer w on w.id = g.writer where l.time >= ? and l.time < ? group by 1, 2`
    const times = [recent.from, recent.to]
    return this.#statements.all(sql, ...times, ...times, from, to)
  }

  /** Situations whose lists were cut when they were recorded, so that a signer or policy in them may be missing. */
  cutSituations(): number {
    return this.#statements.get<{ count: number }>('select count(*) count from situation where cut = 1')?.count ?? 0
  }

  /** Models that have more files than were recorded. */
  cutModels(): number {
    return this.#statements.get<{ count: number }>('select count(*) count from model where cut = 1')?.count ?? 0
  }

  /** Refused loads of models whose root digest was not known. */
  unidentified(): number {
    const sql = "select count(*) count from situation s join model m on m.id = s.model where m.root = ''"
    return this.#statements.get<{ count: number }>(sql)?.count ?? 0
  }

  #rows<Row extends object>(sql: string, ...cells: Cell[]): Row[] {
    return this.#statements.all<Row>(`${sql} order by loads + refusals desc limit ${MOST_ROWS}`, ...cells)
  }
}
