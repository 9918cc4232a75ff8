// The targets, as ratios of measurements in the same round.
import { median } from './measure.mjs'

/** Ours is at least `bound` times as fast as the other program. */
export function asFast(ours, other, bound) {
  return ratio(`${ours}: at least ${bound} x as fast as ${other}`, other, ours, (value) => value >= bound)
}

/** Ours takes at most `bound` times as long as the other program. */
export function asLong(ours, other, bound) {
  return ratio(`${ours}: at most ${bound} x the time of ${other}`, ours, other, (value) => value <= bound)
}

/** Our memory stays below `bound` megabytes (of a million bytes). */
export function inMemory(ours, bound) {
  return {
    text: `${ours}: under ${bound} MB`,
    judge(measured) {
      const { megabytes } = named(measured, ours)
      return summary(megabytes, (value) => value < bound, 'MB')
    },
  }
}

function ratio(text, above, below, holds) {
  return {
    text,
    judge(measured) {
      const one = named(measured, above)
      const other = named(measured, below)
      if (!one || !other) return { missing: true }
      const ratios = one.seconds.map((seconds, round) => seconds / other.seconds[round])
      // The fastest rounds were disturbed least.
      return { ...summary(ratios, holds, 'x'), best: Math.min(...one.seconds) / Math.min(...other.seconds) }
    },
  }
}

function named(measured, name) {
  return measured.find((one) => one.name === name)
}

function summary(values, holds, unit) {
  const value = median(values)
  return { value, least: Math.min(...values), most: Math.max(...values), unit, met: holds(value) }
}
