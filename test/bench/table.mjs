import { median } from './measure.mjs'

export function tableOf(results) {
  return results
    .map(({ title, busy, contestants, targets }) =>
      [`${title}${disturbance(busy)}`, ...contestants.map(line), ...targets.map(targetLine), ''].join('\n'),
    )
    .join('\n')
}

function disturbance(busy) {
  return busy < 0.1 ? '' : ` (others kept the processors ${Math.round(busy * 100)} % busy before)`
}

function line({ name, seconds, megabytes }) {
  const time = seconds.length
    ? `${median(seconds).toFixed(3)} s (${Math.min(...seconds).toFixed(3)} to ${Math.max(...seconds).toFixed(3)})`
    : ''
  const memory = megabytes.length ? `${Math.round(median(megabytes))} MB` : ''
  return `  ${name.padEnd(44)} ${time.padEnd(30)} ${memory}`.trimEnd()
}

function targetLine({ text, missing, value, least, most, best, unit, met }) {
  if (missing) return `  - ${text}: nothing to compare with on this machine`
  const digits = unit === 'MB' ? 0 : 2
  const found = `${value.toFixed(digits)} ${unit} (${least.toFixed(digits)} to ${most.toFixed(digits)}${best === undefined ? '' : `; of the fastest rounds ${best.toFixed(digits)}`})`
  return `  ${met ? '+' : '!'} ${text}: ${found}${met ? '' : ', NOT MET'}`
}
