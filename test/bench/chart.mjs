// Draws the medians of each case as bars, with the spread as a line across the end of each bar.
import { median } from './measure.mjs'

const WIDTH = 960
const NAMES = 330
const BAR = 18
const STEP = 24
const SCALE = WIDTH - NAMES - 170

export function chartOf(heading, results) {
  const parts = []
  let y = 60
  for (const { title, contestants } of results) {
    const timed = contestants.filter(({ seconds }) => seconds.length > 0)
    if (timed.length === 0) continue
    parts.push(text(20, y, title, 'class="case"'))
    y += 14
    const most = Math.max(...timed.flatMap(({ seconds }) => seconds))
    for (const contestant of timed) {
      parts.push(...bar(contestant, y, SCALE / most))
      y += STEP
    }
    y += 30
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif" font-size="13">
<style>.case { font-weight: bold } .ours { fill: #1f6f5c } .other { fill: #b9c2c9 } .spread { stroke: #333; stroke-width: 1.5 }</style>
<rect width="${WIDTH}" height="${y}" fill="#fff"/>
${text(20, 28, heading, 'font-size="14"')}
${parts.join('\n')}
</svg>
`
}

function bar({ name, ours, seconds }, y, scale) {
  const value = median(seconds)
  const [least, most] = [Math.min(...seconds), Math.max(...seconds)].map((one) => (NAMES + one * scale).toFixed(1))
  const middle = y + BAR / 2
  return [
    text(NAMES - 10, middle + 4, name, 'text-anchor="end"'),
    `<rect class="${ours ? 'ours' : 'other'}" x="${NAMES}" y="${y}" width="${(value * scale).toFixed(1)}" height="${BAR}"/>`,
    `<line class="spread" x1="${least}" x2="${most}" y1="${middle}" y2="${middle}"/>`,
    text(Number(most) + 8, middle + 4, `${value.toFixed(value < 1 ? 3 : 2)} s`),
  ]
}

function text(x, y, content, attributes = '') {
  const escaped = content.replace(/[&<>]/g, (char) => `&#${char.charCodeAt(0)};`)
  return `<text x="${x}" y="${y}" ${attributes}>${escaped}</text>`
}
