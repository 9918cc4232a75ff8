import { DAY } from '../index/schema.ts'
import type { Cell } from '../index/sqlite.ts'
import type { Statements } from '../index/statements.ts'
import type { IncidentQuery } from './incident.ts'

/** A period in milliseconds since 1970, the end not included. */
export interface Period {
  from: number
  to: number
}

export const ALWAYS: Period = { from: -8.64e15, to: 8.64e15 }

export function periodOf({ since, until }: Pick<IncidentQuery, 'since' | 'until'>): Period {
  return { from: since?.getTime() ?? ALWAYS.from, to: until?.getTime() ?? ALWAYS.to }
}

/**
 * Counts the loads of the situations in `hit` into the temporary table `counted`: those of whole days as they were counted before, and those
 * of the days in which the period begins and ends one by one.
 */
export function countLoads(statements: Statements, period: Period): void {
  const { days, parts } = split(period)
  const border = parts.map(() => BORDER).join('')
  statements.exec(COUNTED)
  statements.exec('delete from counted')
  const sql = `insert into counted select n.situation, n.place, s.model, s.decision, s.code, sum(n.loads), min(n.first), max(n.last) from (
    select b.situation, b.place, b.loads, b.first, b.last from hit join bucket b on b.situation = hit.situation
      where b.day >= ? and b.day < ?${border}) n join situation s on s.id = n.situation group by 1, 2`
  statements.run(sql, ...days, ...parts.flat())
}

const COUNTED = `create temp table if not exists counted(situation integer, place integer, model integer, decision text, code text,
  loads integer, first integer, last integer)`

const BORDER = ` union all select l.situation, l.place, count(*), min(l.time), max(l.time) from load l
  where l.day = ? and l.time >= ? and l.time < ? and l.situation in (select situation from hit) group by 1, 2`

/** The whole days of a period, and day, beginning and end of what is left at its ends. */
function split({ from, to }: Period): { days: [number, number]; parts: [number, number, number][] } {
  const [first, last] = [Math.ceil(from / DAY), Math.floor(to / DAY)]
  if (first > last) return { days: [0, 0], parts: [[last, from, to]] }
  const parts: [number, number, number][] = []
  if (first * DAY !== from) parts.push([first - 1, from, first * DAY])
  if (last * DAY !== to) parts.push([last, last * DAY, to])
  return { days: [first, last], parts }
}

export interface Day {
  /** Since 1970. */
  day: number
  /** 1 for refusals. */
  refused: number
  loads: number
}

/** Loads and refusals of each day in which there were any. */
export function daily(statements: Statements, period: Period): Day[] {
  const { days, parts } = split(period)
  const border = parts.map(() => DAILY_BORDER).join('')
  const sql = `select day, s.decision = 'refused' refused, sum(loads) loads from (
    select b.situation, b.day, b.loads from hit join bucket b on b.situation = hit.situation where b.day >= ? and b.day < ?${border}
  ) join situation s on s.id = situation group by 1, 2`
  const cells: Cell[] = [...days, ...parts.flat()]
  return statements.all(sql, ...cells)
}

const DAILY_BORDER = ` union all select l.situation, l.day, count(*) from load l
  where l.day = ? and l.time >= ? and l.time < ? and l.situation in (select situation from hit) group by 1, 2`

/** Loads and refusals of each hour of a few days, from the single loads. */
export function hourlyWithin(
  statements: Statements,
  { from, to }: Period,
): { hour: number; refused: number; loads: number }[] {
  const sql = `select cast(floor(l.time / 3600000.0) as integer) hour, s.decision = 'refused' refused, count(*) loads from load l
    join situation s on s.id = l.situation where l.day >= ? and l.day <= ? and l.time >= ? and l.time < ?
    and l.situation in (select situation from hit) group by 1, 2`
  return statements.all(sql, Math.floor(from / DAY), Math.floor(to / DAY), from, to)
}
