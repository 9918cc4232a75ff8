import { shown } from '../../errors.ts'
import { ANY_FORMAT, isKnownFormat, MODEL_FORMATS } from '../model-formats.ts'
import type { MatchText } from '../schema/match.ts'
import { didYouMean } from '../schema/nearest.ts'
import type { Danger } from './finding.ts'

/** Warns of formats that only adapters of others can load: if it is a typing error, another rule decides over the model. */
export function formatDangers(format: MatchText['format']): Danger[] {
  const unknown = [format ?? []].flat().filter((name) => name !== ANY_FORMAT && !isKnownFormat(name))
  return [...new Set(unknown)].map((name) => ({
    severity: 'warning',
    code: 'FORMAT_UNKNOWN',
    message: `No adapter of modelseal loads the format ${shown(name)}, so only a program that states this format itself has this rule decide by it.${didYouMean(name, MODEL_FORMATS)}`,
  }))
}
