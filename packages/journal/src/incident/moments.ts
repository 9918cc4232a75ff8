import { DAY } from '../index/schema.ts'
import type { Statements } from '../index/statements.ts'
import { hourlyWithin, type Day } from './counting.ts'
import type { Counts } from './journal-facts.ts'
import type { Moment } from './timeline.ts'

const HOUR = 3_600_000
/** Loads that are counted one by one, for a timeline of hours. */
const MOST_SINGLE = 200_000

interface Found {
  days: readonly Day[]
  total: Counts
  /** Puts the situations that were found into `hit`. */
  match: (statements: Statements) => void
}

/** Loads and refusals by hour if they are few and of a few weeks, and else by day; and how long each is. */
export function momentsOf(all: readonly Statements[], { days, total, match }: Found): [Moment[], number] {
  const { first, last, loads, refusals } = total
  if (loads + refusals > MOST_SINGLE || last - first > 28 * DAY)
    return [
      days.map(({ day, refused, loads: count }) => ({ time: day * DAY, refused: refused === 1, loads: count })),
      DAY,
    ]
  const moments: Moment[] = []
  if (loads + refusals > 0)
    for (const statements of all) {
      match(statements)
      for (const { hour, refused, loads: count } of hourlyWithin(statements, { from: first, to: last + 1 }))
        moments.push({ time: hour * HOUR, refused: refused === 1, loads: count })
    }
  return [moments, HOUR]
}
