import type { ModelFormat } from '../results.ts'

/** Terms that policies and loaders share; apart from the schema, which only reading a policy loads. */

/** What a loader may say that it reads. */
export const MODEL_FORMATS = [
  'onnx',
  'tfjs-graph',
  'tfjs-layers',
  'saved-model',
] as const satisfies readonly ModelFormat[]

/** How the verified bytes become the loaded bytes. */
export const ISOLATION_LEVELS = ['memory', 'copy', 'in-place'] as const
