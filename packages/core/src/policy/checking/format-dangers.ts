import { shown } from '../../errors.ts'
import { ANY_FORMAT, isKnownFormat, MODEL_FORMATS } from '../model-formats.ts'
import type { MatchText } from '../schema/match.ts'
import { didYouMean } from '../../nearest.ts'
import type { Danger } from './finding.ts'

/** Warns about formats that no adapter of this project loads: after a typing error, another rule would apply to the model. */
export function formatDangers(format: MatchText['format']): Danger[] {
  const unknown = [format ?? []].flat().filter((name) => name !== ANY_FORMAT && !isKnownFormat(name))
  return [...new Set(unknown)].map((name) => ({
    severity: 'warning',
    code: 'FORMAT_UNKNOWN',
    message: `No adapter of modelseal loads the format ${shown(name)}, so the rule applies only to programs that state this format themselves.${didYouMean(name, MODEL_FORMATS)}`,
  }))
}
