// Which mutants are in a sample: always the same ones for a seed, wherever they are tried.
import { createHash } from 'node:crypto'

/**
 * @param {{ fileName: string, mutatorName: string, replacement: string, line: number, column: number }} mutant `fileName` from the root of the repository
 * @param {{ percent: number, seed: string }} sample
 */
export function isSampled({ fileName, mutatorName, replacement, line, column }, { percent, seed }) {
  const what = JSON.stringify([seed, fileName, mutatorName, replacement, line, column])
  return createHash('sha256').update(what).digest().readUInt32BE(0) < (percent / 100) * 2 ** 32
}

/** The sample that MUTATION_SAMPLE names (`PERCENT:SEED`); undefined for all mutants. */
export function sampleOf(text) {
  const [percent, seed = '1'] = (text ?? '').split(':')
  return percent === '' ? undefined : { percent: Number(percent), seed }
}
