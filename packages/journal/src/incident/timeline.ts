import { DAY } from '../index/schema.ts'
import type { Timeline } from './incident.ts'

const HOUR = 3_600_000
const MOST_BARS = 60
/** Lengths that people read easily; beyond them, multiples of the last. */
const STEPS = [HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY]

/** Loads or refusals of an hour or a day. */
export interface Moment {
  /** When it began, in milliseconds since 1970. */
  time: number
  refused: boolean
  loads: number
}

/** Loads and refusals over time, in at most 60 bars. @param least length of a moment @returns undefined if there were none */
export function timelineOf(moments: readonly Moment[], least: number): Timeline | undefined {
  if (moments.length === 0) return undefined
  const [first, last] = moments.reduce(
    ([min, max], { time }) => [Math.min(min, time), Math.max(max, time)],
    [Infinity, -Infinity],
  )
  const step = stepFor(first, last, least)
  const from = Math.floor(first / step) * step
  const bars = () => Array.from({ length: Math.floor((last - from) / step) + 1 }, () => 0)
  const [loads, refusals] = [bars(), bars()]
  for (const { time, refused, loads: count } of moments) {
    const bar = Math.floor((time - from) / step)
    const counted = refused ? refusals : loads
    counted[bar] = (counted[bar] ?? 0) + count
  }
  return { from: new Date(from).toISOString(), step, loads, refusals }
}

function stepFor(first: number, last: number, least: number): number {
  const fits = (step: number) => step >= least && Math.floor(last / step) - Math.floor(first / step) < MOST_BARS
  const listed = STEPS.find(fits)
  if (listed !== undefined) return listed
  return Math.ceil((last - first) / (MOST_BARS - 1) / (28 * DAY)) * 28 * DAY
}
