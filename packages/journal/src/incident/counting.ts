import { HOUR } from '../index/schema.ts'
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
 * Counts the loads of the situations in `hit` into the temporary table `counted`: those of whole hours as they were counted before, and those
 * of the hours in which the period begins and ends one by one.
 */
export function countLoads(statements: Statements, period: Period): void {
  const { hours, parts } = split(period)
  const border = parts.map(() => BORDER).join('')
  statements.exec(COUNTED)
  statements.exec('delete from counted')
  const sql = `insert into counted select n.situation, n.place, s.model, s.decision, s.code, sum(n.loads), min(n.first), max(n.last) from (
    select b.situation, b.place, b.loads, b.first, b.last from hit join bucket b on b.situation = hit.situation
      where b.hour >= ? and b.hour < ?${border}) n join situation s on s.id = n.situation group by 1, 2`
  statements.run(sql, ...hours, ...parts.flat())
}

const COUNTED = `create temp table if not exists counted(situation integer, place integer, model integer, decision text, code text,
  loads integer, first integer, last integer)`

const BORDER = ` union all select l.situation, l.place, count(*), min(l.time), max(l.time) from load l
  where l.hour = ? and l.time >= ? and l.time < ? and l.situation in (select situation from hit) group by 1, 2`

/** The whole hours of a period, and hour, beginning and end of what is left at its ends. */
function split({ from, to }: Period): { hours: [number, number]; parts: [number, number, number][] } {
  const [first, last] = [Math.ceil(from / HOUR), Math.floor(to / HOUR)]
  if (first > last) return { hours: [0, 0], parts: [[last, from, to]] }
  const parts: [number, number, number][] = []
  if (first * HOUR !== from) parts.push([first - 1, from, first * HOUR])
  if (last * HOUR !== to) parts.push([last, last * HOUR, to])
  return { hours: [first, last], parts }
}

export interface Hour {
  /** Since 1970. */
  hour: number
  /** 1 for refusals. */
  refused: number
  loads: number
}

/** Loads and refusals of each hour in which there were any. */
export function hourly(statements: Statements, period: Period): Hour[] {
  const { hours, parts } = split(period)
  const border = parts.map(() => HOURLY_BORDER).join('')
  const sql = `select hour, s.decision = 'refused' refused, sum(loads) loads from (
    select b.situation, b.hour, b.loads from hit join bucket b on b.situation = hit.situation where b.hour >= ? and b.hour < ?${border}
  ) join situation s on s.id = situation group by 1, 2`
  const cells: Cell[] = [...hours, ...parts.flat()]
  return statements.all(sql, ...cells)
}

const HOURLY_BORDER = ` union all select l.situation, l.hour, count(*) from load l
  where l.hour = ? and l.time >= ? and l.time < ? and l.situation in (select situation from hit) group by 1, 2`
