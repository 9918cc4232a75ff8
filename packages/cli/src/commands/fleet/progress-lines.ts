import type { RunProgress } from '@modelseal/fleet'
import { byteCount, counted, printable } from '../../output.ts'

/** Characters of a line beside the name of a model: its percentage, and `123.4 GB of 123.4 GB`. */
const BESIDE_NAME = 32

/** What fits a terminal: a line for each model that is being worked on, the largest first, and one for all. */
export function progressLines(progress: RunProgress, { columns, rows }: { columns: number; rows: number }): string[] {
  const { current, others } = progress
  // The line of all, and that of the others, must fit as well.
  const told = current.slice(0, Math.max(Math.floor(rows / 2) - 2, 1))
  const untold = others + current.length - told.length
  const width = Math.max(
    Math.min(Math.max(0, ...told.map(({ model }) => printable(model).length)), columns - BESIDE_NAME),
    8,
  )
  return [
    ...told.map(({ model, done, total }) => {
      const name = shortened(printable(model), width).padEnd(width)
      // Its files are not listed yet.
      if (total === 0) return `${name}     `
      const share = String(Math.floor((100 * done) / total)).padStart(3)
      return `${name} ${share} % ${byteCount(done)} of ${byteCount(total)}`
    }),
    ...(untold > 0 ? [`and ${counted(untold, 'more model')}`] : []),
    totalsLine(progress),
  ].map((line) => line.slice(0, columns - 1).trimEnd())
}

/** How far all models are: `12 models done, 1 failed; 3.2 GB hashed, 410.0 MB/s`. */
export function totalsLine({ models, failed, bytes, bytesPerSecond }: RunProgress): string {
  const failures = failed > 0 ? `, ${failed.toLocaleString('en')} failed` : ''
  return `${counted(models, 'model')} done${failures}; ${byteCount(bytes)} hashed, ${byteCount(bytesPerSecond)}/s`
}

/** Without its beginning if it is too long: names differ at their end. */
function shortened(name: string, width: number): string {
  return name.length <= width ? name : `…${name.slice(name.length - width + 1)}`
}
