import type { ModelFormat } from '../results.ts'
import { isSlipOf } from '../nearest.ts'

/** The format that `openVerifiedDataset()` states. */
export const DATASET_FORMAT = 'dataset'

/** The formats that this project loads. Other adapters name their own. */
export const MODEL_FORMATS = [
  'onnx',
  'tfjs-graph',
  'tfjs-layers',
  'saved-model',
  DATASET_FORMAT,
] as const satisfies readonly ModelFormat[]

/** Stands for every format in policies; no format has this name. */
export const ANY_FORMAT = 'any'

/** Part of the JSON Schema, too. */
export const FORMAT_NAME = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/

/** For messages. */
export const OTHER_FORMAT = 'the format of another adapter (1 to 40 lower-case letters, digits and hyphens)'

export function isKnownFormat(format: string): boolean {
  return MODEL_FORMATS.some((known) => known === format)
}

/**
 * A typing error in a known format would name another format: the rule would never match, and a less strict rule could
 * apply instead. Therefore no format may have a name that is one slip away from a known one.
 *
 * @returns the word that was probably meant; undefined for a valid name
 */
export function misspeltFormat(name: string): string | undefined {
  if (isKnownFormat(name)) return undefined
  return [...MODEL_FORMATS, ANY_FORMAT].find((known) => isSlipOf(name, known))
}
