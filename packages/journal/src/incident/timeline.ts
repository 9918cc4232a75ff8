import { HOUR } from '../index/schema.ts'
import type { Hour } from './counting.ts'
import type { Timeline } from './incident.ts'

const MOST_BARS = 60
const DAY = 24 * HOUR
/** Lengths that people read easily; beyond them, multiples of the last. */
const STEPS = [HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY]

/** Loads and refusals over time, in at most 60 bars. @returns undefined if there were none */
export function timelineOf(hours: readonly Hour[]): Timeline | undefined {
  if (hours.length === 0) return undefined
  const times = hours.map(({ hour }) => hour * HOUR)
  const [first, last] = times.reduce(
    ([min, max], time) => [Math.min(min, time), Math.max(max, time)],
    [Infinity, -Infinity],
  )
  const step = stepFor(first, last)
  const from = Math.floor(first / step) * step
  const bars = () => Array.from({ length: Math.floor((last - from) / step) + 1 }, () => 0)
  const [loads, refusals] = [bars(), bars()]
  for (const { hour, refused, loads: count } of hours) {
    const bar = Math.floor((hour * HOUR - from) / step)
    const counted = refused ? refusals : loads
    counted[bar] = (counted[bar] ?? 0) + count
  }
  return { from: new Date(from).toISOString(), step, loads, refusals }
}

function stepFor(first: number, last: number): number {
  const fits = (step: number) => Math.floor(last / step) - Math.floor(first / step) < MOST_BARS
  const listed = STEPS.find(fits)
  if (listed !== undefined) return listed
  return Math.ceil((last - first) / (MOST_BARS - 1) / (28 * DAY)) * 28 * DAY
}
